/** The server API through livekit-server-sdk, and what it does to people in browsers: rights, attributes, removal, rooms. */
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { DataPacket_Kind, DisconnectReason, type ParticipantPermission } from "@livekit/protocol";
import { RoomServiceClient, TwirpError } from "livekit-server-sdk";
import { type CallPage, SMALL } from "@stoa/testkit/call-page";
import { openStage, type Stage } from "@stoa/testkit/stage";
import { until } from "@stoa/testkit/until";

let stage: Stage;
let api: RoomServiceClient;

before(async () => {
  stage = await openStage();
  const { http, key, secret } = stage.server;
  api = new RoomServiceClient(http, key, secret);
});
afterEach(() => stage.clear());
after(() => stage?.close());

/** Everything but what `change` says. */
function permission(change: Partial<ParticipantPermission> = {}): Partial<ParticipantPermission> {
  return { canPublish: true, canSubscribe: true, canPublishData: true, ...change };
}

interface PageRoom {
  readonly state: string;
  registerRpcMethod(method: string, handler: (call: { payload: string; callerIdentity: string }) => string): void;
  readonly localParticipant: {
    readonly attributes: Record<string, string>;
    setAttributes(attributes: Record<string, string>): Promise<void>;
    setTrackSubscriptionPermissions(all: boolean, entries?: unknown[]): void;
  };
  readonly remoteParticipants: Map<
    string,
    {
      readonly attributes: Record<string, string>;
      readonly name: string;
      getTrackPublication(source: string): { isMuted: boolean } | undefined;
    }
  >;
}

/** Evaluates in a page, with its room. */
function inRoom<T>(
  page: CallPage,
  fn: (room: PageRoom, argument: unknown) => T,
  argument?: unknown,
): Promise<Awaited<T>> {
  return page.page.evaluate(
    ([text, value]) => {
      const { room } = (globalThis as unknown as { harness: { room: PageRoom } }).harness;
      // oxlint-disable-next-line no-eval -- the function travels as text
      return (0, eval)(`(${text as string})`)(room, value) as never;
    },
    [fn.toString(), argument] as const,
  ) as Promise<Awaited<T>>;
}

const attributesOf = (page: CallPage, identity: string) =>
  inRoom(page, (room, who) => ({ ...room.remoteParticipants.get(who as string)?.attributes }), identity);

function seesAttributes(page: CallPage, identity: string, expected: Record<string, string>): Promise<unknown> {
  let last: unknown;
  return until(
    async () => {
      const now = await attributesOf(page, identity);
      last = now;
      const names = new Set([...Object.keys(now), ...Object.keys(expected)]);
      return [...names].every((name) => now[name] === expected[name]);
    },
    5000,
    () => `${page.identity} to see ${JSON.stringify(expected)} of ${identity} (now ${JSON.stringify(last)})`,
  );
}

async function fails(call: Promise<unknown>, code: string, message: RegExp): Promise<void> {
  await assert.rejects(call, (error: TwirpError) => {
    assert.ok(error instanceof TwirpError);
    assert.equal(error.code, code);
    assert.match(error.message, message);
    return true;
  });
}

const reasonOf = async (page: CallPage) =>
  Number((await page.events()).find(({ name }) => name === "disconnected")?.about ?? -1);

test("rights that are withdrawn in a call: tracks end, subscriptions end, data is not delivered; given back, all goes on", async () => {
  const [ada, bob] = await Promise.all([stage.enter("rights", "ada"), stage.enter("rights", "bob")]);
  await Promise.all([ada.publishCamera(SMALL), bob.publishCamera(SMALL)]);
  await Promise.all([ada.sees("bob"), bob.sees("ada")]);

  await api.updateParticipant("rights", "ada", { permission: permission({ canPublish: false }) });
  await ada.waitEvent("localTrackUnpublished");
  await bob.waitEvent("trackUnpublished");
  await until(async () => (await bob.seen("ada")) === undefined, 5000, "ada's picture to go");
  await ada.sees("bob");

  await api.updateParticipant("rights", "ada", { permission: permission({ canPublish: false, canSubscribe: false }) });
  await ada.waitEvent("trackUnsubscribed");
  await api.updateParticipant("rights", "ada", { permission: permission({ canPublishData: false }) });
  await ada.sees("bob");
  await ada.call("send", "forbidden", { reliable: true }).catch(() => {});
  await bob.call("send", "allowed", { reliable: true });
  await until(async () => (await ada.data()).length === 1, 5000, "bob's message");
  await api.updateParticipant("rights", "ada", { permission: permission() });
  await ada.call("send", "again", { reliable: true });
  await until(async () => (await bob.data()).length > 0, 5000, "ada's message");
  assert.deepEqual(
    (await bob.data()).map(({ text }) => text),
    ["again"],
  );
  await ada.publishCamera(SMALL);
  await bob.sees("ada");
});

