/** Two rooms on one worker: somebody of the one is shown in the other, or moves there. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { LeaveRequest_Action, ParticipantInfo_KindDetail, SubscriptionPermission } from "@livekit/protocol";
import { World } from "../harness.test.ts";
import { readForwardable, receiveForwarded, startForwarding, stopForwarding, wantForwarded } from "./forward.ts";
import { moveAway, readAdmission, readMovable } from "./move.ts";
import { muteTrack } from "./mute-track.ts";
import { removeParticipant } from "./remove-participant.ts";
import { updateParticipant } from "./update-participant.ts";

const NOTHING = { name: "", metadata: "", attributes: {} };

/** The hall, the attic, and what carries news from the one to the other. */
function twoRooms() {
  const hall = new World({}, { name: "hall", sid: "RM_hall" });
  const attic = new World({}, { name: "attic", sid: "RM_attic" });
  let told = 0;
  let ended = 0;
  let heard = 0;
  const carry = () => {
    const news = hall.effects.filter((effect) => effect.type === "forwarded");
    for (; told < news.length; told++) attic.act(receiveForwarded(news[told]!.forwarded));
    for (const effect of attic.effects.slice(heard)) {
      if (effect.type !== "forwardWanted") continue;
      hall.act(wantForwarded(effect.source.participant, "attic", effect.track, effect.levels));
    }
    heard = attic.effects.length;
    const ends = attic.effects.filter((effect) => effect.type === "forwardEnded");
    for (; ended < ends.length; ended++) hall.act(stopForwarding(ends[ended]!.source.participant, "attic"));
  };
  const forward = (identity: string) => {
    const forwarded = hall.act(readForwardable(identity));
    if (typeof forwarded === "string") return forwarded;
    const shown = attic.act(receiveForwarded(forwarded));
    if (shown !== true) return shown;
    hall.act(startForwarding(forwarded.source.participant, "attic"));
    carry();
    return true;
  };
  return { hall, attic, carry, forward };
}

