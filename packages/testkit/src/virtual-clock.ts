/** Time that passes only when a test says so: a queue of events and the deadlines of sans-I/O machines, run in order. */

/** What has timers without a clock: every machine of `core`. */
export interface Machine {
  nextTimeoutMs(): number;
  handleTimeout(nowMs: number): void;
}

interface Event {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

/** Two machines that wake each other without time passing would hang a test; this many turns are none any more. */
const MAX_TURNS_AT_ONE_INSTANT = 10_000;

/** See the file's head. Starts at a plausible Unix time with a fraction. */
export class VirtualClock {
  #nowMs: number;
  #order = 0;
  readonly #events: Event[] = [];
  readonly #machines = new Set<Machine>();

  constructor(startMs = 1_700_000_000_000.25) {
    this.#nowMs = startMs;
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Runs the timers of `machine` from now on. */
  add(machine: Machine): void {
    this.#machines.add(machine);
  }

  remove(machine: Machine): void {
    this.#machines.delete(machine);
  }

  /** Calls `run` after `delayMs`; events of one instant run in the order in which they were asked for. */
  after(delayMs: number, run: () => void): void {
    const event = { atMs: this.#nowMs + delayMs, order: this.#order++, run };
    let low = 0;
    let high = this.#events.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#events[middle]!.atMs <= event.atMs) low = middle + 1;
      else high = middle;
    }
    this.#events.splice(low, 0, event);
  }

  /** Lets `durationMs` pass, or less if `done` becomes true before; returns whether it did. */
  run(durationMs: number, done: () => boolean = () => false): boolean {
    const untilMs = this.#nowMs + durationMs;
    let turns = 0;
    while (!done()) {
      const machine = this.#earliestMachine();
      const machineMs = machine?.nextTimeoutMs() ?? Number.POSITIVE_INFINITY;
      const eventMs = this.#events[0]?.atMs ?? Number.POSITIVE_INFINITY;
      const nextMs = Math.max(this.#nowMs, Math.min(machineMs, eventMs));
      if (nextMs > untilMs) {
        this.#nowMs = untilMs;
        return done();
      }
      turns = nextMs > this.#nowMs ? 0 : turns + 1;
      if (turns > MAX_TURNS_AT_ONE_INSTANT) throw new Error("the machines keep waking each other; time stands still");
      this.#nowMs = nextMs;
      if (eventMs <= machineMs) this.#events.shift()!.run();
      else machine!.handleTimeout(nextMs);
    }
    return true;
  }

  #earliestMachine(): Machine | undefined {
    let earliest: Machine | undefined;
    for (const machine of this.#machines) {
      if (machine.nextTimeoutMs() < (earliest?.nextTimeoutMs() ?? Number.POSITIVE_INFINITY)) earliest = machine;
    }
    return earliest;
  }
}
