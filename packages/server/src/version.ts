/** The two versions of this server. */

/** Stoa's own. */
export const STOA_VERSION = "0.1.0";

/**
 * The livekit-server that clients are told they talk to: SDKs switch features off for older ones, and the Rust SDK takes
 * nothing but MAJOR.MINOR.PATCH.
 */
export const LIVEKIT_VERSION = "1.13.11";
