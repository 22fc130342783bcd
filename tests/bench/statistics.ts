/**
 * Medians, percentiles, and a histogram with logarithmic buckets for latencies.
 *
 * The histogram follows HdrHistogram's layout: each power of two is split into SUB_BUCKETS equal parts, so a recorded value is
 * reported with a relative error below 1/SUB_BUCKETS, from 1 µs to 2^32 µs, in a fixed 7 KiB. Values below SUB_BUCKETS are exact.
 */

/** The middle value, or the mean of the middle two. @throws for an empty list */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new Error("Cannot take the median of nothing");
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The smallest value that at least `percent` percent of the values do not exceed (nearest rank). */
export function percentile(values: readonly number[], percent: number): number {
  if (values.length === 0) throw new Error("Cannot take a percentile of nothing");
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[rankOf(percent, sorted.length) - 1];
}

/** Nearest rank, from 1. */
function rankOf(percent: number, count: number): number {
  return Math.max(1, Math.ceil((percent / 100) * count));
}

const SUB_BUCKET_BITS = 6;
const SUB_BUCKETS = 1 << SUB_BUCKET_BITS;
const VALUE_MAX_US = 2 ** 32 - 1;
const BUCKETS = (32 - SUB_BUCKET_BITS + 1) * SUB_BUCKETS;

export interface HistogramSummary {
  count: number;
  p50Us: number;
  p99Us: number;
  p999Us: number;
  maxUs: number;
}

export class LatencyHistogram {
  readonly #counts = new Float64Array(BUCKETS);
  #count = 0;
  #maxUs = 0;

  /** Records one latency; negative values count as 0. */
  record(latencyUs: number): void {
    const value = Math.min(VALUE_MAX_US, Math.max(0, Math.round(latencyUs)));
    this.#counts[bucketOf(value)]++;
    this.#count++;
    if (value > this.#maxUs) this.#maxUs = value;
  }

  get count(): number {
    return this.#count;
  }

  /** The upper end of the bucket that holds the nearest rank; never above the largest value recorded. */
  percentileUs(percent: number): number {
    let left = rankOf(percent, this.#count);
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      left -= this.#counts[bucket];
      if (left <= 0) return Math.min(this.#maxUs, bucketEnd(bucket));
    }
    return this.#maxUs;
  }

  summary(): HistogramSummary {
    return {
      count: this.#count,
      p50Us: this.percentileUs(50),
      p99Us: this.percentileUs(99),
      p999Us: this.percentileUs(99.9),
      maxUs: this.#maxUs,
    };
  }
}

function bucketOf(value: number): number {
  if (value < SUB_BUCKETS) return value;
  const exponent = 31 - Math.clz32(value);
  const shift = exponent - SUB_BUCKET_BITS;
  return (shift + 1) * SUB_BUCKETS + ((value >>> shift) - SUB_BUCKETS);
}

/** The largest value that falls into the bucket. */
function bucketEnd(bucket: number): number {
  if (bucket < SUB_BUCKETS) return bucket;
  const shift = (bucket >> SUB_BUCKET_BITS) - 1;
  const within = bucket & (SUB_BUCKETS - 1);
  return (SUB_BUCKETS + within + 1) * 2 ** shift - 1;
}
