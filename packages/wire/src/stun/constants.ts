/** Numbers of STUN (RFC 8489) and of its ICE attributes (RFC 8445 section 16.1). */

export const STUN_HEADER_BYTES = 20;
export const MAGIC_COOKIE = 0x2112a442;
/** The only method of ICE. */
export const METHOD_BINDING = 1;

export const ATTR_MAPPED_ADDRESS = 0x0001;
export const ATTR_USERNAME = 0x0006;
export const ATTR_MESSAGE_INTEGRITY = 0x0008;
export const ATTR_ERROR_CODE = 0x0009;
export const ATTR_UNKNOWN_ATTRIBUTES = 0x000a;
export const ATTR_REALM = 0x0014;
export const ATTR_NONCE = 0x0015;
export const ATTR_XOR_MAPPED_ADDRESS = 0x0020;
export const ATTR_PRIORITY = 0x0024;
export const ATTR_USE_CANDIDATE = 0x0025;
export const ATTR_FINGERPRINT = 0x8028;
export const ATTR_ICE_CONTROLLED = 0x8029;
export const ATTR_ICE_CONTROLLING = 0x802a;

export const FAMILY_IPV4 = 1;
export const FAMILY_IPV6 = 2;

/** XORed over the CRC-32 in FINGERPRINT. */
export const FINGERPRINT_XOR = 0x5354554e;
/** HMAC-SHA1. */
export const INTEGRITY_BYTES = 20;

/** ERROR-CODE values that ICE meets. */
export const ERROR_UNKNOWN_ATTRIBUTE = 420;
export const ERROR_ROLE_CONFLICT = 487;
