/** One participant in a browser page, whatever drives the browser: joins, publishes, watches, listens, asks for figures. */
import type { ServerProcess } from "./server-process.ts";
import { until } from "./until.ts";

/** What a page saw of somebody's picture. */
export interface Seen {
  readonly frames: number;
  /** Number that the newest frame carries, −1 when unreadable. */
  readonly number: number;
  readonly backwards: number;
  readonly repeated: number;
  /** Longest time without a new picture, the time since the newest included. */
  readonly longestGapMs: number;
  readonly idleMs: number;
  readonly width: number;
  readonly height: number;
  /** Every width that was shown, in order. */
  readonly widths: readonly number[];
}

/** The browser's own figures of one received or sent stream (`RTCInboundRtpStreamStats`, `RTCOutboundRtpStreamStats`). */
export interface RtpFigures {
  readonly mimeType?: string;
  readonly fmtp?: string;
  readonly rid?: string;
  readonly active?: boolean;
  readonly scalabilityMode?: string;
  readonly frameWidth?: number;
  readonly framesPerSecond?: number;
  readonly framesDecoded?: number;
  readonly framesSent?: number;
  readonly framesEncoded?: number;
  readonly keyFramesEncoded?: number;
  readonly keyFramesDecoded?: number;
  readonly freezeCount?: number;
  readonly bytesReceived?: number;
  readonly bytesSent?: number;
  readonly packetsReceived?: number;
  readonly packetsLost?: number;
  readonly packetsSent?: number;
  readonly pliCount?: number;
  readonly nackCount?: number;
  readonly concealedSamples?: number;
  readonly silentConcealedSamples?: number;
  readonly totalSamplesReceived?: number;
  readonly jitter?: number;
}

/** A picture for tests that are not about pictures: cheap to encode. */
export const SMALL = { width: 320, height: 180 };

/** Video qualities as the client names them. */
export const QUALITY = { LOW: 0, MEDIUM: 1, HIGH: 2 } as const;

/** One end of a connection's path. */
export interface PathEnd {
  readonly port: number;
  readonly protocol: string;
}

/** How a page joins. */
export interface JoinOptions {
  readonly room: string;
  readonly grants?: Record<string, unknown>;
  readonly token?: string;
  readonly roomOptions?: Record<string, unknown>;
  readonly connectOptions?: Record<string, unknown>;
}

/** What a browser driver must be able to do with a page. */
export interface PageDriver {
  evaluate<T, A>(fn: (arg: A) => T | Promise<T>, arg: A): Promise<T>;
  close(): Promise<void>;
}

/** One participant in a browser page of its own. */
export class CallPage {
  readonly page: PageDriver;
  readonly identity: string;
  readonly #server: ServerProcess;

  constructor(page: PageDriver, server: ServerProcess, identity: string) {
    this.page = page;
    this.#server = server;
    this.identity = identity;
  }

