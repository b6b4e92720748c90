/** P16: every method with no token, with the wrong grant, with the right one. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EVERYTHING, startApi } from "./fixture.test.ts";
import { SERVICES } from "./services.ts";

const admin = { roomAdmin: true, room: "lobby" };
const between = { ...admin, destinationRoom: "attic" };
const RIGHT: Readonly<Record<string, Record<string, unknown>>> = {
  "livekit.RoomService": { video: admin },
  "livekit.RoomService/CreateRoom": { video: { roomCreate: true } },
  "livekit.RoomService/DeleteRoom": { video: { roomCreate: true } },
  "livekit.RoomService/ListRooms": { video: { roomList: true } },
  "livekit.RoomService/ForwardParticipant": { video: between },
  "livekit.RoomService/MoveParticipant": { video: between },
  "livekit.AgentDispatchService": { video: admin },
  "livekit.Egress": { video: { roomRecord: true } },
  "livekit.Ingress": { video: { ingressAdmin: true } },
  "livekit.SIP": { sip: { admin: true } },
  "livekit.SIP/CreateSIPParticipant": { sip: { call: true } },
  "livekit.SIP/TransferSIPParticipant": { sip: { call: true }, video: admin },
};

/** Everything but what the right token grants. */
function without(right: Record<string, unknown>): Record<string, unknown> {
  const rest = (all: object, taken: object = {}) =>
    Object.fromEntries(Object.entries(all).filter(([name]) => !(name in taken) || name === "room"));
  return {
    video: rest(EVERYTHING.video, right["video"] as object),
    sip: rest(EVERYTHING.sip, right["sip"] as object),
  };
}

const REQUEST = JSON.stringify({ room: "lobby", room_name: "lobby", name: "lobby", destination_room: "attic" });

for (const [service, methods] of Object.entries(SERVICES)) {
  for (const method of Object.keys(methods)) {
    const name = `${service}/${method}`;
    test(`${name}: no token, the wrong grant, the right one`, async () => {
      const api = startApi();
      const right = RIGHT[name] ?? RIGHT[service]!;
      const denied = { code: "unauthenticated", msg: "permissions denied" };
      const wrong = [null, { video: undefined }, without(right)];
      if ("room" in ((right["video"] as object) ?? {})) {
        wrong.push({ ...right, video: { ...(right["video"] as object), room: "other" } });
      }
      for (const claims of wrong) {
        const answer = await api.post(`/twirp/${name}`, REQUEST, { claims });
        assert.deepEqual([answer.status, answer.json], [401, denied], JSON.stringify(claims));
        assert.equal(answer.contentType, "application/json");
      }
      const answer = await api.post(`/twirp/${name}`, REQUEST, { claims: { video: undefined, ...right } });
      assert.ok(answer.status !== 401 && answer.json["code"] !== "bad_route", answer.text);
    });
  }
}

test("moving and forwarding need the right to put somebody into that very room", async () => {
  const api = startApi();
  for (const method of ["MoveParticipant", "ForwardParticipant"]) {
    for (const video of [admin, { ...admin, destinationRoom: "cellar" }]) {
      const request = { room: "lobby", identity: "ada", destination_room: "attic" };
      assert.equal((await api.call(method, request, { claims: { video } })).status, 401);
    }
  }
});
