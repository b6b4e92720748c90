/** What a packet tells about a key frame that begins with it; a higher kind is the better place to start decoding. */
export type KeyFrameKind = 0 | 1 | 2;

export const NO_KEY_FRAME = 0;
/** Begins a key picture that may need parameter sets from elsewhere (an IDR slice). */
export const KEY_FRAME = 1;
/** Begins a key picture together with all that a decoder needs. */
export const KEY_FRAME_WITH_PARAMETERS = 2;
