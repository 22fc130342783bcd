import { assert, assertEquals } from "@std/assert";
import { classesIn, pagesStored, RedisHeap, redisLayout, standardClasses, totalPages } from "./redis_layout.ts";
import { TrackedRedisHeap } from "./tracked_memory.ts";
import { rankChances, type WriteTrace, writeTrace } from "./write_trace.ts";

/** Lines as `MEMORY MALLOC-STATS` of Redis 7.0.15 with jemalloc 5.3.0 has them, without the columns at their end. */
const STATS = `
bins:           size ind    allocated      nmalloc (#/sec)      ndalloc (#/sec)    nrequests   (#/sec)  nshards      curregs     curslabs  nonfull_slabs regs pgs   util
                   8   0         5176          727      72           80       8         2069       206        1          647            2              0  512   1  0.631
                  16   1      1238592        77515    7751          103      10       198743     19874        1        77412          303              0  256   1  0.997
                     ---
                1280  21         8960           16       1            9       0            9         0        1            7            1              0   16   5  0.437
large:          size ind    allocated      nmalloc (#/sec)
               16384  36        16384            1       1
`;

const classOf = (bytes: number) => standardClasses().find((one) => one.bytes >= bytes);

function traceOf(keys: number, ...written: number[]): WriteTrace {
  return { skew: "given", keys: Int32Array.from(written), chances: new Float64Array(keys).fill(1 / keys) };
}

Deno.test("standardClasses: are jemalloc's, and blocks fill their slab exactly", () => {
  assertEquals([classOf(16), classOf(24), classOf(1006), classOf(1040), classOf(3006)], [
    { bytes: 16, blocks: 256, pages: 1 },
    { bytes: 32, blocks: 128, pages: 1 },
    { bytes: 1024, blocks: 4, pages: 1 },
    { bytes: 1280, blocks: 16, pages: 5 },
    { bytes: 3072, blocks: 4, pages: 3 },
  ]);
  assertEquals([standardClasses().length, standardClasses().at(-1)?.bytes], [36, 14336]);
});

Deno.test("classesIn: reads size, blocks and pages of the small classes that are in use", () => {
  const classes = classesIn(STATS), standard = standardClasses();
  assertEquals(classes.map(({ bytes }) => bytes), [8, 16, 1280]);
  for (const one of classes) assertEquals(one, standard.find(({ bytes }) => bytes === one.bytes)!);
  assertEquals(classesIn("Stats not supported for the current allocator"), []);
});

Deno.test("redisLayout: a key's name and its dict entry take turns in one class", () => {
  const layout = redisLayout(1000, standardClasses());
  assertEquals(layout.map(({ name, perKey, place }) => [name, perKey, place]), [
    ["value", 1, 0],
    ["object", 1, 0],
    ["key name", 2, 0],
    ["dict entry", 2, 1],
  ]);
});

Deno.test("RedisHeap: SETRANGE touches the pages of value and object, SET that of the dict entry too", () => {
  const heap = new RedisHeap(redisLayout(1000, standardClasses()), 1000);
  assertEquals(pagesStored(heap.write("SETRANGE", traceOf(1000, 0, 3, 4, 0))), { value: 2, object: 1 });
  assertEquals(pagesStored(heap.write("SET", traceOf(1000, 999))), { value: 1, object: 1, "dict entry": 1 });
});

Deno.test("RedisHeap: a SET moves the value to the block that the SET before it left", () => {
  const heap = new RedisHeap(redisLayout(1000, standardClasses()), 8);
  const valuePlaces = (command: "SET" | "SETRANGE", ...keys: number[]) =>
    [...heap.write(command, traceOf(8, ...keys))[0].places].map((place) => Math.floor(place / 1024));
  assertEquals(valuePlaces("SET", 0, 5, 5), [8, 0, 5]);
  assertEquals(valuePlaces("SETRANGE", 0, 5, 6), [8, 5, 6]);
});

Deno.test("RedisHeap.pagesExpected: is what traces of that skew touch on average", () => {
  const layout = redisLayout(1000, standardClasses()), o = { keys: 2000, writes: 700, areNeighbours: false };
  for (const skew of ["uniform", "hot10", "zipf0.99"]) {
    const heap = new RedisHeap(layout, o.keys), runs = 40;
    const traces = Array.from({ length: runs }, (_, seed) => writeTrace(skew, { ...o, seed }));
    const touched = traces.map((trace) => totalPages(pagesStored(heap.write("SETRANGE", trace))));
    const expected = traces.map((trace) => heap.pagesExpected("SETRANGE", trace));
    const mean = (numbers: number[]) => numbers.reduce((sum, one) => sum + one, 0) / numbers.length;
    assert(
      Math.abs(mean(touched) / mean(expected) - 1) < 0.02,
      `${skew}: ${mean(touched)}, ${mean(expected)} expected`,
    );
  }
});

Deno.test("TrackedRedisHeap: copies exactly the pages that stores touch, in blocks that cross pages too", async () => {
  for (const valueBytes of [1000, 3000]) {
    const layout = redisLayout(valueBytes, standardClasses()), keys = 3000, heap = new RedisHeap(layout, keys);
    const tracked = await TrackedRedisHeap.open(layout, keys);
    for (const command of ["SETRANGE", "SET", "SETRANGE"] as const) {
      const stores = heap.write(
        command,
        writeTrace("zipf1", { keys, writes: 500, seed: valueBytes, areNeighbours: false }),
      );
      assertEquals(tracked.pagesCopied(stores), pagesStored(stores));
    }
    tracked.close();
  }
});

Deno.test("rankChances: are chances, for whatever is a skew", () => {
  for (const skew of ["uniform", "hot0.1", "hot100", "zipf0", "zipf1.2"]) {
    const chances = rankChances(skew, 5000)!, sum = chances.reduce((total, chance) => total + chance, 0);
    assert(Math.abs(sum - 1) < 1e-9, skew);
  }
  assertEquals(rankChances("hot10", 50)!.filter((chance) => chance > 0).length, 5);
  for (const skew of ["", "hot", "hot0", "hot101", "zipf", "zipf-1", "warm5"]) {
    assertEquals(rankChances(skew, 50), null, skew);
  }
});
