/** A fresh API key with its secret, in LiveKit's form: `API…` and 43 characters without look-alikes. */
import type { Random } from "@stoa/core/crypto";
import { newSid, randomText } from "@stoa/core/room/sid";
import type { KeyPair } from "./create.ts";

/** Enough for 250 bits. */
const SECRET_CHARACTERS = 43;

/** Draws a pair. */
export function generateKeyPair(random: Random): KeyPair {
  return { key: newSid(random, "API"), secret: randomText(random, SECRET_CHARACTERS) };
}
