import { assertEquals } from "@std/assert";
import { neededCopies } from "./scan_order.ts";

Deno.test("neededCopies: a page that the walk has passed needs no copy, one that it never passes does", () => {
  const copies = [{ page: 1, at: 0.1 }, { page: 2, at: 0.5 }, { page: 3, at: 0.9 }];
  assertEquals(neededCopies(copies, new Map([[1, 0.2], [2, 0.4]])).needed, 2);
});

Deno.test("neededCopies: copies are given back when the walk passes their page, in whatever order it does", () => {
  const copies = [{ page: 1, at: 0.1 }, { page: 2, at: 0.2 }, { page: 3, at: 0.6 }];
  assertEquals(neededCopies(copies, new Map([[1, 0.9], [2, 0.5], [3, 1]])), { needed: 3, atOnce: 2 });
  assertEquals(neededCopies(copies, new Map([[1, 0.9], [2, 0.8], [3, 1]])), { needed: 3, atOnce: 3 });
});
