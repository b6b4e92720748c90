/** The SDP of the clients in `harness.test.ts`: what a browser writes, as far as the room looks at it. */

export const FINGERPRINT = Array.from({ length: 32 }, () => "AB").join(":");

/** An m-line of a client that offers. */
export interface Section {
  readonly mid: string;
  readonly kind: "audio" | "video" | "application";
  /** What is sent on it. */
  cid: string | undefined;
}

export type VideoCodecName = keyof typeof PAYLOADS;

/** Payload type, that of its RTX, and the fmtp line. */
const PAYLOADS = {
  VP8: [96, 97, ""],
  VP9: [98, 99, "profile-id=0"],
  H264: [108, 109, "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"],
  AV1: [45, 46, ""],
} as const;

/** An offer of everything in `sections`. */
export function writeOffer(
  sections: readonly Section[],
  ufrag: string,
  single: boolean,
  videoCodecs: readonly VideoCodecName[] = ["VP8"],
): string {
  const lines = [
    "v=0",
    "o=- 1 1 IN IP4 127.0.0.1",
    "s=-",
    "t=0 0",
    `a=group:BUNDLE ${sections.map((section) => section.mid).join(" ")}`,
    "a=extmap-allow-mixed",
  ];
  for (const section of sections) lines.push(...sectionLines(section, ufrag, single, videoCodecs));
  return `${lines.join("\r\n")}\r\n`;
}

function sectionLines(
  { mid, kind, cid }: Section,
  ufrag: string,
  single: boolean,
  videoCodecs: readonly VideoCodecName[],
): string[] {
  const transport = [
    "c=IN IP4 0.0.0.0",
    `a=ice-ufrag:${asUfrag(ufrag)}`,
    "a=ice-pwd:0123456789012345678901",
    `a=fingerprint:sha-256 ${FINGERPRINT}`,
    "a=setup:actpass",
    `a=mid:${mid}`,
  ];
  if (kind === "application") {
    const application = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel";
    return [application, ...transport, "a=sctp-port:5000", "a=max-message-size:262144"];
  }
  const audio = ["a=rtpmap:111 opus/48000/2", "a=fmtp:111 minptime=10;useinbandfec=1"];
  const codecs = kind === "audio" ? audio : videoCodecs.flatMap(codecLines);
  const media = cid ? ["a=sendonly", `a=msid:- ${cid}`] : [single ? "a=recvonly" : "a=inactive"];
  const video = videoCodecs.flatMap((name) => [PAYLOADS[name][0], PAYLOADS[name][1]]);
  const payloads = kind === "audio" ? "111" : video.join(" ");
  return [`m=${kind} 9 UDP/TLS/RTP/SAVPF ${payloads}`, ...transport, "a=rtcp-mux", ...codecs, ...media];
}

function codecLines(name: VideoCodecName): string[] {
  const [payload, rtx, fmtp] = PAYLOADS[name];
  const lines = [`a=rtpmap:${payload} ${name}/90000`, `a=rtcp-fb:${payload} nack`];
  if (fmtp !== "") lines.push(`a=fmtp:${payload} ${fmtp}`);
  return [...lines, `a=rtpmap:${rtx} rtx/90000`, `a=fmtp:${rtx} apt=${payload}`];
}

/** Accepts what the server offers; of video only `videoCodecs`, if given. */
export function answerTo(offer: string, ufrag: string, videoCodecs?: readonly VideoCodecName[]): string {
  const answer = offer
    .replaceAll(/^a=(candidate|end-of-candidates|ice-lite|ssrc|ssrc-group|msid).*\r\n/gm, "")
    .replaceAll(/^a=ice-ufrag:.*$/gm, `a=ice-ufrag:${asUfrag(ufrag)}`)
    .replaceAll(/^a=ice-pwd:.*$/gm, "a=ice-pwd:0123456789012345678901")
    .replaceAll("a=setup:actpass", "a=setup:active")
    .replaceAll("a=sendonly", "a=recvonly");
  if (!videoCodecs) return answer;
  const sections = answer.split(/(?=^m=)/m);
  return sections.map((section) => (section.startsWith("m=video 9") ? take(section, videoCodecs) : section)).join("");
}

/** Leaves the payload types of these codecs, or refuses the m-line. */
function take(section: string, names: readonly VideoCodecName[]): string {
  const taken = new Set<string>();
  for (const name of names) {
    for (const [, payload] of section.matchAll(new RegExp(`^a=rtpmap:(\\d+) ${name}/`, "gm"))) taken.add(payload!);
  }
  if (taken.size === 0) return section.replace("m=video 9", "m=video 0");
  for (const [, rtx, payload] of section.matchAll(/^a=fmtp:(\d+) apt=(\d+)/gm))
    if (taken.has(payload!)) taken.add(rtx!);
  return section
    .split("\r\n")
    .filter((line) => taken.has(/^a=(?:rtpmap|fmtp|rtcp-fb):(\d+) /.exec(line)?.[1] ?? [...taken][0]!))
    .map((line) => (line.startsWith("m=video") ? `m=video 9 UDP/TLS/RTP/SAVPF ${[...taken].join(" ")}` : line))
    .join("\r\n");
}

function asUfrag(text: string): string {
  return `u${text.replaceAll(/[^a-zA-Z0-9]/g, "")}xx`;
}
