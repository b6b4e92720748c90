/** For tests: an SVC encoder whose packets carry dependency descriptors, and a decoder that insists on all of them. */
import assert from "node:assert/strict";
import { L1T3, L2T1, L3T3_KEY, descriptor } from "@stoa/testkit/dependency-descriptor";
import { newDependencyDescriptor, readDependencyDescriptor } from "@stoa/wire/codec/dependency-descriptor";
import type { DependencyStructure } from "@stoa/wire/codec/dependency-descriptor";
import { rtp, type Rtp } from "./harness-packets.test.ts";
import type { Mode } from "./svc-modes.test.ts";

/** Id of the extension on both sides. */
export const DESCRIPTOR_ID = 9;

export interface Frame {
  readonly number: number;
  readonly picture: number;
  readonly spatial: number;
  readonly temporal: number;
  readonly key: boolean;
  readonly differences: readonly number[];
  readonly packets: Uint8Array[];
}

const five = (spatial: number, sinceKey: number) => {
  const phase = sinceKey % 4;
  return {
    template: spatial * 5 + (sinceKey === 0 ? 0 : [1, 3, 2, 4][phase]!),
    temporal: [0, 2, 1, 2][phase]!,
  };
};

/** By the structures of the test kit, which are written down as Chromium sends them. */
export const MODES: Record<"L1T3" | "L2T1" | "L3T3_KEY", Mode> = {
  L1T3: { structure: L1T3, spatials: 1, temporals: 3, period: 4, apart: false, frame: five },
  L2T1: {
    structure: L2T1,
    spatials: 2,
    temporals: 1,
    period: 1,
    apart: false,
    frame: (spatial, sinceKey) => ({ template: spatial * 2 + Math.min(sinceKey, 1), temporal: 0 }),
  },
  L3T3_KEY: { structure: L3T3_KEY, spatials: 3, temporals: 3, period: 4, apart: false, frame: five },
};

/** A VP9 payload of two packets per frame. */
function vp9(frame: { picture: number; spatial: number; temporal: number; key: boolean }, first: boolean): number[] {
  const inter = frame.key ? 0 : 0x40;
  const flags = 0x80 | inter | 0x20 | (first ? 0x08 : 0x04);
  const id = frame.picture & 0x7fff;
  const layers = (frame.temporal << 5) | 0x10 | (frame.spatial << 1) | (frame.spatial > 0 && frame.key ? 1 : 0);
  return [flags, 0x80 | (id >> 8), id & 255, layers, 0];
}

export interface EncoderOptions {
  ssrc?: number;
  sequence?: number;
  frame?: number;
  picture?: number;
  /** Without descriptors, only VP9's own. */
  plain?: boolean;
  mime?: "vp9" | "av1";
}

export class SvcEncoder {
  readonly mode: Mode;
  readonly options: Required<EncoderOptions>;
  sequence: number;
  frame: number;
  picture: number;
  /** Spatial layers that are sent. */
  sent: number;
  #sinceKey = -1;

  constructor(mode: keyof typeof MODES | Mode, options: EncoderOptions = {}) {
    this.mode = typeof mode === "string" ? MODES[mode] : mode;
    const defaults = { ssrc: 1000, sequence: 65_000, frame: 65_500, picture: 100, plain: false, mime: "vp9" as const };
    this.options = { ...defaults, ...options };
    this.sequence = this.options.sequence;
    this.frame = this.options.frame;
    this.picture = this.options.picture;
    this.sent = this.mode.spatials;
  }

