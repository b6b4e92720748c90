/** Data tracks as clients see them; their packets go through the worker's own table. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  DataTrackFrameEncoding,
  DataTrackInfo,
  DataTrackSchemaEncoding,
  DataTrackSchemaId,
  Encryption_Type,
  ParticipantPermission,
  PublishDataTrackRequest,
  PublishDataTrackResponse,
  RequestResponse_Reason,
  SignalRequest,
  SubscriptionPermission,
  SyncState,
  TrackPermission,
  UnpublishDataTrackRequest,
  UpdateDataSubscription,
  UpdateDataSubscription_Update,
} from "@livekit/protocol";
import { parseDataTrackPacket, writeDataTrackPacket } from "@stoa/wire/data-track/packet";
import fc from "fast-check";
import { DataTracks } from "../data/data-tracks.ts";
import { updateParticipant } from "./admin/update-participant.ts";
import { EVERYTHING, World, type Client, type ClientOptions } from "./harness.test.ts";
import type { Grants } from "./options.ts";

const AUTO: ClientOptions = { autoSubscribeDataTrack: true };
const {
  DUPLICATE_HANDLE,
  DUPLICATE_NAME,
  INVALID_HANDLE,
  INVALID_NAME,
  INVALID_REQUEST,
  LIMIT_EXCEEDED,
  NOT_ALLOWED,
  NOT_FOUND,
} = RequestResponse_Reason;

function request(publisher: Client, more: Partial<PublishDataTrackRequest>): void {
  publisher.request({ case: "publishDataTrackRequest", value: new PublishDataTrackRequest(more) });
}

/** Publishes a data track; its info, as the publisher is told. */
function publish(publisher: Client, pubHandle: number, name = `track ${pubHandle}`): DataTrackInfo {
  request(publisher, { pubHandle, name });
  const info = publisher.last("publishDataTrackResponse")?.info;
  assert.equal(info?.pubHandle, pubHandle);
  return info!;
}

function unpublish(publisher: Client, pubHandle: number): void {
  publisher.request({ case: "unpublishDataTrackRequest", value: new UnpublishDataTrackRequest({ pubHandle }) });
}

function wish(client: Client, subscribe: boolean, ...sids: string[]): void {
  const updates = sids.map((trackSid) => new UpdateDataSubscription_Update({ trackSid, subscribe }));
  client.request({ case: "updateDataSubscription", value: new UpdateDataSubscription({ updates }) });
}

function allow(publisher: Client, entries: Partial<TrackPermission>[] | "all"): void {
  const value = new SubscriptionPermission({
    allParticipants: entries === "all",
    trackPermissions: entries === "all" ? [] : entries.map((entry) => new TrackPermission(entry)),
  });
  publisher.request({ case: "subscriptionPermission", value });
}

function permit(world: World, identity: string, change: Partial<Grants>): void {
  const { canUpdateOwnMetadata, ...rest } = { ...EVERYTHING, ...change };
  const permission = new ParticipantPermission({
    ...rest,
    canUpdateMetadata: canUpdateOwnMetadata,
    canPublishSources: [...rest.canPublishSources],
  });
  const info = world.act(updateParticipant({ identity, permission, name: "", metadata: "", attributes: {} }));
  assert.ok(typeof info !== "string", identity);
}

/** SIDs by handle, as the client was told last. */
function handlesOf(client: Client): Map<number, string> {
  const { subHandles = {} } = client.last("dataTrackSubscriberHandles") ?? {};
  return new Map(Object.entries(subHandles).map(([handle, { trackSid }]) => [Number(handle), trackSid]));
}

const sidsOf = (client: Client): string[] => [...handlesOf(client).values()].toSorted();
const sees = (client: Client, identity: string): string[] =>
  (client.sees(identity)?.dataTracks ?? []).map(({ name }) => name);

