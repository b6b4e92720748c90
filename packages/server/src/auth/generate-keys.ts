/** A fresh API key with its secret, in LiveKit's form: `API…` and 43 characters without look-alikes. */
import { newSid, randomText } from "@stoa/core/room/sid";
import { createRandom } from "@stoa/io/random";
import type { KeyPair } from "./create.ts";

/** Enough for 250 bits. */
const SECRET_CHARACTERS = 43;

/** Draws a pair. */
export function generateKeyPair(): KeyPair {
  const random = createRandom();
  return { key: newSid(random, "API"), secret: randomText(random, SECRET_CHARACTERS) };
}
