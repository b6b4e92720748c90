/**
 * Ids that the server hands out (livekit.md 4.1): a prefix that says what is named, then 12 characters of an alphabet
 * of 57 without look-alikes. Invariant: every character is drawn evenly from the injected randomness.
 */
import type { Random } from "../crypto.ts";
import { TrackSource, TrackType } from "@livekit/protocol";

/** "PA_…": one participant instance; a re-join of the same identity gets a new one. */
export type ParticipantSid = string;
/** "TR_…": one published track. */
export type TrackSid = string;

const ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const SID_CHARACTERS = 12;
/** The largest multiple of the alphabet in a byte: a byte above it would favour some characters. */
const FAIR_LIMIT = 256 - (256 % ALPHABET.length);

/** `length` characters of the alphabet; also fit for ICE ufrag and password (all are ice-char, RFC 8839). */
export function randomText(random: Random, length: number): string {
  let text = "";
  while (text.length < length) {
    for (const byte of random.bytes(length)) {
      if (byte < FAIR_LIMIT && text.length < length) text += ALPHABET[byte % ALPHABET.length];
    }
  }
  return text;
}

/** A fresh sid with this prefix ("RM_", "PA_", …). */
export function newSid(random: Random, prefix: string): string {
  return prefix + randomText(random, SID_CHARACTERS);
}

const SOURCE_LETTER: Readonly<Record<TrackSource, string>> = {
  [TrackSource.UNKNOWN]: "",
  [TrackSource.CAMERA]: "C",
  [TrackSource.MICROPHONE]: "M",
  [TrackSource.SCREEN_SHARE]: "S",
  [TrackSource.SCREEN_SHARE_AUDIO]: "s",
};

/** "TR_" with a letter for the kind and one for the source: a camera's track reads "TR_VC…". */
export function newTrackSid(random: Random, type: TrackType, source: TrackSource): TrackSid {
  const kind = type === TrackType.VIDEO ? "V" : "A";
  return newSid(random, `TR_${kind}${SOURCE_LETTER[source] ?? ""}`);
}
