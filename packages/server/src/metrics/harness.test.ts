/** The figures of rooms, things that happen, and what is read of them. */
import { ParticipantInfo, type ClientInfo, type TrackInfo } from "@livekit/protocol";
import type { MediaCommand } from "@stoa/core/engine/commands";
import type { StreamStats } from "@stoa/core/engine/figures";
import { emptyStats } from "@stoa/core/media/stream-stats";
import type { ParticipantEventKind } from "@stoa/core/room/effects";
import { createInstruments } from "./instruments.ts";
import { RoomFigures } from "./room-figures.ts";

export function setUp() {
  const instruments = createInstruments("ND_test", { process: false });
  let nowMs = 1_000_000;
  const rooms = new RoomFigures(instruments, () => nowMs);
  /** Sum over the series of a name whose labels contain all of these. */
  const value = async (name: string, ...labels: string[]): Promise<number> => {
    const lines = (await instruments.registry.metrics()).split("\n").filter((line) => {
      return line.startsWith(`${name}{`) && labels.every((label) => line.includes(label));
    });
    return lines.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
  };
  const happen = (
    kind: ParticipantEventKind,
    sid: string,
    track?: TrackInfo,
    { room = "lobby", client, ...info }: { room?: string; client?: ClientInfo } & Partial<ParticipantInfo> = {},
  ) => {
    const participant = new ParticipantInfo({ sid, ...info });
    const event = { type: "participantEvent" as const, kind, participant, track, detail: "", atMs: nowMs };
    rooms.onParticipant(room, client ? { ...event, client } : event);
  };
  return { instruments, rooms, value, happen, pass: (ms: number) => void (nowMs += ms) };
}

export const openPeer = (peer: number, participant: string): MediaCommand => ({
  type: "openPeer",
  peer,
  participant,
  room: "RM_1",
  ufrag: "u",
  pwd: "p",
  channels: [],
  congestion: { enabled: true, allowPause: false },
  playoutDelay: undefined,
});

export const setSenders = (peer: number, ...tracks: string[]): MediaCommand => ({
  type: "setSenders",
  peer,
  senders: tracks.map((track) => ({
    mid: "0",
    kind: "video",
    track,
    ssrc: 1,
    rtxSsrc: 0,
    codecs: [],
    extensions: {},
    cname: "c",
  })),
});

export const stream = (more: Partial<StreamStats>): StreamStats => ({
  ...emptyStats("TR_1"),
  packets: 100,
  silentMs: 0,
  ...more,
});
