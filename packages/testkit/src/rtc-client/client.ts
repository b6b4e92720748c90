/**
 * A LiveKit client at packet level (two peer connections, protocol of `/rtc`): subscribes to everything, publishes streams of numbered and
 * stamped packets, counts what arrives authenticated. Several hundred fit in one process; they share an `RtcHost`.
 */
import {
  AddTrackRequest,
  SessionDescription,
  SignalTarget,
  TrackSource,
  TrackType,
  type TrickleRequest,
  VideoLayer,
  VideoQuality,
} from "@livekit/protocol";
import type { PathInfo } from "@stoa/core/paths";
import type { PeerEvent } from "@stoa/core/peer/peer-event";
import { FORMAT_FIR, FORMAT_PLI } from "@stoa/wire/rtcp/feedback";
import {
  PAYLOAD_FEEDBACK,
  rtcpCount,
  rtcpPacketLength,
  rtcpSender,
  rtcpType,
  SENDER_REPORT,
} from "@stoa/wire/rtcp/packet";
import { writeReceiverReport, writeReportBlock } from "@stoa/wire/rtcp/report";
import { readInt32 } from "@stoa/wire/rtp/header";
import { nowMs } from "@stoa/io/clock";
import { until } from "../until.ts";
import { writeAnswer } from "./answer.ts";
import type { HostedPeer, RtcHost } from "./host.ts";
import { type OfferedTrack, PAYLOAD_TYPES, writeOffer } from "./offer.ts";
import { ReceivedStream } from "./received-stream.ts";
import {
  candidates,
  type Description,
  extensionId,
  parseCandidate,
  parseDescription,
  remoteTransport,
  rtxPayloadTypes,
} from "./sdp.ts";
import { SentStream } from "./sent-stream.ts";
import { type Response, SignalConnection } from "./signal.ts";

const CODECS = ["opus", "vp8"];
const TIMEOUT_MS = 15_000;
const MAX_REPORT_BLOCKS = 31;

/** Sees every authenticated RTP packet of a client, plain, in the slab. */
export type RtpListener = (stream: ReceivedStream, at: number, length: number) => void;

/** See the file's head. */
export class RtcClient {
  readonly streams: ReceivedStream[] = [];
  /** Why the connection ended, if it did. */
  ended: string | undefined;
  readonly #host: RtcHost;
  readonly #signal: SignalConnection;
  readonly #onRtp: RtpListener;
  #subscriber: HostedPeer | undefined;
  #publisher: HostedPeer | undefined;
  #answers = 0;
  readonly #rtxTypes = new Set<number>();
  readonly #offered: OfferedTrack[] = [];
  readonly #sent: SentStream[] = [];
  readonly #published = new Set<string>();
  #publisherAnswer: Description | undefined;
  readonly #early: Record<"subscriber" | "publisher", PathInfo[]> = { subscriber: [], publisher: [] };

  private constructor(host: RtcHost, signal: SignalConnection, onRtp: RtpListener) {
    this.#host = host;
    this.#signal = signal;
    this.#onRtp = onRtp;
    signal.listen(
      (message) => this.#handleMessage(message),
      (reason) => (this.ended ??= `signalling closed: ${reason}`),
    );
  }

  /** Joins; `onRtp` sees every packet. */
  static async join(host: RtcHost, url: string, token: string, onRtp: RtpListener = () => {}): Promise<RtcClient> {
    return new RtcClient(host, await SignalConnection.open(url, token), onRtp);
  }

  /** ICE and DTLS of the subscriber connection are up. */
  get subscriberConnected(): boolean {
    return this.#subscriber?.peer.connected ?? false;
  }

  /** Waits for the subscriber connection. */
  async connected(): Promise<void> {
    await this.#wait(() => this.subscriberConnected, "the subscriber connection");
  }

  /** Publishes a track and waits until packets can be sent. */
  async publish(kind: "audio" | "video"): Promise<SentStream> {
    const cid = `load-${kind}-${this.#offered.length}`;
    this.#signal.send({ case: "addTrack", value: addTrack(kind, cid) });
    await this.#wait(() => this.#published.has(cid), `the server to take the ${kind} track`);
    const ssrc = (this.#host.random.uint32() >>> 1) + 1;
    const mid = String(this.#offered.length + 1);
    this.#offered.push({ kind, cid, mid, ssrc });
    this.#publisher ??= this.#createPeer();
    this.#publisherAnswer = undefined;
    const sdp = writeOffer(this.#offered, this.#local(this.#publisher), this.#offered.length);
    this.#signal.send({
      case: "offer",
      value: new SessionDescription({ type: "offer", sdp, id: this.#offered.length }),
    });
    await this.#wait(() => this.#publisherAnswer !== undefined, "the answer");
    const { peer } = this.#publisher;
    await this.#wait(() => peer.connected, "the publisher connection");
    const section = this.#publisherAnswer!.sections.find((s) =>
      s.attributes.some(([k, v]) => k === "mid" && v === mid),
    )!;
    const stream = new SentStream(this.#host, peer, {
      kind,
      ssrc: ssrc | 0,
      payloadType: PAYLOAD_TYPES[kind],
      audioLevelId: kind === "audio" ? extensionId(section, "ssrc-audio-level") : 0,
      transportCcId: extensionId(section, "transport-wide-cc-extensions-01"),
    });
    this.#sent.push(stream);
    return stream;
  }

  /** Sends a receiver report about all streams; a browser does it about once a second. The caller flushes the socket. */
  sendReceiverReport(): void {
    const { peer } = this.#subscriber ?? {};
    if (!peer?.connected || this.streams.length === 0) return;
    const { slab, socket } = this.#host;
    const timeMs = nowMs();
    const reported = this.streams.slice(0, MAX_REPORT_BLOCKS);
    const at = socket.reserve();
    let length = writeReceiverReport(slab.u8, at, 1, reported.length);
    for (const stream of reported) length += writeReportBlock(slab.u8, at + length, stream.report(timeMs));
    const total = peer.protectRtcp(at, length);
    if (total > 0) socket.commit(peer.path, total);
  }

  /** Leaves. */
  close(): void {
    this.ended ??= "closed";
    this.#signal.close();
    this.#subscriber?.close();
    this.#publisher?.close();
  }

  async #wait(condition: () => boolean, what: string): Promise<void> {
    await until(
      () => {
        if (this.ended) throw new Error(`waiting for ${what}: ${this.ended}`);
        return condition();
      },
      TIMEOUT_MS,
      what,
    );
  }

