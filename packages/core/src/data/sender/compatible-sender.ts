/**
 * The rules of `DataChannelSender` in LiveKit's Rust SDK 0.7.36, to the letter: a task that holds payloads back while its
 * own count of the channel's buffer is above a threshold. Weak points included; `ChannelSender` is the one to use
 * otherwise (docs/decisions/0006-data-sender.md lists the differences).
 *
 * A task and a producer that waits are the behaviour here, so both are promises; there is still neither clock nor I/O.
 */
import { StoaError } from "../../errors.ts";
import type { SendOutcome } from "../../peer/data-transport.ts";
import { Fifo } from "../../sctp/fifo.ts";
import { SenderInput } from "./sender-input.ts";

/** A data channel as this sender sees it. */
export interface CompatibleChannel {
  readonly label: string;
  /** Anything but "queued" is a failure. */
  send(payload: Uint8Array): SendOutcome;
  /** Registers the one callback that hears how many bytes have left the buffer. */
  onBytesSent(callback: (bytes: number) => void): void;
}

/** What a sender is made of. */
export interface CompatibleOptions {
  /** Payloads are sent while the count is at or below this. */
  readonly lowBufferThreshold: number;
  readonly channel: CompatibleChannel;
  /** Settles when the sender has to end; nothing else ends it. */
  readonly closed: PromiseLike<unknown>;
  readonly log?: (level: "debug" | "info" | "error", message: string) => void;
}

/** What wakes the task. Nothing but the task itself keeps it alive. */
class Mailbox {
  readonly sent: number[] = [];
  closing = false;
  ended = false;
  #wake: (() => void) | undefined;

  bytesSent(bytes: number): void {
    if (this.ended) return;
    this.sent.push(bytes);
    this.wake();
  }

  wake(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  wait(): Promise<void> {
    return new Promise((resolve) => (this.#wake = resolve));
  }
}

/** Makes a sender, to be run once, and the input that feeds it. */
export function createCompatibleSender(options: CompatibleOptions): { sender: CompatibleSender; input: SenderInput } {
  const input = new SenderInput();
  return { sender: new CompatibleSender(options, input), input };
}

/** See the file's head. */
export class CompatibleSender {
  readonly #options: CompatibleOptions;
  readonly #input: SenderInput;
  readonly #mailbox = new Mailbox();
  readonly #queue = new Fifo<Uint8Array>();
  #queuedBytes = 0;
  #bufferedBytes = 0;
  #consumed = false;

  constructor(options: CompatibleOptions, input: SenderInput) {
    this.#options = options;
    this.#input = input;
  }

  /** The count: bytes sent, less those that the channel reported. */
  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  /** The task; resolves after `closed`. */
  async run(): Promise<void> {
    if (this.#consumed) throw new StoaError("invalid_argument", "a sender runs once; make another one");
    this.#consumed = true;
    const { channel, closed } = this.#options;
    const mailbox = this.#mailbox;
    this.#log("debug", `Send task started for data channel '${channel.label}'`);
    channel.onBytesSent(weakCallback(mailbox));
    const close = () => {
      mailbox.closing = true;
      mailbox.wake();
    };
    closed.then(close, close);
    this.#input.onPayload(() => mailbox.wake());
    // A signal from before the start is heard before the first payload.
    await Promise.resolve();
    while (!mailbox.closing) if (!this.#step()) await mailbox.wait();
    mailbox.ended = true;
    this.#input.end();
    if (this.#queue.size > 0) this.#log("info", `${this.#queuedBytes} byte(s) remain in queue`);
    this.#log("debug", `Send task ended for data channel '${channel.label}'`);
  }

  /** Handles one thing that came; false when there was none. */
  #step(): boolean {
    const sent = this.#mailbox.sent.shift();
    if (sent !== undefined) {
      this.#handleBytesSent(sent);
      return true;
    }
    const payload = this.#input.take();
    if (!payload) return false;
    this.#queue.push(payload);
    this.#queuedBytes += payload.length;
    this.#sendUntilThreshold();
    return true;
  }

  #handleBytesSent(bytes: number): void {
    if (bytes > this.#bufferedBytes) {
      this.#log("error", "Unexpected buffer amount");
      this.#bufferedBytes = 0;
      return;
    }
    this.#bufferedBytes -= bytes;
    this.#sendUntilThreshold();
  }

  #sendUntilThreshold(): void {
    const { channel, lowBufferThreshold } = this.#options;
    while (this.#bufferedBytes <= lowBufferThreshold) {
      const payload = this.#queue.shift();
      if (!payload) return;
      this.#queuedBytes -= payload.length;
      this.#bufferedBytes += payload.length;
      const outcome = channel.send(payload);
      if (outcome !== "queued") this.#log("error", `Failed to send data: ${outcome}`);
    }
  }

  #log(level: "debug" | "info" | "error", message: string): void {
    this.#options.log?.(level, message);
  }
}

/** The channel may outlive the task, and must not keep it in memory. */
function weakCallback(mailbox: Mailbox): (bytes: number) => void {
  const weak = new WeakRef(mailbox);
  return (bytes) => weak.deref()?.bytesSent(bytes);
}
