/**
 * Debug lines about many subjects, of each no more than people read: a hundred at once, ten a second in the long run. Invariant: how
 * many were left out is said in one line once lines come again, and at the end of the subject.
 */
import { Pace } from "@stoa/core/room/pace";
import type { Log, LogFields } from "@stoa/io/log";

const LINE_MS = 100;
const BURST_MS = 10_000;
/** After the first line that is left out all are, for so long: else there would be a word on missing lines between any two. */
const SILENT_MS = 5000;
/** More than there are participants; the oldest is forgotten. */
const MAX_SUBJECTS = 10_000;

interface Subject {
  readonly pace: Pace;
  leftOut: number;
}

export class PacedLines {
  readonly #log: Log;
  readonly #nowMs: () => number;
  /** From the first line to `end`. */
  readonly #subjects = new Map<string, Subject>();

  constructor(log: Log, nowMs: () => number) {
    this.#log = log;
    this.#nowMs = nowMs;
  }

  /** A line, unless there were too many of this subject lately. */
  debug(subject: string, message: string, fields: LogFields): void {
    const nowMs = this.#nowMs();
    let known = this.#subjects.get(subject);
    if (!known) {
      this.#subjects.set(subject, (known = { pace: new Pace(BURST_MS), leftOut: 0 }));
      if (this.#subjects.size > MAX_SUBJECTS) this.#subjects.delete(this.#subjects.keys().next().value!);
    }
    if (known.pace.owedMs(nowMs) > (known.leftOut > 0 ? BURST_MS - SILENT_MS : BURST_MS)) {
      known.leftOut++;
      return;
    }
    known.pace.spend(nowMs, LINE_MS);
    this.#tellLeftOut(known, fields);
    this.#log.debug(message, fields);
  }

  /** Nothing more comes of this subject. */
  end(subject: string, fields: LogFields): void {
    const known = this.#subjects.get(subject);
    this.#subjects.delete(subject);
    if (known) this.#tellLeftOut(known, fields);
  }

  #tellLeftOut(known: Subject, fields: LogFields): void {
    if (known.leftOut === 0) return;
    const { room, participant, sid } = fields;
    this.#log.debug(`lines about this participant were left out: ${known.leftOut}`, { room, participant, sid });
    known.leftOut = 0;
  }
}