/** Who gets a packet that this client sends under this handle: identities, and the tracks that they take it for. */
function receivers(world: World, from: Client, handle: number): string[] {
  const got: string[] = [];
  const worker = new DataTracks((peer, _, bytes) => {
    const to = world.clients.find((client) => client.peers.includes(peer));
    if (to) got.push(`${to.identity}: ${handlesOf(to).get(parseDataTrackPacket(bytes)!.handle)}`);
    return "queued";
  });
  for (const effect of world.effects) {
    if (effect.type !== "media") continue;
    const { command } = effect;
    if (command.type === "setMember") worker.setMember(command.participant, command.member);
    if (command.type === "removeMember") worker.removeMember(command.participant);
    if (command.type === "setDataTrack") worker.setTrack(command.participant, command.track, command.handle);
    if (command.type === "removeDataTrack") worker.removeTrack(command.track);
    if (command.type === "setDataSubscription")
      worker.setSubscription(command.participant, command.track, command.handle);
  }
  const packet = writeDataTrackPacket({
    startsFrame: true,
    endsFrame: true,
    handle,
    sequence: 0,
    frameNumber: 0,
    timestamp: 0,
    extensions: [],
    payload: Uint8Array.of(1),
  });
  worker.handlePacket(from.sid, packet!);
  return got.toSorted();
}

for (const peerConnections of ["single", "dual"] as const) {
  describe(`with ${peerConnections === "single" ? "one peer connection" : "two peer connections"}`, () => {
    test("whoever takes everything gets a track when it is published, and what there is when its media is connected", () => {
      const world = new World();
      const ada = world.connect("ada", { peerConnections });
      const bob = world.connect("bob", { peerConnections, ...AUTO });
      bob.forget();
      const pose = publish(ada, 1);
      assert.match(pose.sid, /^DTR_.{12}$/);
      assert.deepEqual([...handlesOf(bob).values()], [pose.sid]);
      const [entry] = Object.values(bob.last("dataTrackSubscriberHandles")!.subHandles);
      assert.deepEqual([entry?.publisherIdentity, entry?.publisherSid], ["ada", ada.sid]);
      // A client cannot take in a handle for a track that it has not read of.
      assert.deepEqual(
        bob.messages.map(({ message }) => message.case).filter((kind) => kind !== "roomUpdate"),
        ["update", "dataTrackSubscriberHandles"],
      );
      assert.deepEqual(receivers(world, ada, 1), [`bob: ${pose.sid}`]);

      const scan = publish(ada, 2);
      assert.deepEqual(sidsOf(bob), [pose.sid, scan.sid].toSorted());
      const carol = world.join("carol", { peerConnections, ...AUTO });
      assert.deepEqual(sees(carol, "ada"), ["track 1", "track 2"]);
      assert.deepEqual(carol.all("dataTrackSubscriberHandles"), []);
      carol.connectMedia();
      assert.deepEqual(sidsOf(carol), [pose.sid, scan.sid].toSorted());
      assert.equal(carol.all("dataTrackSubscriberHandles").length, 1, "told once of both");
      assert.deepEqual(receivers(world, ada, 2), [`bob: ${scan.sid}`, `carol: ${scan.sid}`]);
    });

    test("others get what they ask for, for as long as they want it", () => {
      const world = new World();
      const ada = world.connect("ada", { peerConnections });
      const bob = world.connect("bob", { peerConnections });
      const pose = publish(ada, 7);
      const scan = publish(ada, 8);
      assert.deepEqual(sees(bob, "ada"), ["track 7", "track 8"]);
      assert.deepEqual([bob.all("dataTrackSubscriberHandles"), receivers(world, ada, 7)], [[], []]);
      wish(bob, true, pose.sid, scan.sid);
      assert.deepEqual(sidsOf(bob), [pose.sid, scan.sid].toSorted());
      assert.equal(bob.all("dataTrackSubscriberHandles").length, 1);
      const before = new Set(handlesOf(bob).keys());
      wish(bob, false, pose.sid);
      assert.deepEqual([sidsOf(bob), receivers(world, ada, 7)], [[scan.sid], []]);
      wish(bob, true, pose.sid);
      const renewed = [...handlesOf(bob)].find(([, sid]) => sid === pose.sid)![0];
      assert.ok(!before.has(renewed), "packets on their way under the old handle are not taken for new ones");
      assert.deepEqual(receivers(world, ada, 7), [`bob: ${pose.sid}`]);
    });
  });
}

