/** SDP of connections that carry data only. */
import type { RemoteTransport } from "@stoa/core/engine/specs";
import type { Client } from "./worker-client.ts";

/** The SDP of a connection for data. */
export function describe(client: Client, setup: "actpass" | "active", mid: string): string {
  const { ufrag, pwd, fingerprints } = client.description("server");
  const lines = [
    "v=0",
    "o=- 1 1 IN IP4 127.0.0.1",
    "s=-",
    "t=0 0",
    `a=group:BUNDLE ${mid}`,
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
    "c=IN IP4 0.0.0.0",
    `a=ice-ufrag:${ufrag}`,
    `a=ice-pwd:${pwd}`,
    `a=fingerprint:sha-256 ${fingerprints[0]}`,
    `a=setup:${setup}`,
    `a=mid:${mid}`,
    "a=sctp-port:5000",
    "a=max-message-size:65536",
    "",
  ];
  return lines.join("\r\n");
}

/** The value of an attribute of it. */
export function valueIn(sdp: string, name: string): string {
  return new RegExp(`^a=${name}:(.*)$`, "m").exec(sdp)![1]!.trim();
}

/** How to reach who described itself so; its certificate is not looked up there. */
export function remoteIn(sdp: string, fingerprint: string): RemoteTransport {
  return {
    ufrag: valueIn(sdp, "ice-ufrag"),
    pwd: valueIn(sdp, "ice-pwd"),
    fingerprints: [fingerprint],
    dtlsRole: "client",
    sctp: { port: 5000, maxMessageSize: 65_536 },
  };
}
