/**
 * Random lives of a room under administration, against a model of who is who and who may what. After every step the
 * worker takes and sends only what is allowed; nothing that the API changed is lost; when it gets quiet, everybody has
 * the same picture and receives exactly what it may.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  LeaveRequest,
  ParticipantPermission,
  SubscriptionPermission,
  TrackPermission,
  TrackSource,
  TrackType,
  type ParticipantInfo,
} from "@livekit/protocol";
import type { Client } from "../harness-client.test.ts";
import { EVERYTHING, type ClientOptions } from "../harness-join.test.ts";
import { World } from "../harness.test.ts";
import { operation, type Operation as AnyOperation } from "../operations.test.ts";
import type { Grants } from "../options.ts";
import { muteTrack } from "./mute-track.ts";
import { readParticipants, readRoom } from "./read.ts";
import { removeParticipant } from "./remove-participant.ts";
import { updateParticipant } from "./update-participant.ts";
import { updateRoomMetadata } from "./update-room.ts";
import { updateSubscriptions } from "./update-subscriptions.ts";

const PEOPLE = 4;
const OPERATIONS = [
  "join",
  "join",
  "leave",
  "dropSignal",
  "resume",
  "publish",
  "publish",
  "unpublish",
  "offerAgain",
  "allow",
  "permit",
  "permit",
  "profile",
  "mute",
  "remove",
  "subscribe",
  "unsubscribe",
  "roomMetadata",
] as const;

type Operation = AnyOperation<(typeof OPERATIONS)[number]>;

const step = operation(OPERATIONS, { people: PEOPLE, choices: 16, waitsMs: [0, 0, 0, 5, 200, 4000] });

const CLIENTS: readonly ClientOptions[] = [
  { peerConnections: "single" },
  { peerConnections: "dual" },
  { peerConnections: "dual", protocol: 11 },
  { peerConnections: "single", grants: { canSubscribe: false } },
];

const RIGHTS: readonly Partial<Grants>[] = [
  {},
  { canPublish: false },
  { canPublishSources: [TrackSource.MICROPHONE] },
  { canPublishSources: [TrackSource.CAMERA] },
  { canSubscribe: false },
  { canPublishData: false },
  { hidden: true },
  { hidden: true, canPublish: false },
  { agent: true },
  { recorder: true },
  { canSubscribe: false, canPublish: false, canPublishData: false },
];

test("random lives of a room under administration", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: "max" }), (operations) => {
      const life = new Life();
      for (const one of operations) {
        life.perform(one);
        life.check();
      }
      life.settle();
    }),
    { numRuns: 300, seed: 20_261_126 },
  );
});

/** What the room must know of an identity. */
interface Person {
  readonly client: Client;
  grants: Grants;
  name: string;
  attributes: Record<string, string>;
  /** Identities that may have its tracks; undefined = everybody. */
  allows: ReadonlySet<string> | undefined;
}

class Life {
  readonly world = new World();
  readonly people = new Map<string, Person>();
  /** Tracks that somebody does not want, by its own wish or the API's. */
  readonly declined = new Map<Client, Set<string>>();
  readonly versions = new Map<Client, Map<string, number>>();
  metadata = "";
  cids = 0;

  constructor() {
    this.world.onSend = (client, { message }) => {
      if (message.case !== "update") return;
      for (const { sid, version } of message.value.participants) {
        const known = this.versions.get(client) ?? new Map<string, number>();
        this.versions.set(client, known);
        assert.ok(version >= (known.get(sid) ?? 0), `version ${version} of ${sid} is old news`);
        known.set(sid, version);
      }
    };
  }

  perform({ who, what, choice, waitMs }: Operation): void {
    const { world } = this;
    const identity = `p${who}`;
    const person = this.people.get(identity);
    if (what === "join") this.join(identity, CLIENTS[choice % CLIENTS.length]!);
    else if (what === "roomMetadata") world.act(updateRoomMetadata((this.metadata = `m${choice}`)));
    else if (person && ["permit", "profile", "mute", "remove", "subscribe", "unsubscribe"].includes(what)) {
      this.administer(identity, person, what, choice);
    } else if (person) this.request(person, what, choice);
    this.forgetGone();
    world.advance(waitMs);
    this.forgetGone();
  }