for (const [what, more, reason] of [
  ["handle 0", { pubHandle: 0 }, INVALID_HANDLE],
  ["a handle beyond 16 bits", { pubHandle: 65_536 }, INVALID_HANDLE],
  ["no name", { name: "" }, INVALID_NAME],
  ["a long name", { name: "é".repeat(129) }, INVALID_NAME],
  [
    "an encoding without name",
    { frameEncoding: new DataTrackFrameEncoding({ value: { case: "custom", value: "" } }) },
    INVALID_REQUEST,
  ],
  [
    "an encoding with a long name",
    { frameEncoding: new DataTrackFrameEncoding({ value: { case: "custom", value: "x".repeat(33) } }) },
    INVALID_REQUEST,
  ],
  [
    "a schema in an encoding with a long name",
    {
      schema: new DataTrackSchemaId({
        name: "s",
        encoding: new DataTrackSchemaEncoding({ value: { case: "custom", value: "x".repeat(33) } }),
      }),
    },
    INVALID_REQUEST,
  ],
  ["a handle that names another one", { pubHandle: 5, name: "other" }, DUPLICATE_HANDLE],
  ["a name that another one has", { pubHandle: 6, name: "pose" }, DUPLICATE_NAME],
  ["a schema of any length", { schema: new DataTrackSchemaId({ name: "x".repeat(128 * 1024) }) }, LIMIT_EXCEEDED],
] as const) {
  test(`a data track is refused: ${what}`, () => {
    const world = new World();
    const ada = world.connect("ada");
    const bob = world.connect("bob");
    publish(ada, 5, "pose");
    bob.forget();
    request(ada, { pubHandle: 1, name: "x", ...more });
    const response = ada.last("requestResponse")!;
    assert.equal(response.reason, reason);
    assert.ok(response.message.length > 0);
    // The client finds its request by this.
    assert.ok(response.request.case === "publishDataTrack");
    assert.equal(response.request.value.pubHandle, "pubHandle" in more ? more.pubHandle : 1);
    assert.equal(ada.all("publishDataTrackResponse").length, 1);
    assert.deepEqual([bob.messages.length, sees(bob, "ada")], [0, ["pose"]]);
  });
}

test("handle and name are free for others, and again after the end of the track", () => {
  const world = new World();
  const ada = world.connect("ada");
  const bob = world.connect("bob", AUTO);
  const carol = world.connect("carol");
  const first = publish(ada, 65_535, "é".repeat(128));
  publish(carol, 65_535, "é".repeat(128));
  assert.equal(sidsOf(bob).length, 2);
  bob.forget();
  unpublish(ada, 65_535);
  assert.equal(ada.last("unpublishDataTrackResponse")?.info?.sid, first.sid);
  assert.deepEqual([sees(bob, "ada"), receivers(world, ada, 65_535)], [[], []]);
  assert.equal(sidsOf(bob).length, 1);
  const second = publish(ada, 65_535, "é".repeat(128));
  assert.notEqual(second.sid, first.sid);
  assert.deepEqual(receivers(world, ada, 65_535), [`bob: ${second.sid}`]);
});

test("what is not published cannot be unpublished", () => {
  const world = new World();
  const ada = world.connect("ada");
  publish(world.connect("bob"), 1);
  unpublish(ada, 1);
  const response = ada.last("requestResponse")!;
  assert.deepEqual([response.reason, response.request.case], [NOT_FOUND, "unpublishDataTrack"]);
  assert.equal(ada.last("unpublishDataTrackResponse"), undefined);
});

test("whoever may not publish data publishes no data track", () => {
  const ada = new World().connect("ada", { grants: { canPublishData: false } });
  request(ada, { pubHandle: 1, name: "x" });
  const response = ada.last("requestResponse")!;
  assert.deepEqual([response.reason, response.message], [NOT_ALLOWED, "does not have permission to publish data"]);
});

