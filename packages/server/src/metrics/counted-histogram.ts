/** A Prometheus histogram whose observations come in bulk, already counted by bucket: the media workers count, here is shown. */
import type { Registry } from "prom-client";

type Labels = Readonly<Record<string, string>>;

interface Value {
  readonly metricName: string;
  readonly labels: Record<string, string | number>;
  readonly value: number;
}

interface MetricObject {
  readonly name: string;
  readonly help: string;
  readonly type: "histogram";
  readonly values: readonly Value[];
  readonly aggregator: "sum";
}

/** The observations under one set of labels. */
class Series {
  readonly labels: Labels;
  readonly counts: Float64Array;
  sum = 0;

  constructor(labels: Labels, buckets: number) {
    this.labels = labels;
    this.counts = new Float64Array(buckets);
  }

  get total(): number {
    return this.counts.reduce((sum, count) => sum + count, 0);
  }
}

export class CountedHistogram {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly string[];
  readonly #bounds: readonly number[];
  readonly #series: readonly Series[];

  /** `bounds`: upper ends, inclusive, rising. `labels`: of each series; one without any if they are left out. */
  constructor(name: string, help: string, bounds: readonly number[], labels?: readonly Labels[]) {
    this.name = name;
    this.help = help;
    this.#bounds = bounds;
    this.labelNames = Object.keys(labels?.[0] ?? {});
    this.#series = (labels ?? [{}]).map((one) => new Series(one, bounds.length + 1));
  }

  /** Adds observations to a series: how many in each bucket, one more for those beyond the last bound, and their sum. */
  add(counts: readonly number[], sum: number, series = 0): void {
    const to = this.#series[series]!;
    counts.forEach((count, i) => (to.counts[i]! += count));
    to.sum += sum;
  }

  /** Shows it in what this registry gives out; prom-client only asks for `get`. */
  register(registry: Registry): void {
    const { name, labelNames } = this;
    const metric = { name, labelNames, get: async (): Promise<MetricObject> => this.get() };
    registry.registerMetric(metric as unknown as Parameters<Registry["registerMetric"]>[0]);
  }

  /** With labels, a series is there from its first observation on. */
  get(): MetricObject {
    const { name, help } = this;
    const shown = this.labelNames.length > 0 ? this.#series.filter(({ total }) => total > 0) : this.#series;
    return {
      name,
      help,
      type: "histogram",
      values: shown.flatMap((series) => this.#valuesOf(series)),
      aggregator: "sum",
    };
  }

  #valuesOf({ labels, counts, sum, total }: Series): Value[] {
    const { name } = this;
    let below = 0;
    const buckets = this.#bounds.map((le, i) => {
      below += counts[i]!;
      return { metricName: `${name}_bucket`, labels: { le, ...labels }, value: below };
    });
    return [
      ...buckets,
      { metricName: `${name}_bucket`, labels: { le: "+Inf", ...labels }, value: total },
      { metricName: `${name}_sum`, labels: { ...labels }, value: sum },
      { metricName: `${name}_count`, labels: { ...labels }, value: total },
    ];
  }
}
