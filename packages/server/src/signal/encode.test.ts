import assert from "node:assert/strict";
import { test } from "node:test";
import { JoinResponse, ParticipantInfo, ParticipantUpdate, Room, SignalResponse, TrackInfo } from "@livekit/protocol";
import { encodeResponse } from "./encode.ts";

function participants(count: number): ParticipantInfo[] {
  return Array.from(
    { length: count },
    (_, i) =>
      new ParticipantInfo({
        sid: `PA_${i}`,
        identity: `identity ${i}`,
        attributes: { number: `${i}` },
        joinedAtMs: BigInt(1_700_000_000_000 + i),
        tracks: i % 3 === 0 ? [new TrackInfo({ sid: `TR_${i}`, width: i, height: i })] : [],
      }),
  );
}

function join(others: ParticipantInfo[]): SignalResponse {
  const value = new JoinResponse({ room: new Room({ name: "r" }), sifTrailer: Uint8Array.of(1, 2), fastPublish: true });
  value.otherParticipants = others;
  return new SignalResponse({ message: { case: "join", value } });
}

function update(infos: ParticipantInfo[]): SignalResponse {
  const value = new ParticipantUpdate();
  value.participants = infos;
  return new SignalResponse({ message: { case: "update", value } });
}

test("what was encoded before is not encoded again, and makes the same bytes as at first", () => {
  const infos = participants(50);
  const expected = [join(infos), update(infos.slice(10)), join(infos.slice(0, 20))].map((message) =>
    message.toBinary(),
  );
  const messages = [join(infos), update(infos.slice(10)), join(infos.slice(0, 20))];
  for (const round of [1, 2]) {
    for (const [i, message] of messages.entries()) {
      assert.deepEqual(encodeResponse(message, "binary"), expected[i], `round ${round}`);
    }
  }
  const fresh = join(infos);
  // A message that was sent must not change; were it encoded anew, this would show.
  infos[7]!.name = "changed";
  assert.deepEqual(encodeResponse(fresh, "binary"), expected[0]);
});

test("a changed info is another object, also as a clone, and is encoded as it is", () => {
  const [info] = participants(1);
  encodeResponse(update([info!]), "binary");
  const changed = info!.clone();
  changed.name = "changed";
  const bytes = encodeResponse(update([changed]), "binary") as Uint8Array;
  const { message } = SignalResponse.fromBinary(bytes);
  assert.equal(message.case === "update" && message.value.participants[0]!.name, "changed");
});

test("JSON says the same as the binary form", () => {
  const message = join(participants(5));
  const binary = SignalResponse.fromBinary(encodeResponse(message, "binary") as Uint8Array);
  assert.ok(SignalResponse.fromJsonString(encodeResponse(message, "json") as string).equals(binary));
});
