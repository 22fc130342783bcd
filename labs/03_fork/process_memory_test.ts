import { assertEquals } from "@std/assert";
import { parseRollup } from "./process_memory.ts";

Deno.test("parseRollup: takes private dirty memory and that in huge pages, in bytes", () => {
  const text = `55d0c0a00000-7ffd3a5fe000 ---p 00000000 00:00 0                          [rollup]
Rss:               81234 kB
Private_Clean:       116 kB
Private_Dirty:     56084 kB
AnonHugePages:      2048 kB
`;
  assertEquals(parseRollup(text), { privateDirtyBytes: 56084 * 1024, hugeBytes: 2 * 2 ** 20 });
});
