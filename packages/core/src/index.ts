export { StoaError } from "./errors.ts";
export { Slab, PacketPool, SLOT_BYTES } from "./slab.ts";
export type * from "./crypto.ts";
export type * from "./paths.ts";
export type * from "./engine/protocol.ts";
