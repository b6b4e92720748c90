/** Errors of `@stoa/core`: thrown only for a caller's mistake, never for what a peer sent. */

/** Stable codes, one table for the package. */
export type CoreErrorCode = "slab_exhausted" | "invalid_argument" | "bad_sdp" | "sender_closed" | "internal";

/** An error with a code that does not change between versions; `message` says what, where and what to do. */
export class StoaError extends Error {
  readonly code: string;

  constructor(code: CoreErrorCode | (string & {}), message: string, options?: { cause?: unknown }) {
    super(message, options as ErrorOptions);
    this.name = "StoaError";
    this.code = code;
  }
}
