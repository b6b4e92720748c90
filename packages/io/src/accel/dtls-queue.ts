/** A bounded queue of byte strings, and the cutting of a stream of DTLS records into datagrams. */

/** First in, first out; full by number or by bytes. */
export class DatagramQueue {
  #items: Uint8Array[] = [];
  #head = 0;
  #bytes = 0;
  readonly #maxItems: number;
  readonly #maxBytes: number;

  constructor(maxItems: number, maxBytes: number) {
    this.#maxItems = maxItems;
    this.#maxBytes = maxBytes;
  }

  get full(): boolean {
    return this.#items.length - this.#head >= this.#maxItems || this.#bytes >= this.#maxBytes;
  }

  /** Adds; false when full. */
  push(item: Uint8Array): boolean {
    if (this.full) return false;
    this.#items.push(item);
    this.#bytes += item.length;
    return true;
  }

  /** Takes the oldest. */
  shift(): Uint8Array | undefined {
    const item = this.#items[this.#head];
    if (item === undefined) return undefined;
    this.#head += 1;
    this.#bytes -= item.length;
    if (this.#head === this.#items.length) this.clear();
    return item;
  }

  clear(): void {
    this.#items = [];
    this.#head = 0;
    this.#bytes = 0;
  }
}

const RECORD_HEADER_BYTES = 13;

/** Packs whole records (length at bytes 11 and 12 of each) into datagrams of at most `limit` bytes; a longer record goes alone. */
export function packRecords(stream: Uint8Array, limit: number, to: DatagramQueue): void {
  let start = 0;
  let end = 0;
  while (end + RECORD_HEADER_BYTES <= stream.length) {
    const next = end + RECORD_HEADER_BYTES + ((stream[end + 11]! << 8) | stream[end + 12]!);
    if (next > stream.length) break;
    if (next - start > limit && end > start) {
      to.push(stream.slice(start, end));
      start = end;
    }
    end = next;
  }
  if (end > start) to.push(stream.slice(start, end));
}
