/** ICE user fragments and passwords (RFC 8445 section 5.3, RFC 8839 section 5.4). */
import { encodeUtf8 } from "@stoa/wire/text";
import type { StunSigner } from "@stoa/wire/stun/write";
import type { Hashes, Random } from "../crypto.ts";

/** What one side's SDP announces. */
export interface IceCredentials {
  readonly ufrag: string;
  readonly pwd: string;
  /** `pwd` as key of MESSAGE-INTEGRITY. */
  readonly key: Uint8Array;
}

const ICE_CHARS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/** 72 random bits: unique among all peers of a process, which demultiplexing needs. */
const UFRAG_CHARS = 12;
/** 144 random bits; RFC 8445 wants 128. */
const PWD_CHARS = 24;

/** Credentials with their key. */
export function iceCredentials(ufrag: string, pwd: string): IceCredentials {
  return { ufrag, pwd, key: encodeUtf8(pwd) };
}

/** Signs and checks STUN messages with the password of `credentials`. */
export function stunSigner(credentials: IceCredentials, hashes: Hashes): StunSigner {
  return { key: credentials.key, hmacSha1: (key, message) => hashes.hmacSha1(key, message) };
}

/** Fresh random credentials for one ICE session. */
export function drawIceCredentials(random: Random): { ufrag: string; pwd: string } {
  return { ufrag: drawText(random, UFRAG_CHARS), pwd: drawText(random, PWD_CHARS) };
}

function drawText(random: Random, length: number): string {
  let text = "";
  for (const byte of random.bytes(length)) text += ICE_CHARS[byte & 63]!;
  return text;
}

/**
 * Our own credentials across ICE restarts: the former ones stay valid until a check with the new ones has succeeded, for the other
 * side keeps checking with them until it has our new description.
 */
export class LocalCredentials {
  #current: IceCredentials;
  #previous: IceCredentials | undefined;
  #confirmed = false;

  constructor(first: IceCredentials) {
    this.#current = first;
  }

  get current(): IceCredentials {
    return this.#current;
  }

  /** All ufrags that a check may carry, the newest first. */
  get ufrags(): readonly string[] {
    return this.#previous ? [this.#current.ufrag, this.#previous.ufrag] : [this.#current.ufrag];
  }

  /** False when these are the credentials in force: nothing happens then. */
  replace(next: IceCredentials): boolean {
    if (next.ufrag === this.#current.ufrag && next.pwd === this.#current.pwd) return false;
    // Of several restarts that nobody answered yet, only the first knows what the other side uses.
    if (this.#confirmed || !this.#previous) this.#previous = this.#current;
    this.#current = next;
    this.#confirmed = false;
    return true;
  }

  find(ufrag: string): IceCredentials | undefined {
    if (ufrag === this.#current.ufrag) return this.#current;
    return ufrag === this.#previous?.ufrag ? this.#previous : undefined;
  }

  /** A check with `used` was valid. */
  confirm(used: IceCredentials): void {
    if (used !== this.#current) return;
    this.#confirmed = true;
    this.#previous = undefined;
  }
}
