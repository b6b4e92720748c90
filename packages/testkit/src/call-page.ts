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

/** Video qualities as the client names them. */
export const QUALITY = { LOW: 0, MEDIUM: 1, HIGH: 2 } as const;

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
    return this.page.evaluate(
      ([fn, list]) =>
        (globalThis as unknown as { harness: Record<string, (...a: unknown[]) => unknown> }).harness[fn]!(...list),
      [name, args] as const,
    ) as Promise<T>;
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

  /** Messages received so far. */
  data(): Promise<{ text: string; from: string; topic: string }[]> {
    return this.page.evaluate(() => (globalThis as unknown as { harness: { data: never[] } }).harness.data, undefined);
  }

  /** Room events so far. */
  events(): Promise<{ name: string; at: number; about: string }[]> {
    return this.page.evaluate(
      () => (globalThis as unknown as { harness: { events: never[] } }).harness.events,
      undefined,
    );
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
}
