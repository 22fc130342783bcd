import { assertEquals, assertThrows } from "@std/assert";
import { parseBenchmarkCsv } from "./redis_benchmark.ts";

const HEADER =
  '"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"';

Deno.test("parseBenchmarkCsv: reads columns by name", () => {
  const text = `${HEADER}\n"MSET (10 keys)","90909.09","0.300","0.100","0.287","0.400","0.511","1.200"\n`;
  assertEquals(parseBenchmarkCsv(text), { requestsPerSecond: 90909.09, p50Ms: 0.287, p99Ms: 0.511 });
});

Deno.test("parseBenchmarkCsv: a test named after a command with commas", () => {
  const text = `${HEADER}\n"SET a,b 1","5.00","0.300","0.100","0.287","0.400","0.511","1.200"\n`;
  assertEquals(parseBenchmarkCsv(text), { requestsPerSecond: 5, p50Ms: 0.287, p99Ms: 0.511 });
});

Deno.test("parseBenchmarkCsv: no result line, or a missing column, is an error", () => {
  assertThrows(() => parseBenchmarkCsv(HEADER), Error, "Expected a header");
  assertThrows(() => parseBenchmarkCsv('"test","rps"\n"SET","1"\n'), Error, "p50_latency_ms");
});
