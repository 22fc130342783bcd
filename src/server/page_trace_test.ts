import { assert, assertEquals } from "@std/assert";
import { PageTrace } from "./page_trace.ts";

Deno.test("PageTrace: a key with most of the copies is found among many more keys than are kept", () => {
  const trace = new PageTrace();
  for (let i = 0; i < 20_000; i++) {
    trace.record(`cold:${i}`, 1);
    if (i % 10 === 0) trace.record("hot", 1);
  }
  const { key, copies, overcount } = trace.top(1)[0]!;
  assertEquals(key, "hot");
  assert(copies >= 2000 && copies - overcount <= 2000, `${copies} - ${overcount}`);
  assertEquals(trace.top(5000).length, 1024);
});

Deno.test("PageTrace: a new epoch starts from nothing", () => {
  const trace = new PageTrace();
  trace.record("a", 1);
  trace.record("b", 2);
  assertEquals(trace.top(10), [{ key: "b", copies: 1, overcount: 0 }]);
});