  join(identity: string, options: ClientOptions): void {
    const client = this.world.newClient(identity, options);
    client.join();
    client.connectMedia();
    const grants = { ...EVERYTHING, ...options.grants };
    this.people.set(identity, { client, grants, name: "", attributes: {}, allows: undefined });
  }

  /** Who left, was removed, or was alone with its rights of an agent when the room closed. */
  forgetGone(): void {
    const here = new Set(this.infos().map(({ sid }) => sid));
    for (const [identity, { client }] of this.people) if (!here.has(client.sid)) this.people.delete(identity);
  }

  administer(identity: string, person: Person, what: Operation["what"], choice: number): void {
    const { world } = this;
    const nothing = { identity, name: "", metadata: "", attributes: {} };
    const tracks = this.infos().flatMap((info) => info.tracks.map(({ sid }) => sid));
    const trackSid = tracks[choice % Math.max(1, tracks.length)] ?? "TR_none";
    switch (what) {
      case "permit": {
        person.grants = { ...EVERYTHING, ...RIGHTS[choice % RIGHTS.length] };
        const { canUpdateOwnMetadata, ...rest } = person.grants;
        const permission = new ParticipantPermission({
          ...rest,
          canUpdateMetadata: canUpdateOwnMetadata,
          canPublishSources: [...rest.canPublishSources],
        });
        world.act(updateParticipant({ ...nothing, permission }));
        return;
      }
      case "profile": {
        const value = choice % 3 === 0 ? "" : `v${choice}`;
        const attributes = { [`a${choice % 3}`]: value };
        person.name = `n${choice}`;
        if (value === "") delete person.attributes[`a${choice % 3}`];
        else Object.assign(person.attributes, attributes);
        world.act(updateParticipant({ ...nothing, name: person.name, attributes }));
        return;
      }
      case "mute":
        world.act(muteTrack({ identity, trackSid, muted: choice % 2 === 0 }, true));
        return;
      case "remove":
        world.act(removeParticipant(identity));
        return;
      default: {
        const subscribe = what === "subscribe";
        this.decline(person.client, trackSid, !subscribe);
        world.act(updateSubscriptions({ identity, trackSids: [trackSid], subscribe, participantTracks: [] }));
      }
    }
  }

  request({ client, ...person }: Person, what: Operation["what"], choice: number): void {
    if (what === "resume") {
      client.resume();
      if (client.single && client.connection !== 0) client.restartIce();
      return;
    }
    if (client.connection === 0) return;
    switch (what) {
      case "leave":
        return client.request({ case: "leave", value: new LeaveRequest() });
      case "dropSignal":
        return client.dropSignal();
      case "publish": {
        const cid = `cid${this.cids++}`;
        const kind = choice % 2 === 0 ? "video" : "audio";
        client.addTrack(cid, kind);
        return client.offer([{ cid, kind }]);
      }
      case "unpublish": {
        const cid = client.self?.tracks[choice % Math.max(1, client.self.tracks.length)]?.codecs[0]?.cid;
        return cid === undefined ? undefined : client.unpublish(cid);
      }
      case "offerAgain":
        return client.offer([]);
      case "allow": {
        const all = choice % 3 === 0;
        const allowed = Array.from({ length: PEOPLE }, (_, i) => `p${i}`).filter((_, i) => (choice >> i) & 1);
        const owner = this.people.get(client.identity)!;
        owner.allows = all ? undefined : new Set(allowed);
        const trackPermissions = allowed.map(
          (name) => new TrackPermission({ participantIdentity: name, allTracks: true }),
        );
        const value = new SubscriptionPermission({ allParticipants: all, trackPermissions });
        return client.request({ case: "subscriptionPermission", value });
      }
      default:
        assert.fail(`${what} for ${person.name}`);
    }
  }

