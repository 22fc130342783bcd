import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { distribution, drawTrace, type Skew } from "./distribution.ts";
import { evenHits, forecast, pagesPerBlock, writesUntil } from "./forecast.ts";

const SKEWS: readonly Skew[] = ["uniform", "hot 1 %", "hot 10 %", "hot 1 % scattered", "zipf 0.99"];
const KEYS = 20_000, PAGE_BYTES = 4096;

/** Pages that the writes of a trace touch, counted one by one. */
function touched(trace: Uint32Array, strideBytes: number, blockBytes: number): number {
  const pages = new Set<number>();
  for (const key of trace) {
    const from = key * strideBytes;
    for (let page = Math.floor(from / PAGE_BYTES); page <= Math.floor((from + blockBytes - 1) / PAGE_BYTES); page++) {
      pages.add(page);
    }
  }
  return pages.size;
}

Deno.test("distribution: probabilities sum to 1, and as many keys are hot as it says", () => {
  for (const skew of SKEWS) {
    assertAlmostEquals(distribution(skew, KEYS, 7).probabilities.reduce((a, b) => a + b), 1, 1e-9, skew);
  }
  const hot = distribution("hot 1 % scattered", KEYS, 7).probabilities;
  assertEquals(hot.filter((p) => p > 0).length, KEYS / 100);
  assert(hot.findLastIndex((p) => p > 0) > KEYS * 0.9, "scattered keys lie anywhere");
  assertEquals(distribution("hot 1 %", KEYS, 7).probabilities.findLastIndex((p) => p > 0), KEYS / 100 - 1);
});

Deno.test("distribution: by Zipf's law the first key is twice as likely as the second", () => {
  const [first, second] = distribution("zipf 0.99", KEYS, 7).probabilities.toSorted().reverse();
  assertAlmostEquals(first / second, 2 ** 0.99, 1e-9);
});

Deno.test("drawTrace: the same seed gives the same trace, and only keys that may be written", () => {
  const hot = distribution("hot 1 %", KEYS, 7), trace = drawTrace(hot, 5000, 3);
  assertEquals(trace, drawTrace(hot, 5000, 3));
  assert(trace.some((key, i) => key !== drawTrace(hot, 5000, 4)[i]));
  assertEquals(new Set(trace).size, KEYS / 100, "all of them, in so many draws");
  assert(trace.every((key) => key < KEYS / 100));
});

Deno.test("forecast: within 5 % of the pages that a drawn trace touches, closed and placed, for every skew and size", () => {
  for (const skew of SKEWS) {
    for (const blockBytes of [56, 136, 1152, 4096]) {
      for (const writes of [500, 5000]) {
        const of = distribution(skew, KEYS, 7), layout = { blockBytes, strideBytes: blockBytes };
        const real = touched(drawTrace(of, writes, 11), blockBytes, blockBytes),
          name = `${skew}, ${blockBytes} bytes, ${writes} writes`;
        const { closed, placed } = forecast(of, writes, [layout], PAGE_BYTES);
        assertAlmostEquals(placed, real, real * 0.05 + 2, `${name}: placed`);
        assertAlmostEquals(closed, real, real * 0.05 + 2, `${name}: closed`);
      }
    }
  }
});

Deno.test("forecast: counting a page for every write ends at the number of pages", () => {
  const of = distribution("uniform", KEYS, 7), layout = { blockBytes: 4096, strideBytes: 4096 };
  assertEquals(forecast(of, 100, [layout], PAGE_BYTES).naive, 100);
  assertEquals(forecast(of, 1e6, [layout], PAGE_BYTES).naive, KEYS);
});

Deno.test("pagesPerBlock: blocks that fill pages touch one, blocks across borders more", () => {
  assertEquals(pagesPerBlock(4096, 4096, 4096), 1);
  assertEquals(pagesPerBlock(8192, 8192, 4096), 2);
  assertEquals(pagesPerBlock(64, 64, 4096), 1);
  assertAlmostEquals(pagesPerBlock(136, 136, 512), 1 + 128 / 512, 0.01);
});

Deno.test("writesUntil: the inverse of evenHits", () => {
  assertAlmostEquals(evenHits(1000, writesUntil(1000, 300)), 300, 1e-6);
  assertEquals(writesUntil(1000, 1000), Infinity);
});
