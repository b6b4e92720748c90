/** Offers of the publisher connection: the data channels' m-line and one sendonly m-line per published track. */
import { type LocalTransport, writeHead, writeTransport } from "./sdp.ts";

/** A track as our offer announces it. */
export interface OfferedTrack {
  readonly kind: "audio" | "video";
  /** Id of AddTrack; it stands in the msid, by which the server matches the m-line. */
  readonly cid: string;
  readonly mid: string;
  readonly ssrc: number;
}

/** Payload type that our offers give to opus and to VP8. */
export const PAYLOAD_TYPES = { audio: 111, video: 96 } as const;

/** Header extension ids of our offers. */
export const EXTENSION_IDS = { audioLevel: 1, transportCc: 3, mid: 4 } as const;

/** An offer of these tracks, data channels on mid 0. */
export function writeOffer(tracks: readonly OfferedTrack[], local: LocalTransport, version: number): string {
  const lines = [
    ...writeHead(version, ["0", ...tracks.map((track) => track.mid)]),
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
    ...writeTransport(local, "actpass"),
    "a=mid:0",
    "a=sctp-port:5000",
    "a=max-message-size:65536",
    ...tracks.flatMap((track) => trackLines(track, local)),
  ];
  return `${lines.join("\r\n")}\r\n`;
}

function trackLines(track: OfferedTrack, local: LocalTransport): string[] {
  const { kind, cid, mid, ssrc } = track;
  const type = PAYLOAD_TYPES[kind];
  const codec =
    kind === "audio"
      ? [`a=rtpmap:${type} opus/48000/2`, `a=fmtp:${type} minptime=10;useinbandfec=1`, `a=rtcp-fb:${type} transport-cc`]
      : [
          `a=rtpmap:${type} VP8/90000`,
          ...["transport-cc", "ccm fir", "nack", "nack pli"].map((feedback) => `a=rtcp-fb:${type} ${feedback}`),
        ];
  return [
    `m=${kind} 9 UDP/TLS/RTP/SAVPF ${type}`,
    ...writeTransport(local, "actpass"),
    `a=mid:${mid}`,
    `a=msid:${cid} ${cid}`,
    "a=sendonly",
    "a=rtcp-mux",
    "a=rtcp-rsize",
    ...codec,
    ...(kind === "audio" ? [`a=extmap:${EXTENSION_IDS.audioLevel} urn:ietf:params:rtp-hdrext:ssrc-audio-level`] : []),
    `a=extmap:${EXTENSION_IDS.transportCc} http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01`,
    `a=extmap:${EXTENSION_IDS.mid} urn:ietf:params:rtp-hdrext:sdes:mid`,
    `a=ssrc:${ssrc} cname:load`,
    `a=ssrc:${ssrc} msid:${cid} ${cid}`,
  ];
}
