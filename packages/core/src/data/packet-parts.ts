/**
 * How many parts an encoded DataPacket has: its fields, the elements of its lists, and those of the messages inside it. Decoding and
 * encoding cost microseconds for each, and two bytes can be one, so a packet of few bytes with many parts is an attack on everybody else.
 * Invariant: what is counted is what the decoder will read, so a packet is refused (`NOT_A_PACKET`) where it might read otherwise:
 * where a field is of another type than it should be, or longer than the message that it is in.
 */
import { DataPacket } from "@livekit/protocol";

/** More than somebody needs who names all others in a room of three thousand: that is some 10 ms of a worker's time. */
export const MAX_PARTS = 4096;
/** Of bytes that are no DataPacket, or one of more than `MAX_PARTS`. */
export const NOT_A_PACKET = -1;

const VARINT = 0;
const FIXED_64 = 1;
const DELIMITED = 2;
const FIXED_32 = 5;

/** A tag has five bytes at the most, any other number ten. */
const MAX_TAG_BYTES = 5;
const MAX_VARINT_BYTES = 10;

/** The fields of a message by their numbers. */
type Shape = ReadonlyMap<number, Field>;

interface Field {
  readonly wireType: number;
  /** Of a message or an entry of a map. */
  readonly inside: Shape | undefined;
}

/** What a generated class says of itself. */
type MessageClass = Pick<typeof DataPacket, "fields"> & { readonly typeName: string };

/** All maps are of strings to strings. Of what else is in an entry the decoder reads the number and not the value. */
const ENTRY_OF_STRINGS: Shape = new Map([
  [1, { wireType: DELIMITED, inside: undefined }],
  [2, { wireType: DELIMITED, inside: undefined }],
]);

const PACKET = shapeOf(DataPacket, new Map());

/** The parts of a packet, or `NOT_A_PACKET`. Total. */
export function countParts(bytes: Uint8Array): number {
  return new PartCounter(bytes).count();
}

class PartCounter {
  readonly #bytes: Uint8Array;
  #at = 0;
  #parts = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  count(): number {
    return this.#countFields(this.#bytes.length, PACKET) ? this.#parts : NOT_A_PACKET;
  }

  /** The fields until `end`; as deep as LiveKit's messages are nested. */
  #countFields(end: number, shape: Shape): boolean {
    while (this.#at < end) {
      if (++this.#parts > MAX_PARTS) return false;
      const tag = this.#number(end);
      // What has no number, also a tag that is cut off, is no field.
      if (tag < 8) return false;
      const wireType = tag & 7;
      const field = shape.get(tag >>> 3);
      if (field ? field.wireType !== wireType : shape === ENTRY_OF_STRINGS) return false;
      if (!this.#countValue(end, wireType, field?.inside)) return false;
    }
    return true;
  }

  #countValue(end: number, wireType: number, inside: Shape | undefined): boolean {
    switch (wireType) {
      case VARINT:
        return this.#skipVarint(end);
      case FIXED_64:
        return this.#skip(end, 8);
      case FIXED_32:
        return this.#skip(end, 4);
      case DELIMITED: {
        const length = this.#number(end);
        if (length < 0) return false;
        if (!inside) return this.#skip(end, length);
        return this.#at + length <= end && this.#countFields(this.#at + length, inside);
      }
      default:
        // Groups: nothing of LiveKit's has any.
        return false;
    }
  }

  #skip(end: number, bytes: number): boolean {
    this.#at += bytes;
    return this.#at <= end;
  }

  #skipVarint(end: number): boolean {
    const mostEnd = Math.min(end, this.#at + MAX_VARINT_BYTES);
    while (this.#at < mostEnd) if (this.#bytes[this.#at++]! < 0x80) return true;
    return false;
  }

  /** A tag or a length; -1 where there is none. */
  #number(end: number): number {
    let value = 0;
    for (let i = 0; i < MAX_TAG_BYTES && this.#at < end; i++) {
      const byte = this.#bytes[this.#at++]!;
      value |= (byte & 0x7f) << (7 * i);
      if (byte < 0x80) return value >>> 0;
    }
    return -1;
  }
}

function shapeOf(type: MessageClass, known: Map<string, Map<number, Field>>): Shape {
  const before = known.get(type.typeName);
  if (before) return before;
  const shape = new Map<number, Field>();
  known.set(type.typeName, shape);
  for (const field of type.fields.list()) {
    if (field.kind === "message") shape.set(field.no, { wireType: DELIMITED, inside: shapeOf(field.T, known) });
    else if (field.kind === "map") shape.set(field.no, { wireType: DELIMITED, inside: ENTRY_OF_STRINGS });
    else {
      const single = field.kind === "enum" ? VARINT : wireTypeOf(field.T);
      // Numbers in a list are packed, and cost next to nothing.
      shape.set(field.no, { wireType: field.repeated ? DELIMITED : single, inside: undefined });
    }
  }
  return shape;
}

/** By the number that descriptors have for a type of scalars. */
function wireTypeOf(scalar: number): number {
  switch (scalar) {
    case 9: // string
    case 12: // bytes
      return DELIMITED;
    case 1: // double
    case 6: // fixed64
    case 16: // sfixed64
      return FIXED_64;
    case 2: // float
    case 7: // fixed32
    case 15: // sfixed32
      return FIXED_32;
    default:
      return VARINT;
  }
}
