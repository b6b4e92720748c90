/** Publishing data tracks: what is refused, what is passed on, how many there may be. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  DataTrackFrameEncoding,
  DataTrackSchemaEncoding,
  DataTrackSchemaId,
  Encryption_Type,
  RequestResponse_Reason,
} from "@livekit/protocol";
import { AUTO, request, publish, unpublish, sidsOf, sees, receivers } from "./harness-data.test.ts";
import { World } from "./harness.test.ts";

const {
  DUPLICATE_HANDLE,
  DUPLICATE_NAME,
  INVALID_HANDLE,
  INVALID_NAME,
  INVALID_REQUEST,
  LIMIT_EXCEEDED,
  NOT_ALLOWED,
  NOT_FOUND,
} = RequestResponse_Reason;

for (const [what, more, reason] of [
  ["handle 0", { pubHandle: 0 }, INVALID_HANDLE],
  ["a handle beyond 16 bits", { pubHandle: 65_536 }, INVALID_HANDLE],
  ["no name", { name: "" }, INVALID_NAME],
  ["a long name", { name: "é".repeat(129) }, INVALID_NAME],
  [
    "an encoding without name",
    { frameEncoding: new DataTrackFrameEncoding({ value: { case: "custom", value: "" } }) },
    INVALID_REQUEST,
  ],
  [
    "an encoding with a long name",
    { frameEncoding: new DataTrackFrameEncoding({ value: { case: "custom", value: "x".repeat(33) } }) },
    INVALID_REQUEST,
  ],
  [
    "a schema in an encoding with a long name",
    {
      schema: new DataTrackSchemaId({
        name: "s",
        encoding: new DataTrackSchemaEncoding({ value: { case: "custom", value: "x".repeat(33) } }),
      }),
    },
    INVALID_REQUEST,
  ],
  ["a handle that names another one", { pubHandle: 5, name: "other" }, DUPLICATE_HANDLE],
  ["a name that another one has", { pubHandle: 6, name: "pose" }, DUPLICATE_NAME],
  ["a schema of any length", { schema: new DataTrackSchemaId({ name: "x".repeat(128 * 1024) }) }, LIMIT_EXCEEDED],
] as const) {
  test(`a data track is refused: ${what}`, () => {
    const world = new World();
    const ada = world.connect("ada");
    const bob = world.connect("bob");
    publish(ada, 5, "pose");
    bob.forget();
    request(ada, { pubHandle: 1, name: "x", ...more });
    const response = ada.last("requestResponse")!;
    assert.equal(response.reason, reason);
    assert.ok(response.message.length > 0);
    // The client finds its request by this.
    assert.ok(response.request.case === "publishDataTrack");
    assert.equal(response.request.value.pubHandle, "pubHandle" in more ? more.pubHandle : 1);
    assert.equal(ada.all("publishDataTrackResponse").length, 1);
    assert.deepEqual([bob.messages.length, sees(bob, "ada")], [0, ["pose"]]);
  });
}

test("handle and name are free for others, and again after the end of the track", () => {
  const world = new World();
  const ada = world.connect("ada");
  const bob = world.connect("bob", AUTO);
  const carol = world.connect("carol");
  const first = publish(ada, 65_535, "é".repeat(128));
  publish(carol, 65_535, "é".repeat(128));
  assert.equal(sidsOf(bob).length, 2);
  bob.forget();
  unpublish(ada, 65_535);
  assert.equal(ada.last("unpublishDataTrackResponse")?.info?.sid, first.sid);
  assert.deepEqual([sees(bob, "ada"), receivers(world, ada, 65_535)], [[], []]);
  assert.equal(sidsOf(bob).length, 1);
  const second = publish(ada, 65_535, "é".repeat(128));
  assert.notEqual(second.sid, first.sid);
  assert.deepEqual(receivers(world, ada, 65_535), [`bob: ${second.sid}`]);
});

test("what is not published cannot be unpublished", () => {
  const world = new World();
  const ada = world.connect("ada");
  publish(world.connect("bob"), 1);
  unpublish(ada, 1);
  const response = ada.last("requestResponse")!;
  assert.deepEqual([response.reason, response.request.case], [NOT_FOUND, "unpublishDataTrack"]);
  assert.equal(ada.last("unpublishDataTrackResponse"), undefined);
});

test("whoever may not publish data publishes no data track", () => {
  const ada = new World().connect("ada", { grants: { canPublishData: false } });
  request(ada, { pubHandle: 1, name: "x" });
  const response = ada.last("requestResponse")!;
  assert.deepEqual([response.reason, response.message], [NOT_ALLOWED, "does not have permission to publish data"]);
});

test("where data tracks are switched off, no channel is opened for them", () => {
  const labels = (dataTracks: { encodingBytes: number } | undefined) => {
    const world = new World({}, {}, { dataTracks });
    world.connect("ada", { peerConnections: "dual" });
    return [...world.openPeers.values()].flatMap(({ channels }) => channels.map(({ label }) => label));
  };
  assert.deepEqual(labels({ encodingBytes: 32 }), ["_reliable", "_lossy", "_data_track"]);
  assert.deepEqual(labels(undefined), ["_reliable", "_lossy"]);
});

test("that a track is encrypted, its encoding and its schema are passed on", () => {
  const world = new World();
  const ada = world.connect("ada");
  const bob = world.connect("bob");
  const frameEncoding = new DataTrackFrameEncoding({ value: { case: "custom", value: "cdr" } });
  const schema = new DataTrackSchemaId({ name: "Pose" });
  request(ada, { pubHandle: 1, name: "pose", encryption: Encryption_Type.GCM, frameEncoding, schema });
  const told = ada.last("publishDataTrackResponse")!.info!;
  assert.ok(bob.sees("ada")!.dataTracks[0]!.equals(told));
  const { pubHandle, name, encryption } = told;
  assert.deepEqual([pubHandle, name, encryption], [1, "pose", Encryption_Type.GCM]);
  assert.deepEqual([told.frameEncoding?.equals(frameEncoding), told.schema?.equals(schema)], [true, true]);
});

test("one participant cannot have endlessly many", () => {
  const world = new World();
  const ada = world.connect("ada");
  let published = 0;
  for (let handle = 1; handle <= 1000; handle++) {
    request(ada, { pubHandle: handle, name: `${handle} ${"x".repeat(200)}` });
    if (ada.last("requestResponse")) break;
    published++;
  }
  assert.equal(ada.lastReason, LIMIT_EXCEEDED);
  assert.ok(published > 500, `${published} published`);
  assert.ok(world.connect("bob").sees("ada")!.toBinary().length < 140_000);
  unpublish(ada, 1);
  publish(ada, 1001, `1001 ${"x".repeat(200)}`);
});
