import assert from "node:assert/strict";
import { test } from "node:test";
import { fmtpValue, matchCodec } from "./codec-match.ts";
import { H264, OPUS, VP8 } from "./harness-specs.test.ts";

test("codecs are matched by name and by what decides whether they can be decoded", () => {
  const mode0 = { ...H264, fmtp: "packetization-mode=0;profile-level-id=42e01f" };
  const high = { ...H264, fmtp: "packetization-mode=1;profile-level-id=640032" };
  assert.equal(matchCodec(VP8, [H264, VP8]), 1);
  assert.equal(matchCodec(OPUS, [VP8]), -1);
  assert.equal(matchCodec(H264, [mode0, high, H264]), 2, "same mode and profile");
  assert.equal(matchCodec(H264, [mode0]), -1, "fragments cannot be taken");
  assert.equal(matchCodec(mode0, [H264]), 0);
  assert.equal(matchCodec(high, [H264]), 0, "better than nothing");
  const vp9 = (profile: string) => ({ ...VP8, mime: "video/vp9", fmtp: profile });
  assert.equal(matchCodec(vp9("profile-id=2"), [vp9("profile-id=0")]), -1);
  assert.equal(matchCodec(vp9(""), [vp9("profile-id=0")]), 0);
  assert.equal(fmtpValue(" Profile-Level-Id = 42E01F ; x", "profile-level-id"), "");
  assert.equal(fmtpValue("a=1; Profile-Level-Id=42E01F", "profile-level-id"), "42e01f");
});
