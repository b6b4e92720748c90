/** Removing, muting and changing participants through the API, as clients see it. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { DisconnectReason, LeaveRequest_Action } from "@livekit/protocol";
import { World } from "../harness.test.ts";
import { muteTrack } from "./mute-track.ts";
import { readParticipant, readParticipants, readRoom } from "./read.ts";
import { removeParticipant } from "./remove-participant.ts";
import { updateParticipant } from "./update-participant.ts";
import { updateRoomMetadata } from "./update-room.ts";

const MISSING = "not_found: participant does not exist";
const NOTHING = { name: "", metadata: "", attributes: {} };

describe("reading", () => {
  test("hidden participants are listed, and count for nobody", () => {
    const world = new World();
    world.connect("ada");
    world.connect("spy", { grants: { hidden: true } });
    const infos = world.act(readParticipants);
    assert.ok(typeof infos !== "string");
    assert.deepEqual(
      infos.map(({ identity }) => identity),
      ["ada", "spy"],
    );
    const room = world.act(readRoom);
    assert.ok(typeof room !== "string");
    assert.equal(room.numParticipants, 2);
    assert.equal(world.act(readParticipant("bob")), MISSING);
  });

  test("a closed room refuses every action", () => {
    const world = new World();
    world.room.close(DisconnectReason.ROOM_DELETED, world.nowMs);
    assert.equal(world.act(readRoom), "not_found: requested room does not exist");
  });
});

describe("removing", () => {
  test("the client is told to stay away, the others see it leave", () => {
    const world = new World();
    const ada = world.connect("ada");
    const bob = world.connect("bob");
    bob.publish("cam", "video");
    assert.equal(world.act(removeParticipant("bob")), true);
    assert.equal(bob.leave?.action, LeaveRequest_Action.DISCONNECT);
    assert.equal(bob.leave?.reason, DisconnectReason.PARTICIPANT_REMOVED);
    assert.equal(ada.sees("bob"), undefined);
    assert.deepEqual(ada.receives(), []);
    assert.equal(world.act(removeParticipant("bob")), MISSING);
  });
});

describe("muting", () => {
  test("the track stops, its client is asked to mute before it sees itself muted, everybody else sees it", () => {
    const world = new World();
    const ada = world.connect("ada");
    const bob = world.connect("bob");
    const { sid } = bob.publish("mic", "audio");
    bob.forget();
    const track = world.act(muteTrack({ identity: "bob", trackSid: sid, muted: true }, false));
    assert.ok(typeof track !== "string");
    assert.equal(track.muted, true);
    assert.deepEqual(
      bob.messages.map(({ message }) => message.case),
      ["mute", "update"],
    );
    assert.equal(ada.sees("bob")?.tracks[0]?.muted, true);
    assert.deepEqual(world.commands("muteTrack"), [{ type: "muteTrack", track: sid, muted: true }]);
  });

  test("an announced track can be muted before its media comes", () => {
    const world = new World();
    const bob = world.connect("bob");
    bob.addTrack("mic", "audio");
    const { sid } = bob.published("mic")!;
    const track = world.act(muteTrack({ identity: "bob", trackSid: sid, muted: true }, false));
    assert.ok(typeof track !== "string" && track.muted);
    bob.offer([{ cid: "mic", kind: "audio" }]);
    assert.equal(bob.self?.tracks[0]?.muted, true);
  });

  test("unmuting from afar only where the operator allows it", () => {
    const world = new World();
    const bob = world.connect("bob");
    const { sid } = bob.publish("mic", "audio", { muted: true });
    const unmute = (remoteUnmute: boolean) =>
      world.act(muteTrack({ identity: "bob", trackSid: sid, muted: false }, remoteUnmute));
    assert.equal(unmute(false), "failed_precondition: remote unmute not enabled");
    const track = unmute(true);
    assert.ok(typeof track !== "string" && !track.muted);
    assert.equal(bob.last("mute")?.muted, false);
  });

  test("a client that was away hears of it before its snapshot", () => {
    const world = new World();
    const bob = world.connect("bob");
    const { sid } = bob.publish("mic", "audio");
    bob.dropSignal();
    world.act(muteTrack({ identity: "bob", trackSid: sid, muted: true }, false));
    bob.forget();
    bob.resume();
    const order = bob.messages.map(({ message }) => message.case).filter((one) => one === "mute" || one === "update");
    assert.equal(order[0], "mute");
    assert.equal(bob.last("mute")?.sid, sid);
  });

  test("what does not exist is not found", () => {
    const world = new World();
    world.connect("bob");
    const mute = (identity: string) => world.act(muteTrack({ identity, trackSid: "TR_x", muted: true }, false));
    assert.equal(mute("eve"), MISSING);
    assert.equal(mute("bob"), "not_found: track is not found");
  });
});

describe("name, metadata and attributes", () => {
  test("everybody reads of it at once, the participant too, and its token is refreshed", () => {
    const world = new World();
    const ada = world.connect("ada");
    const bob = world.connect("bob", { grants: { canUpdateOwnMetadata: false } });
    const tokens = () =>
      world.effects.filter((effect) => effect.type === "refreshToken" && effect.participant === bob.sid);
    const before = tokens().length;
    const change = { name: "Bob", metadata: "m", attributes: { a: "1", b: "2" } };
    const info = world.act(updateParticipant({ identity: "bob", ...change }));
    assert.ok(typeof info !== "string");
    for (const seen of [info, ada.sees("bob")!, bob.self!]) {
      assert.deepEqual([seen.name, seen.metadata, seen.attributes], ["Bob", "m", { a: "1", b: "2" }]);
    }
    assert.equal(tokens().length, before + 1);
    world.act(updateParticipant({ identity: "bob", ...NOTHING, attributes: { a: "", c: "3" } }));
    assert.deepEqual(ada.sees("bob")?.attributes, { b: "2", c: "3" });
    assert.equal(ada.sees("bob")?.name, "Bob");
  });

  test("nothing new is told to nobody", () => {
    const world = new World();
    const ada = world.connect("ada");
    world.connect("bob");
    ada.forget();
    const tokens = world.effects.length;
    world.act(updateParticipant({ identity: "bob", ...NOTHING, attributes: { gone: "" } }));
    assert.equal(ada.messages.length, 0);
    assert.equal(world.effects.length, tokens);
  });

  test("limits hold for what would be kept, and nothing changes beyond them", () => {
    const world = new World();
    const bob = world.connect("bob");
    const update = (change: Partial<typeof NOTHING & { attributes: Record<string, string> }>) =>
      world.act(updateParticipant({ identity: "bob", ...NOTHING, ...change }));
    assert.equal(update({ name: "ü".repeat(9) }), "invalid_argument: name length exceeds limits: max length 16");
    assert.equal(update({ metadata: "x".repeat(33) }), "invalid_argument: metadata size exceeds limits: max length 32");
    assert.ok(typeof update({ attributes: { a: "x".repeat(40) } }) !== "string");
    const tooMuch = { name: "Bob", attributes: { b: "x".repeat(40) } };
    assert.equal(update(tooMuch), "invalid_argument: attribute size exceeds limits: max length 64");
    assert.equal(bob.self?.name, "");
    assert.equal(world.act(updateParticipant({ identity: "eve", ...NOTHING })), MISSING);
  });
});

describe("the room's metadata", () => {
  test("everybody reads of it at once; the same again is told to nobody", () => {
    const world = new World();
    const ada = world.connect("ada");
    const room = world.act(updateRoomMetadata("news"));
    assert.ok(typeof room !== "string");
    assert.equal(room.metadata, "news");
    assert.equal(ada.last("roomUpdate")?.room?.metadata, "news");
    ada.forget();
    world.act(updateRoomMetadata("news"));
    assert.equal(ada.messages.length, 0);
    world.act(updateRoomMetadata(""));
    assert.equal(ada.last("roomUpdate")?.room?.metadata, "");
    assert.equal(
      world.act(updateRoomMetadata("x".repeat(33))),
      "invalid_argument: metadata size exceeds limits: max length 32",
    );
  });
});