  decline(client: Client, sid: string, declined: boolean): void {
    const set = this.declined.get(client) ?? new Set<string>();
    this.declined.set(client, set);
    if (declined) set.add(sid);
    else set.delete(sid);
  }

  infos(): ParticipantInfo[] {
    const infos = this.world.act(readParticipants);
    return typeof infos === "string" ? [] : infos;
  }

  /** The API's picture is the model's, and the worker does nothing that is not allowed. */
  check(): void {
    const infos = this.infos();
    assert.deepEqual(new Set(infos.map(({ identity }) => identity)), new Set(this.people.keys()));
    assert.deepEqual(new Set(this.world.members.keys()), new Set(infos.map(({ sid }) => sid)), "members at the worker");
    const owners = new Map(infos.flatMap((info) => info.tracks.map((track) => [track.sid, info] as const)));
    for (const info of infos) {
      const person = this.people.get(info.identity)!;
      this.checkPerson(info, person);
      for (const track of info.tracks) this.checkMayPublish(person, track.type);
      for (const sid of person.client.sends()) {
        assert.ok(owners.get(sid) === info, `packets of ${sid} are taken, which is not published`);
      }
      for (const sid of person.client.receives()) {
        const owner = owners.get(sid);
        // One that has just ended has no packets: its m-line goes with the next negotiation.
        if (owner) assert.ok(this.mayReceive(person, owner), `${info.identity} receives ${sid} of ${owner.identity}`);
      }
    }
  }

  checkPerson(info: ParticipantInfo, { client, grants, name, attributes }: Person): void {
    assert.equal(info.sid, client.sid);
    assert.deepEqual([info.name, info.attributes], [name, attributes]);
    const member = this.world.members.get(info.sid)!;
    for (const key of ["canPublish", "canPublishData", "canSubscribe", "hidden"] as const) {
      assert.equal(member[key], grants[key], `${info.identity} ${key}`);
      assert.equal(info.permission?.[key], grants[key]);
    }
  }

  checkMayPublish({ grants, client }: Person, type: TrackType): void {
    const source = type === TrackType.VIDEO ? TrackSource.CAMERA : TrackSource.MICROPHONE;
    const { canPublish, canPublishSources } = grants;
    const allowed = canPublish && (canPublishSources.length === 0 || canPublishSources.includes(source));
    assert.ok(allowed, `${client.identity} publishes what it may not`);
  }

  mayReceive({ client, grants }: Person, owner: ParticipantInfo): boolean {
    const { allows, grants: ofOwner } = this.people.get(owner.identity)!;
    const allowed = allows === undefined || grants.recorder || allows.has(client.identity);
    return grants.canSubscribe && !ofOwner.hidden && allowed && owner.identity !== client.identity;
  }

  /** Everybody is back, and it is quiet for a while. */
  settle(): void {
    const { world } = this;
    for (const { client } of this.people.values()) {
      if (client.connection !== 0) continue;
      client.resume();
      if (client.single) client.restartIce();
    }
    world.advance(10_000);
    this.forgetGone();
    this.check();
    const infos = this.infos();
    for (const { client, ...person } of this.people.values()) {
      const others = infos.filter((info) => info.sid !== client.sid && !info.permission?.hidden);
      const picture = (list: Iterable<ParticipantInfo>) => new Map([...list].map((info) => [info.sid, info.version]));
      assert.deepEqual(picture(client.others.values()), picture(others), `the picture of ${client.identity}`);
      const self = infos.find((info) => info.sid === client.sid);
      assert.equal(client.self?.version, self?.version, `${client.identity} knows itself`);
      const declined = this.declined.get(client);
      const wanted = others
        .filter((owner) => this.mayReceive({ client, ...person }, owner))
        .flatMap((owner) => owner.tracks.map(({ sid }) => sid))
        .filter((sid) => !declined?.has(sid));
      assert.deepEqual(new Set(client.receives()), new Set(wanted), `the tracks of ${client.identity}`);
    }
    const room = world.act(readRoom);
    assert.ok(typeof room === "string" || room.metadata === this.metadata);
  }
}
