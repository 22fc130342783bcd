import { assertEquals } from "@std/assert";
import { PageChanges } from "./page_changes.ts";

Deno.test("PageChanges: keeps the last 65,536 changes by number, also beyond 2^31", () => {
  const changes = new PageChanges();
  assertEquals([changes.oldest, changes.count], [0, 0]);
  changes.count = 2 ** 31 - 3;
  for (let page = 0; page < 65_536 + 10; page++) changes.record(page);
  assertEquals(changes.count - changes.oldest, 65_536);
  assertEquals([changes.pageOf(changes.oldest), changes.pageOf(changes.count - 1)], [10, 65_545]);
});
