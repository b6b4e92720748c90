import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { h264KeyFrameKind } from "./h264.ts";
import { isKeyFrameStart, keyFrameKind } from "./key-frame.ts";
import { redPrimaryOffset } from "./red.ts";
import { newVp8Descriptor, readVp8Descriptor } from "./vp8.ts";
import { newVp9Descriptor, readVp9Descriptor } from "./vp9.ts";

function starts(mime: string, ...payload: number[]): boolean {
  // Bytes behind the payload say "key frame" in every codec: they must not be looked at.
  const u8 = new Uint8Array([0x67, ...payload, 0x67, 0x67, 0x67]);
  return isKeyFrameStart(mime, u8, 1, payload.length);
}

test("VP8: the first packet of the first partition of a key frame", () => {
  assert.equal(starts("video/vp8", 0x10, 0x00), true, "no extensions");
  assert.equal(starts("video/vp8", 0x10, 0x01), false, "interframe");
  assert.equal(starts("video/vp8", 0x00, 0x00), false, "not the start of a partition");
  assert.equal(starts("video/vp8", 0x11, 0x00), false, "another partition");
  assert.equal(starts("video/vp8", 0x90, 0xf0, 0x81, 0x02, 0x05, 0x40, 0x00), true, "all extensions");
  assert.equal(starts("video/vp8", 0x90, 0xf0, 0x81, 0x02, 0x05, 0x40), false, "no payload");
});

test("VP8: the descriptor's numbers", () => {
  const vp8 = newVp8Descriptor();
  assert.ok(readVp8Descriptor(new Uint8Array([0x90, 0xf0, 0x92, 0x34, 0x56, 0xbf, 0x00]), 0, 7, vp8));
  assert.equal(vp8.length, 6);
  assert.equal(vp8.pictureId, 0x1234);
  assert.equal(vp8.widePictureId, true);
  assert.equal(vp8.tl0PicIdx, 0x56);
  assert.equal(vp8.temporalLayer, 2);
  assert.equal(vp8.layerSync, true);
  assert.equal(vp8.keyIdx, 31);
  assert.ok(readVp8Descriptor(new Uint8Array([0x90, 0x80, 0x7f, 0x00]), 0, 4, vp8));
  assert.equal(vp8.pictureId, 0x7f);
  assert.equal(vp8.widePictureId, false);
  for (let length = 0; length < 6; length++) {
    assert.equal(readVp8Descriptor(new Uint8Array([0x90, 0xf0, 0x92, 0x34, 0x56, 0xbf]), 0, length, vp8), false);
  }
});

test("VP9: a key picture begins in its lowest spatial layer", () => {
  assert.equal(starts("video/vp9", 0x08, 1), true);
  assert.equal(starts("video/vp9", 0x48, 1), false, "inter-predicted");
  assert.equal(starts("video/vp9", 0x00, 1), false, "not the start of a frame");
  assert.equal(starts("video/vp9", 0xa8, 0x81, 0x02, 0x00, 0x00, 1), true);
  assert.equal(starts("video/vp9", 0xa8, 0x81, 0x02, 0x02, 0x00, 1), false, "spatial layer 1");
  const vp9 = newVp9Descriptor();
  assert.ok(readVp9Descriptor(new Uint8Array([0xac, 0x81, 0x02, 0x57, 0x09]), 0, 5, vp9));
  assert.equal(vp9.pictureId, 0x102);
  assert.equal(vp9.temporalLayer, 2);
  assert.equal(vp9.switchingUp, true);
  assert.equal(vp9.spatialLayer, 3);
  assert.equal(vp9.interLayer, true);
  assert.equal(vp9.endsFrame, true);
  assert.equal(readVp9Descriptor(new Uint8Array([0xac, 0x81, 0x02, 0x57]), 0, 4, vp9), false);
});

test("H264: SPS and IDR, alone, aggregated and in fragments", () => {
  assert.equal(starts("video/h264", 0x67, 0x42), true);
  assert.equal(starts("video/h264", 0x65, 0x88), true);
  assert.equal(starts("video/h264", 0x41, 0x9a), false);
  assert.equal(starts("video/h264", 0x78, 0, 2, 0x67, 0x42, 0, 1, 0x68), true, "STAP-A with SPS");
  assert.equal(starts("video/h264", 0x78, 0, 2, 0x06, 0x42, 0, 2, 0x65, 1), true, "STAP-A with IDR behind SEI");
  assert.equal(starts("video/h264", 0x78, 0, 9, 0x67, 0x42), false, "STAP-A cut off");
  assert.equal(starts("video/h264", 0x7c, 0x85, 1), true, "FU-A, first fragment of an IDR");
  assert.equal(starts("video/h264", 0x7c, 0x05, 1), false, "FU-A, later fragment");
  assert.equal(starts("video/h264", 0x7c, 0x81, 1), false, "FU-A of something else");
  assert.ok(h264KeyFrameKind(new Uint8Array([0x67]), 0, 1) > h264KeyFrameKind(new Uint8Array([0x65]), 0, 1));
});

test("H265, AV1 and audio", () => {
  assert.equal(starts("video/h265", 0x42, 0x01, 0), true, "SPS");
  assert.equal(starts("video/h265", 0x26, 0x01, 0), true, "IDR");
  assert.equal(starts("video/h265", 0x02, 0x01, 0), false);
  assert.equal(starts("video/h265", 0x62, 0x01, 0x93), true, "first fragment of an IDR");
  assert.equal(starts("video/h265", 0x62, 0x01, 0x13), false);
  assert.equal(starts("video/h265", 0x60, 0x01, 0, 2, 0x40, 1, 0, 2, 0x26, 1), true, "aggregate with VPS");
  assert.equal(starts("video/av1", 0x18, 0x0a), true);
  assert.equal(starts("video/av1", 0x10, 0x0a), false);
  assert.equal(starts("video/av1", 0x98, 0x0a), false, "N with a continued OBU is forbidden");
  assert.equal(starts("audio/opus", 0xf8), true);
});

test("RED: the primary block is the last one", () => {
  const red = new Uint8Array([0xef, 0, 0x10, 3, 111, 1, 2, 3, 9, 9]);
  assert.equal(redPrimaryOffset(red, 0, red.length), 8);
  assert.equal(redPrimaryOffset(new Uint8Array([111, 5]), 0, 2), 1);
  assert.equal(redPrimaryOffset(red, 0, 7), -1, "redundant data cut off");
  assert.equal(redPrimaryOffset(red, 0, 3), -1, "header cut off");
  assert.equal(redPrimaryOffset(red, 0, 4), -1, "no primary header");
});

test("no payload makes a reader look outside", () => {
  const mimes = ["video/vp8", "video/vp9", "video/h264", "video/h265", "video/av1", "audio/red"];
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 24 }), fc.constantFrom(...mimes), (bytes, mime) => {
      // The verdict depends on the payload alone, not on what stands behind it.
      const a = new Uint8Array([...bytes, 0, 0, 0, 0, 0, 0]);
      const b = new Uint8Array([...bytes, 255, 255, 255, 255, 255, 255]);
      assert.equal(keyFrameKind(mime, a, 0, bytes.length), keyFrameKind(mime, b, 0, bytes.length));
      assert.equal(redPrimaryOffset(a, 0, bytes.length), redPrimaryOffset(b, 0, bytes.length));
    }),
    { numRuns: 3000 },
  );
});
