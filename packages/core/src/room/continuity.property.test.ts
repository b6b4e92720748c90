/**
 * Random breaks of signal connections, noticed by the server at once or not before the client is back, while everything
 * changes. Clients behave like livekit-client: they resume, say in SyncState what they publish, and insist on their own word
 * where their info contradicts it. After it settles every client's view is the room's, nothing that the API asked for is
 * undone, nobody saw anybody leave who did not, and no resume ended in a new session without need.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  LeaveRequest,
  MuteTrackRequest,
  ParticipantInfo_State,
  ParticipantPermission,
  Ping,
  StreamState,
  SubscriptionPermission,
  SyncState,
  TrackInfo,
  TrackPublishedResponse,
  UpdateParticipantMetadata,
  type SignalResponse,
} from "@livekit/protocol";
import { muteTrack } from "./admin/mute-track.ts";
import { removeParticipant } from "./admin/remove-participant.ts";
import { updateParticipant } from "./admin/update-participant.ts";
import { updateRoomMetadata } from "./admin/update-room.ts";
import type { Client } from "./harness-client.test.ts";
import { EVERYTHING, type ClientOptions } from "./harness-join.test.ts";
import { World } from "./harness.test.ts";
import { operation, type Operation as AnyOperation } from "./operations.test.ts";
import type { Grants } from "./options.ts";

const PEOPLE = 4;
const OPERATIONS = [
  "deafen",
  "deafen",
  "dropSignal",
  "resume",
  "resume",
  "resumeInVain",
  "publish",
  "publish",
  "unpublish",
  "mute",
  "profile",
  "allow",
  "speak",
  "pause",
  "apiMute",
  "apiProfile",
  "apiPermit",
  "apiRoom",
  "apiRemove",
  "leave",
] as const;

type Operation = AnyOperation<(typeof OPERATIONS)[number]>;

const step = operation(OPERATIONS, { people: PEOPLE, choices: 12, waitsMs: [0, 0, 5, 200, 1500, 6000] });

const CLIENTS: readonly ClientOptions[] = [
  { peerConnections: "single" },
  { peerConnections: "dual" },
  { peerConnections: "single", protocol: 15 },
  { peerConnections: "dual", protocol: 12 },
];

const RIGHTS: readonly Partial<Grants>[] = [
  {},
  {},
  { canPublish: false },
  { canSubscribe: false },
  { canPublishData: false },
  { canUpdateOwnMetadata: false },
];

test("random breaks of signal connections", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: "max" }), (operations) => {
      const life = new Life();
      for (const one of operations) life.perform(one);
      life.settle();
    }),
    { numRuns: 400, seed: 20_261_127 },
  );
});

/** What one client believes, from what it was told. */
class View {
  room = "";
  readonly speakers = new Map<string, number>();
  readonly paused = new Set<string>();
  readonly denied = new Set<string>();
  /** Its own tracks, and whether it mutes them. */
  readonly muted = new Map<string, boolean>();
  readonly cids = new Map<string, string>();
}

class Life {
  readonly world = new World();
  readonly clients: Client[];
  readonly views = new Map<Client, View>();
  /** Tracks that the API silenced, and whose owner has not said otherwise since. */
  readonly silenced = new Set<string>();
  /** Streams that the worker holds back, by client and track. */
  readonly held = new Set<string>();
  /** Own words that clients insist on. */
  readonly insisting: (() => void)[] = [];
  speaking = new Map<string, { participant: string; level: number }>();
  metadata = "";
  cids = 0;

  constructor() {
    this.world.onSend = (client, response) => this.read(client, response);
    this.clients = CLIENTS.map((_, i) => this.enter(i));
  }

  enter(index: number): Client {
    const client = this.world.newClient(`p${index}`, CLIENTS[index]!);
    this.views.set(client, new View());
    client.join();
    client.connectMedia();
    return client;
  }

  perform({ who, what, choice, waitMs }: Operation): void {
    if (this.world.room.closed) return;
    const client = this.clients[who]!;
    const here = client.connection !== 0 && !client.deaf;
    if (what.startsWith("api")) this.administer(client, what, choice);
    else if (what === "speak") this.speak(choice);
    else if (what === "pause") this.pause(client, choice);
    else if (what === "resume") this.resume(who);
    else if (what === "resumeInVain" && !here) client.resumeInVain();
    else if (here) this.act(client, what, choice);
    this.insist();
    this.pass(waitMs);
  }

  /** Time passes; who is here pings. */
  pass(ms: number): void {
    this.world.advance(ms);
    this.insist();
    if (ms < 1000) return;
    for (const client of this.clients) {
      if (client.connection !== 0 && !client.deaf) client.request({ case: "pingReq", value: new Ping() });
    }
  }

  insist(): void {
    for (let word = this.insisting.shift(); word; word = this.insisting.shift()) word();
  }

