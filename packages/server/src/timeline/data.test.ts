/** What a timeline tells of data: that it is lost, grows old, is held back, was sent again. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ParticipantInfo } from "@livekit/protocol";
import type { DataTrouble } from "@stoa/core/engine/events";
import { recordingLog } from "../fixtures.test.ts";
import { openPeer } from "../metrics/harness.test.ts";
import { TimelineObserver } from "./observer.ts";
import { Timelines } from "./timelines.ts";

/** ada on peer 1, bob on peer 2; what is written of ada after her join. */
function setUp() {
  const timelines = new Timelines();
  const log = recordingLog();
  const observer = new TimelineObserver(timelines, log, () => 0);
  ["ada", "bob"].forEach((identity, i) => {
    const participant = new ParticipantInfo({ sid: `PA_${identity}`, identity });
    const joined = { type: "participantEvent" as const, kind: "joined" as const, participant, track: undefined };
    observer.onParticipant("lobby", { ...joined, detail: "", atMs: 0 });
    observer.onCommand("lobby", openPeer(i + 1, participant.sid));
  });
  const trouble = (kind: DataTrouble, begins: boolean, times = 1, receiver?: number) => {
    const event = { type: "dataTrouble" as const, peer: 1, trouble: kind, begins, times };
    observer.onMedia("lobby", receiver === undefined ? event : { ...event, receiver });
  };
  const written = () => timelines.entries("PA_ada").entries.slice(1);
  return { observer, log, trouble, written };
}

test("a time of trouble has an entry when it begins and one when it is over", () => {
  const { trouble, written } = setUp();
  for (const kind of ["lost", "slow", "lossy", "dataTracks", "closed", "unknown"] as const) {
    trouble(kind, true);
    trouble(kind, false, 412);
  }
  trouble("held", true, 1, 2);
  trouble("held", false, 60);
  trouble("held", true, 1, 99);
  assert.deepEqual(new Set(written().map(({ kind }) => kind)), new Set(["data"]));
  assert.deepEqual(
    written().map(({ text }) => text),
    [
      "reliable data for it is lost: as much as may be waits for it already",
      "reliable data for it arrives again; messages lost: 412",
      "reliable data for it is dropped: it takes less than datachannel_slow_threshold",
      "reliable data for it arrives again; messages dropped: 412",
      "lossy data for it is dropped: it takes less than it is sent",
      "lossy data for it arrives again; messages dropped: 412",
      "frames of data tracks for it are dropped: it takes less than it is sent",
      "data tracks for it arrive again; packets dropped: 412",
      "there is data for it, but it has closed that channel",
      "nothing has come since for the channel that it has closed",
      "it sends data packets of a kind that this server does not know; they go on as they are",
      "no more data packets of an unknown kind; relayed: 412",
      "its reliable data is held back, for bob takes less",
      "its data is not held back any more",
      "its reliable data is held back, for a receiver takes less",
    ],
  );
});

test("lost reliable data and packets of an unknown kind are a warning in the log, once; what may be dropped is none", () => {
  const { trouble, log } = setUp();
  for (const kind of ["lost", "slow", "lossy", "dataTracks", "held", "unknown"] as const) {
    trouble(kind, true);
    trouble(kind, false);
  }
  assert.deepEqual(
    log.lines.filter((line) => line.startsWith("warn")),
    [
      "warn reliable data for a participant is lost: as much as may be waits for it already",
      "warn a participant sends data packets of a kind that this server does not know; they are relayed",
    ],
  );
});

test("a channel that was replaced has an entry if something was sent again on it", () => {
  const { observer, written } = setUp();
  for (const sentAgain of [0, 3])
    observer.onMedia("lobby", { type: "channelOpen", peer: 1, label: "_reliable", sentAgain });
  assert.deepEqual(
    written().map(({ text }) => text),
    ["replaced a data channel; messages sent again: 3"],
  );
});
