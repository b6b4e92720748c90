/** Data, calls, dispatches and settings of a room through the API. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  CreateAgentDispatchRequest,
  DataPacket,
  DataPacket_Kind,
  Job,
  RoomAgentDispatch,
  RoomConfiguration,
  RpcAck,
  RpcError,
  RpcResponse,
  SendDataRequest,
} from "@livekit/protocol";
import type { MediaCommand } from "../../engine/commands.ts";
import { World } from "../harness.test.ts";
import { createDispatch, deleteDispatch, listDispatches, noteJob } from "./dispatch.ts";
import { performRpc } from "./perform-rpc.ts";
import { removeParticipant } from "./remove-participant.ts";
import { sendData } from "./send-data.ts";
import { reconfigureRoom } from "./update-room.ts";

type SentData = Extract<MediaCommand, { type: "sendData" }>;
const packetOf = ({ packet }: SentData) => DataPacket.fromBinary(packet);

describe("sending data", () => {
  const request = (more: Partial<SendDataRequest> = {}) =>
    new SendDataRequest({ data: Uint8Array.of(1, 2), kind: DataPacket_Kind.RELIABLE, topic: "t", ...more });

  test("to everybody, without a sender, on the channel that the kind names", () => {
    const world = new World();
    world.connect("ada");
    world.act(sendData(request()));
    world.act(sendData(request({ kind: DataPacket_Kind.LOSSY })));
    const sent = world.commands("sendData");
    assert.deepEqual(
      sent.map(({ to, reliable }) => [to, reliable]),
      [
        [undefined, true],
        [undefined, false],
      ],
    );
    const packet = packetOf(sent[0]!);
    assert.deepEqual([packet.participantIdentity, packet.participantSid], ["", ""]);
    assert.ok(packet.value.case === "user");
    assert.deepEqual([packet.value.value.topic, [...packet.value.value.payload]], ["t", [1, 2]]);
  });

  test("to those that are named, by identity or SID; names that nobody has reach nobody", () => {
    const world = new World();
    const ada = world.connect("ada");
    const bob = world.connect("bob");
    world.connect("carol");
    world.act(sendData(request({ destinationIdentities: ["ada", "nobody"], destinationSids: [bob.sid, ada.sid] })));
    assert.deepEqual(world.commands("sendData")[0]?.to?.toSorted(), [ada.sid, bob.sid].toSorted());
    assert.equal(world.act(sendData(request({ destinationIdentities: ["nobody"] }))), true);
    assert.equal(world.commands("sendData").length, 1);
  });

  test("once for each nonce, which has 16 bytes or none; old nonces are forgotten", () => {
    const world = new World();
    const nonce = (n: number) => Uint8Array.from({ length: 16 }, () => n);
    for (const n of [1, 1, 2, 1]) world.act(sendData(request({ nonce: nonce(n) })));
    assert.equal(world.commands("sendData").length, 2);
    for (let n = 3; n < 103; n++) world.act(sendData(request({ nonce: nonce(n) })));
    world.act(sendData(request({ nonce: nonce(1) })));
    assert.equal(world.commands("sendData").length, 103);
    const short = world.act(sendData(request({ nonce: Uint8Array.of(1) })));
    assert.equal(short, "invalid_argument: nonce should be 16-bytes or not present, got: 1 bytes");
  });
});

describe("calling a participant", () => {
  const call = (world: World, more: object = {}) =>
    world.act(performRpc({ destinationIdentity: "ada", method: "m", payload: "p", responseTimeoutMs: 5000, ...more }));
  const reply = (world: World, participant: string, value: DataPacket["value"]) => {
    const packet = new DataPacket({ value }).toBinary();
    world.room.handleMedia({ type: "rpcReply", participant, packet }, world.nowMs);
    world.perform();
  };
  const ack = (requestId: string) => ({ case: "rpcAck" as const, value: new RpcAck({ requestId }) });
  const answer = (requestId: string, value: RpcResponse["value"]) => ({
    case: "rpcResponse" as const,
    value: new RpcResponse({ requestId, value }),
  });
  const outcomes = (world: World) =>
    world.effects.flatMap((effect) => (effect.type === "rpcDone" ? [effect.outcome] : []));

  test("the request goes to it alone; its acknowledgement and its answer end the call", () => {
    const world = new World();
    const ada = world.connect("ada");
    world.connect("bob");
    const id = call(world);
    const [sent] = world.commands("sendData");
    assert.deepEqual([sent?.to, sent?.reliable], [[ada.sid], true]);
    const packet = packetOf(sent!);
    assert.equal(packet.participantIdentity, id);
    assert.ok(packet.value.case === "rpcRequest");
    const { method, payload, responseTimeoutMs, version } = packet.value.value;
    assert.deepEqual([method, payload, responseTimeoutMs, version], ["m", "p", 5000, 1]);
    reply(world, ada.sid, ack(id));
    world.advance(4000);
    assert.deepEqual(outcomes(world), []);
    reply(world, ada.sid, answer(id, { case: "payload", value: "pong" }));
    reply(world, ada.sid, answer(id, { case: "payload", value: "again" }));
    world.advance(10_000);
    assert.deepEqual(outcomes(world), [{ payload: "pong" }]);
    assert.deepEqual(
      world.commands("awaitRpc").map(({ awaited }) => awaited),
      [true, false],
    );
  });

  test("the error of the application passes through", () => {
    const world = new World();
    const ada = world.connect("ada");
    const error = { code: 42, message: "no", data: "d" };
    reply(world, ada.sid, answer(call(world), { case: "error", value: new RpcError(error) }));
    assert.deepEqual(outcomes(world), [{ error }]);
  });

  test("silence, a late answer and a departure have their codes", () => {
    const world = new World();
    const ada = world.connect("ada");
    const codes = () => outcomes(world).map((outcome) => ("error" in outcome ? outcome.error.code : 0));
    call(world);
    world.advance(2000);
    assert.deepEqual(codes(), [1501]);
    reply(world, ada.sid, ack(call(world)));
    world.advance(5000);
    assert.deepEqual(codes(), [1501, 1502]);
    reply(world, ada.sid, ack(call(world)));
    world.act(removeParticipant("ada"));
    assert.deepEqual(codes(), [1501, 1502, 1503]);
  });

  for (const [what, responseTimeoutMs, endsMs] of [
    ["ten seconds unless the caller says something", 0, 10_000],
    ["two minutes at most", 3_600_000, 120_000],
  ] as const) {
    test(`an answer is awaited for ${what}`, () => {
      const world = new World();
      const ada = world.connect("ada");
      reply(world, ada.sid, ack(call(world, { responseTimeoutMs })));
      const packet = packetOf(world.commands("sendData")[0]!);
      assert.ok(packet.value.case === "rpcRequest");
      assert.equal(packet.value.value.responseTimeoutMs, endsMs, "and the participant knows");
      world.advance(endsMs - 1);
      assert.deepEqual(outcomes(world), []);
      world.advance(1);
      assert.equal(outcomes(world).length, 1);
    });
  }

  test("a thousand calls of a room may wait, no more", () => {
    const world = new World();
    const ada = world.connect("ada");
    const ids = Array.from({ length: 1000 }, () => call(world));
    assert.equal(new Set(ids).size, 1000);
    assert.equal(call(world), "resource_exhausted: 1000 calls of this room wait for their answers already");
    reply(world, ada.sid, answer(ids[0]!, { case: "payload", value: "pong" }));
    assert.match(call(world), /^RPC_/);
  });

  test("an answer from somebody else is a forgery", () => {
    const world = new World();
    world.connect("ada");
    const eve = world.connect("eve");
    reply(world, eve.sid, answer(call(world), { case: "payload", value: "lie" }));
    assert.deepEqual(outcomes(world), []);
  });

  test("what cannot be called is refused", () => {
    const world = new World();
    world.connect("ada");
    assert.equal(call(world, { destinationIdentity: "" }), "invalid_argument: destination identity is required");
    assert.equal(call(world, { destinationIdentity: "bob" }), "not_found: participant does not exist");
    const large = call(world, { payload: "x".repeat(15_361) });
    assert.equal(large, "invalid_argument: RpcError 1402: Request payload too large (at most 15360 bytes)");
  });
});

describe("agent dispatches", () => {
  const dispatches = (world: World) => {
    const list = world.act(listDispatches(""));
    assert.ok(typeof list !== "string");
    return list;
  };

  test("a new room calls the agents of its configuration, or else those that take every room", () => {
    const world = new World();
    world.connect("ada");
    const called = world.effects.filter((effect) => effect.type === "dispatchCreated").map(({ dispatch }) => dispatch);
    assert.deepEqual(
      called.map(({ agentName, room }) => [agentName, room]),
      [["", "test"]],
    );
    assert.deepEqual(dispatches(world), []); // nobody made it
    const agents = [new RoomAgentDispatch({ agentName: "clerk", metadata: "m" })];
    assert.deepEqual(
      dispatches(new World({ agents })).map(({ agentName, metadata }) => [agentName, metadata]),
      [["clerk", "m"]],
    );
  });

  test("created, listed, told to whoever runs agents, deleted", () => {
    const world = new World();
    const made = world.act(createDispatch(new CreateAgentDispatchRequest({ agentName: "clerk", metadata: "m" })));
    assert.ok(typeof made !== "string");
    assert.match(made.id, /^AD_\w{12}$/);
    assert.equal(made.state?.createdAt, BigInt(world.nowMs) * 1_000_000n);
    const found = world.act(listDispatches(made.id));
    assert.deepEqual(found, [made]);
    assert.equal(world.act(noteJob(made.id, new Job({ id: "AJ_1" }))), true);
    assert.equal(world.act(noteJob(made.id, new Job({ id: "AJ_1", namespace: "new" }))), true);
    assert.deepEqual(
      dispatches(world)
        .at(-1)
        ?.state?.jobs.map(({ id, namespace }) => [id, namespace]),
      [["AJ_1", "new"]],
    );
    const deleted = world.act(deleteDispatch(made.id));
    assert.ok(typeof deleted !== "string" && deleted.state!.deletedAt > 0n);
    assert.deepEqual(dispatches(world), []);
    assert.equal(world.act(deleteDispatch(made.id)), "not_found: dispatch ID not found");
    assert.deepEqual(
      world.effects.filter(({ type }) => type.startsWith("dispatch")).map(({ type }) => type),
      ["dispatchCreated", "dispatchCreated", "dispatchDeleted"],
    );
  });
});

describe("settings of a room that exists", () => {
  test("only what is said overwrites; everybody hears of it", () => {
    const world = new World({ emptyTimeout: 100, metadata: "m", maxParticipants: 3 });
    const ada = world.connect("ada");
    const room = world.act(reconfigureRoom(new RoomConfiguration({ departureTimeout: 5, maxParticipants: 1 })));
    assert.ok(typeof room !== "string");
    const { emptyTimeout, departureTimeout, maxParticipants, metadata } = room;
    assert.deepEqual([emptyTimeout, departureTimeout, maxParticipants, metadata], [100, 5, 1, "m"]);
    assert.equal(ada.last("roomUpdate")?.room?.maxParticipants, 1);
    const bob = world.newClient("bob").join();
    assert.ok("failure" in bob && bob.failure === "room_full");
    ada.forget();
    world.act(reconfigureRoom(new RoomConfiguration()));
    assert.equal(ada.messages.length, 0);
  });

  test("a shorter timeout of an empty room counts from now", () => {
    const world = new World({ emptyTimeout: 1000 });
    world.act(reconfigureRoom(new RoomConfiguration({ emptyTimeout: 5 })));
    world.advance(4900);
    assert.equal(world.room.closed, false);
    world.advance(200);
    assert.equal(world.room.closed, true);
  });
});
