/** Drives `@livekit/rtc-node` (libwebrtc inside Node): the second independent client. */
import {
  AudioFrame,
  AudioSource,
  AudioStream,
  dispose,
  LocalAudioTrack,
  LocalVideoTrack,
  ParticipantKind,
  Room,
  RoomEvent,
  RpcError,
  TrackKind,
  TrackPublishOptions,
  TrackSource,
  VideoBufferType,
  VideoFrame,
  VideoSource,
  VideoStream,
} from "@livekit/rtc-node";
import { drawNumbered, readNumbered } from "./numbered-picture.ts";
import type { ServerProcess } from "./server-process.ts";
import { until } from "./until.ts";

const SAMPLE_RATE = 48_000;
const FRAME_SAMPLES = 480;

/** Ends the native SDK: without this a process that used it does not end by itself. */
export const shutdownNodeClients = dispose;

/** What came of a call to a method of somebody. */
export interface Answer {
  readonly payload?: string;
  readonly code?: number;
  readonly data?: string;
}

/** What it saw of somebody's picture. */
export interface NodeSeen {
  readonly frames: number;
  /** Number that the newest frame carries, −1 when unreadable. */
  readonly number: number;
  readonly backwards: number;
  /** Longest time between two pictures with different numbers. */
  readonly longestGapMs: number;
  readonly width: number;
}

/** One participant on the native SDK. */
export class NodeClient {
  readonly room = new Room();
  readonly identity: string;
  readonly messages: { text: string; from: string; topic: string }[] = [];
  readonly texts: { text: string; from: string }[] = [];
  readonly files: { name: string; from: string; bytes: Uint8Array }[] = [];
  readonly chats: { text: string; from: string }[] = [];
  /** What happened to its connection, and who came and went. */
  readonly events: string[] = [];
  /** What its sounds and pictures have been, by publisher. */
  readonly #pitch = new Map<string, number>();
  readonly #loudness = new Map<string, number>();
  readonly #views = new Map<string, { -readonly [K in keyof NodeSeen]: NodeSeen[K] } & { movedAt: number }>();
  readonly #stops: (() => void)[] = [];

  constructor(identity: string) {
    this.identity = identity;
    this.room.on(RoomEvent.DataReceived, (payload, participant, _kind, topic) => {
      this.messages.push({
        text: new TextDecoder().decode(payload),
        from: participant?.identity ?? "",
        topic: topic ?? "",
      });
    });
    this.room.on(RoomEvent.ChatMessage, ({ message }, participant) => {
      this.chats.push({ text: message, from: participant?.identity ?? "" });
    });
    for (const name of [RoomEvent.Reconnecting, RoomEvent.Reconnected, RoomEvent.Disconnected] as const)
      this.room.on(name, () => this.events.push(name));
    for (const name of [RoomEvent.ParticipantConnected, RoomEvent.ParticipantDisconnected] as const)
      this.room.on(name, (participant) => this.events.push(`${name} ${participant.identity}`));
    this.room.on(RoomEvent.TrackSubscribed, (track, _publication, participant) => {
      if (track.kind === TrackKind.KIND_AUDIO)
        void this.#listen(new AudioStream(track, SAMPLE_RATE, 1), participant.identity);
      else void this.#watch(new VideoStream(track), participant.identity);
    });
  }

  /** Joins; with a passphrase, media and data are encrypted end to end. */
  async join(server: Pick<ServerProcess, "url" | "token">, room: string, passphrase?: string): Promise<void> {
    const sharedKey = passphrase === undefined ? undefined : new TextEncoder().encode(passphrase);
    await this.room.connect(server.url, server.token(this.identity, room), {
      autoSubscribe: true,
      dynacast: false,
      ...(sharedKey ? { encryption: { keyProviderOptions: { sharedKey } } } : {}),
    });
  }

  async publishTone(hz: number): Promise<void> {
    const source = new AudioSource(SAMPLE_RATE, 1);
    const track = LocalAudioTrack.createAudioTrack("tone", source);
    await this.room.localParticipant!.publishTrack(
      track,
      new TrackPublishOptions({ source: TrackSource.SOURCE_MICROPHONE }),
    );
    let stopped = false;
    let phase = 0;
    this.#stops.push(() => (stopped = true));
    void (async () => {
      while (!stopped) {
        const samples = new Int16Array(FRAME_SAMPLES);
        for (let i = 0; i < FRAME_SAMPLES; i++)
          samples[i] = 12_000 * Math.sin((2 * Math.PI * hz * phase++) / SAMPLE_RATE);
        await source.captureFrame(new AudioFrame(samples, SAMPLE_RATE, 1, FRAME_SAMPLES)).catch(() => (stopped = true));
      }
    })();
  }

  async publishPicture(width = 320, height = 180): Promise<void> {
    const source = new VideoSource(width, height);
    const track = LocalVideoTrack.createVideoTrack("picture", source);
    await this.room.localParticipant!.publishTrack(
      track,
      new TrackPublishOptions({ source: TrackSource.SOURCE_CAMERA }),
    );
    let number = 0;
    const timer = setInterval(() => {
      const pixels = drawNumbered((number = (number + 1) & 0xffff), width, height);
      source.captureFrame(new VideoFrame(pixels, width, height, VideoBufferType.RGBA));
    }, 66);
    this.#stops.push(() => clearInterval(timer));
  }

