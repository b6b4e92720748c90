/**
 * The `join_request` parameter (livekit.md 1.3): base64 of WrappedJoinRequest, perhaps gzipped. LiveKit wants the padded
 * URL-safe alphabet; the standard one and missing padding are taken too. Invariant: nothing above 1 MiB is ever inflated.
 */
import { gunzipSync } from "node:zlib";
import { JoinRequest, WrappedJoinRequest, WrappedJoinRequest_Compression } from "@livekit/protocol";
import { httpFailure, type HttpFailure } from "./http-failure.ts";

const MAX_JOIN_REQUEST_BYTES = 1 << 20;

/** Decodes the parameter; every mistake of the client is a 400 with LiveKit's text. */
export function decodeJoinRequest(parameter: string): JoinRequest | HttpFailure {
  const bytes = decodeBase64(parameter);
  if (!bytes) return refuse("cannot base64 decode wrapped join request");
  const wrapped = attempt(() => WrappedJoinRequest.fromBinary(bytes));
  if (!wrapped) return refuse("cannot unmarshal wrapped join request");
  const plain = inflate(wrapped);
  if ("body" in plain) return plain;
  return attempt(() => JoinRequest.fromBinary(plain)) ?? refuse("cannot unmarshal join request");
}

/** URL-safe or standard base64, padded or not; undefined for anything else. Line breaks are skipped. */
export function decodeBase64(text: string): Buffer | undefined {
  // a "+" that was not escaped arrives as a space
  const plain = text
    .replaceAll(/[\r\n]/g, "")
    .replaceAll("-", "+")
    .replaceAll("_", "/")
    .replaceAll(" ", "+");
  const unpadded = plain.replace(/={1,2}$/, "");
  if (!/^[A-Za-z0-9+/]*$/.test(unpadded) || unpadded.length % 4 === 1) return undefined;
  return Buffer.from(unpadded, "base64");
}

function inflate(wrapped: WrappedJoinRequest): Uint8Array | HttpFailure {
  const bytes = wrapped.joinRequest;
  if (wrapped.compression !== WrappedJoinRequest_Compression.GZIP) {
    return bytes.length > MAX_JOIN_REQUEST_BYTES ? refuse("join request too large") : bytes;
  }
  try {
    return gunzipSync(bytes, { maxOutputLength: MAX_JOIN_REQUEST_BYTES });
  } catch (error) {
    const large = (error as { code?: string }).code === "ERR_BUFFER_TOO_LARGE";
    return refuse(large ? "join request too large" : "cannot read decompressed join request");
  }
}

function refuse(body: string): HttpFailure {
  return httpFailure("invalid_argument", body);
}

function attempt<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch {
    return undefined;
  }
}
