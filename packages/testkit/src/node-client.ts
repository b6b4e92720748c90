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

/** One participant on the native SDK. */
export class NodeClient {
  readonly room = new Room();
  readonly identity: string;
  readonly messages: { text: string; from: string; topic: string }[] = [];
  readonly #pitch = new Map<string, number>();
  readonly #frames = new Map<string, { count: number; width: number; height: number }>();
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
    this.room.on(RoomEvent.TrackSubscribed, (track, _publication, participant) => {
      if (track.kind === TrackKind.KIND_AUDIO)
        void this.#listen(new AudioStream(track, SAMPLE_RATE, 1), participant.identity);
      else void this.#watch(new VideoStream(track), participant.identity);
    });
  }

  async join(server: ServerProcess, room: string): Promise<void> {
    await this.room.connect(server.url, server.token(this.identity, room), { autoSubscribe: true, dynacast: false });
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
      const pixels = new Uint8Array(width * height * 4).fill((number = (number + 5) & 255));
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

  sees(identity: string, frames = 10, timeoutMs = 15_000): Promise<number> {
    return until(
      () => (this.#frames.get(identity)?.count ?? 0) >= frames,
      timeoutMs,
      `${this.identity} to see ${frames} frames of ${identity}`,
    );
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
    for await (const frame of stream)
      this.#pitch.set(identity, pitchOf(frame.data) || (this.#pitch.get(identity) ?? 0));
  }

  async #watch(stream: VideoStream, identity: string): Promise<void> {
    let count = 0;
    for await (const { frame } of stream)
      this.#frames.set(identity, { count: ++count, width: frame.width, height: frame.height });
  }
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
