/**
 * Which stream of which published track an SSRC of one peer is (RFC 8843 section 9.2, RFC 8852): by the SDP, or learned from
 * the mid, rid and repaired-rid header extensions, or from a payload type that only one m-line has.
 * Bounded: every layer has at most one SSRC and one for retransmissions; a layer changes them at most twice a second.
 */
import { elementLength, elementOffset, findExtension } from "@stoa/wire/rtp/extension";
import type { RtpHeader } from "@stoa/wire/rtp/header";
import type { ReceiverSpec } from "../engine/specs.ts";
import type { Layer } from "./layer.ts";
import type { Uplink } from "./uplink.ts";

/** What an SSRC carries. */
export interface Source {
  readonly uplink: Uplink;
  readonly layer: Layer;
  readonly retransmission: boolean;
}

const REBIND_MS = 500;

export class SsrcBinder {
  readonly #sources = new Map<number, Source>();
  #uplinks: readonly Uplink[] = [];
  readonly #u8: Uint8Array;
  /** Counts the SSRCs that were bound so far. */
  changes = 0;

  constructor(u8: Uint8Array) {
    this.#u8 = u8;
  }

  /** The tracks of this peer as negotiated now. What was learned about those that stay is kept. */
  setUplinks(uplinks: readonly Uplink[], nowMs: number): void {
    this.#uplinks = uplinks;
    for (const [ssrc, source] of this.#sources) if (!uplinks.includes(source.uplink)) this.#sources.delete(ssrc);
    for (const uplink of uplinks) {
      for (const [index, announced] of uplink.spec.ssrcs.entries()) {
        const layer = uplink.layers[index];
        if (!layer) break;
        if (announced.ssrc !== 0) this.#bind(uplink, layer, false, announced.ssrc | 0, nowMs);
        if (announced.rtxSsrc !== 0) this.#bind(uplink, layer, true, announced.rtxSsrc | 0, nowMs);
      }
    }
  }

  /** The stream of a known SSRC. */
  find(ssrc: number): Source | undefined {
    return this.#sources.get(ssrc);
  }

  /** Tries to learn what the SSRC of this packet is. */
  learn(header: RtpHeader, at: number, nowMs: number): Source | undefined {
    const uplink = this.#uplinkOf(header, at);
    if (!uplink) return undefined;
    const retransmission = uplink.isRtx(header.payloadType);
    const layer = this.#layerOf(uplink, retransmission, header, at);
    if (!layer) return undefined;
    if (retransmission ? layer.rtxSsrc !== 0 : layer.ssrc !== 0) {
      if (nowMs - layer.boundMs < REBIND_MS) return undefined;
    }
    return this.#bind(uplink, layer, retransmission, header.ssrc, nowMs);
  }

  #bind(uplink: Uplink, layer: Layer, retransmission: boolean, ssrc: number, nowMs: number): Source | undefined {
    const known = this.#sources.get(ssrc);
    if (known) return known.layer === layer && known.retransmission === retransmission ? known : undefined;
    this.#sources.delete(retransmission ? layer.rtxSsrc : layer.ssrc);
    if (retransmission) {
      layer.rtxSsrc = ssrc;
      layer.boundMs = nowMs;
    } else {
      layer.bind(ssrc, nowMs);
    }
    const source = { uplink, layer, retransmission };
    this.#sources.set(ssrc, source);
    this.changes++;
    return source;
  }

  #uplinkOf(header: RtpHeader, at: number): Uplink | undefined {
    let byType: Uplink | undefined;
    let ambiguous = false;
    for (const uplink of this.#uplinks) {
      if (!uplink.knows(header.payloadType)) continue;
      const mid = findExtension(this.#u8, at, header.headerLength, uplink.spec.extensions.mid ?? 0);
      if (mid !== 0) {
        if (this.#equals(at, mid, uplink.spec.mid)) return uplink;
        // It names another m-line, known or not.
        ambiguous = true;
      }
      if (byType) ambiguous = true;
      byType = uplink;
    }
    return ambiguous ? undefined : byType;
  }

  #layerOf(uplink: Uplink, retransmission: boolean, header: RtpHeader, at: number): Layer | undefined {
    const spec: ReceiverSpec = uplink.spec;
    if (spec.rids.length === 0) return uplink.layers.length === 1 ? uplink.layers[0] : undefined;
    const id = retransmission ? spec.extensions.repairedRid : spec.extensions.rid;
    const element = findExtension(this.#u8, at, header.headerLength, id ?? 0);
    if (element === 0) return undefined;
    for (const [index, rid] of spec.rids.entries()) if (this.#equals(at, element, rid)) return uplink.layers[index];
    return undefined;
  }

  /** Whether an element holds this ASCII text. */
  #equals(at: number, element: number, text: string): boolean {
    if (elementLength(element) !== text.length) return false;
    const from = at + elementOffset(element);
    for (let i = 0; i < text.length; i++) if (this.#u8[from + i] !== text.charCodeAt(i)) return false;
    return true;
  }
}