  #handleMessage(message: Response): void {
    switch (message.case) {
      case "offer":
        this.#handleOffer(message.value);
        break;
      case "answer":
        this.#handleAnswer(message.value);
        break;
      case "trickle":
        this.#handleTrickle(message.value);
        break;
      case "trackPublished":
        this.#published.add(message.value.cid);
        break;
      case "leave":
        this.ended ??= `the server ended it, reason ${message.value.reason}`;
        break;
      default:
    }
  }

  #handleOffer({ sdp, id }: SessionDescription): void {
    const offer = parseDescription(sdp);
    this.#subscriber ??= this.#createPeer();
    for (const section of offer.sections) for (const type of rtxPayloadTypes(section)) this.#rtxTypes.add(type);
    this.#useRemote("subscriber", this.#subscriber, offer);
    const answer = writeAnswer(offer, this.#local(this.#subscriber), CODECS, ++this.#answers);
    this.#signal.send({ case: "answer", value: new SessionDescription({ type: "answer", sdp: answer, id }) });
  }

  #handleAnswer({ sdp }: SessionDescription): void {
    if (!this.#publisher) return;
    this.#publisherAnswer = parseDescription(sdp);
    this.#useRemote("publisher", this.#publisher, this.#publisherAnswer);
  }

  #useRemote(target: "subscriber" | "publisher", hosted: HostedPeer, description: Description): void {
    const { peer } = hosted;
    const timeMs = nowMs();
    peer.setRemote(remoteTransport(description), timeMs);
    for (const info of [...candidates(description), ...this.#early[target].splice(0)])
      peer.addRemoteCandidate(info, timeMs);
    hosted.touch();
  }

  #handleTrickle({ candidateInit, target }: TrickleRequest): void {
    const info = parseCandidate((JSON.parse(candidateInit) as { candidate: string }).candidate);
    if (!info) return;
    const subscriber = target === SignalTarget.SUBSCRIBER;
    const hosted = subscriber ? this.#subscriber : this.#publisher;
    if (!hosted || (!subscriber && !this.#publisherAnswer)) {
      this.#early[subscriber ? "subscriber" : "publisher"].push(info);
      return;
    }
    hosted.peer.addRemoteCandidate(info, nowMs());
    hosted.touch();
  }

  #createPeer(): HostedPeer {
    return this.#host.createPeer({
      handleRtp: (at, length) => this.#handleRtp(at, length),
      handleRtcp: (at, length) => this.#handleRtcp(at, length),
      handleEvent: (event) => this.#handleEvent(event),
    });
  }

  #local({ ufrag, pwd }: HostedPeer): { ufrag: string; pwd: string; fingerprint: string } {
    return { ufrag, pwd, fingerprint: this.#host.fingerprint };
  }

  #handleEvent(event: PeerEvent): void {
    if (event.type !== "state") return;
    if (event.state === "failed" || event.state === "closed")
      this.ended ??= `the connection ${event.state}: ${event.detail}`;
  }

  #handleRtp(at: number, length: number): void {
    const { u8 } = this.#host.slab;
    const stream = this.#stream(readInt32(u8, at + 8), u8[at + 1]! & 127);
    stream.handle(u8, at, length);
    this.#onRtp(stream, at, length);
  }

  #stream(ssrc: number, payloadType: number): ReceivedStream {
    for (const stream of this.streams) if (stream.ssrc === ssrc) return stream;
    const stream = new ReceivedStream(ssrc, payloadType, this.#rtxTypes.has(payloadType));
    this.streams.push(stream);
    return stream;
  }

  #handleRtcp(at: number, length: number): void {
    const { u8 } = this.#host.slab;
    const end = at + length;
    for (let p = at; p < end;) {
      const size = rtcpPacketLength(u8, p, end);
      if (size < 0) return;
      const type = rtcpType(u8, p);
      if (type === SENDER_REPORT && size >= 28) {
        const ssrc = rtcpSender(u8, p);
        for (const stream of this.streams)
          if (stream.ssrc === ssrc) stream.handleSenderReport(u8, p, this.#host.batchMs);
      } else if (type === PAYLOAD_FEEDBACK && (rtcpCount(u8, p) === FORMAT_PLI || rtcpCount(u8, p) === FORMAT_FIR)) {
        for (const stream of this.#sent) stream.keyFrameWanted = true;
      }
      p += size;
    }
  }
}

function addTrack(kind: "audio" | "video", cid: string): AddTrackRequest {
  if (kind === "audio") {
    return new AddTrackRequest({ cid, name: cid, type: TrackType.AUDIO, source: TrackSource.MICROPHONE });
  }
  const layer = new VideoLayer({ quality: VideoQuality.HIGH, width: 640, height: 360, bitrate: 800_000 });
  return new AddTrackRequest({
    cid,
    name: cid,
    type: TrackType.VIDEO,
    source: TrackSource.CAMERA,
    width: 640,
    height: 360,
    layers: [layer],
  });
}
