import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { borrowBuffer, giveBuffer } from "./buffer_pool.ts";

Deno.test("borrowBuffer: is large enough, and lends what was given back", () => {
  for (const size of [1, 32_768, 32_769, 65_536, 1 << 20, (1 << 20) + 1]) {
    const buffer = borrowBuffer(size);
    assert(buffer.length >= size && buffer.length < Math.max(size * 2, 65_536), `${size}: ${buffer.length}`);
    giveBuffer(buffer);
    const again = borrowBuffer(size);
    if (size <= 1 << 20) assertStrictEquals(again, buffer);
  }
});

Deno.test("giveBuffer: keeps few buffers of a size, and only of sizes it lends", () => {
  for (let i = 0; i < 100; i++) giveBuffer(new Uint8Array(1 << 16).fill(1));
  for (const size of [0, 100, 16_384, 40_000, 1 << 21]) giveBuffer(new Uint8Array(size).fill(1));
  let used = 0;
  for (let i = 0; i < 100; i++) if (borrowBuffer(1 << 16)[0] === 1) used++;
  // 2 MiB of them.
  assertEquals(used, 32);
  assertEquals(borrowBuffer(40_000).length, 1 << 16);
});
