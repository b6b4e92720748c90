/**
 * Random lives of a room. Whatever people do and in whatever order: nobody is told old news, nobody hears of the hidden,
 * everything that is named was introduced before, and when it gets quiet all clients agree with the room.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  LeaveRequest,
  MuteTrackRequest,
  ParticipantInfo_State,
  UpdateParticipantMetadata,
  UpdateSubscription,
  UpdateTrackSettings,
  type ParticipantInfo,
  type SignalResponse,
} from "@livekit/protocol";
import type { Client } from "./harness-client.test.ts";
import type { ClientOptions } from "./harness-join.test.ts";
import { World } from "./harness.test.ts";
import { operation, type Operation as AnyOperation } from "./operations.test.ts";

const PEOPLE = 5;
const OPERATIONS = [
  "join",
  "connect",
  "connectMedia",
  "leave",
  "dropSignal",
  "resume",
  "failMedia",
  "publish",
  "unpublish",
  "mute",
  "metadata",
  "subscribe",
  "unsubscribe",
  "settings",
  "restartIce",
] as const;

type Operation = AnyOperation<(typeof OPERATIONS)[number]>;

const step = operation(OPERATIONS, { people: PEOPLE, choices: 8, waitsMs: [0, 0, 0, 5, 200, 4000] });

const CLIENTS: readonly ClientOptions[] = [
  { peerConnections: "single" },
  { peerConnections: "dual" },
  { peerConnections: "dual", protocol: 11 },
  { peerConnections: "dual", protocol: 9 },
  { peerConnections: "single", grants: { hidden: true } },
  { peerConnections: "single", autoSubscribe: false },
  { peerConnections: "single", tracks: [{ cid: "first", kind: "video" }] },
  { peerConnections: "dual", grants: { canSubscribe: false } },
];

test("random lives of a room", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80, size: "max" }), (operations) => {
      const life = new Life();
      for (const one of operations) life.perform(one);
      life.settle();
    }),
    { numRuns: 300, seed: 20_261_121 },
  );
});

class Life {
  readonly world = new World();
  readonly current: (Client | undefined)[] = Array.from({ length: PEOPLE });
  /** Highest version that a client was told, by sid. */
  readonly versions = new Map<Client, Map<string, number>>();
  /** What a client was refused or refused itself. */
  readonly declined = new Map<Client, Set<string>>();
  readonly snapshotting = new Set<Client>();
  cids = 0;

  constructor() {
    this.world.onSend = (client, message) => this.check(client, message);
  }

  perform({ who, what, choice, waitMs }: Operation): void {
    const { world } = this;
    const client = this.current[who];
    const here = client !== undefined && client.connection !== 0;
    if (what === "join" || what === "connect") {
      this.current[who] = world.newClient(`p${who}`, CLIENTS[choice]);
      this.current[who].join();
      if (what === "connect") this.current[who].connectMedia();
    } else if (what === "resume" && client) {
      this.snapshotting.add(client);
      client.resume();
      this.snapshotting.delete(client);
      if (client.single && client.connection !== 0) client.restartIce();
    } else if (what === "connectMedia") {
      client?.connectMedia();
    } else if (what === "failMedia") {
      for (const peer of client?.peers.slice(0, 1) ?? []) client?.peerState(peer, "failed");
    } else if (here) {
      this.request(client, what, choice);
    }
    world.advance(waitMs);
  }

  request(client: Client, what: Operation["what"], choice: number): void {
    const own = client.self?.tracks ?? [];
    const track = own[choice % Math.max(own.length, 1)];
    const others = [...client.others.values()].flatMap(({ tracks }) => tracks);
    const other = others[choice % Math.max(others.length, 1)]?.sid ?? "TR_none";
    switch (what) {
      case "leave":
        return client.request({ case: "leave", value: new LeaveRequest() });
      case "dropSignal":
        return client.dropSignal();
      case "publish":
        client.publish(`cid${this.cids++}`, choice % 2 ? "audio" : "video");
        return;
      case "unpublish":
        return track && client.unpublish(track.codecs[0]!.cid);
      case "mute":
        if (!track) return;
        return client.request({ case: "mute", value: new MuteTrackRequest({ sid: track.sid, muted: !track.muted }) });
      case "metadata": {
        const value = new UpdateParticipantMetadata({ metadata: `m${choice}`, attributes: { [`a${choice}`]: "x" } });
        return client.request({ case: "updateMetadata", value });
      }
      case "subscribe":
      case "unsubscribe": {
        const subscribe = what === "subscribe";
        if (subscribe) this.declined.get(client)?.delete(other);
        else this.declined.set(client, (this.declined.get(client) ?? new Set()).add(other));
        const value = new UpdateSubscription({ trackSids: [other], subscribe });
        return client.request({ case: "subscription", value });
      }
      case "settings": {
        const value = new UpdateTrackSettings({ trackSids: [other], disabled: choice % 2 === 0 });
        return client.request({ case: "trackSetting", value });
      }
      case "restartIce":
        return client.restartIce();
      default:
    }
  }

  /** Every message, before the client reads it. */
  check(client: Client, { message }: SignalResponse): void {
    const known = client.others;
    switch (message.case) {
      case "join":
        for (const info of message.value.otherParticipants) this.checkInfo(client, info);
        if (message.value.participant) this.checkInfo(client, message.value.participant);
        break;
      case "update":
        for (const info of message.value.participants) {
          const left = info.state === ParticipantInfo_State.DISCONNECTED;
          // After a resume it may be told again what it was told before the loss.
          if (left && !this.snapshotting.has(client)) {
            const follows = client.modern && client.sees(info.identity) !== undefined;
            assert.ok(
              known.has(info.sid) || follows,
              `${client.identity} is told that ${info.identity} left, whom it never knew`,
            );
          }
          this.checkInfo(client, info);
        }
        break;
      case "offer":
      case "answer": {
        const tracks = new Set([...known.values()].flatMap((info) => info.tracks.map(({ sid }) => sid)));
        for (const sid of Object.values(message.value.midToTrackId)) {
          assert.ok(tracks.has(sid), `${client.identity} gets ${sid} before it has read of it`);
        }
        break;
      }
      case "trackSubscribed":
        assert.ok(message.value.trackSid !== "");
        break;
      default:
    }
    const first = client.messages.length === 0;
    if (first) assert.equal(message.case, "join");
  }

  checkInfo(client: Client, info: ParticipantInfo): void {
    const self = info.sid === client.sid || info.identity === client.identity;
    assert.ok(self || !info.permission?.hidden, `${client.identity} is told about the hidden ${info.identity}`);
    let versions = this.versions.get(client);
    if (!versions) this.versions.set(client, (versions = new Map()));
    const before = versions.get(info.sid) ?? 0;
    const again = this.snapshotting.has(client);
    assert.ok(info.version > before || (again && info.version === before), `${info.version} after ${before}`);
    versions.set(info.sid, info.version);
  }

  /** After a quiet while everybody has the same picture as the room. */
  settle(): void {
    const { world } = this;
    for (const client of this.current) client?.connectMedia();
    world.advance(10_000);
    const everybody = world.room.participants();
    for (const client of world.clients) {
      if (client.connection === 0) continue;
      const visible = everybody.filter((info) => info.sid !== client.sid && !info.permission?.hidden);
      const expected = visible.map(({ sid, version }) => [sid, version] as const);
      const actual = [...client.others.values()].map(({ sid, version }) => [sid, version] as const);
      assert.deepEqual(new Map(actual), new Map(expected), `the picture of ${client.identity}`);
      this.checkMedia(client, visible);
    }
  }

  checkMedia(client: Client, visible: readonly ParticipantInfo[]): void {
    const { autoSubscribe = true, grants } = client.options;
    if (!autoSubscribe || grants?.canSubscribe === false) return;
    const declined = this.declined.get(client);
    const wanted = visible.flatMap(({ tracks }) => tracks.map(({ sid }) => sid)).filter((sid) => !declined?.has(sid));
    assert.deepEqual(new Set(client.receives()), new Set(wanted), `the tracks of ${client.identity}`);
    assert.deepEqual(new Set(Object.values(client.midToTrackId)), new Set(wanted), `the mids of ${client.identity}`);
  }
}