  async send(text: string, reliable = true): Promise<void> {
    await this.room.localParticipant!.publishData(new TextEncoder().encode(text), { reliable, topic: "t" });
  }

  /** Answers the calls of others: "echo" with their words, "boom" with an error of its own. */
  answerCalls(): void {
    const own = this.room.localParticipant!;
    own.registerRpcMethod("echo", async ({ callerIdentity, payload }) => `${callerIdentity}: ${payload}`);
    own.registerRpcMethod("boom", async () => {
      throw new RpcError(42, "boom", "and more");
    });
  }

  async callMethod(destinationIdentity: string, method: string, payload: string): Promise<Answer> {
    try {
      return { payload: await this.room.localParticipant!.performRpc({ destinationIdentity, method, payload }) };
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      return { code: Number(error.code), ...(error.data === undefined ? {} : { data: error.data }) };
    }
  }

  hears(identity: string, hz: number, timeoutMs = 15_000): Promise<number> {
    return until(
      () => Math.abs((this.#pitch.get(identity) ?? 0) - hz) < 15,
      timeoutMs,
      () => `${this.identity} to hear ${hz} Hz of ${identity} (last ${this.#pitch.get(identity)?.toFixed(0)} Hz)`,
    );
  }

  /** How loud somebody is, 0 … 1: the root of the mean square of the newest 10 ms. */
  loudness(identity: string): number {
    return this.#loudness.get(identity) ?? 0;
  }

  seen(identity: string): NodeSeen | undefined {
    const view = this.#views.get(identity);
    return view && { ...view, longestGapMs: Math.max(view.longestGapMs, performance.now() - view.movedAt) };
  }

  /** Starts the figures of `seen` anew. */
  forget(identity: string): void {
    this.#views.delete(identity);
  }

  /** Waits until somebody's picture moves: the number in its frames advances by `steps`. */
  sees(identity: string, steps = 5, timeoutMs = 15_000): Promise<number> {
    let first = -1;
    return until(
      () => {
        const number = this.#views.get(identity)?.number ?? -1;
        if (first < 0) first = number;
        return number >= 0 && ((number - first) & 0xffff) >= steps;
      },
      timeoutMs,
      () => `${this.identity} to see ${identity} move (${JSON.stringify(this.#views.get(identity))})`,
    );
  }

  /** Takes the text streams of this topic into `texts` and its byte streams into `files`. */
  takeStreams(topic: string): void {
    this.room.registerTextStreamHandler(topic, (reader, { identity }) => {
      void reader.readAll().then((text) => this.texts.push({ from: identity, text }));
    });
    this.room.registerByteStreamHandler(topic, (reader, { identity }) => {
      const { name } = reader.info;
      void reader.readAll().then((parts) => this.files.push({ from: identity, name, bytes: Buffer.concat(parts) }));
    });
  }

  /** Participants of kind AGENT. */
  get agents(): { readonly sid: string | undefined; readonly attributes: Readonly<Record<string, string>> }[] {
    return [...this.room.remoteParticipants.values()].filter(({ kind }) => kind === ParticipantKind.AGENT);
  }

  async close(): Promise<void> {
    for (const stop of this.#stops) stop();
    await this.room.disconnect();
  }

  async #listen(stream: AudioStream, identity: string): Promise<void> {
    for await (const frame of stream) {
      this.#pitch.set(identity, pitchOf(frame.data) || (this.#pitch.get(identity) ?? 0));
      this.#loudness.set(identity, loudnessOf(frame.data));
    }
  }

  async #watch(stream: VideoStream, identity: string): Promise<void> {
    for await (const { frame } of stream) {
      const { width, height, data } = frame;
      const number = readNumbered(data, width, height);
      const now = performance.now();
      let view = this.#views.get(identity);
      if (!view) {
        view = { frames: 0, number: -1, backwards: 0, longestGapMs: 0, width, movedAt: now };
        this.#views.set(identity, view);
      }
      view.frames++;
      view.width = width;
      const step = view.number < 0 ? 1 : (number - view.number) & 0xffff;
      if (number >= 0 && step > 0x8000) view.backwards++;
      if (number >= 0 && step > 0 && step <= 0x8000) {
        view.longestGapMs = Math.max(view.longestGapMs, now - view.movedAt);
        view.movedAt = now;
      }
      view.number = number;
    }
  }
}

function loudnessOf(samples: Int16Array): number {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  return Math.sqrt(sum / Math.max(1, samples.length)) / 32_768;
}

/** Frequency of a clean tone by its upward zero crossings, interpolated; 0 when it is too short or silent. */
function pitchOf(samples: Int16Array): number {
  let first = -1;
  let last = -1;
  let crossings = 0;
  for (let i = 1; i < samples.length; i++) {
    const [before, now] = [samples[i - 1]!, samples[i]!];
    if (before >= 0 || now < 0) continue;
    const at = i - now / (now - before);
    if (first < 0) first = at;
    else crossings++;
    last = at;
  }
  return crossings > 0 ? (crossings * SAMPLE_RATE) / (last - first) : 0;
}
