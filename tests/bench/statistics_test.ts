import { assert, assertEquals, assertThrows } from "@std/assert";
import { LatencyHistogram, median, percentile } from "./statistics.ts";

Deno.test("median: odd and even counts, in any order", () => {
  assertEquals(median([3, 1, 2]), 2);
  assertEquals(median([4, 1, 3, 2]), 2.5);
  assertThrows(() => median([]));
});

Deno.test("percentile: nearest rank", () => {
  const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
  assertEquals(percentile(hundred, 50), 50);
  assertEquals(percentile(hundred, 99), 99);
  assertEquals(percentile(hundred, 100), 100);
  assertEquals(percentile([7], 0), 7);
});

Deno.test("LatencyHistogram: every value is reported within 1/64 above it, over the whole range", () => {
  for (let value = 0; value < 2 ** 32; value = Math.ceil(value * 1.0137) + 1) {
    const histogram = new LatencyHistogram();
    histogram.record(value);
    histogram.record(2 ** 32 - 1);
    const reported = histogram.percentileUs(50);
    assert(reported >= value && reported <= value * (1 + 1 / 64), `${value} reported as ${reported}`);
  }
});

Deno.test("LatencyHistogram: percentiles agree with the exact ones of the same values", () => {
  const values = Array.from({ length: 5000 }, (_, index) => ((index * 7919) % 5000) ** 2);
  const histogram = new LatencyHistogram();
  for (const value of values) histogram.record(value);
  for (const percent of [1, 50, 90, 99, 99.9, 100]) {
    const exact = percentile(values, percent);
    const reported = histogram.percentileUs(percent);
    assert(reported >= exact && reported <= exact * (1 + 1 / 64) + 1, `p${percent}: ${reported}, exact ${exact}`);
  }
  assertEquals(histogram.summary().maxUs, 4999 ** 2);
  assertEquals(histogram.count, 5000);
});

Deno.test("LatencyHistogram: one stall in a thousand shows at p99.9's edge and in the maximum", () => {
  const histogram = new LatencyHistogram();
  for (let index = 0; index < 998; index++) histogram.record(10);
  histogram.record(50_000);
  histogram.record(50_000);
  assertEquals(histogram.summary(), { count: 1000, p50Us: 10, p99Us: 10, p999Us: 50_000, maxUs: 50_000 });
});