  act(client: Client, what: Operation["what"], choice: number): void {
    const view = this.views.get(client)!;
    const sid = [...view.muted.keys()][choice % Math.max(1, view.muted.size)];
    switch (what) {
      case "deafen":
        client.deaf = true;
        return;
      case "dropSignal":
        return client.dropSignal();
      case "publish":
        return this.publish(client, view, choice);
      case "unpublish": {
        const cid = sid && view.cids.get(sid);
        if (!cid) return;
        view.muted.delete(sid);
        return client.unpublish(cid);
      }
      case "mute": {
        if (!sid) return;
        const muted = !view.muted.get(sid);
        view.muted.set(sid, muted);
        if (!muted) this.silenced.delete(sid);
        return client.request({ case: "mute", value: new MuteTrackRequest({ sid, muted }) });
      }
      case "profile": {
        const value = new UpdateParticipantMetadata({ metadata: `m${choice}`, attributes: { [`a${choice}`]: "x" } });
        return client.request({ case: "updateMetadata", value });
      }
      case "allow": {
        const value = new SubscriptionPermission({ allParticipants: choice % 2 === 0 });
        return client.request({ case: "subscriptionPermission", value });
      }
      case "leave": {
        client.request({ case: "leave", value: new LeaveRequest() });
        return;
      }
      default:
    }
  }

  publish(client: Client, view: View, choice: number): void {
    if (view.muted.size >= 3 || client.self?.permission?.canPublish === false) return;
    const cid = `cid${this.cids++}`;
    const { sid } = client.publish(cid, choice % 2 ? "audio" : "video");
    view.muted.set(sid, false);
    view.cids.set(sid, cid);
  }

  administer({ identity, self }: Client, what: Operation["what"], choice: number): void {
    const { world } = this;
    if (what === "apiRoom") world.act(updateRoomMetadata((this.metadata = `r${choice}`)));
    else if (what === "apiRemove") {
      // Seldom, or nothing lasts.
      if (choice === 0) world.act(removeParticipant(identity));
    } else if (what === "apiProfile") {
      world.act(updateParticipant({ identity, name: `n${choice}`, metadata: "", attributes: { [`b${choice}`]: "y" } }));
    } else if (what === "apiMute") {
      const now = world.room.participants().find(({ sid }) => sid === self?.sid);
      const track = now?.tracks[choice % Math.max(1, now.tracks.length)];
      if (!track) return;
      world.act(muteTrack({ identity, trackSid: track.sid, muted: true }, false));
      this.silenced.add(track.sid);
    } else if (what === "apiPermit") {
      const { canUpdateOwnMetadata: canUpdateMetadata, ...grants } = {
        ...EVERYTHING,
        ...RIGHTS[choice % RIGHTS.length],
      };
      const permission = new ParticipantPermission({
        ...grants,
        canPublishSources: [...grants.canPublishSources],
        canUpdateMetadata,
      });
      world.act(updateParticipant({ identity, name: "", metadata: "", attributes: {}, permission }));
    }
  }

  /** The worker hears some microphones. */
  speak(choice: number): void {
    const { world } = this;
    const voices = world.room
      .participants()
      .flatMap(({ sid, tracks }) =>
        tracks
          .filter(({ mimeType, muted }) => mimeType.startsWith("audio") && !muted)
          .map((track) => ({ track: track.sid, participant: sid, level: (1 + choice) / 20 })),
      );
    const speakers = voices.filter((_, i) => (i + choice) % 3 !== 0);
    world.room.handleMedia({ type: "speakers", room: "RM_test", speakers }, world.nowMs);
    world.perform();
    this.speaking = new Map(speakers.map(({ track, participant, level }) => [track, { participant, level }]));
  }

  /** The worker holds a stream back, or lets it go on. */
  pause(client: Client, choice: number): void {
    const { world } = this;
    const peer = client.peers.find((one) => world.senders.get(one)?.length);
    const senders = peer === undefined ? [] : world.senders.get(peer)!;
    const sender = senders[choice % Math.max(1, senders.length)];
    const key = `${client.sid} ${sender?.track}`;
    if (!sender || peer === undefined) return;
    const info = world.room.participants().flatMap(({ tracks }) => tracks);
    if (info.find(({ sid }) => sid === sender.track)?.muted !== false) return;
    const paused = !this.held.has(key);
    if (paused) this.held.add(key);
    else this.held.delete(key);
    world.room.handleMedia({ type: "streamState", peer, track: sender.track, paused }, world.nowMs);
    world.perform();
  }

  /** As livekit-client does it: over a new connection, or with a new session if the old one is gone. */
  resume(who: number): void {
    const { world } = this;
    const client = this.clients[who]!;
    const view = this.views.get(client)!;
    const publishTracks = [...view.muted.keys()].map(
      (sid) => new TrackPublishedResponse({ track: new TrackInfo({ sid }) }),
    );
    const before = client.messages.length;
    const known = world.room.participants().some(({ sid }) => sid === client.sid);
    const result = client.resume();
    assert.equal("participant" in result, known, `${client.identity} resumes what is there, and only that`);
    if (!known) {
      this.clients[who] = this.enter(who);
      return;
    }
    const told = client.messages.slice(before).flatMap(infosIn);
    for (const { sid, identity } of world.room.participants()) {
      assert.ok(
        told.some((info) => info.sid === sid),
        `${identity} is missing in the snapshot for ${client.identity}`,
      );
    }
    client.request({ case: "syncState", value: new SyncState({ publishTracks }) });
    if (client.single) client.restartIce();
    assert.equal(client.leave, undefined, `${client.identity} is sent away after a resume`);
  }