test("where data tracks are switched off, no channel is opened for them", () => {
  const labels = (dataTracks: { encodingBytes: number } | undefined) => {
    const world = new World({}, {}, { dataTracks });
    world.connect("ada", { peerConnections: "dual" });
    return [...world.openPeers.values()].flatMap(({ channels }) => channels.map(({ label }) => label));
  };
  assert.deepEqual(labels({ encodingBytes: 32 }), ["_reliable", "_lossy", "_data_track"]);
  assert.deepEqual(labels(undefined), ["_reliable", "_lossy"]);
});

test("that a track is encrypted, its encoding and its schema are passed on", () => {
  const world = new World();
  const ada = world.connect("ada");
  const bob = world.connect("bob");
  const frameEncoding = new DataTrackFrameEncoding({ value: { case: "custom", value: "cdr" } });
  const schema = new DataTrackSchemaId({ name: "Pose" });
  request(ada, { pubHandle: 1, name: "pose", encryption: Encryption_Type.GCM, frameEncoding, schema });
  const told = ada.last("publishDataTrackResponse")!.info!;
  assert.ok(bob.sees("ada")!.dataTracks[0]!.equals(told));
  const { pubHandle, name, encryption } = told;
  assert.deepEqual([pubHandle, name, encryption], [1, "pose", Encryption_Type.GCM]);
  assert.deepEqual([told.frameEncoding?.equals(frameEncoding), told.schema?.equals(schema)], [true, true]);
});

test("one participant cannot have endlessly many", () => {
  const world = new World();
  const ada = world.connect("ada");
  let published = 0;
  for (let handle = 1; handle <= 1000; handle++) {
    request(ada, { pubHandle: handle, name: `${handle} ${"x".repeat(200)}` });
    if (ada.last("requestResponse")) break;
    published++;
  }
  assert.equal(ada.last("requestResponse")?.reason, LIMIT_EXCEEDED);
  assert.ok(published > 500, `${published} published`);
  assert.ok(world.connect("bob").sees("ada")!.toBinary().length < 140_000);
  unpublish(ada, 1);
  publish(ada, 1001, `1001 ${"x".repeat(200)}`);
});

test("wishes for what does not exist leave nothing behind, and an own track is not received", () => {
  const world = new World();
  const ada = world.connect("ada", AUTO);
  const pose = publish(ada, 1);
  wish(ada, true, pose.sid);
  for (let i = 0; i < 50; i++) wish(ada, true, `DTR_${i}`, "", "x".repeat(10_000));
  wish(ada, false, "DTR_1");
  assert.deepEqual([ada.all("dataTrackSubscriberHandles"), world.commands("setDataSubscription")], [[], []]);
});

test('an explicit "no" outlasts what comes by itself, until the client asks', () => {
  const world = new World();
  const ada = world.connect("ada");
  const bob = world.connect("bob", AUTO);
  const pose = publish(ada, 1);
  wish(bob, false, pose.sid);
  allow(ada, []);
  allow(ada, "all");
  permit(world, "bob", { canSubscribe: false });
  permit(world, "bob", {});
  assert.deepEqual([sidsOf(bob), receivers(world, ada, 1)], [[], []]);
  wish(bob, true, pose.sid);
  assert.deepEqual(receivers(world, ada, 1), [`bob: ${pose.sid}`]);
});

test("a client that asks for what it receives is told its handles again", () => {
  const world = new World();
  const ada = world.connect("ada");
  const bob = world.connect("bob", AUTO);
  const pose = publish(ada, 1);
  const told = handlesOf(bob);
  bob.forget();
  wish(bob, true, pose.sid);
  assert.deepEqual(handlesOf(bob), told);
});

