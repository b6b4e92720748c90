/** Packets to feed, and reading those that came out by other means than those of the code under test. */

export interface Rtp {
  payloadType: number;
  sequence: number;
  /** Unsigned. */
  timestamp: number;
  /** Unsigned. */
  ssrc: number;
  marker: boolean;
  payload: number[];
  extensions: Map<number, number[]>;
}

export interface RtpInput extends Partial<Omit<Rtp, "extensions">> {
  extensions?: Record<number, readonly number[]>;
  padding?: number;
}

export const int16 = (value: number) => [(value >> 8) & 255, value & 255];
export const int32 = (value: number) => [(value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];

/** The bytes of a packet. */
export function rtp(input: RtpInput): Uint8Array {
  const block: number[] = [];
  const elements = Object.entries(input.extensions ?? {});
  const wide = elements.some(([, bytes]) => bytes.length > 16);
  for (const [id, bytes] of elements) {
    if (wide) block.push(Number(id), bytes.length, ...bytes);
    else block.push((Number(id) << 4) | (bytes.length - 1), ...bytes);
  }
  while (block.length & 3) block.push(0);
  const profile = wide ? [0x10, 0] : [0xbe, 0xde];
  const extension = block.length > 0 ? [...profile, ...int16(block.length / 4), ...block] : [];
  const padding = input.padding ? [...Array<number>(input.padding - 1).fill(0), input.padding] : [];
  return new Uint8Array([
    0x80 | (padding.length > 0 ? 0x20 : 0) | (block.length > 0 ? 0x10 : 0),
    (input.marker ? 0x80 : 0) | (input.payloadType ?? 96),
    ...int16(input.sequence ?? 0),
    ...int32(input.timestamp ?? 0),
    ...int32(input.ssrc ?? 1),
    ...extension,
    ...(input.payload ?? []),
    ...padding,
  ]);
}

/** Reads a packet by its own means, not by those of the code under test. */
export function readRtp(bytes: Uint8Array): Rtp {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const extensions = new Map<number, number[]>();
  let at = 12;
  if (bytes[0]! & 0x10) {
    const wide = view.getUint16(12) !== 0xbede;
    const end = 16 + view.getUint16(14) * 4;
    for (let p = 16; p < end;) {
      if (bytes[p] === 0) {
        p++;
        continue;
      }
      const id = wide ? bytes[p]! : bytes[p]! >> 4;
      const length = wide ? bytes[p + 1]! : (bytes[p]! & 15) + 1;
      p += wide ? 2 : 1;
      extensions.set(id, [...bytes.subarray(p, p + length)]);
      p += length;
    }
    at = end;
  }
  return {
    payloadType: bytes[1]! & 127,
    marker: bytes[1]! > 127,
    sequence: view.getUint16(2),
    timestamp: view.getUint32(4),
    ssrc: view.getUint32(8),
    payload: [...bytes.subarray(at)],
    extensions,
  };
}

export interface Vp8Input {
  key?: boolean;
  /** First packet of the frame. */
  first?: boolean;
  pictureId?: number;
  narrow?: boolean;
  tl0?: number;
  keyIdx?: number;
  temporal?: number;
  sync?: boolean;
  body?: readonly number[];
}

/** A VP8 payload with picture id, TL0PICIDX and KEYIDX. */
export function vp8(input: Vp8Input): number[] {
  const id = input.pictureId ?? 0;
  const idBytes = input.narrow ? [id & 127] : [0x80 | ((id >> 8) & 127), id & 255];
  const first = input.first !== false;
  return [
    0x80 | (first ? 0x10 : 0),
    0xf0,
    ...idBytes,
    (input.tl0 ?? 0) & 255,
    ((input.temporal ?? 0) << 6) | (input.sync ? 0x20 : 0) | ((input.keyIdx ?? 0) & 31),
    ...(first ? [input.key ? 0 : 1] : []),
    ...(input.body ?? []),
  ];
}

/** The numbers of a payload made by `vp8`. */
export function readVp8(payload: readonly number[]) {
  const wide = payload[2]! > 127;
  const at = wide ? 4 : 3;
  return {
    pictureId: wide ? ((payload[2]! & 127) << 8) | payload[3]! : payload[2]!,
    tl0: payload[at]!,
    temporal: payload[at + 1]! >> 6,
    keyIdx: payload[at + 1]! & 31,
    rest: payload.slice(at + 2),
  };
}

/** One VP8 frame of one packet from the publisher of `videoReceiver`. */
export function frame(sequence: number, key = false, changes = {}) {
  return rtp({
    sequence,
    timestamp: sequence * 3000,
    ssrc: 1000,
    marker: true,
    payload: vp8({ key, pictureId: sequence & 0x7fff, tl0: sequence, body: [sequence & 255] }),
    ...changes,
  });
}
