/** RoomService and AgentDispatchService over real rooms; what happens inside of a room is tested beside `admin/`. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { DisconnectReason, LeaveRequest_Action, SessionDescription, SignalRequest } from "@livekit/protocol";
import { until } from "@stoa/testkit/until";
import { isRefused, verifyToken } from "../auth/verify.ts";
import { KEYS } from "../fixtures.test.ts";
import { join } from "../rooms/harness.test.ts";
import { EVERYTHING, failure, ok, startApi } from "./fixture.test.ts";

const NO_ROOM = [404, "not_found", "requested room does not exist"];
const NOBODY = [404, "not_found", "participant does not exist"];

const CHROMIUM_OFFER = new URL("../../../core/src/negotiation/fixtures/chromium-dual-publish.sdp", import.meta.url);

const byName = (answer: Record<string, unknown>) =>
  (answer["rooms"] as { name: string }[]).map(({ name }) => name).toSorted();

describe("CreateRoom", () => {
  test("makes a room with what is said over the preset over the defaults", async () => {
    const api = startApi(
      "room: {empty_timeout: 11, departure_timeout: 12, room_configurations: {big: {max_participants: 50, metadata: p}}}",
    );
    const room = ok(await api.call("CreateRoom", { name: "lobby", room_preset: "big", metadata: "m" }));
    assert.match(String(room["sid"]), /^RM_\w{12}$/);
    const { empty_timeout, departure_timeout, max_participants, metadata } = room;
    assert.deepEqual([empty_timeout, departure_timeout, max_participants, metadata], [11, 12, 50, "m"]);
  });

  test("is idempotent: what is zero or empty does not overwrite", async () => {
    const api = startApi();
    const first = ok(await api.call("CreateRoom", { name: "lobby", empty_timeout: 77, metadata: "m" }));
    const second = ok(await api.call("CreateRoom", { name: "lobby", departure_timeout: 5 }));
    const { sid, empty_timeout, departure_timeout, metadata } = second;
    assert.deepEqual([sid, empty_timeout, departure_timeout, metadata], [first["sid"], 77, 5, "m"]);
  });

  test("mistakes say which field", async () => {
    const api = startApi("limit: {max_room_name_length: 8, max_metadata_size: 8, max_attributes_size: 8}");
    const long = "x".repeat(9);
    const mistakes = [
      [{ name: "" }, "name"],
      [{ name: long }, "name"],
      [{ name: "a", metadata: long }, "metadata"],
      [{ name: "a", agents: [{ metadata: long }] }, "agents.metadata"],
      [{ name: "a", agents: [{ attributes: { k: long } }] }, "agents.attributes"],
      [{ name: "a", room_preset: "nope" }, "room_preset"],
    ] as const;
    for (const [request, field] of mistakes) {
      const answer = await api.call("CreateRoom", request);
      assert.deepEqual([answer.status, answer.json["code"]], [400, "invalid_argument"], answer.text);
      assert.deepEqual(answer.json["meta"], { argument: field });
    }
    const node = await api.call("CreateRoom", { name: "a", node_id: "ND_other" });
    assert.deepEqual(failure(node), [404, "not_found", "no such node"]);
    const egress = await api.call("CreateRoom", { name: "a", egress: { room: { room_name: "a" } } });
    assert.deepEqual(failure(egress), [500, "internal", "egress not connected (redis required)"]);
    assert.deepEqual(api.registry.names, []);
  });

  test("on a node at its limit no room is made; those that are there stay as they are", async () => {
    const api = startApi();
    ok(await api.call("CreateRoom", { name: "lobby" }));
    api.load.isFull = true;
    const full = [503, "unavailable", "reached configured limit for node"];
    assert.deepEqual(failure(await api.call("CreateRoom", { name: "other" })), full);
    const dispatch = { room: "other", agent_name: "a" };
    const claims = { video: { ...EVERYTHING.video, room: "other" } };
    const answer = await api.call("livekit.AgentDispatchService/CreateDispatch", dispatch, { claims });
    assert.deepEqual(failure(answer), full);
    ok(await api.call("CreateRoom", { name: "lobby", metadata: "m" }));
    assert.deepEqual(api.registry.names, ["lobby"]);
  });

  test("without a media worker it is unavailable", async () => {
    const api = startApi();
    api.media.up = undefined;
    assert.equal((await api.call("CreateRoom", { name: "a" })).json["code"], "unavailable");
  });
});

test("ListRooms gives all, or those that are named; DeleteRoom frees the name", async () => {
  const api = startApi();
  for (const name of ["a", "b", "c"]) await api.call("CreateRoom", { name });
  assert.deepEqual(byName(ok(await api.call("ListRooms"))), ["a", "b", "c"]);
  assert.deepEqual(byName(ok(await api.call("ListRooms", { names: ["c", "absent", "a", "c"] }))), ["a", "c"]);
  const { socket } = await join(api.registry);
  ok(await api.call("DeleteRoom", { room: "lobby" }));
  const { message } = socket.sent.at(-1)!;
  assert.ok(message.case === "leave" && message.value.reason === DisconnectReason.ROOM_DELETED);
  assert.deepEqual(failure(await api.call("DeleteRoom", { room: "lobby" })), NO_ROOM);
  assert.deepEqual(byName(ok(await api.call("ListRooms"))), ["a", "b", "c"]);
});

describe("participants", () => {
  test("a room that is not open has nobody, unless the configuration wants an error", async () => {
    const lenient = startApi();
    assert.deepEqual(ok(await lenient.call("ListParticipants", { room: "lobby" })), { participants: [] });
    const strict = startApi("api: {enable_psrpc_for_get_list_participants: true}");
    assert.deepEqual(failure(await strict.call("ListParticipants", { room: "lobby" })), NO_ROOM);
  });

  test("listed, read, changed, removed", async () => {
    const api = startApi();
    await join(api.registry);
    const { participants } = ok(await api.call("ListParticipants", { room: "lobby" }));
    assert.equal((participants as { identity: string }[])[0]?.identity, "ada");
    const room = "lobby";
    const identity = "ada";
    const change = { room, identity, attributes: { a: "1" }, permission: { can_publish: true } };
    const changed = ok(await api.call("UpdateParticipant", change));
    assert.deepEqual(changed["attributes"], { a: "1" });
    assert.equal((changed["permission"] as Record<string, unknown>)["can_subscribe"], false);
    const read = ok(await api.call("GetParticipant", { room, identity }));
    assert.deepEqual([read["sid"], read["version"]], [changed["sid"], changed["version"]]);
    ok(await api.call("UpdateSubscriptions", { room, identity, track_sids: ["TR_x"], subscribe: true }));
    ok(await api.call("RemoveParticipant", { room, identity }));
    assert.deepEqual(failure(await api.call("GetParticipant", { room, identity })), NOBODY);
    assert.deepEqual(failure(await api.call("RemoveParticipant", { room, identity })), NOBODY);
  });

  test("every method that names a room or a participant says that it does not exist", async () => {
    const api = startApi();
    const methods = ["RemoveParticipant", "MutePublishedTrack", "UpdateParticipant", "UpdateSubscriptions"];
    const request = { room: "lobby", identity: "eve", destination_identity: "eve", destination_room: "attic" };
    const all = [...methods, "ForwardParticipant", "MoveParticipant", "PerformRpc"];
    for (const method of [...all, "SendData", "UpdateRoomMetadata"]) {
      assert.deepEqual(failure(await api.call(method, request)), NO_ROOM, method);
    }
    assert.deepEqual(failure(await api.call("GetParticipant", request)), NOBODY);
    await api.call("CreateRoom", { name: "lobby" });
    for (const method of [...all, "GetParticipant"]) {
      assert.deepEqual(failure(await api.call(method, request)), NOBODY, method);
    }
  });
});

describe("moving", () => {
  const request = { room: "lobby", identity: "ada", destination_room: "attic" };

  test("the client gets a token for the other room, which is made, and is told to connect anew", async () => {
    const api = startApi();
    const { socket } = await join(api.registry, "protocol=16&sdk=js", { name: "Ada", metadata: "m" });
    ok(await api.call("MoveParticipant", request));
    const [token, leave] = socket.sent.slice(-2).map(({ message }) => message);
    assert.ok(token?.case === "refreshToken" && leave?.case === "leave");
    assert.equal(leave.value.action, LeaveRequest_Action.RECONNECT);
    const verified = await verifyToken(KEYS, token.value, Date.now());
    assert.ok(!isRefused(verified));
    const { identity, name, metadata, video } = verified.grants;
    assert.deepEqual([identity, name, metadata, video?.room, video?.roomJoin], ["ada", "Ada", "m", "attic", true]);
    assert.deepEqual(api.registry.names, ["lobby", "attic"]);
    assert.deepEqual(ok(await api.call("ListParticipants", { room: "lobby" })), { participants: [] });
  });

  test("not into the same room, nor into a full one, nor into one that does not exist and may not be made", async () => {
    const api = startApi("room: {auto_create: false}");
    await api.call("CreateRoom", { name: "lobby" });
    await join(api.registry);
    const same = { claims: { video: { roomAdmin: true, room: "lobby", destinationRoom: "lobby" } } };
    for (const method of ["MoveParticipant", "ForwardParticipant"]) {
      const answer = await api.call(method, { ...request, destination_room: "lobby" }, same);
      assert.deepEqual(
        [answer.json["code"], answer.json["meta"]],
        ["invalid_argument", { argument: "destination_room" }],
      );
      const absent = await api.call(method, request);
      assert.deepEqual(failure(absent), [404, "not_found", "destination room does not exist"]);
    }
    await api.call("CreateRoom", { name: "attic", max_participants: 1 });
    await join(api.registry, undefined, { sub: "bob", video: { roomJoin: true, room: "attic" } });
    assert.equal((await api.call("MoveParticipant", request)).json["code"], "resource_exhausted");
  });
});

describe("forwarding", () => {
  const request = { room: "lobby", identity: "ada", destination_room: "attic" };
  const people = async (api: ReturnType<typeof startApi>) => {
    const claims = { video: { roomAdmin: true, room: "attic" } };
    const answer = ok(await api.call("ListParticipants", { room: "attic" }, { claims }));
    return answer["participants"] as { identity: string; name: string; kind_details: string[] }[];
  };

  test("a room that is made for it is on the right worker; changes and the end are followed", async () => {
    const api = startApi();
    await join(api.registry);
    api.media.up = 1;
    ok(await api.call("ForwardParticipant", request));
    assert.equal(api.registry.find("attic")?.worker, 0);
    assert.deepEqual(
      (await people(api)).map(({ identity, kind_details }) => [identity, kind_details]),
      [["ada", ["FORWARDED"]]],
    );
    ok(await api.call("UpdateParticipant", { room: "lobby", identity: "ada", name: "Ada" }));
    await until(async () => (await people(api))[0]?.name === "Ada", 2000, "the new name");
    ok(await api.call("RemoveParticipant", { room: "lobby", identity: "ada" }));
    await until(async () => (await people(api)).length === 0, 2000, "the end");
  });

  test("to a room on another media worker the media is relayed, as long as it is shown there", async () => {
    const api = startApi();
    api.media.tcp = true;
    const { socket } = await join(api.registry, "protocol=16&sdk=js&auto_subscribe=1");
    const offered = new SessionDescription({ type: "offer", sdp: readFileSync(CHROMIUM_OFFER, "utf8") });
    const joined = socket.sent[0]!.message;
    assert.ok(joined.case === "join");
    const { sid } = joined.value.participant!;
    const offer = new SignalRequest({ message: { case: "offer", value: offered } });
    api.registry.find("lobby")!.handleRequest(sid, socket.id, offer);
    api.media.up = 1;
    await api.call("CreateRoom", { name: "attic" });
    ok(await api.call("ForwardParticipant", request));
    const relays = () => {
      const { commands } = api.media;
      const opened = commands.flatMap(({ command }) => (command.type === "openPeer" && command.dial ? [command] : []));
      const closed = commands.filter(({ command }) =>
        opened.some(({ peer }) => command.type === "closePeer" && command.peer === peer),
      );
      return [opened.length, closed.length];
    };
    await until(() => relays()[0] === 1, 2000, "the call to the other worker");
    ok(await api.call("RemoveParticipant", { room: "lobby", identity: "ada" }));
    await until(async () => (await people(api)).length === 0, 2000, "the end");
    await until(() => relays()[1] === 1, 2000, "the end of the call");
  });

  test("between media workers without a TCP port it is refused in words", async () => {
    const api = startApi();
    await join(api.registry);
    api.media.up = 1;
    await api.call("CreateRoom", { name: "attic" });
    const answer = await api.call("ForwardParticipant", request);
    assert.equal(answer.json["code"], "failed_precondition");
    assert.match(String(answer.json["msg"]), /^the rooms are on different media workers/);
  });
});

describe("agent dispatches", () => {
  const service = "livekit.AgentDispatchService";

  test("a dispatch makes the room; it is listed and deleted", async () => {
    const api = startApi();
    const dispatch = { room: "lobby", agent_name: "clerk", metadata: "m", attributes: { a: "1" } };
    const made = ok(await api.call(`${service}/CreateDispatch`, dispatch));
    const { agent_name, room, metadata, attributes } = made;
    assert.deepEqual({ agent_name, room, metadata, attributes }, dispatch);
    assert.deepEqual(api.registry.names, ["lobby"]);
    const one = { room: "lobby", dispatch_id: made["id"] };
    assert.deepEqual(ok(await api.call(`${service}/ListDispatch`, one))["agent_dispatches"], [made]);
    assert.equal(ok(await api.call(`${service}/DeleteDispatch`, one))["id"], made["id"]);
    assert.deepEqual(ok(await api.call(`${service}/ListDispatch`, one)), { agent_dispatches: [] });
    assert.deepEqual(failure(await api.call(`${service}/DeleteDispatch`, one)), [
      404,
      "not_found",
      "dispatch ID not found",
    ]);
  });

  test("mistakes say which field", async () => {
    const api = startApi("room: {auto_create: false}");
    for (const deployment of ["a_b", "a b", "a\tb", "x".repeat(65)]) {
      const answer = await api.call(`${service}/CreateDispatch`, { room: "lobby", deployment });
      assert.deepEqual([answer.status, answer.json["meta"]], [400, { argument: "deployment" }], answer.text);
    }
    assert.deepEqual(failure(await api.call(`${service}/CreateDispatch`, { room: "lobby" })), NO_ROOM);
    assert.deepEqual(failure(await api.call(`${service}/ListDispatch`, { room: "lobby" })), NO_ROOM);
  });
});

test("egress: of a room that is open there is nobody to record it, of another one there is nothing", async () => {
  const api = startApi();
  const start = async (method: string, request: object) => failure(await api.call(`livekit.Egress/${method}`, request));
  const nobody = [503, "unavailable", "no response from servers"];
  ok(await api.call("CreateRoom", { name: "lobby" }));
  for (const method of ["StartRoomCompositeEgress", "StartParticipantEgress", "StartTrackEgress"]) {
    assert.deepEqual(await start(method, { room_name: "lobby" }), nobody);
    assert.deepEqual(await start(method, { room_name: "nope" }), [404, "not_found", "requested room does not exist"]);
  }
  assert.deepEqual(await start("StartWebEgress", { url: "https://example.com" }), nobody);
});

test("a call to a participant ends with its answer, or with its error in words", async () => {
  const api = startApi();
  const { socket } = await join(api.registry);
  const { message } = socket.sent[0]!;
  assert.ok(message.case === "join");
  const call = { room: "lobby", destination_identity: "ada", method: "m", payload: "p" };
  const pending = api.call("PerformRpc", call);
  await until(() => api.media.commands.some(({ command }) => command.type === "awaitRpc"), 2000, "the request");
  ok(await api.call("RemoveParticipant", { room: "lobby", identity: "ada" }));
  const answer = await pending;
  assert.deepEqual(failure(answer), [503, "unavailable", "RpcError 1503: Recipient disconnected"]);
  assert.deepEqual(answer.json["meta"], { rpc_code: "1503" });
});
