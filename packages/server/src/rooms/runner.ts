/**
 * Drives one room: every input is followed by its effects and by a new alarm at the room's next deadline.
 * Invariant: inputs never overlap. An error inside the room is logged and costs one input, not the process.
 */
import type { DisconnectReason, SignalRequest } from "@livekit/protocol";
import type { MediaEvent } from "@stoa/core/engine/events";
import { Refusal, type Action } from "@stoa/core/room/admin/action";
import type { SignalId } from "@stoa/core/room/effects";
import type { JoinInput, JoinResult } from "@stoa/core/room/options";
import type { ParticipantSid } from "@stoa/core/room/sid";
import type { Log } from "@stoa/io/log";
import type { EffectPerformer } from "./effects.ts";
import type { RoomMachine } from "./machine.ts";

/** The longest delay that a Node timer takes. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/** What a runner is made from. */
export interface RunnerOptions {
  readonly name: string;
  readonly sid: string;
  /** Index of the media worker that has this room. */
  readonly worker: number;
  readonly machine: RoomMachine;
  readonly performer: EffectPerformer;
  readonly log: Log;
  readonly nowMs: () => number;
}

export class RoomRunner {
  readonly name: string;
  readonly sid: string;
  readonly worker: number;
  readonly #machine: RoomMachine;
  readonly #performer: EffectPerformer;
  readonly #log: Log;
  readonly #nowMs: () => number;
  #timer: NodeJS.Timeout | undefined;
  #timerAtMs = Number.POSITIVE_INFINITY;
  #stopped = false;

  constructor(options: RunnerOptions) {
    this.name = options.name;
    this.sid = options.sid;
    this.worker = options.worker;
    this.#machine = options.machine;
    this.#performer = options.performer;
    this.#log = options.log;
    this.#nowMs = options.nowMs;
    this.#settle(); // a room that nobody ever enters has a deadline too
  }

  /** Undefined when the room failed. */
  join(input: JoinInput): JoinResult | undefined {
    return this.#run("join", (nowMs) => this.#machine.join(input, nowMs));
  }

  handleRequest(from: ParticipantSid, connection: SignalId, request: SignalRequest): void {
    this.#run("request", (nowMs) => this.#machine.handleRequest(from, connection, request, nowMs), {
      request: request.message.case,
    });
  }

  /** `why`: for people; "" = the client, or the network. */
  handleSignalClosed(from: ParticipantSid, connection: SignalId, why = ""): void {
    this.#run("signal closed", (nowMs) => this.#machine.handleSignalClosed(from, connection, nowMs, why));
  }

  handleMedia(event: MediaEvent): void {
    this.#run("media event", (nowMs) => this.#machine.handleMedia(event, nowMs), { event: event.type });
  }

  /** An action of the API, with its answer. */
  act<Answer>(action: Action<Answer>): Answer | Refusal {
    return this.#run("api", (nowMs) => this.#machine.act(action, nowMs)) ?? new Refusal("internal", "internal error");
  }

  close(reason: DisconnectReason): void {
    this.#run("close", (nowMs) => this.#machine.close(reason, nowMs));
  }

  /** No alarm any more; the registry forgot this room. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #run<T>(what: string, input: (nowMs: number) => T, fields?: Record<string, unknown>): T | undefined {
    let result: T | undefined;
    try {
      result = input(this.#nowMs());
    } catch (error) {
      this.#log.error(`room failed at: ${what}`, { room: this.name, ...fields, error });
    }
    this.#settle();
    return result;
  }

  #settle(): void {
    this.#performer.perform(this, this.#machine.takeEffects());
    if (!this.#stopped) this.#arm(this.#machine.nextTimeoutMs());
  }

  #arm(atMs: number): void {
    if (atMs === this.#timerAtMs) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#timerAtMs = atMs;
    if (atMs === Number.POSITIVE_INFINITY) return;
    const delayMs = Math.min(MAX_DELAY_MS, Math.max(0, Math.ceil(atMs - this.#nowMs())));
    this.#timer = setTimeout(() => {
      this.#timerAtMs = Number.POSITIVE_INFINITY;
      this.#run("timeout", (nowMs) => this.#machine.handleTimeout(nowMs));
    }, delayMs);
    this.#timer.unref(); // what keeps the process alive is that somebody can connect
  }
}