test("what a publisher forbids stops at the packet, and its subscribers are told; the last message counts", () => {
  const world = new World();
  const ada = world.connect("ada");
  const bob = world.connect("bob", AUTO);
  const carol = world.connect("carol", AUTO);
  const pose = publish(ada, 1);
  const scan = publish(ada, 2);
  allow(ada, [{ participantIdentity: "bob", trackSids: [scan.sid] }]);
  assert.deepEqual([sidsOf(bob), sidsOf(carol)], [[scan.sid], []]);
  assert.deepEqual([receivers(world, ada, 1), receivers(world, ada, 2)], [[], [`bob: ${scan.sid}`]]);
  const denials = (client: Client) =>
    client.all("subscriptionPermissionUpdate").map(({ trackSid, allowed }) => [trackSid, allowed]);
  assert.deepEqual(denials(bob), [[pose.sid, false]]);
  assert.equal(denials(carol).length, 2);

  // One that comes later, and asks.
  const dave = world.connect("dave");
  wish(dave, true, scan.sid);
  assert.deepEqual([sidsOf(dave), denials(dave)], [[], [[scan.sid, false]]]);

  allow(ada, [{ participantSid: carol.sid, allTracks: true }]);
  assert.deepEqual(
    [receivers(world, ada, 1), receivers(world, ada, 2)],
    [[`carol: ${pose.sid}`], [`carol: ${scan.sid}`]],
  );
  // A track that is published under the rules of before.
  const late = publish(ada, 3);
  assert.deepEqual(receivers(world, ada, 3), [`carol: ${late.sid}`]);
  allow(ada, "all");
  assert.deepEqual(
    receivers(world, ada, 2),
    ["bob", "carol", "dave"].map((name) => `${name}: ${scan.sid}`),
  );
  assert.deepEqual(denials(dave).at(-1), [scan.sid, true]);
});

test("a right to subscribe that is given later lets the wishes come true; withdrawn, all stops", () => {
  const world = new World();
  const ada = world.connect("ada");
  const bob = world.connect("bob", { ...AUTO, grants: { canSubscribe: false } });
  const pose = publish(ada, 1);
  assert.deepEqual([sidsOf(bob), receivers(world, ada, 1)], [[], []]);
  permit(world, "bob", {});
  assert.deepEqual([sidsOf(bob), receivers(world, ada, 1)], [[pose.sid], [`bob: ${pose.sid}`]]);
  permit(world, "bob", { canSubscribe: false });
  assert.deepEqual([sidsOf(bob), receivers(world, ada, 1)], [[], []]);
});

test("a right to publish data that is withdrawn ends the tracks, and their publisher is told", () => {
  const world = new World();
  const ada = world.connect("ada");
  const bob = world.connect("bob", AUTO);
  const pose = publish(ada, 1);
  const mic = ada.publish("mic", "audio");
  permit(world, "ada", { canPublishData: false });
  assert.equal(ada.last("unpublishDataTrackResponse")?.info?.sid, pose.sid);
  assert.deepEqual([sees(bob, "ada"), sidsOf(bob), receivers(world, ada, 1)], [[], [], []]);
  assert.deepEqual(
    bob.sees("ada")?.tracks.map(({ sid }) => sid),
    [mic.sid],
  );
  request(ada, { pubHandle: 2, name: "again" });
  assert.equal(ada.last("requestResponse")?.reason, NOT_ALLOWED);
  permit(world, "ada", {});
  const again = publish(ada, 1);
  assert.deepEqual(receivers(world, ada, 1), [`bob: ${again.sid}`]);
});

test("a publisher that leaves takes its tracks along, a subscriber leaves nothing behind", () => {
  const world = new World();
  const ada = world.connect("ada");
  const bob = world.connect("bob", AUTO);
  publish(ada, 1);
  publish(ada, 2);
  world.connect("carol", AUTO);
  const carol = world.join("carol", AUTO);
  assert.equal(receivers(world, ada, 1).length, 1, "the former carol gets nothing");
  carol.connectMedia();
  assert.equal(receivers(world, ada, 1).length, 2);
  bob.forget();
  const adaAgain = world.connect("ada");
  world.advance(1000);
  assert.deepEqual([sidsOf(bob), sidsOf(carol), sees(bob, "ada")], [[], [], []]);
  assert.equal(bob.all("dataTrackSubscriberHandles").length, 1, "told once of both");
  assert.deepEqual(receivers(world, ada, 1), []);
  const pose = publish(adaAgain, 1);
  assert.deepEqual(receivers(world, adaAgain, 1), [`bob: ${pose.sid}`, `carol: ${pose.sid}`]);
});

