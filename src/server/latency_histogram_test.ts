import { assert, assertEquals } from "@std/assert";
import { LatencyHistogram } from "./latency_histogram.ts";

Deno.test("LatencyHistogram: percentiles are within 1 % above the true value", () => {
  const histogram = new LatencyHistogram();
  for (let i = 1; i <= 10_000; i++) histogram.record(i * 7.3);
  for (const percent of [0.01, 1, 25, 50, 99, 99.9, 100]) {
    const truth = Math.max(1, Math.round((percent / 100) * 10_000)) * 7.3, value = histogram.percentile(percent);
    assert(value >= truth - 0.001 && value <= truth * 1.01, `p${percent}: ${value}, expected ${truth}`);
  }
});

Deno.test("LatencyHistogram: bounds and percentiles are those of Redis's histogram", () => {
  const histogram = new LatencyHistogram();
  for (const microseconds of [0.0005, 1.031, 1.033, 3, 40, 1500, 2_000_000]) histogram.record(microseconds);
  assertEquals(histogram.cumulative(), [
    { microseconds: 1, count: 2 },
    { microseconds: 2, count: 3 },
    { microseconds: 4, count: 4 },
    { microseconds: 66, count: 5 },
    { microseconds: 2113, count: 6 },
    { microseconds: 1073741, count: 7 },
  ]);
  assertEquals(histogram.percentile(100), 1002438.655);
  assertEquals(histogram.percentile(0), 0.001);
});

Deno.test("LatencyHistogram: an empty histogram has no buckets and percentile 0", () => {
  assertEquals(new LatencyHistogram().cumulative(), []);
  assertEquals(new LatencyHistogram().percentile(50), 0);
});
