/** The small primitives of `core` that are never on the packet path, by node:crypto. */
import { createCipheriv, createHmac } from "node:crypto";
import type { Hashes } from "@stoa/core/crypto";

/** STUN integrity and SRTP key derivation. */
export const nodeHashes: Hashes = {
  hmacSha1(key, message) {
    return plain(createHmac("sha1", key).update(message).digest());
  },
  aes128Block(key, block) {
    const cipher = createCipheriv("aes-128-ecb", key, null).setAutoPadding(false);
    return plain(cipher.update(block));
  },
};

/** Without Buffer's own methods, and not a window of Node's shared pool. */
function plain(bytes: Buffer): Uint8Array {
  return new Uint8Array(bytes);
}
