/** Stoa's side of a transfer as a program (see `program.ts`): the server's sockets, ICE, DTLS and SCTP, without rooms. */
import { createInterface } from "node:readline";
import type { PathInfo } from "@stoa/core/paths";
import { candidates, parseDescription, remoteTransport } from "@stoa/testkit/rtc-client/sdp";
import { writeHead, writeTransport } from "@stoa/testkit/rtc-client/sdp";
import { LonePeer } from "./lone-peer.ts";
import type { Line, Way } from "./program.ts";

/** More than any congestion window, less than the send buffer. */
const BUFFER_BYTES = 4 << 20;

const [way, messageBytes] = process.argv.slice(2) as [Way, string];
const message = new Uint8Array(Number(messageBytes)).map((_, i) => (i * 31) ^ (i >> 8));
const offers = way === "send";
let received = 0;

const side = await LonePeer.open(offers ? "controlling" : "lite", (event, peer) => {
  if (event.type === "message") received += event.data.length;
  else if (offers && event.type === "channelOpen") peer.setLowWater(event.channel, BUFFER_BYTES / 2);
  if (offers && (event.type === "channelOpen" || event.type === "bufferedLow")) fill(event.channel);
});

function fill(channel: number): void {
  const { peer } = side;
  while (peer.bufferedAmount(channel) < BUFFER_BYTES) {
    if (peer.sendData(channel, message, true, side.nowMs) !== "queued") return;
  }
}

function description(): string {
  const { ufrag, pwd, fingerprint, port } = side;
  const lines = [
    ...writeHead(1, ["0"]),
    ...(offers ? [] : ["a=ice-lite"]),
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
    ...writeTransport({ ufrag, pwd, fingerprint }, offers ? "actpass" : "active"),
    "a=mid:0",
    "a=sctp-port:5000",
    "a=max-message-size:262144",
    `a=candidate:1 1 udp 2130706431 127.0.0.1 ${port} typ host`,
    "a=end-of-candidates",
  ];
  return `${lines.join("\r\n")}\r\n`;
}

function say(line: Line): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

function handle(line: Line): void {
  if (line.count) say({ bytes: received });
  if (line.sdp === undefined) return;
  const remote = parseDescription(line.sdp);
  side.perform((peer, nowMs) => {
    peer.setRemote(remoteTransport(remote), nowMs);
    const found: readonly PathInfo[] = offers ? candidates(remote) : [];
    for (const candidate of found) peer.addRemoteCandidate(candidate, nowMs);
  });
  if (!offers) say({ sdp: description() });
}

if (offers) {
  side.perform((peer) => void peer.openChannel({ label: "bench", ordered: true, maxRetransmits: undefined }));
  say({ sdp: description() });
}
createInterface({ input: process.stdin })
  .on("line", (text) => handle(JSON.parse(text) as Line))
  .on("close", () => process.exit(0));
