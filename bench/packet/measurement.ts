/**
 * Runs one measurement with mitata and divides it by the packets of an iteration. The clock is the CPU time of the process (user and
 * system), as in the design's figures: other programs on the machine then disturb less.
 */
import { getHeapStatistics } from "node:v8";
import { measure } from "mitata";

/** Costs of one packet. */
export interface Cost {
  readonly us: number;
  readonly heapBytes: number;
}

/** What one iteration does; `prepare` is not counted. */
export interface Iteration {
  readonly packets: number;
  readonly prepare: () => void;
  readonly run: () => void;
}

const cpuNs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1000;
};
const heapUsed = (): number => getHeapStatistics().used_heap_size;

/** The median iteration, and the mean of the heap it takes. Reading the heap allocates too: that is taken off. */
export async function measureCost({ packets, prepare, run }: Iteration): Promise<Cost> {
  // Optimized code first: what the compiler's first runs allocate is not the packet's.
  for (let i = 0; i < 2000 / Math.sqrt(packets); i++) {
    prepare();
    run();
  }
  const idle = await measure(
    iterations(
      () => {},
      () => {},
    ),
    { heap: heapUsed, min_samples: 200, min_cpu_time: 1e7 },
  );
  const time = await measure(iterations(prepare, run), { now: cpuNs });
  const heap = await measure(iterations(prepare, run), { heap: heapUsed });
  const taken = (heap.heap?.avg ?? 0) - (idle.heap?.avg ?? 0);
  return { us: time.p50 / 1000 / packets, heapBytes: Math.max(0, taken) / packets };
}

function iterations(prepare: () => void, run: () => void) {
  return function* () {
    yield {
      0: prepare,
      // mitata calls `prepare` before each iteration because `bench` takes a parameter.
      bench: (_prepared: unknown) => run(),
    } as never;
  };
}