  /** The frames of the next picture, lowest layer first. */
  next(key = false): Frame[] {
    this.#sinceKey = key ? 0 : this.#sinceKey + 1;
    const picture = this.picture++;
    return Array.from({ length: this.sent }, (_, spatial) => this.#encode(picture, spatial, key));
  }

  #encode(picture: number, spatial: number, key: boolean): Frame {
    const { structure, apart } = this.mode;
    const { ssrc, plain, mime } = this.options;
    const { template, temporal } = this.mode.frame(spatial, this.#sinceKey);
    const number = this.frame++;
    const { differences } = structure.templates[template]!;
    const packets = [true, false].map((first) => {
      const starts = key && (spatial === 0 || apart) && first;
      const attached = starts ? { structure } : {};
      const bytes = descriptor({ first, last: !first, template, frame: number, ...attached }, structure);
      const head = vp9({ picture, spatial, temporal, key }, first);
      const av1 = [starts ? 0x18 : 0x10];
      return rtp({
        payloadType: mime === "vp9" ? 98 : 35,
        ssrc,
        sequence: this.sequence++ & 0xffff,
        timestamp: (picture * 3000) >>> 0,
        marker: !first && spatial === this.sent - 1,
        payload: [...(mime === "vp9" ? head : av1), spatial, temporal, number >> 8, number & 255],
        ...(plain ? {} : { extensions: { [DESCRIPTOR_ID]: bytes } }),
      });
    });
    return { number, picture, spatial, temporal, key, differences, packets };
  }
}

/** What a packet carries, by its own payload and by its descriptor. */
export interface Seen {
  readonly packet: Rtp;
  readonly spatial: number;
  readonly temporal: number;
  /** Number of the frame as encoded, 16 bits. */
  readonly source: number;
  readonly frame: number;
  readonly activeTargets: number;
  readonly first: boolean;
  readonly last: boolean;
}

/** Reads what a subscriber got; descriptors by the structures that came with it. */
export function readSeen(packets: readonly Rtp[]): Seen[] {
  let structure: DependencyStructure | undefined;
  return packets.map((packet) => {
    const dd = newDependencyDescriptor();
    const bytes = new Uint8Array(packet.extensions.get(DESCRIPTOR_ID) ?? []);
    const read = readDependencyDescriptor(bytes, 0, bytes.length, structure, dd);
    if (read) structure = dd.structure ?? structure;
    const [spatial, temporal, high, low] = packet.payload.slice(-4) as [number, number, number, number];
    return {
      packet,
      spatial,
      temporal,
      source: (high << 8) | low,
      frame: read ? dd.frameNumber : -1,
      activeTargets: read ? dd.activeTargets : -1,
      first: dd.startsFrame,
      last: dd.endsFrame,
    };
  });
}

/** Layers of each picture that went out, highest spatial and temporal: "S2T0 S2T2 …". */
export function shown(seen: readonly Seen[]): string {
  const pictures = new Map<number, string>();
  for (const { packet, spatial, temporal } of seen) pictures.set(packet.timestamp, `S${spatial}T${temporal}`);
  return [...pictures.values()].join(" ");
}

/** Insists on what a decoder needs, when nothing was lost: whole frames with all that they lean on, one marker per picture. */
export function assertDecodable(seen: readonly Seen[], frames: readonly Frame[]): void {
  const byNumber = new Map(frames.map((frame) => [frame.number & 0xffff, frame]));
  const packetsOf = new Map<number, number>();
  for (const [i, now] of seen.entries()) {
    const before = seen[i - 1];
    const frame = byNumber.get(now.source)!;
    if (before) {
      assert.equal(now.packet.sequence, (before.packet.sequence + 1) & 0xffff, `number of packet ${i}`);
      const samePicture = before.packet.timestamp === now.packet.timestamp;
      assert.equal(before.packet.marker, !samePicture, `marker before packet ${i}`);
      assert.ok(samePicture || ((now.packet.timestamp - before.packet.timestamp) | 0) > 0, "time goes on");
      const step = ((now.frame - before.frame) << 16) >> 16;
      if (now.frame >= 0) assert.ok(step >= 0 && (step === 0) === (now.source === before.source), "frame numbers rise");
    }
    packetsOf.set(frame.number, (packetsOf.get(frame.number) ?? 0) + 1);
    for (const difference of frame.differences) {
      assert.equal(packetsOf.get(frame.number - difference), 2, `frame ${frame.number} leans on ${difference} before`);
    }
  }
}
