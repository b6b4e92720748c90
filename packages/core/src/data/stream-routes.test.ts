import assert from "node:assert/strict";
import { test } from "node:test";
import { DataPacket, DataStream_Chunk, DataStream_Header, DataStream_Trailer } from "@livekit/protocol";
import { StreamRoutes } from "./stream-routes.ts";

const header = (streamId: string, destinationIdentities: string[]) =>
  new DataPacket({
    destinationIdentities,
    value: { case: "streamHeader", value: new DataStream_Header({ streamId }) },
  });
const chunk = (streamId: string) =>
  new DataPacket({ value: { case: "streamChunk", value: new DataStream_Chunk({ streamId }) } });
const trailer = (streamId: string) =>
  new DataPacket({ value: { case: "streamTrailer", value: new DataStream_Trailer({ streamId }) } });

test("the recipients of a stream are put together for its header, and for none of its chunks", () => {
  const routes = new StreamRoutes();
  const names = Array.from({ length: 3000 }, (_, i) => `participant-${i}`);
  const to = routes.follow(header("s", [...names, ...names]));
  assert.ok(to instanceof Set);
  assert.equal(to.size, 3000);
  for (let i = 0; i < 3; i++) assert.equal(routes.follow(chunk("s")), to);
  assert.equal(routes.follow(trailer("s")), to);
  assert.equal(routes.follow(chunk("s")), undefined);
});

test("of 256 open streams and of a megabyte of names nothing is forgotten that is newer", () => {
  const routes = new StreamRoutes();
  const known = (id: string) => routes.follow(chunk(id)) !== undefined;
  for (let i = 0; i < 257; i++) routes.follow(header(`s${i}`, ["bob"]));
  assert.deepEqual([known("s0"), known("s1"), known("s256")], [false, true, true]);
  const names = Array.from({ length: 3000 }, (_, i) => `participant-${i}`);
  for (let i = 0; i < 9; i++) routes.follow(header(`long${i}`, names));
  assert.deepEqual(
    Array.from({ length: 9 }, (_, i) => known(`long${i}`)),
    Array.from({ length: 9 }, (_, i) => i > 6),
  );
  // A header that alone is more than may be kept; one that comes again counts once.
  routes.follow(header("huge", ["x".repeat(600_000)]));
  assert.deepEqual([known("huge"), known("long8")], [false, true]);
  for (let i = 0; i < 9; i++) routes.follow(header("long8", names));
  assert.deepEqual([known("long7"), known("long8")], [true, true]);
});
