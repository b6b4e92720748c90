import { describe, test } from "node:test";
import assert from "node:assert/strict";
import { isIP } from "node:net";
import fc from "fast-check";
import { formatIp, parseIp } from "./ip-address.ts";

describe("IP addresses", () => {
  test("known texts", () => {
    const bytes = (text: string): string => Buffer.from(parseIp(text)!).toString("hex");
    assert.equal(bytes("192.0.2.1"), "c0000201");
    assert.equal(bytes("::"), "00".repeat(16));
    assert.equal(bytes("::1"), `${"00".repeat(15)}01`);
    assert.equal(bytes("2001:db8::8:800:200c:417a"), "20010db80000000000080800200c417a");
    assert.equal(bytes("::ffff:192.0.2.1"), "00000000000000000000ffffc0000201");
    assert.equal(bytes("fe80::1%eth0"), "fe800000000000000000000000000001");
    for (const none of ["", "localhost", "1.2.3", "1.2.3.4.5", "256.1.1.1", ":::", "1::2::3", "g::1"]) {
      assert.equal(parseIp(none), undefined, none);
    }
  });

  test("the text of IPv6 is that of RFC 5952", () => {
    for (const text of [
      "::",
      "::1",
      "2001:db8::1",
      "2001:db8::1:0:0:1",
      "1:0:2:0:3:0:4:0",
      "2001:0:0:1::2",
      "fe80::a:0:0:b",
    ]) {
      assert.equal(formatIp(parseIp(text)!), text);
    }
  });

  test("any bytes survive being written and read", () => {
    const address = fc.oneof(
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.array(fc.constantFrom(0, 0, 0, 1, 255), { minLength: 16, maxLength: 16 }).map((list) => Uint8Array.from(list)),
    );
    fc.assert(
      fc.property(address, (bytes) => {
        const text = formatIp(bytes);
        assert.equal(isIP(text), bytes.length === 4 ? 4 : 6);
        assert.deepEqual(parseIp(text), bytes);
      }),
    );
  });
});
