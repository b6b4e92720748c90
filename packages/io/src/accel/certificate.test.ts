import { describe, test } from "node:test";
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { fingerprintOf, generateCertificate } from "./certificate.ts";

describe("certificate", () => {
  test("is a valid self-signed ECDSA P-256 one, valid since yesterday for a year", () => {
    const now = Date.UTC(2030, 0, 2, 3, 4, 5);
    const { certDer } = generateCertificate(now);
    const parsed = new X509Certificate(certDer);
    assert.equal(parsed.verify(parsed.publicKey), true);
    assert.equal(parsed.publicKey.asymmetricKeyDetails?.namedCurve, "prime256v1");
    assert.equal(Date.parse(parsed.validFrom), now - 86_400_000);
    assert.equal(Date.parse(parsed.validTo), now + 364 * 86_400_000);
    assert.equal(parsed.fingerprint256, fingerprintOf(certDer));
    assert.notEqual(parsed.serialNumber, new X509Certificate(generateCertificate(now).certDer).serialNumber);
  });

  test("changes its notation of time in 2050", () => {
    const parsed = new X509Certificate(generateCertificate(Date.UTC(2049, 6, 1)).certDer);
    assert.equal(Date.parse(parsed.validTo), Date.UTC(2049, 6, 1) + 364 * 86_400_000);
  });
});
