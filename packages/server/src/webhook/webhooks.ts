/**
 * The webhooks of a server: every event of its rooms goes into one outbox per URL, and from there out over HTTP.
 * Invariants: whoever causes an event never waits for a receiver; receivers do not wait for one another; what is lost is
 * counted and said in the log.
 */
import { createHash } from "node:crypto";
import { NEVER } from "@stoa/core/clock";
import type { Random } from "@stoa/core/crypto";
import type { Log } from "@stoa/io/log";
import { createToken, type KeyPair } from "../auth/create.ts";
import type { RoomObserver } from "../rooms/effects.ts";
import { WebhookEvents, type RoomEvent } from "./events.ts";
import { Outbox, type Letter, type Sending } from "./outbox.ts";
import { Poster, type PostResult } from "./post.ts";
import { isWanted, type WebhookSettings } from "./settings.ts";

/** An attempt without an answer is over after this time. */
const ATTEMPT_WITHIN_MS = 10_000;
const TOKEN_VALID_FOR_MS = 300_000;
/** Losses are said in one line per this time. */
const LOSS_LOG_EVERY_MS = 5000;
const FIRST_PAUSE_MS = 1000;
const LAST_PAUSE_MS = 30_000;
/** Letters and bytes that wait for one URL, all rooms together. */
const MAX_LETTERS = 20_000;
const MAX_BYTES = 64 << 20;

/** Counts of deliveries, for metrics. */
export interface WebhookFigures {
  delivered(): void;
  /** An attempt failed by a fault of this server; it is made again. */
  broken(): void;
  /** Given up after the receiver refused it or did not take it in time. */
  failed(): void;
  /** Never tried, or too late: "full", "age", "orphan". */
  dropped(reason: string): void;
  /** Letters of a room when one was added. */
  queued(length: number): void;
}

/** What webhooks work with. */
export interface WebhookDeps {
  /** Undefined: no URL is configured. */
  readonly settings: WebhookSettings | undefined;
  readonly random: Random;
  readonly nowMs: () => number;
  readonly log: Log;
  readonly figures: WebhookFigures | undefined;
  readonly poster?: Poster;
}

/** One URL with what waits for it. */
interface Line {
  readonly url: URL;
  readonly shown: string;
  readonly outbox: Outbox;
  timer: NodeJS.Timeout | undefined;
  timerAtMs: number;
  /** The last attempt failed. */
  failing: boolean;
  losses: number;
  lossLoggedMs: number;
  closed: boolean;
}

export class Webhooks {
  readonly observer: RoomObserver;
  readonly #deps: WebhookDeps;
  #settings: WebhookSettings | undefined;
  readonly #lines = new Map<string, Line>();
  #poster: Poster;
  #closing = false;

  constructor(deps: WebhookDeps) {
    this.#deps = deps;
    this.#settings = deps.settings;
    this.#poster = deps.poster ?? new Poster();
    const { random, nowMs } = deps;
    this.observer = new WebhookEvents({
      random,
      nowMs,
      fullRoom: () => this.#settings?.fullRoom ?? false,
      emit: (event) => this.#emit(event),
    });
    this.#openLines();
  }