test("a publisher says who may see it", async () => {
  const [ada, bob, cleo] = await Promise.all(["ada", "bob", "cleo"].map((name) => stage.enter("chosen", name)));
  assert.ok(ada && bob && cleo);
  await ada.publishCamera(SMALL);
  await Promise.all([bob.sees("ada"), cleo.sees("ada")]);
  const allow = (entries: unknown[]) =>
    inRoom(
      ada,
      (room, list) => room.localParticipant.setTrackSubscriptionPermissions(false, list as unknown[]),
      entries,
    );
  await allow([{ participantIdentity: "cleo", allowAll: true }]);
  await bob.waitEvent("trackSubscriptionPermissionChanged");
  await until(async () => (await bob.seen("ada")) === undefined, 5000, "ada's picture to go");
  await cleo.sees("ada");
  await allow([{ participantIdentity: "bob", allowAll: true }]);
  await bob.sees("ada");
});

test("attributes: set, merged, deleted by an empty value; refused without the right; a late joiner sees all", async () => {
  const grants = { canUpdateOwnMetadata: true };
  const [ada, bob] = await Promise.all([
    stage.enter("attributes", "ada", { grants }),
    stage.enter("attributes", "bob"),
  ]);
  const set = (page: CallPage, attributes: Record<string, string>) =>
    inRoom(
      page,
      (room, value) =>
        room.localParticipant.setAttributes(value as Record<string, string>).then(
          () => "accepted",
          (error: Error) => error.message,
        ),
      attributes,
    );
  assert.equal(await set(ada, { a: "1", gone: "x", "ü€😀": "ü€😀" }), "accepted");
  await seesAttributes(bob, "ada", { a: "1", gone: "x", "ü€😀": "ü€😀" });
  assert.equal(await set(ada, { a: "2", gone: "" }), "accepted");
  await seesAttributes(bob, "ada", { a: "2", "ü€😀": "ü€😀" });

  const refused = await set(bob, { evil: "1" });
  assert.match(refused, /permission/);
  await api.updateParticipant("attributes", "bob", { name: "Bob", attributes: { api: "yes" } });
  await seesAttributes(ada, "bob", { api: "yes" });

  const late = await stage.enter("attributes", "late");
  await seesAttributes(late, "ada", { a: "2", "ü€😀": "ü€😀" });
  assert.equal(await inRoom(late, (room) => room.remoteParticipants.get("bob")?.name), "Bob");
});

test("somebody who is removed, and everybody of a room that is deleted, hears why and does not come back", async () => {
  const [ada, bob] = await Promise.all([stage.enter("end", "ada"), stage.enter("end", "bob")]);
  await api.removeParticipant("end", "ada");
  await Promise.all([ada.waitEvent("disconnected"), bob.waitEvent("participantDisconnected", "ada")]);
  assert.equal(await reasonOf(ada), DisconnectReason.PARTICIPANT_REMOVED);
  await api.deleteRoom("end");
  await bob.waitEvent("disconnected");
  assert.equal(await reasonOf(bob), DisconnectReason.ROOM_DELETED);
  await until(async () => (await api.listRooms(["end"])).length === 0, 5000, "the room to go");

  const again = await stage.enter("end", "ada");
  for (const page of [ada, bob]) {
    assert.equal(await inRoom(page, (room) => room.state), "disconnected");
    assert.ok(!(await page.events()).some(({ name }) => /reconnect/i.test(name)));
  }
  assert.deepEqual(await again.participants(), []);
  assert.deepEqual(
    (await api.listParticipants("end")).map(({ identity }) => identity),
    ["ada"],
  );
});

