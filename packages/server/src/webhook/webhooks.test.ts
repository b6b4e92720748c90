/** Webhooks with a receiver of flesh: what arrives, in which order, signed how, and what a bad receiver costs the others. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, test } from "node:test";
import { DisconnectReason, ParticipantInfo, Room as RoomInfo, TrackInfo } from "@livekit/protocol";
import type { ParticipantEventKind } from "@stoa/core/room/effects";
import { createRandom } from "@stoa/io/random";
import { until } from "@stoa/testkit/until";
import { isRefused, verifyToken } from "../auth/verify.ts";
import { KEY, KEYS, recordingLog, testConfig } from "../fixtures.test.ts";
import { Poster } from "./post.ts";
import { readWebhookSettings } from "./settings.ts";
import { Webhooks } from "./webhooks.ts";

interface Received {
  readonly event: string;
  readonly id: string;
  readonly room: { readonly name: string; readonly sid: string; readonly metadata?: string };
  readonly participant?: { readonly sid: string; readonly identity: string; readonly disconnectReason?: string };
  readonly track?: { readonly sid: string };
  readonly createdAt: string;
  readonly text: string;
  readonly headers: IncomingMessage["headers"];
}

const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0)) await close();
});

/** A receiver; `answer` decides what becomes of each request. */
async function receiver(answer: (response: ServerResponse, attempt: number) => void = (response) => response.end()) {
  const events: Received[] = [];
  let attempts = 0;
  const server: Server = createServer((request, response) => {
    let text = "";
    request.on("data", (chunk) => (text += String(chunk)));
    request.on("end", () => {
      events.push({ ...(JSON.parse(text) as Received), text, headers: request.headers });
      answer(response, ++attempts);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  open.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return { events, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook` };
}

function webhooks(urls: readonly string[], yaml = "", more: { poster?: Poster } = {}) {
  const log = recordingLog();
  const { config, keys } = testConfig(
    `webhook: { api_key: ${KEY}, allow_private_targets: true, urls: ${JSON.stringify(urls)} }\n${yaml}`,
  );
  const figures = { delivered: 0, broken: 0, failed: 0, dropped: [] as string[] };
  const hooks = new Webhooks({
    settings: readWebhookSettings(config, keys),
    random: createRandom(),
    nowMs: Date.now,
    log,
    figures: {
      delivered: () => void figures.delivered++,
      broken: () => void figures.broken++,
      failed: () => void figures.failed++,
      dropped: (reason) => void figures.dropped.push(reason),
      queued: () => {},
    },
    ...more,
  });
  open.push(() => hooks.close(0));
  const room = new RoomInfo({ sid: "RM_1", name: "lobby", metadata: "m", turnPassword: "secret" });
  const participant = new ParticipantInfo({ sid: "PA_1", identity: "ada", metadata: "md" });
  const track = new TrackInfo({ sid: "TR_1" });
  const happen = (kind: ParticipantEventKind, who = participant) => {
    hooks.observer.onParticipant!("lobby", {
      type: "participantEvent",
      kind,
      participant: who,
      track: kind.startsWith("track") ? track : undefined,
      detail: "",
      atMs: Date.now(),
    });
  };
  const create = () => {
    hooks.observer.onRoomCreated!({ type: "roomCreated", room });
  };
  const close = () => hooks.observer.onRoomClosed!({ type: "roomClosed", room, reason: DisconnectReason.ROOM_CLOSED });
  return { hooks, log, figures, create, happen, close, participant };
}

const WHOLE_LIFE = [
  "room_started",
  "participant_joined",
  "track_published",
  "track_unpublished",
  "participant_left",
  "room_finished",
];

function live({ create, happen, close }: ReturnType<typeof webhooks>): void {
  create();
  for (const kind of ["joined", "active", "trackPublished", "trackUnpublished", "left"] as const) happen(kind);
  close();
}

describe("webhooks", () => {
  test("tell the life of a room in order, signed with the key, ids unique", async () => {
    const { events, url } = await receiver();
    const set = webhooks([url]);
    live(set);
    await until(() => events.length === 6, 5000, "six events");
    assert.deepEqual(
      events.map(({ event }) => event),
      WHOLE_LIFE,
    );
    assert.equal(new Set(events.map(({ id }) => id)).size, 6);
    for (const { id, createdAt, headers, text, room } of events) {
      assert.match(id, /^EV_\w{12}$/);
      assert.ok(Math.abs(Number(createdAt) - Date.now() / 1000) < 5);
      assert.equal(headers["content-type"], "application/webhook+json");
      const token = await verifyToken(KEYS, headers.authorization!, Date.now());
      assert.ok(!isRefused(token));
      assert.equal(token!.grants.sha256, createHash("sha256").update(text).digest("base64"));
      assert.equal(room.sid, "RM_1");
      assert.ok(!text.includes("secret"));
    }
    assert.deepEqual(events[1]!.participant!.identity, "ada");
    assert.deepEqual([events[1]!.room.metadata, events[2]!.room.metadata], ["m", undefined]);
    assert.equal(events[2]!.track!.sid, "TR_1");
    await until(() => set.figures.delivered === 6, 1000, "the count");
  });

  test("one who never became active is a connection that was aborted", async () => {
    const { events, url } = await receiver();
    const { create, happen } = webhooks([url]);
    create();
    happen("joined");
    happen("left");
    await until(() => events.length === 2, 5000, "two events");
    assert.equal(events[1]!.event, "participant_connection_aborted");
  });

  test("an error of the receiver is tried again with the same id and body, and nothing overtakes", async () => {
    const { events, url } = await receiver((response, attempt) => {
      response.statusCode = attempt === 2 ? 503 : 200;
      response.end();
    });
    const set = webhooks([url]);
    live(set);
    await until(() => events.length === 7, 8000, "six events and a repetition");
    assert.deepEqual(
      events.map(({ event }) => event),
      WHOLE_LIFE.toSpliced(1, 0, "participant_joined"),
    );
    assert.deepEqual([events[1]!.id, events[1]!.text], [events[2]!.id, events[2]!.text]);
    await until(() => set.figures.delivered === 6, 1000, "all delivered");
    assert.ok(set.log.lines.some((line) => /warn webhook receiver does not take events \(status 503\)/.test(line)));
    assert.ok(set.log.lines.includes("info webhook receiver takes events again"));
  });

  test("a receiver that never answers delays neither the caller nor another receiver", async () => {
    const dead = await receiver(() => {});
    const good = await receiver();
    const set = webhooks([dead.url, good.url]);
    const began = performance.now();
    live(set);
    assert.ok(performance.now() - began < 100);
    await until(() => good.events.length === 6, 5000, "the good receiver");
    assert.equal(dead.events.length, 1);
    assert.equal(set.hooks.size, 6);
  });

  test("an answer of 4xx is final", async () => {
    const { events, url } = await receiver((response) => {
      response.statusCode = 400;
      response.end();
    });
    const set = webhooks([url]);
    live(set);
    await until(() => set.figures.failed === 6, 5000, "all given up");
    assert.equal(events.length, 6);
    assert.ok(set.log.lines.includes("warn webhook given up: status 400"));
  });

  test("a redirect is not followed", async () => {
    const inner = await receiver();
    const { url } = await receiver((response) => {
      response.writeHead(307, { location: inner.url });
      response.end();
    });
    const set = webhooks([url]);
    set.create();
    await until(() => set.figures.failed === 1, 5000, "given up");
    assert.equal(inner.events.length, 0);
  });

  test("filters leave events out", async () => {
    const { events, url } = await receiver();
    const filter = (words: string) =>
      `webhook: { api_key: ${KEY}, allow_private_targets: true, urls: ["${url}"], ${words} }`;
    for (const [words, expected] of [
      ["filter_params: { include_events: [participant_left, room_started] }", ["room_started", "participant_left"]],
      ["filter_params: { exclude_events: [track_published, track_unpublished] }", WHOLE_LIFE.toSpliced(2, 2)],
    ] as const) {
      const set = webhooks([url]);
      const { config, keys } = testConfig(filter(words));
      set.hooks.apply(readWebhookSettings(config, keys));
      live(set);
      await until(() => events.length === expected.length, 5000, "the events");
      assert.deepEqual(
        events.splice(0).map(({ event }) => event),
        [...expected],
      );
    }
  });

  test("too many events for a receiver that is dead: the newest are dropped and counted", async () => {
    const set = webhooks(["http://127.0.0.1:1/"]);
    set.create();
    for (let i = 0; i < 500; i++) {
      const who = new ParticipantInfo({ sid: `PA_${i}`, identity: `p${i}` });
      set.happen("active", who);
      set.happen("left", who);
    }
    assert.equal(set.hooks.size, 200);
    const [full, orphan] = ["full", "orphan"].map(
      (reason) => set.figures.dropped.filter((word) => word === reason).length,
    );
    assert.equal(full! + orphan!, 801);
    assert.ok(orphan! >= 400);
    assert.equal(set.log.lines.filter((line) => line.startsWith("warn webhook dropped")).length, 1);
    await set.hooks.close(0);
    assert.ok(set.log.lines.includes("warn webhook events were not delivered"));
  });

  test("an attempt that fails by a fault of ours is counted and made again", async () => {
    const { events, url } = await receiver();
    const poster = new Poster();
    const post = poster.post.bind(poster);
    const faults = [
      () => assert.fail("thrown at once"),
      () => Promise.reject(new Error("thrown later")),
      () => assert.fail("and again"),
    ];
    poster.post = (request) => faults.shift()?.() ?? post(request);
    const set = webhooks([url], "", { poster });
    live(set);
    await until(() => events.length === 6, 20_000, "six events");
    assert.deepEqual(
      events.map(({ event }) => event),
      WHOLE_LIFE,
    );
    assert.deepEqual([set.figures.broken, set.figures.failed, set.figures.dropped], [3, 0, []]);
    assert.equal(set.log.lines.filter((line) => line.startsWith("error webhook could not be sent")).length, 3);
  });

  test("at the end, what waits still goes out", async () => {
    const { events, url } = await receiver();
    const set = webhooks([url]);
    live(set);
    await set.hooks.close(3000);
    assert.equal(events.length, 6);
  });

  test("a name that resolves to a private address is no target, whatever it resolved to before", async () => {
    const { events, url } = await receiver();
    const port = new URL(url).port;
    const lookup = (_: string, __: unknown, callback: (error: null, addresses: unknown) => void) => {
      callback(null, [{ address: "127.0.0.1", family: 4 }]);
    };
    const poster = new Poster(lookup as never);
    const request = { url: new URL(`http://hook.example:${port}/`), body: "{}", headers: {}, withinMs: 5000 };
    const refused = await poster.post({ ...request, policy: { allowPrivate: false, allowLinkLocal: false } });
    assert.equal(refused.attempt, "refused");
    assert.match(refused.reason, /127\.0\.0\.1 is not a public address/);
    assert.equal(events.length, 0);
    const allowed = await poster.post({ ...request, policy: { allowPrivate: true, allowLinkLocal: false } });
    assert.equal(allowed.attempt, "delivered");
    poster.close();
  });
});

describe("the webhook section", () => {
  const read = (section: string, flags: Record<string, boolean> = {}) => {
    const { config, keys } = testConfig(`webhook: { ${section} }`, flags);
    return readWebhookSettings(config, keys);
  };
  const fails = (section: string, expected: RegExp) => {
    assert.throws(() => read(section), { code: "bad_config", message: expected });
  };

  test("without a URL there is nothing to do", () => {
    assert.equal(read(""), undefined);
  });

  test("mistakes are one sentence", () => {
    fails('urls: ["https://example.com"]', /^"webhook\.api_key" is needed to sign events: name one of "keys"\.$/);
    fails('urls: ["https://example.com"], api_key: nobody', /is "nobody", which is none of the API keys/);
    fails(`urls: ["ftp://example.com"], api_key: ${KEY}`, /has "ftp:\/\/example\.com", which is no http/);
    fails(`urls: ["http://localhost:1/"], api_key: ${KEY}`, /localhost:1, a private address: set "webhook\.allow/);
    fails(`urls: ["http://169.254.169.254/"], api_key: ${KEY}`, /link-local/);
  });

  test("a development server may call this machine, and nobody may call the metadata service without a word", () => {
    assert.ok(read(`urls: ["http://localhost:1/"], api_key: ${KEY}`, { dev: true }));
    assert.throws(() => read(`urls: ["http://169.254.169.254/"], api_key: ${KEY}`, { dev: true }));
    assert.ok(read(`urls: ["http://169.254.169.254/"], api_key: ${KEY}, allow_private_targets: true`));
    assert.throws(() =>
      read(`urls: ["http://localhost:1/"], api_key: ${KEY}, allow_private_targets: false`, { dev: true }),
    );
  });
});