  /** Events that wait, of all URLs. */
  get size(): number {
    let size = 0;
    for (const { outbox } of this.#lines.values()) size += outbox.size;
    return size;
  }

  /** Other settings from now on; what waits for a URL that stays goes on. */
  apply(settings: WebhookSettings | undefined): void {
    this.#settings = settings;
    this.#poster.close(); // kept connections were judged by the old policy
    this.#poster = this.#deps.poster ?? new Poster();
    const wanted = new Set(settings?.urls.map((url) => url.href));
    for (const [href, line] of this.#lines) if (!wanted.has(href)) this.#closeLine(href, line);
    this.#openLines();
  }

  /** Ends, after what waits was delivered, or `withinMs`. */
  async close(withinMs: number): Promise<void> {
    this.#closing = true;
    const endMs = this.#deps.nowMs() + withinMs;
    while (this.#lines.size > 0 && this.#deps.nowMs() < endMs) {
      const busy = [...this.#lines.values()].some(({ outbox, failing }) => outbox.size > 0 && !failing);
      if (!busy) break;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    for (const [href, line] of this.#lines) this.#closeLine(href, line);
    this.#poster.close();
  }

  #openLines(): void {
    if (!this.#settings) return;
    const { urls, maxAgeMs, maxDepth, workers } = this.#settings;
    for (const url of urls) {
      if (this.#lines.has(url.href)) continue;
      const outbox = new Outbox(
        {
          maxDepth,
          maxLetters: MAX_LETTERS,
          maxBytes: MAX_BYTES,
          maxAgeMs,
          maxUnderWay: workers,
          firstPauseMs: FIRST_PAUSE_MS,
          lastPauseMs: LAST_PAUSE_MS,
        },
        this.#deps.random,
      );
      this.#lines.set(url.href, {
        url,
        shown: `${url.origin}${url.pathname}`,
        outbox,
        timer: undefined,
        timerAtMs: NEVER,
        failing: false,
        losses: 0,
        lossLoggedMs: Number.NEGATIVE_INFINITY,
        closed: false,
      });
    }
  }

  #closeLine(href: string, line: Line): void {
    this.#lines.delete(href);
    line.closed = true;
    clearTimeout(line.timer);
    const lost = line.outbox.size + line.losses;
    if (lost > 0) this.#deps.log.warn("webhook events were not delivered", { url: line.shown, events: lost });
  }

  #emit({ event, name, room, opens, needs }: RoomEvent): void {
    const last = name === "room_finished";
    if (!this.#settings || !isWanted(this.#settings, name)) {
      for (const line of this.#lines.values()) line.outbox.skip({ room, needs, last });
      return;
    }
    const body = event.toJsonString();
    const letter: Letter = {
      id: event.id,
      event: name,
      room,
      body,
      bytes: Buffer.byteLength(body),
      opens,
      needs,
      last,
    };
    for (const line of this.#lines.values()) {
      const outcome = line.outbox.push(letter, this.#deps.nowMs());
      if (outcome === "queued") this.#deps.figures?.queued(line.outbox.depth(room));
      else this.#drop(line, letter, outcome);
      this.#pump(line);
    }
  }

  #pump(line: Line): void {
    if (line.closed) return;
    for (const sending of line.outbox.take(this.#deps.nowMs())) {
      this.#attempt(line, sending)
        .then((result) => this.#finish(line, sending, result))
        .catch((error: unknown) => this.#deps.log.error("webhook failed", { url: line.shown, error }));
    }
    for (const letter of line.outbox.takeExpired()) this.#drop(line, letter, "age");
    this.#arm(line);
  }

  /** One attempt; never rejects, so that every letter is settled. */
  async #attempt({ url, shown }: Line, { letter, attempt }: Sending): Promise<PostResult> {
    const { nowMs, log, figures } = this.#deps;
    const { body, event, id } = letter;
    try {
      if (!this.#settings) return { attempt: "again", reason: "webhooks were switched off" };
      const { signer, policy } = this.#settings;
      const headers = await signedHeaders(signer, body, nowMs());
      return await this.#poster.post({ url, body, headers, policy, withinMs: ATTEMPT_WITHIN_MS });
    } catch (error) {
      figures?.broken();
      log.error("webhook could not be sent; it is tried again", { url: shown, event, id, attempt, error });
      return { attempt: "again", reason: "a fault of this server" };
    }
  }

  #finish(line: Line, { letter, attempt }: Sending, result: PostResult): void {
    const { nowMs, log, figures } = this.#deps;
    const outcome = line.outbox.settle(letter, result.attempt, nowMs());
    const fields = { url: line.shown, event: letter.event, id: letter.id, room: letter.room, attempt };
    if (outcome === "delivered") {
      figures?.delivered();
      log.debug("webhook delivered", fields);
    } else if (outcome !== "paused") {
      figures?.failed();
      log.warn(`webhook given up: ${result.reason}`, fields);
    }
    this.#noteState(line, result.attempt === "again", result.reason);
    this.#pump(line);
  }

  #noteState(line: Line, failing: boolean, reason: string): void {
    if (line.failing === failing) return;
    line.failing = failing;
    const { log } = this.#deps;
    if (failing && !this.#closing) {
      log.warn(`webhook receiver does not take events (${reason}); they wait and are tried again`, { url: line.shown });
    } else if (!failing) log.info("webhook receiver takes events again", { url: line.shown });
  }

  #drop(line: Line, letter: Letter, reason: string): void {
    const { figures, log, nowMs } = this.#deps;
    figures?.dropped(reason);
    line.losses++;
    if (nowMs() - line.lossLoggedMs < LOSS_LOG_EVERY_MS) return;
    line.lossLoggedMs = nowMs();
    const fields = { url: line.shown, event: letter.event, id: letter.id, room: letter.room };
    log.warn(`webhook dropped: ${LOSS_IN_WORDS[reason] ?? reason}`, { ...fields, dropped: line.losses });
    line.losses = 0;
  }

  #arm(line: Line): void {
    const atMs = line.outbox.nextTimeoutMs();
    if (atMs === line.timerAtMs) return;
    clearTimeout(line.timer);
    line.timerAtMs = atMs;
    if (atMs === NEVER) return;
    line.timer = setTimeout(
      () => {
        line.timerAtMs = NEVER;
        this.#pump(line);
      },
      Math.max(0, Math.ceil(atMs - this.#deps.nowMs())),
    );
    line.timer.unref();
  }
}

const LOSS_IN_WORDS: Readonly<Record<string, string>> = {
  full: "too many events wait for this receiver",
  age: "the receiver did not take it in time",
  orphan: "the participant_joined before it was lost",
};

/** LiveKit's signature: a token of the webhook key with the SHA-256 of the body, without "Bearer". */
async function signedHeaders(signer: KeyPair, body: string, nowMs: number): Promise<Record<string, string>> {
  const sha256 = createHash("sha256").update(body).digest("base64");
  const token = await createToken(signer, { sha256, validForMs: TOKEN_VALID_FOR_MS }, nowMs);
  return { authorization: token, "content-type": "application/webhook+json", "user-agent": "Stoa" };
}
