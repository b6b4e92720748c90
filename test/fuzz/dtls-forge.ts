/** DTLS records and handshake messages as a step of a case describes them: types, epochs and lengths that lie. */
import { recordEnd } from "@stoa/io/accel/dtls-records";
import { choose, operand } from "./engine.ts";
import type { Step } from "./engine.ts";
import { noise } from "./mutate.ts";

const RECORD_HEADER_BYTES = 13;
const TYPES = [20, 21, 22, 23, 24, 25, 26, 20, 21, 22, 23, 63];
const VERSIONS = [0xfefd, 0xfefd, 0xfeff, 0x0303, 0x0000, 0xfefc];
const EPOCHS = [0, 1, 0, 1, 2, 0xffff];
const MESSAGES = [0, 1, 2, 3, 4, 11, 12, 13, 14, 15, 16, 20, 24, 255];
const LIES = [0, 1, 12, 255, 0x4000, 0x7fff, 0xffff];

/** Operands 1 to 7: type, version, epoch, sequence number, length, body. `nth` makes records of one datagram differ. */
export function forgedRecord(step: Step, nth = 0): Uint8Array {
  const type = choose(TYPES, operand(step, 1) + nth);
  const body = type === 22 ? handshake(step, nth) : noise(operand(step, 6) + nth, bodyBytes(step));
  const bytes = new Uint8Array(RECORD_HEADER_BYTES + body.length);
  const view = new DataView(bytes.buffer);
  bytes[0] = type;
  view.setUint16(1, choose(VERSIONS, operand(step, 2)));
  view.setUint16(3, choose(EPOCHS, operand(step, 3)));
  view.setUint16(5, operand(step, 4) >>> 28);
  view.setUint32(7, operand(step, 4) + nth);
  view.setUint16(11, told(operand(step, 5), body.length));
  bytes.set(body, RECORD_HEADER_BYTES);
  return bytes;
}

/** A datagram of up to 20 such records. */
export function forgedRecords(step: Step): Uint8Array {
  const records = Array.from({ length: 1 + (operand(step, 6) % 20) }, (_, nth) => forgedRecord(step, nth));
  return Uint8Array.from(records.flatMap((record) => [...record]));
}

/** The records of a datagram; what is left of a cut one counts as one. */
export function recordsOf(datagram: Uint8Array): Uint8Array[] {
  const records: Uint8Array[] = [];
  for (let at = 0, end = 0; at < datagram.length; at = end) {
    end = recordEnd(datagram, at);
    records.push(datagram.subarray(at, end));
  }
  return records;
}

function handshake(step: Step, nth: number): Uint8Array {
  const value = operand(step, 6);
  const body = noise(value + nth, bodyBytes(step));
  const bytes = new Uint8Array(12 + body.length);
  bytes[0] = choose(MESSAGES, value + nth);
  const numbers = [
    told(value >>> 4, body.length),
    ((value >>> 8) % 6) + nth,
    told(value >>> 12, 0),
    told(value >>> 16, body.length),
  ];
  const [length = 0, sequence = 0, offset = 0, fragment = 0] = numbers;
  bytes.set([length >> 16, length >> 8, length, sequence >> 8, sequence], 1);
  bytes.set([offset >> 16, offset >> 8, offset, fragment >> 16, fragment >> 8, fragment], 6);
  bytes.set(body, 12);
  return bytes;
}

/** Mostly about as short as what a cipher adds. */
function bodyBytes(step: Step): number {
  const by = operand(step, 7);
  return by % ((by & 0x300) === 0x300 ? 300 : 40);
}

/** A length that is true, half of the time. */
function told(by: number, truth: number): number {
  return by % 2 === 0 ? truth : choose(LIES, by >>> 1);
}