test("nobody gets the track of one that is hidden; when it is seen, those who want it do", () => {
  const world = new World();
  const ada = world.connect("ada", { grants: { hidden: true } });
  const bob = world.connect("bob", AUTO);
  bob.forget();
  allow(ada, []);
  const pose = publish(ada, 1);
  assert.deepEqual([bob.messages.length, bob.sees("ada"), receivers(world, ada, 1)], [0, undefined, []]);
  allow(ada, "all");
  permit(world, "ada", {});
  assert.deepEqual([sees(bob, "ada"), sidsOf(bob)], [["track 1"], [pose.sid]]);
  assert.deepEqual(receivers(world, ada, 1), [`bob: ${pose.sid}`]);
  permit(world, "ada", { hidden: true });
  assert.deepEqual([bob.sees("ada"), sidsOf(bob), receivers(world, ada, 1)], [undefined, [], []]);
});

describe("a client that resumes", () => {
  const sync = (client: Client, sids: string[], more: Partial<SyncState> = {}) => {
    const publishDataTracks = sids.map((sid) => new PublishDataTrackResponse({ info: new DataTrackInfo({ sid }) }));
    client.request({ case: "syncState", value: new SyncState({ publishDataTracks, ...more }) });
  };

  test("keeps its tracks when it names what we know, and starts anew when it does not", () => {
    for (const known of [true, false]) {
      const world = new World();
      const ada = world.connect("ada");
      const bob = world.connect("bob", AUTO);
      const pose = publish(ada, 1);
      ada.dropSignal();
      ada.resume();
      ada.forget();
      sync(ada, [known ? pose.sid : "DTR_other"]);
      assert.equal(ada.leave === undefined, known);
      assert.deepEqual(receivers(world, ada, 1), known ? [`bob: ${pose.sid}`] : []);
      assert.deepEqual(sidsOf(bob), known ? [pose.sid] : []);
      assert.deepEqual(ada.all("publishDataTrackResponse"), []);
    }
  });

  test("starts anew when it names a track without SID", () => {
    const ada = new World().connect("ada");
    ada.dropSignal();
    ada.resume();
    const publishDataTracks = [new PublishDataTrackResponse()];
    ada.request({ case: "syncState", value: new SyncState({ publishDataTracks }) });
    assert.ok(ada.leave);
  });

  test("gets the answer that was lost with its connection", () => {
    const ada = new World().connect("ada");
    const pose = publish(ada, 1);
    ada.dropSignal();
    ada.resume();
    ada.forget();
    sync(ada, []);
    assert.equal(ada.last("publishDataTrackResponse")?.info?.sid, pose.sid);
  });

  test("is told the handles and denials that it missed, and of its wishes", () => {
    const world = new World();
    const ada = world.connect("ada");
    const bob = world.connect("bob", AUTO);
    const pose = publish(ada, 1);
    const scan = publish(ada, 2);
    wish(bob, false, scan.sid);
    bob.dropSignal();
    const late = publish(ada, 3);
    allow(ada, [{ participantIdentity: "bob", trackSids: [scan.sid, late.sid] }]);
    bob.forget();
    bob.resume();
    assert.deepEqual(sees(bob, "ada"), ["track 1", "track 2", "track 3"]);
    assert.deepEqual(sidsOf(bob), [late.sid]);
    assert.deepEqual(
      bob.all("subscriptionPermissionUpdate").map(({ trackSid, allowed }) => [trackSid, allowed]),
      [[pose.sid, false]],
    );
    const updates = [new UpdateDataSubscription_Update({ trackSid: scan.sid, subscribe: true })];
    sync(bob, [], { dataSubscription: new UpdateDataSubscription({ updates }) });
    assert.deepEqual(receivers(world, ada, 2), [`bob: ${scan.sid}`]);
  });
});

