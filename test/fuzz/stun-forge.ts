/** STUN messages as a step of a case describes them: right, lying, or with attributes that nobody has seen before. */
import * as stun from "@stoa/wire/stun/constants";
import { crc32 } from "@stoa/wire/stun/crc32";
import { encodeUtf8 } from "@stoa/wire/text";
import { nodeHashes } from "@stoa/testkit/node-crypto";
import { choose, operand } from "./engine.ts";
import type { Step } from "./engine.ts";
import { noise } from "./mutate.ts";

/** Class bits of a message type. */
export const REQUEST = 0;
export const SUCCESS = 0x100;
export const ERROR = 0x110;

/** What a forger knows of whom it deceives. */
export interface Aim {
  /** Class bits. */
  readonly kind: number;
  readonly transactionIds: readonly Uint8Array[];
  readonly usernames: readonly string[];
  readonly passwords: readonly string[];
}

const PRIORITIES = [0, 1, 0x6e0001ff, 0x7effffff, 0xffffffff];
const CODES = [420, 487, 400, 401, 300, 699, 0, 500];
const EXTRA_TYPES = [0x0003, 0x0007, 0x7fff, 0xc057, 0x8022, ...Object.values(stun).filter((value) => value < 0x10000)];
const MAX_EXTRAS = 40;

/**
 * Operands 1 to 7 of `step`: flags, transaction, username, priority or error code, password, further attributes, their content.
 * The `nth` message of a flood has a transaction of its own. The flags decide which attributes there are, and whether MESSAGE-INTEGRITY and FINGERPRINT are right.
 */
export function forgedStun(step: Step, aim: Aim, nth = 0): Uint8Array {
  const [flags, transaction, username] = [operand(step, 1), operand(step, 2), operand(step, 3)];
  const [number, password, content] = [operand(step, 4), operand(step, 5), operand(step, 7)];
  const has = (bit: number): boolean => ((flags >>> bit) & 1) === 1;
  const message = new Message(aim.kind | (flags % 17 === 16 ? 3 : stun.METHOD_BINDING));
  message.setTransaction(
    aim.transactionIds.length > 0 ? choose(aim.transactionIds, transaction) : noise(transaction + nth, 12),
  );
  if (!has(0)) message.add(stun.ATTR_USERNAME, encodeUtf8(choose(aim.usernames, username)));
  if (!has(1)) message.add(stun.ATTR_PRIORITY, u32(choose(PRIORITIES, number)));
  if (has(2)) message.add(stun.ATTR_USE_CANDIDATE, new Uint8Array(0));
  if (has(3)) message.add(stun.ATTR_ICE_CONTROLLED, choose([new Uint8Array(8), new Uint8Array(8).fill(255)], content));
  if (!has(4))
    message.add(stun.ATTR_ICE_CONTROLLING, choose([new Uint8Array(8), new Uint8Array(8).fill(255)], content));
  if (aim.kind === SUCCESS) message.add(stun.ATTR_XOR_MAPPED_ADDRESS, noise(content, has(5) ? 8 : 20));
  if (aim.kind === ERROR) {
    const code = choose(CODES, number);
    message.add(stun.ATTR_ERROR_CODE, Uint8Array.of(0, 0, Math.trunc(code / 100), code % 100));
  }
  // Most have none, some have many.
  const extras = has(6) && has(7) ? operand(step, 6) % MAX_EXTRAS : 0;
  for (let i = 0; i < extras; i++)
    message.add(choose(EXTRA_TYPES, content + i), noise(content + i, (content >>> (i % 8)) % 30));
  if (!has(8) || !has(9)) message.sign(choose(aim.passwords, password));
  if (has(10) && has(11)) message.add(stun.ATTR_USE_CANDIDATE, new Uint8Array(0));
  return message.finish(has(12) && has(13) ? content : 0);
}

/** A changed message gets a FINGERPRINT that fits, if it has one at its end. */
export function refingerprinted(bytes: Uint8Array): Uint8Array {
  if (bytes.length < stun.STUN_HEADER_BYTES + 8) return bytes;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  view.setUint16(2, bytes.length - stun.STUN_HEADER_BYTES);
  view.setUint32(bytes.length - 8, (stun.ATTR_FINGERPRINT << 16) | 4);
  view.setUint32(bytes.length - 4, (crc32(bytes, 0, bytes.length - 8) ^ stun.FINGERPRINT_XOR) >>> 0);
  return bytes;
}

/** A message while it is written. */
class Message {
  #bytes = new Uint8Array(stun.STUN_HEADER_BYTES);

  constructor(type: number) {
    this.#bytes.set([type >> 8, type & 255]);
    this.#bytes.set(u32(stun.MAGIC_COOKIE), 4);
  }

  setTransaction(id: Uint8Array): void {
    this.#bytes.set(id.subarray(0, 12), 8);
  }

  add(type: number, value: Uint8Array): void {
    const at = this.#bytes.length;
    const bytes = new Uint8Array(at + 4 + ((value.length + 3) & ~3));
    bytes.set(this.#bytes);
    bytes.set([type >> 8, type & 255, value.length >> 8, value.length & 255], at);
    bytes.set(value, at + 4);
    this.#bytes = bytes;
    this.#setLength(0);
  }

  /** MESSAGE-INTEGRITY over what is there. */
  sign(password: string): void {
    this.#setLength(4 + stun.INTEGRITY_BYTES);
    this.add(stun.ATTR_MESSAGE_INTEGRITY, nodeHashes.hmacSha1(encodeUtf8(password), this.#bytes.slice()));
  }

  /** FINGERPRINT, wrong by `error`. */
  finish(error: number): Uint8Array {
    this.#setLength(8);
    const fingerprint = crc32(this.#bytes, 0, this.#bytes.length) ^ stun.FINGERPRINT_XOR ^ error;
    this.add(stun.ATTR_FINGERPRINT, u32(fingerprint >>> 0));
    return this.#bytes;
  }

  #setLength(more: number): void {
    const length = this.#bytes.length + more - stun.STUN_HEADER_BYTES;
    this.#bytes.set([length >> 8, length & 255], 2);
  }
}

function u32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}
