/**
 * Counters, gauges and histograms that cost an addition per observation. prom-client hashes a label object each time,
 * about a microsecond, which at several observations an event is a noticeable share of the whole; here a caller
 * resolves its labels once, keeps the series, and prom-client renders them when somebody scrapes.
 */

/** What prom-client's registry asks of a metric. */
export interface Rendered {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly aggregator: 'sum';
  readonly values: readonly { labels: Record<string, string | number>; value: number; metricName?: string }[];
}

/** Most values that a label which users can multiply may take; later ones share the series `__other__`. */
export const labelValuesMax = 1_000;
export const otherLabel = '__other__';

/** One number that grows or moves. */
export class Cell {
  value = 0;

  add(amount = 1): void {
    this.value += amount;
  }

  set(value: number): void {
    this.value = value;
  }
}

/** Counts of observations per bucket, with their sum. */
export class Buckets {
  readonly counts: Float64Array;
  readonly #bounds: readonly number[];
  sum = 0;
  count = 0;

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.counts = new Float64Array(bounds.length);
  }

  /** A value in the metric's base unit (seconds, bytes). */
  observe(value: number): void {
    this.sum += value;
    this.count += 1;
    const bounds = this.#bounds;
    for (let i = 0; i < bounds.length; i++) {
      if (value <= bounds[i]!) {
        this.counts[i]! += 1;
        return;
      }
    }
  }
}

/** All series of one metric. `with` resolves label values, in the order of the label names, to a series to keep. */
export class Family<S extends Cell | Buckets> {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly aggregator = 'sum';
  readonly labels: readonly string[];
  readonly #bounds: readonly number[];
  readonly #make: () => S;
  readonly #overflow: Cell | undefined;
  readonly #series = new Map<string, { readonly values: readonly string[]; readonly series: S }>();
  readonly #seen: Set<string>[];
  readonly #before: (() => void)[] = [];

  constructor(options: {
    name: string;
    help: string;
    type: 'counter' | 'gauge' | 'histogram';
    labels: readonly string[];
    bounds?: readonly number[];
    make: () => S;
    overflow?: Cell;
  }) {
    this.name = options.name;
    this.help = options.help;
    this.type = options.type;
    this.labels = options.labels;
    this.#bounds = options.bounds ?? [];
    this.#make = options.make;
    this.#overflow = options.overflow;
    this.#seen = options.labels.map(() => new Set());
    if (options.labels.length === 0) this.with();
  }

  with(...values: string[]): S {
    const key = values.join('\u0000');
    const known = this.#series.get(key);
    if (known) return known.series;
    const capped = values.map((value, i) => {
      const seen = this.#seen[i]!;
      if (seen.has(value)) return value;
      if (seen.size < labelValuesMax) {
        seen.add(value);
        return value;
      }
      this.#overflow?.add();
      return otherLabel;
    });
    const cappedKey = capped.join('\u0000');
    let entry = this.#series.get(cappedKey);
    if (!entry) {
      entry = { values: capped, series: this.#make() };
      this.#series.set(cappedKey, entry);
    }
    return entry.series;
  }

  /** Forgets the series of these label values, and frees their places under the cap. */
  forget(...values: string[]): void {
    this.#series.delete(values.join('\u0000'));
    this.#seen.forEach((seen, i) => {
      for (const { values: kept } of this.#series.values()) if (kept[i] === values[i]) return;
      seen.delete(values[i]!);
    });
  }

  /** Calls before each scrape, for gauges that are read off rather than kept. */
  beforeScrape(call: () => void): void {
    this.#before.push(call);
  }

  /** For prom-client's registry. */
  get(): Rendered {
    for (const call of this.#before) call();
    const values: { labels: Record<string, string | number>; value: number; metricName?: string }[] = [];
    for (const { values: labelValues, series } of this.#series.values()) {
      const labels: Record<string, string> = {};
      this.labels.forEach((label, i) => {
        labels[label] = labelValues[i]!;
      });
      if (series instanceof Cell) values.push({ labels, value: series.value });
      else this.#renderBuckets(series, labels, values);
    }
    return { name: this.name, help: this.help, type: this.type, aggregator: 'sum', values };
  }

  reset(): void {
    this.#series.clear();
  }

  #renderBuckets(
    series: Buckets,
    labels: Record<string, string>,
    into: { labels: Record<string, string | number>; value: number; metricName?: string }[],
  ): void {
    let cumulated = 0;
    this.#bounds.forEach((bound, i) => {
      cumulated += series.counts[i]!;
      into.push({ labels: { ...labels, le: bound }, value: cumulated, metricName: `${this.name}_bucket` });
    });
    into.push({ labels: { ...labels, le: '+Inf' }, value: series.count, metricName: `${this.name}_bucket` });
    into.push({ labels, value: series.sum, metricName: `${this.name}_sum` });
    into.push({ labels, value: series.count, metricName: `${this.name}_count` });
  }
}