test("the same identity again: the older one hears DUPLICATE_IDENTITY and stays away, one participant remains", async () => {
  const watcher = await stage.enter("twice", "watcher");
  const first = await stage.enter("twice", "ada");
  await first.publishTone(440);
  await watcher.hears("ada", 440);
  const second = await stage.enter("twice", "ada");
  await second.publishTone(660);
  await first.waitEvent("disconnected");
  assert.equal(await reasonOf(first), DisconnectReason.DUPLICATE_IDENTITY);
  await watcher.hears("ada", 660);
  assert.deepEqual(await watcher.participants(), ["ada"]);
  const here = (await api.listParticipants("twice")).filter(({ identity }) => identity === "ada");
  assert.equal(here.length, 1);
  assert.ok(!(await first.events()).some(({ name }) => /reconnect/i.test(name)));
});

test("RoomService on a call: rooms, muting, subscriptions, data, metadata, and mistakes by their codes", async () => {
  const made = await api.createRoom({ name: "office", emptyTimeout: 77, departureTimeout: 33, metadata: "m0" });
  assert.deepEqual([made.emptyTimeout, made.departureTimeout, made.metadata], [77, 33, "m0"]);
  assert.equal((await api.createRoom({ name: "office" })).sid, made.sid);
  const [ada, bob] = await Promise.all([stage.enter("office", "ada"), stage.enter("office", "bob")]);
  const sid = await ada.publishTone(440);
  await bob.hears("ada", 440);
  const info = await api.getParticipant("office", "ada");
  assert.deepEqual(
    info.tracks.map((track) => track.sid),
    [sid],
  );

  assert.equal((await api.mutePublishedTrack("office", "ada", sid, true)).muted, true);
  await Promise.all([ada.waitEvent("trackMuted"), bob.waitEvent("trackMuted")]);
  await fails(api.mutePublishedTrack("office", "ada", sid, false), "failed_precondition", /remote unmute not enabled/);
  await api.updateSubscriptions("office", "bob", [sid], false);
  await bob.waitEvent("trackUnsubscribed");

  const text = new TextEncoder().encode("from the server");
  await api.sendData("office", text, DataPacket_Kind.RELIABLE, { destinationIdentities: ["bob"], topic: "t" });
  await until(async () => (await bob.data()).length === 1, 5000, "the server's message");
  const [message] = await bob.data();
  assert.deepEqual([message?.text, message?.topic, message?.from ?? ""], ["from the server", "t", ""]);
  assert.deepEqual(await ada.data(), []);
  assert.equal((await api.updateRoomMetadata("office", "m1")).metadata, "m1");
  await bob.waitEvent("roomMetadataChanged", "m1");

  await fails(api.getParticipant("office", "nobody"), "not_found", /participant does not exist/);
  await fails(api.updateParticipant("office", "nobody", { name: "x" }), "not_found", /participant does not exist/);
  await fails(api.deleteRoom("nowhere"), "not_found", /requested room does not exist/);
  await fails(api.updateParticipant("office", "ada", { name: "x".repeat(257) }), "invalid_argument", /name length/);
  await fails(api.createRoom({ name: "x".repeat(257) }), "invalid_argument", /room name length/);
});

test("the server calls a method of a client: its answer, its error, and what the codes become", async () => {
  const ada = await stage.enter("calls", "ada");
  await inRoom(ada, (room) => {
    room.registerRpcMethod("echo", ({ payload, callerIdentity }) => `${payload} ${callerIdentity.length > 0}`);
    room.registerRpcMethod("fail", () => {
      throw new Error("no");
    });
  });
  const call = (method: string, more: object = {}) => performRpc({ destination_identity: "ada", method, ...more });
  assert.deepEqual(await call("echo", { payload: "ü€😀" }), [200, { payload: "ü€😀 true" }]);
  const codeOf = async (result: Promise<[number, Record<string, unknown>]>) => (await result)[1]["code"];
  assert.equal(await codeOf(call("fail")), "internal");
  assert.equal(await codeOf(call("nothing")), "invalid_argument");
  assert.equal(await codeOf(call("echo", { payload: "x".repeat(15_361) })), "invalid_argument");
  assert.equal(await codeOf(performRpc({ method: "echo" })), "invalid_argument");
});

/** livekit-server-sdk has no method for it. */
async function performRpc(request: object): Promise<[number, Record<string, unknown>]> {
  const { http } = stage.server;
  const token = stage.server.token("caller", "calls", { roomAdmin: true });
  const response = await fetch(`${http}/twirp/livekit.RoomService/PerformRpc`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body: JSON.stringify({ room: "calls", ...request }),
  });
  return [response.status, (await response.json()) as Record<string, unknown>];
}
