/** Unpredictable numbers from OpenSSL's generator, drawn in blocks so that a single `uint32` costs no system call. */
import { randomFillSync } from "node:crypto";
import type { Random } from "@stoa/core/crypto";

const BLOCK_WORDS = 256;

/** The random source of the product; tests inject a seeded one instead. */
export function createRandom(): Random {
  const block = new Uint32Array(BLOCK_WORDS);
  let left = 0;
  return {
    bytes: (length) => randomFillSync(new Uint8Array(length)),
    uint32: () => {
      if (left === 0) {
        randomFillSync(block);
        left = BLOCK_WORDS;
      }
      left -= 1;
      const word = block[left]!;
      block[left] = 0; // a value that went out is not kept in memory
      return word;
    },
  };
}