  /** Every message that arrives, before the client reads it. */
  read(client: Client, response: SignalResponse): void {
    const view = this.views.get(client);
    if (!view) return;
    const { message } = response;
    if (message.case === "join" || message.case === "roomUpdate") view.room = message.value.room?.metadata ?? "";
    else if (message.case === "mute") view.muted.set(message.value.sid, message.value.muted);
    else if (message.case === "trackUnpublished") view.muted.delete(message.value.trackSid);
    else if (message.case === "speakersChanged") {
      for (const { sid, level, active } of message.value.speakers) {
        if (active) view.speakers.set(sid, level);
        else view.speakers.delete(sid);
      }
    } else if (message.case === "streamStateUpdate") {
      for (const { trackSid, state } of message.value.streamStates) {
        if (state === StreamState.PAUSED) view.paused.add(trackSid);
        else view.paused.delete(trackSid);
      }
    } else if (message.case === "subscriptionPermissionUpdate") {
      if (message.value.allowed) view.denied.delete(message.value.trackSid);
      else view.denied.add(message.value.trackSid);
    }
    for (const info of infosIn(response)) {
      if (info.sid === client.sid) this.compareOwn(client, view, info.tracks);
      else if (info.state === ParticipantInfo_State.DISCONNECTED) {
        const stays = this.world.room.participants().some(({ sid }) => sid === info.sid);
        assert.ok(!stays, `${client.identity} is told that ${info.identity} left, who did not`);
      }
    }
  }

  compareOwn(client: Client, view: View, tracks: readonly TrackInfo[]): void {
    const { connection } = client;
    for (const { sid, muted } of tracks) {
      if (view.muted.has(sid) && view.muted.get(sid) !== muted) {
        this.insisting.push(() => {
          const own = view.muted.get(sid);
          if (own === undefined || client.connection !== connection || client.deaf) return;
          client.request({ case: "mute", value: new MuteTrackRequest({ sid, muted: own }) });
        });
      }
    }
  }

  isThere({ sid }: Client): boolean {
    return this.world.room.participants().some((info) => info.sid === sid);
  }

  /** Everybody comes back who has a session, and all is quiet. */
  settle(): void {
    const { world } = this;
    // All were away for so long that nobody was left in it.
    if (world.room.closed) return;
    for (let who = 0; who < PEOPLE; who++) {
      const client = this.clients[who]!;
      if ((client.connection === 0 || client.deaf) && this.isThere(client)) this.resume(who);
      this.insist();
    }
    this.pass(10_000);
    this.pass(9000);
    for (const client of this.clients) if (this.isThere(client)) this.compare(client);
    const tracks = world.room.participants().flatMap((info) => info.tracks);
    for (const { sid, muted } of tracks) assert.ok(muted || !this.silenced.has(sid), `${sid} speaks again by itself`);
  }

  compare(client: Client): void {
    const { world } = this;
    const view = this.views.get(client)!;
    const who = client.identity;
    for (const info of world.room.participants()) {
      const seen = info.sid === client.sid ? client.self : client.others.get(info.sid);
      assert.ok(seen?.equals(info), `${who} sees ${info.identity} as it is`);
    }
    assert.equal(client.others.size, world.room.participants().length - 1, `whom ${who} sees`);
    assert.equal(view.room, this.metadata, `what ${who} knows of the room`);
    const received = new Set(client.receives());
    const heard = [...this.speaking].filter(([track, { participant }]) => {
      const exists = world.room.participants().some(({ tracks }) => tracks.some(({ sid }) => sid === track));
      return exists && (participant === client.sid || received.has(track));
    });
    const voices = new Map(heard.map(([, { participant, level }]) => [participant, level]));
    for (const [sid, level] of view.speakers) {
      assert.ok(voices.has(sid) && Math.abs(voices.get(sid)! - level) < 1e-6, `${who} hears ${sid}`);
    }
    assert.equal(view.speakers.size, voices.size, `whom ${who} hears`);
    const own = world.room.participants().find(({ sid }) => sid === client.sid)!;
    for (const track of own.tracks) assert.equal(view.muted.get(track.sid), track.muted, `what ${who} mutes`);
    assert.equal(view.muted.size, own.tracks.length, `what ${who} publishes`);
    for (const track of received) {
      assert.ok(!view.denied.has(track), `${who} was told that it may not have ${track}, and gets it`);
      assert.equal(view.paused.has(track), this.held.has(`${client.sid} ${track}`), `${track} stands still for ${who}`);
    }
  }
}

function infosIn({ message }: SignalResponse) {
  return message.case === "update" ? message.value.participants : [];
}
