/** A Prometheus histogram whose observations come in bulk, already counted by bucket: the media workers count, here is shown. */
import type { Registry } from "prom-client";

interface MetricObject {
  readonly name: string;
  readonly help: string;
  readonly type: "histogram";
  readonly values: readonly { metricName: string; labels: { le?: string | number }; value: number }[];
  readonly aggregator: "sum";
}

export class CountedHistogram {
  readonly name: string;
  readonly help: string;
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;

  /** `bounds`: upper ends, inclusive, rising. */
  constructor(name: string, help: string, bounds: readonly number[]) {
    this.name = name;
    this.help = help;
    this.#bounds = bounds;
    this.#counts = [...bounds.map(() => 0), 0];
  }

  /** Adds observations: how many in each bucket, one more for those beyond the last bound, and their sum. */
  add(counts: readonly number[], sum: number): void {
    counts.forEach((count, i) => (this.#counts[i] = (this.#counts[i] ?? 0) + count));
    this.#sum += sum;
  }

  /** Mean of all observations, 0 without any. */
  get mean(): number {
    const count = this.#total();
    return count === 0 ? 0 : this.#sum / count;
  }

  /** Shows it in what this registry gives out; prom-client only asks for `get`. */
  register(registry: Registry): void {
    const metric: { name: string; get: () => Promise<MetricObject> } = { name: this.name, get: async () => this.get() };
    registry.registerMetric(metric as unknown as Parameters<Registry["registerMetric"]>[0]);
  }

  get(): MetricObject {
    const { name, help } = this;
    let below = 0;
    const buckets = this.#bounds.map((le, i) => {
      below += this.#counts[i]!;
      return { metricName: `${name}_bucket`, labels: { le }, value: below };
    });
    const total = this.#total();
    const values = [
      ...buckets,
      { metricName: `${name}_bucket`, labels: { le: "+Inf" }, value: total },
      { metricName: `${name}_sum`, labels: {}, value: this.#sum },
      { metricName: `${name}_count`, labels: {}, value: total },
    ];
    return { name, help, type: "histogram", values, aggregator: "sum" };
  }

  #total(): number {
    return this.#counts.reduce((sum, count) => sum + count, 0);
  }
}
