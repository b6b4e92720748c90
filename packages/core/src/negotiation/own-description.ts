/** What every description of ours has in common: session id and version, transport, BUNDLE group. */
import { writeCandidates } from "@stoa/wire/sdp/candidate";
import { type OwnSection, writeSdp } from "@stoa/wire/sdp/write";
import type { Random } from "../crypto.ts";
import type { CandidateSection, IceCredentials, LocalTransport } from "./types.ts";

/** Largest data channel message that we announce, in bytes. */
export const MAX_MESSAGE_SIZE_BYTES = 262_144;
/** SCTP port of both sides. */
export const SCTP_PORT = 5000;

/** Writes the descriptions of one peer; `o=` keeps its id and counts up. */
export class OwnDescriptions {
  readonly #local: LocalTransport;
  readonly #sessionId: string;
  #version = 0;
  credentials: IceCredentials;

  constructor(local: LocalTransport, credentials: IceCredentials, random: Random) {
    this.#local = local;
    this.credentials = credentials;
    // 63 bits at most (RFC 9429); never 0.
    this.#sessionId = ((BigInt(random.uint32() >>> 1) << 32n) | BigInt(random.uint32()) | 1n).toString();
  }

  /** `bundleOrder`: all mids in the order of the group; those that `sections` refuse are left out. */
  write(
    sections: readonly OwnSection[],
    bundleOrder: readonly string[],
    setup: "actpass" | "active" | "passive",
    extmapAllowMixed: boolean,
  ): { sdp: string; candidateSection: CandidateSection } {
    const used = new Set(sections.filter(({ type }) => type !== "rejected").map(({ mid }) => mid));
    const bundle = bundleOrder.filter((mid) => used.has(mid));
    const tag = sections.findIndex(
      ({ type, mid }) => type !== "rejected" && (bundle.length === 0 || mid === bundle[0]),
    );
    const sdp = writeSdp({
      sessionId: this.#sessionId,
      version: ++this.#version,
      extmapAllowMixed,
      bundle,
      transport: {
        ...this.credentials,
        fingerprint: this.#local.fingerprint,
        setup,
        candidates: writeCandidates(this.#local.candidates),
      },
      sections,
    });
    // A description without any section in use has no candidates; clients want numbers all the same.
    return { sdp, candidateSection: { sdpMid: sections[tag]?.mid ?? "0", sdpMLineIndex: Math.max(tag, 0) } };
  }
}