describe("forwarding", () => {
  test("the other room shows the participant with its tracks, and receives them from the worker", () => {
    const { hall, attic, carry, forward } = twoRooms();
    const ada = hall.connect("ada", { metadata: "m" });
    const cam = ada.publish("cam", "video");
    const viewer = attic.connect("viewer");
    assert.equal(forward("ada"), true);
    const shown = viewer.sees("ada")!;
    assert.deepEqual([shown.metadata, shown.kindDetails], ["m", [ParticipantInfo_KindDetail.FORWARDED]]);
    assert.notEqual(shown.sid, ada.sid);
    assert.deepEqual(
      shown.tracks.map(({ sid }) => sid),
      [cam.sid],
    );
    attic.advance(1000);
    assert.deepEqual(viewer.receives(), [cam.sid]);

    const mic = ada.publish("mic", "audio");
    hall.act(muteTrack({ identity: "ada", trackSid: mic.sid, muted: true }, false));
    hall.act(updateParticipant({ identity: "ada", ...NOTHING, name: "Ada" }));
    carry();
    attic.advance(1000);
    assert.deepEqual(viewer.receives().toSorted(), [cam.sid, mic.sid].toSorted());
    assert.equal(viewer.sees("ada")?.tracks.find(({ sid }) => sid === mic.sid)?.muted, true);
    assert.equal(viewer.sees("ada")?.name, "Ada");

    ada.unpublish("cam");
    carry();
    assert.deepEqual(
      viewer.sees("ada")?.tracks.map(({ sid }) => sid),
      [mic.sid],
    );
    const before = viewer.sees("ada")!.version;
    hall.act(startForwarding(ada.sid, "attic")); // tells how things are, which is as they were
    carry();
    attic.advance(1000);
    assert.equal(viewer.sees("ada")?.version, before);
    const late = attic.connect("late");
    attic.advance(1000);
    assert.deepEqual(late.receives(), [mic.sid]);
  });

  test("the publisher is asked for what the viewers of the other room want", () => {
    const { hall, attic, carry, forward } = twoRooms();
    const ada = hall.connect("ada");
    const cam = ada.publish("cam", "video");
    hall.advance(60_000);
    const enabled = () =>
      ada.last("subscribedQualityUpdate")?.subscribedQualities.filter((quality) => quality.enabled).length;
    assert.equal(enabled(), 0);
    const viewer = attic.connect("viewer");
    forward("ada");
    attic.advance(1000);
    carry();
    assert.deepEqual(viewer.receives(), [cam.sid]);
    assert.equal(enabled(), 3);
    attic.act(removeParticipant("ada"));
    carry();
    hall.advance(60_000);
    assert.equal(enabled(), 0);
  });

  test("it ends when the source leaves, and by RemoveParticipant in the other room", () => {
    const { hall, attic, carry, forward } = twoRooms();
    const viewer = attic.connect("viewer");
    hall.connect("ada").publish("cam", "video");
    forward("ada");
    assert.equal(attic.act(removeParticipant("ada")), true);
    carry();
    assert.equal(viewer.sees("ada"), undefined);
    hall.act(updateParticipant({ identity: "ada", ...NOTHING, name: "Ada" }));
    carry();
    assert.equal(viewer.sees("ada"), undefined);

    forward("ada");
    assert.ok(viewer.sees("ada"));
    hall.act(removeParticipant("ada"));
    carry();
    assert.equal(viewer.sees("ada"), undefined);
    attic.advance(1000);
    assert.deepEqual(viewer.receives(), []);
  });

  test("what the publisher forbids is forbidden in the other room as well", () => {
    const { hall, attic, carry, forward } = twoRooms();
    const ada = hall.connect("ada");
    ada.publish("cam", "video");
    const viewer = attic.connect("viewer");
    forward("ada");
    attic.advance(1000);
    assert.equal(viewer.receives().length, 1);
    ada.request({ case: "subscriptionPermission", value: new SubscriptionPermission() });
    carry();
    attic.advance(1000);
    assert.deepEqual(viewer.receives(), []);
  });

  test("it counts for nobody, keeps no room open, and yields to somebody who really joins", () => {
    const { hall, attic, forward } = twoRooms();
    hall.connect("ada");
    forward("ada");
    const ada = attic.connect("ada");
    assert.equal(ada.self?.kindDetails.length, 0);
    assert.equal(attic.room.participants().length, 1);
    ada.dropSignal();
    attic.act(removeParticipant("ada"));
    assert.equal(forward("ada"), true);
    attic.advance(30_000);
    assert.equal(attic.room.closed, true);
  });

  test("what cannot be forwarded is refused", () => {
    const { hall, attic, forward } = twoRooms();
    assert.equal(forward("nobody"), "not_found: participant does not exist");
    hall.connect("ada");
    attic.connect("ada");
    assert.equal(forward("ada"), "already_exists: the destination room has a participant of that identity");
    hall.connect("bob").publish("mic", "audio");
    forward("bob");
    const refused = (answer: unknown) =>
      assert.match(String(answer), /^failed_precondition: .* forwarded from another/);
    refused(attic.act(readForwardable("bob")));
    refused(attic.act(readMovable("bob")));
    refused(attic.act(updateParticipant({ identity: "bob", ...NOTHING, name: "B" })));
    refused(attic.act(muteTrack({ identity: "bob", trackSid: "TR_x", muted: true }, false)));
  });
});

describe("moving", () => {
  test("the client gets its token, then the word to connect anew; the others see it leave", () => {
    const world = new World();
    const ada = world.connect("ada");
    const bob = world.connect("bob");
    const movable = world.act(readMovable("ada"));
    assert.ok(typeof movable !== "string");
    ada.forget();
    assert.equal(world.act(moveAway(movable, "token", "attic")), "moved");
    assert.deepEqual(
      ada.messages.map(({ message }) => message.case),
      ["refreshToken", "leave"],
    );
    assert.equal(ada.last("refreshToken"), "token");
    assert.equal(ada.leave?.action, LeaveRequest_Action.RECONNECT);
    world.advance(1000);
    assert.equal(bob.sees("ada"), undefined);
  });

  test("nobody is moved with a token that says something old, nor while its client is away", () => {
    const world = new World();
    const ada = world.connect("ada");
    const movable = world.act(readMovable("ada"));
    assert.ok(typeof movable !== "string");
    world.act(updateParticipant({ identity: "ada", ...NOTHING, name: "Ada" }));
    assert.equal(world.act(moveAway(movable, "token", "attic")), "changed");
    ada.dropSignal();
    const away = world.act(readMovable("ada"));
    assert.ok(typeof away === "string" && away.startsWith("unavailable: "));
  });

  test("a full room admits nobody more, but whoever is in already", () => {
    const world = new World({ maxParticipants: 1 });
    world.connect("ada");
    const other = new World();
    other.connect("ada");
    other.connect("bob");
    const admission = (identity: string) => {
      const movable = other.act(readMovable(identity));
      assert.ok(typeof movable !== "string");
      return world.act(readAdmission(movable.claims));
    };
    assert.equal(admission("ada"), true);
    assert.match(String(admission("bob")), /^resource_exhausted: /);
  });
});