  async join(options: JoinOptions): Promise<{ ms: number; sid: string; serverVersion: string }> {
    const token = options.token ?? this.#server.token(this.identity, options.room, options.grants);
    return this.call("connect", this.#server.url, token, options.roomOptions ?? {}, options.connectOptions ?? {});
  }

  /** Calls a function of the harness in the page. */
  call<T>(name: string, ...args: unknown[]): Promise<T> {
    return this.#callOf("harness", name, args);
  }

  /** Calls a function of `dataTracks` in the page. */
  callDataTracks<T>(name: string, ...args: unknown[]): Promise<T> {
    return this.#callOf("dataTracks", name, args);
  }

  /** From now on what crosses its data channels is kept, for `crossed`. */
  recordChannels(): Promise<void> {
    return this.#callOf("channels", "record", []);
  }

  /** The messages that crossed its data channels of this label since `recordChannels`. */
  async crossed(direction: "in" | "out", label: string): Promise<Uint8Array[]> {
    const records = await this.#callOf<{ bytes: string }[]>("channels", "recorded", [direction, label]);
    return records.map(({ bytes }) => Buffer.from(bytes, "base64"));
  }

  /** Puts messages on the client's own data channel, past the client; all of them so many times. */
  sendRaw(label: string, messages: readonly Uint8Array[], times = 1): Promise<void> {
    const texts = messages.map((bytes) => Buffer.from(bytes).toString("base64"));
    return this.#callOf("channels", "send", [label, texts, times]);
  }

  publishCamera(options: Record<string, unknown> = {}): Promise<string> {
    return this.call("publishCamera", options);
  }

  publishTone(hz: number, options: Record<string, unknown> = {}): Promise<string> {
    return this.call("publishTone", hz, options);
  }

  seen(identity: string, source = "camera"): Promise<Seen | undefined> {
    return this.call("seen", identity, source);
  }

  /** Waits until somebody's picture moves: the number in its frames advances by `steps`. */
  async sees(identity: string, { source = "camera", steps = 5, timeoutMs = 15_000 } = {}): Promise<number> {
    let first = -1;
    return until(
      async () => {
        const number = (await this.seen(identity, source))?.number ?? -1;
        if (number < 0) return false;
        if (first < 0) first = number;
        return ((number - first) & 0xffff) >= steps;
      },
      timeoutMs,
      `${this.identity} to see ${identity}'s ${source} move`,
    );
  }

  /** Waits until the tone is heard of somebody, in the left (0) or right (1) ear. */
  hears(identity: string, hz: number, { source = "microphone", ear = 0, timeoutMs = 15_000 } = {}): Promise<number> {
    let last = { hz: 0, db: 0 };
    return until(
      async () => {
        last = await this.call<{ hz: number; db: number }>("heard", identity, source, ear);
        return Math.abs(last.hz - hz) < 12 && last.db > -60;
      },
      timeoutMs,
      () =>
        `${this.identity} to hear ${hz} Hz of ${identity} (last ${last.hz.toFixed(0)} Hz at ${last.db.toFixed(0)} dB)`,
    );
  }

  /** Waits until somebody's picture has this width; gives the milliseconds. */
  shows(
    identity: string,
    width: number | ((width: number) => boolean),
    { source = "camera", timeoutMs = 15_000 } = {},
  ): Promise<number> {
    let last = 0;
    return until(
      async () => {
        last = (await this.seen(identity, source))?.width ?? 0;
        return typeof width === "number" ? last === width : last > 0 && width(last);
      },
      timeoutMs,
      () => `${this.identity} to get ${identity}'s ${source} in a width of ${String(width)} (last ${last})`,
    );
  }

  /** Starts the figures of `seen` anew. */
  forget(identity: string, source = "camera"): Promise<void> {
    return this.call("forget", identity, source);
  }

  async inbound(identity: string, source = "camera"): Promise<RtpFigures> {
    return (await this.call<RtpFigures | undefined>("inbound", identity, source)) ?? {};
  }

  /** One per layer and codec, the smallest picture first. */
  outbound(kind: "video" | "audio" = "video"): Promise<RtpFigures[]> {
    return this.call("outbound", kind);
  }

  /** Calls a setter of somebody's publication, such as `setSubscribed`. */
  wish(identity: string, method: string, ...args: unknown[]): Promise<void> {
    return this.call("wish", identity, "camera", method, ...args);
  }

  /** Asks for a quality of somebody's camera. */
  quality(identity: string, name: keyof typeof QUALITY): Promise<void> {
    return this.wish(identity, "setVideoQuality", QUALITY[name]);
  }

  participants(): Promise<string[]> {
    return this.call("participants");
  }

  /** Waits until it knows of so many others. */
  knows(others: number, timeoutMs = 8000): Promise<number> {
    return until(
      async () => (await this.participants()).length === others,
      timeoutMs,
      `${this.identity} to know of ${others} others`,
    );
  }

  /** Messages received so far. */
  data(): Promise<{ text: string; from: string; topic: string }[]> {
    return this.page.evaluate(() => (globalThis as unknown as { harness: { data: never[] } }).harness.data, undefined);
  }

  /** Text streams received so far, of the topics that `takeTexts` was called for. */
  texts(): Promise<{ text: string; from: string }[]> {
    return this.page.evaluate(
      () => (globalThis as unknown as { harness: { texts: never[] } }).harness.texts,
      undefined,
    );
  }

  /** Byte streams received so far, of the topics that `takeFiles` was called for; the sum is empty until the end of the stream. */
  files(): Promise<{ from: string; name: string; bytes: number; sha256: string }[]> {
    return this.page.evaluate(
      () => (globalThis as unknown as { harness: { files: never[] } }).harness.files,
      undefined,
    );
  }

  /** Room events so far. */
  events(): Promise<{ name: string; at: number; about: string }[]> {
    return this.page.evaluate(
      () => (globalThis as unknown as { harness: { events: never[] } }).harness.events,
      undefined,
    );
  }

  /** How often a room event came. */
  count(event: string): Promise<number> {
    return this.call("count", event);
  }

  /** Every list of speakers that it was told, the loudest first. */
  speakers(): Promise<{ at: number; who: string[] }[]> {
    return this.page.evaluate(
      () => (globalThis as unknown as { harness: { speakers: never[] } }).harness.speakers,
      undefined,
    );
  }

  /** The path that each of its connections uses. */
  async paths(): Promise<{ local: PathEnd | undefined; remote: PathEnd | undefined }[]> {
    type End = PathEnd & { id: string };
    type Pair = { id: string; localCandidateId: string; remoteCandidateId: string };
    const pairs = await this.call<Pair[]>("stats", "candidate-pair");
    const transports = await this.call<{ selectedCandidatePairId: string }[]>("stats", "transport");
    const [locals, remotes] = [
      await this.call<End[]>("stats", "local-candidate"),
      await this.call<End[]>("stats", "remote-candidate"),
    ];
    return transports.map(({ selectedCandidatePairId }) => {
      const pair = pairs.find(({ id }) => id === selectedCandidatePairId);
      return {
        local: locals.find(({ id }) => id === pair?.localCandidateId),
        remote: remotes.find(({ id }) => id === pair?.remoteCandidateId),
      };
    });
  }

  async waitEvent(name: string, about = "", timeoutMs = 10_000): Promise<void> {
    await until(
      async () => (await this.events()).some((e) => e.name === name && e.about.includes(about)),
      timeoutMs,
      `${this.identity} to get the event ${name} ${about}`,
    );
  }

  close(): Promise<void> {
    return this.page.close();
  }

  #callOf<T>(object: string, name: string, args: readonly unknown[]): Promise<T> {
    return this.page.evaluate(
      ([of, fn, list]) =>
        (globalThis as unknown as Record<string, Record<string, (...a: unknown[]) => unknown>>)[of]![fn]!(...list),
      [object, name, args] as const,
    ) as Promise<T>;
  }
}
