/**
 * How long calls of one command took: a log-linear histogram in nanoseconds, as HdrHistogram keeps it with two significant digits.
 *
 *   values 0..255: one bucket each; then 128 buckets to each doubling, so a bucket is at most 1/128 wide
 * Invariants: recording allocates nothing; times above one second count as one second, as in Redis, and none counts as less than
 * 1 ns. Percentiles and bounds are the upper end of a bucket.
 */

const HALF_BUCKETS = 128;
const HALF_BUCKETS_LOG2 = 7;
const NS_MAX = 1_000_000_000;
const BUCKETS = bucketOf(NS_MAX) + 1;
/** Upper bound of the first of Redis's power-of-two buckets, exclusive: 1024 ns with the width of its bucket. */
const FIRST_BOUND_NS = 1032;
/** The last one ends where the histogram does. */
const LAST_BOUND_NS = 2 ** 30;

/** Calls that took at most `microseconds`. */
export interface CumulativeCount {
  readonly microseconds: number;
  readonly count: number;
}

export class LatencyHistogram {
  readonly #counts = new Float64Array(BUCKETS);
  count = 0;

  record(microseconds: number): void {
    const ns = microseconds * 1000;
    this.#counts[bucketOf(ns < 1 ? 1 : ns > NS_MAX ? NS_MAX : ns | 0)]++;
    this.count++;
  }

  /** The time, in microseconds, that `percent` of the calls did not exceed; 0 without calls. */
  percentile(percent: number): number {
    if (this.count === 0) return 0;
    const wanted = Math.max(1, Math.floor((Math.min(percent, 100) / 100) * this.count + 0.5));
    let seen = 0, bucket = 0;
    while ((seen += this.#counts[bucket]) < wanted) bucket++;
    return (percent === 0 ? lowestOf(bucket) : lowestOf(bucket + 1) - 1) / 1000;
  }

  /** Counts up to each power of two (of 1024 ns), where the count grows: what LATENCY HISTOGRAM shows. */
  cumulative(): CumulativeCount[] {
    const rows: CumulativeCount[] = [];
    let seen = 0, bucket = 0;
    for (let boundNs = FIRST_BOUND_NS; seen < this.count; boundNs *= 2) {
      const before = seen;
      while (bucket < BUCKETS && lowestOf(bucket) < boundNs) seen += this.#counts[bucket++];
      if (seen > before) {
        rows.push({ microseconds: Math.floor((Math.min(boundNs, LAST_BOUND_NS) - 1) / 1000), count: seen });
      }
    }
    return rows;
  }
}

function bucketOf(ns: number): number {
  const shift = 31 - Math.clz32(ns | (HALF_BUCKETS * 2 - 1)) - HALF_BUCKETS_LOG2;
  return (shift << HALF_BUCKETS_LOG2) + (ns >>> shift);
}

/** The lowest value of a bucket, in ns. */
function lowestOf(bucket: number): number {
  const shift = Math.max(0, (bucket >>> HALF_BUCKETS_LOG2) - 1);
  return (bucket - shift * HALF_BUCKETS) * 2 ** shift;
}
