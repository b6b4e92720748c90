/** Network paths and datagrams as `core` sees them: small integers and slab offsets. `io` keeps the addresses. */

/**
 * Handle of one remote transport address (an UDP address on one of our sockets, or one TCP connection). ≥ 0; `NO_PATH` = none.
 * The path of a datagram from an unknown address is transient: it may be reused after the batch unless `retain` was called.
 */
export type Path = number;

export const NO_PATH: Path = -1;

/** What a path stands for. */
export interface PathInfo {
  readonly protocol: "udp" | "tcp";
  /** 4 or 16 bytes, network order; IPv4-mapped IPv6 is given as IPv4. */
  readonly address: Uint8Array;
  readonly port: number;
}

export interface Paths {
  describe(path: Path): PathInfo | undefined;
  /** Makes a path lasting; counts. The handle stays the same. */
  retain(path: Path): void;
  /** Undoes one `retain`; at zero the handle may be reused, and a TCP connection is closed. */
  release(path: Path): void;
  /** Path to an address, for the controlling side; a UDP path needs no handshake. Retained once. */
  open(info: PathInfo): Path;
}

/** Where packets go out. Order is kept per path; nothing is sent before `flush`, or before the batch is full. */
export interface PacketSink {
  /** Slab offset of a free send slot of `SLOT_BYTES`, valid until the next call of `reserve` or `commit`. */
  reserve(): number;
  /** Queues the first `length` bytes of the slot that `reserve` gave last. A path that is gone: dropped and counted. */
  commit(path: Path, length: number): void;
  /** Copies `bytes` into a slot and commits it: STUN, DTLS. */
  send(path: Path, bytes: Uint8Array): void;
  /** Hands everything queued to the system. Called once per turn by the driver. */
  flush(): void;
}

/** Datagrams that arrived together. Reused by `io` for the next batch: keep nothing of it but taken slots. */
export interface DatagramBatch {
  readonly count: number;
  /** Slab offset of datagram i (a slot of the `PacketPool`). */
  readonly at: Int32Array;
  readonly length: Int32Array;
  readonly path: Int32Array;
  /** Set `taken[i] = 1` to keep slot i; the keeper gives it back to the pool one day. */
  readonly taken: Uint8Array;
}
