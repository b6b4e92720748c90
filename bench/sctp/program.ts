/**
 * One side of a transfer as a program of its own, and what the benchmark and it say to each other, a JSON object a line:
 *
 *   PROGRAM send MESSAGE_BYTES      prints {"sdp": OFFER} with one reliable, ordered data channel and all its candidates, reads
 *                                   {"sdp": ANSWER}, then sends such messages as fast as the channel takes them
 *   PROGRAM receive MESSAGE_BYTES   reads {"sdp": OFFER}, prints {"sdp": ANSWER}, then answers each {"count": true} with
 *                                   {"bytes": RECEIVED_SO_FAR}
 *
 * Candidates are UDP over IPv4; the one in a description that a program reads is the relay's. A program ends when its input does.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { cpuMs } from "../lib/process-usage.ts";

/** What a side does. */
export type Way = "send" | "receive";

/** A line of either direction. */
export interface Line {
  readonly sdp?: string;
  readonly count?: boolean;
  readonly bytes?: number;
}

/** One end of a transfer, whatever plays it. */
export interface Side {
  /** The sender's offer. */
  offer(): Promise<string>;
  /** The receiver's answer to an offer. */
  answer(offer: string): Promise<string>;
  /** The sender gets the answer. */
  accept(answer: string): Promise<void>;
  /** Bytes that a receiver has got so far. */
  receivedBytes(): Promise<number>;
  /** CPU time used so far, in milliseconds. */
  cpuMs(): Promise<number>;
  close(): Promise<void>;
}

const ANSWER_TIMEOUT_MS = 10_000;

/** A program that speaks the lines above. */
export class ProgramSide implements Side {
  readonly #child: ChildProcess;
  readonly #waiting: { resolve: (line: Line) => void; reject: (error: Error) => void }[] = [];
  readonly #lines: Line[] = [];
  /** Why no more lines will come. */
  #over: Error | undefined;

  constructor(command: readonly string[], way: Way, messageBytes: number) {
    const [program, ...args] = command;
    const child = spawn(program!, [...args, way, String(messageBytes)], { stdio: ["pipe", "pipe", "inherit"] });
    this.#child = child;
    child.once("error", (error: NodeJS.ErrnoException) => {
      this.#end(new Error(`${program} cannot be started (${error.code ?? error.message})`));
    });
    // Not "exit": its last lines may still be under way.
    child.once("close", (code) => this.#end(new Error(`${program} ended by itself with code ${code}`)));
    child.stdin.on("error", () => undefined); // it has ended, which is told above
    createInterface({ input: child.stdout }).on("line", (text) => {
      const line = parse(text);
      if (!line) return this.#end(new Error(`${program} printed a line that is no JSON object: ${text.slice(0, 100)}`));
      const next = this.#waiting.shift();
      if (next) next.resolve(line);
      else this.#lines.push(line);
    });
  }

  async offer(): Promise<string> {
    return (await this.#read()).sdp!;
  }

  async answer(offer: string): Promise<string> {
    this.#write({ sdp: offer });
    return (await this.#read()).sdp!;
  }

  async accept(answer: string): Promise<void> {
    this.#write({ sdp: answer });
  }

  async receivedBytes(): Promise<number> {
    this.#write({ count: true });
    return (await this.#read()).bytes!;
  }

  async cpuMs(): Promise<number> {
    return cpuMs(this.#child.pid!);
  }

  async close(): Promise<void> {
    const { pid, exitCode, signalCode } = this.#child;
    if (pid === undefined || exitCode !== null || signalCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.stdin!.end();
    const hard = setTimeout(() => this.#child.kill("SIGKILL"), 2000);
    await ended;
    clearTimeout(hard);
  }

  #write(line: Line): void {
    this.#child.stdin!.write(`${JSON.stringify(line)}\n`);
  }

  #read(): Promise<Line> {
    const line = this.#lines.shift();
    if (line) return Promise.resolve(line);
    if (this.#over) return Promise.reject(this.#over);
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error("a side of the transfer does not answer")), ANSWER_TIMEOUT_MS);
      this.#waiting.push({
        resolve: (found) => {
          clearTimeout(late);
          resolve(found);
        },
        reject: (error) => {
          clearTimeout(late);
          reject(error);
        },
      });
    });
  }

  #end(error: Error): void {
    this.#over ??= error;
    for (const { reject } of this.#waiting.splice(0)) reject(this.#over);
  }
}

function parse(text: string): Line | undefined {
  try {
    const line = JSON.parse(text) as Line | null;
    return typeof line === "object" ? (line ?? undefined) : undefined;
  } catch {
    return undefined;
  }
}
