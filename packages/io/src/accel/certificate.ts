/**
 * The self-signed certificate of a process: ECDSA P-256 with SHA-256 (RFC 8827 section 6.5), written as DER by hand
 * (RFC 5280) and signed by node:crypto. Trust comes from the fingerprint in the SDP, so its names say nothing.
 */
import { createHash, generateKeyPairSync, randomBytes, sign } from "node:crypto";

/** Plain bytes, so that it can be handed to worker threads; all workers of a process share one. */
export interface Certificate {
  readonly certDer: Uint8Array;
  /** SEC 1 (`ECPrivateKey`). */
  readonly keyDer: Uint8Array;
}

const DAY_MS = 86_400_000;

/** Valid from a day ago (clocks differ) for a year. */
const VALID_MS = 365 * DAY_MS;

const OID_ECDSA_SHA256 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
const OID_COMMON_NAME = [0x55, 0x04, 0x03];

/** Makes a key pair and its certificate. */
export function generateCertificate(nowMs: number): Certificate {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const algorithm = sequence(oid(OID_ECDSA_SHA256));
  const commonName = sequence(oid(OID_COMMON_NAME), der(0x0c, ascii("WebRTC")));
  const name = sequence(der(0x31, commonName));
  const from = nowMs - DAY_MS;
  const body = sequence(
    der(0xa0, integer([2])), // version 3
    integer(serialNumber()),
    algorithm,
    name,
    sequence(time(from), time(from + VALID_MS)),
    name,
    publicKey.export({ type: "spki", format: "der" }),
  );
  const signature = sign("sha256", body, privateKey);
  const certDer = sequence(body, algorithm, der(0x03, Uint8Array.of(0, ...signature)));
  return { certDer, keyDer: new Uint8Array(privateKey.export({ type: "sec1", format: "der" })) };
}

/** SHA-256 as in SDP (RFC 8122): upper-case hex pairs joined by colons. */
export function fingerprintOf(certDer: Uint8Array): string {
  return formatFingerprint(createHash("sha256").update(certDer).digest());
}

/** "AB:CD:…" */
export function formatFingerprint(digest: Uint8Array): string {
  return Array.from(digest, (byte) => byte.toString(16).toUpperCase().padStart(2, "0")).join(":");
}

/** 15 random bytes behind a leading one that keeps the number positive and its length fixed. */
function serialNumber(): number[] {
  return [0x40, ...randomBytes(15)];
}

function sequence(...parts: readonly Uint8Array[]): Uint8Array {
  return der(0x30, Buffer.concat(parts));
}

function integer(bytes: readonly number[]): Uint8Array {
  return der(0x02, Uint8Array.from(bytes));
}

function oid(bytes: readonly number[]): Uint8Array {
  return der(0x06, Uint8Array.from(bytes));
}

/** UTCTime until 2049, GeneralizedTime from then on (RFC 5280 section 4.1.2.5). */
function time(ms: number): Uint8Array {
  const date = new Date(ms);
  const digits = date.toISOString().replaceAll(/[-:T]/g, "").slice(0, 14);
  return date.getUTCFullYear() < 2050 ? der(0x17, ascii(`${digits.slice(2)}Z`)) : der(0x18, ascii(`${digits}Z`));
}

function ascii(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function der(tag: number, content: Uint8Array): Uint8Array {
  const { length } = content;
  const head = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Uint8Array.of(tag, ...head, ...content);
}