test("handles come one after the other, from a random one on, and are never 0 or taken", () => {
  const world = new World({}, { random: { uint32: () => 255, bytes: sequentialBytes() } });
  const ada = world.connect("ada");
  const bob = world.connect("bob");
  const kept = publish(ada, 1);
  const other = publish(ada, 2);
  wish(bob, true, kept.sid);
  const given: number[] = [];
  for (let i = 0; i < 65_536; i++) {
    if (i > 2 && i < 65_530) {
      // Nobody need listen meanwhile.
      const [on, off] = [true, false].map(
        (subscribe) =>
          new UpdateDataSubscription({
            updates: [new UpdateDataSubscription_Update({ trackSid: other.sid, subscribe })],
          }),
      );
      for (const value of [on!, off!]) silently(world, bob, value);
      continue;
    }
    bob.forget();
    wish(bob, true, other.sid);
    given.push([...handlesOf(bob)].find(([, sid]) => sid === other.sid)![0]);
    wish(bob, false, other.sid);
  }
  assert.deepEqual(given, [257, 258, 259, 252, 253, 254, 255, 257, 258]);
});

function sequentialBytes(): (length: number) => Uint8Array {
  let next = 0;
  return (length) => Uint8Array.from({ length }, () => next++ % 200);
}

function silently(world: World, client: Client, value: UpdateDataSubscription): void {
  const message = { case: "updateDataSubscription", value } as const;
  world.room.handleRequest(client.sid, client.connection, new SignalRequest({ message }), world.nowMs);
  world.room.takeEffects();
}

const NAMES = ["ada", "bob", "carol"] as const;
const who = fc.nat(NAMES.length - 1);
const step = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(fc.constant("publish" as const), who, fc.integer({ min: 0, max: 4 })) },
  { weight: 2, arbitrary: fc.tuple(fc.constant("unpublish" as const), who, fc.integer({ min: 1, max: 4 })) },
  { weight: 4, arbitrary: fc.tuple(fc.constant("wish" as const), who, fc.nat(30)) },
  { weight: 2, arbitrary: fc.tuple(fc.constant("allow" as const), who, fc.nat(7)) },
  { weight: 2, arbitrary: fc.tuple(fc.constant("permit" as const), who, fc.nat(7)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("rejoin" as const), who, fc.nat(1)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("resume" as const), who, fc.nat(1)) },
);

test("whatever happens in whatever order: a packet goes to exactly those who were told a handle for its track", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25, size: "max" }), (steps) => {
      const world = new World();
      const clients = NAMES.map((name, i) => world.connect(name, { autoSubscribeDataTrack: i !== 0 }));
      for (const [kind, person, n] of steps) {
        const client = clients[person]!;
        const sids = clients.flatMap((one) => one.self?.dataTracks ?? []).map(({ sid }) => sid);
        if (kind === "publish") request(client, { pubHandle: n, name: `track ${n}` });
        if (kind === "unpublish") unpublish(client, n);
        if (kind === "wish") wish(client, n % 3 > 0, sids[n % sids.length] ?? "DTR_none");
        if (kind === "allow") allow(client, n > 5 ? "all" : [{ participantIdentity: NAMES[n % 3]!, allTracks: true }]);
        if (kind === "permit")
          permit(world, client.identity, { canSubscribe: n % 4 > 0, canPublishData: n > 1, hidden: n === 5 });
        if (kind === "rejoin") {
          clients[person] = world.connect(client.identity, client.options);
        }
        if (kind === "resume") {
          client.dropSignal();
          client.resume();
        }
      }
      for (const publisher of clients) {
        const own = new Map((publisher.self?.dataTracks ?? []).map(({ pubHandle, sid }) => [pubHandle, sid]));
        for (let handle = 1; handle <= 4; handle++) {
          const sid = own.get(handle);
          const told = clients.filter((one) => sid !== undefined && sidsOf(one).includes(sid));
          const expected = told.map(({ identity }) => `${identity}: ${sid}`).toSorted();
          assert.deepEqual(receivers(world, publisher, handle), expected);
        }
        for (const sid of sidsOf(publisher)) {
          const [from] = clients.filter((one) => one.self?.dataTracks.some((track) => track.sid === sid));
          assert.ok(from && from !== publisher, "only what others publish");
          assert.ok(
            publisher.sees(from.identity)?.dataTracks.some((track) => track.sid === sid),
            "and shows",
          );
        }
      }
    }),
    { numRuns: 150 },
  );
});
