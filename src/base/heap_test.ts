import { assertEquals } from "@std/assert";
import { type Due, DueHeap } from "./heap.ts";
import { Prng } from "./prng.ts";

interface Item extends Due {
  heapPlace: number;
}

Deno.test("DueHeap: gives back in order of time, then of number, whatever was taken out in between", () => {
  const random = new Prng(11), heap = new DueHeap<Item>(), inside: Item[] = [];
  for (let number = 0; number < 2000; number++) {
    const item: Item = { dueMs: random.below(50), number, heapPlace: -1 };
    heap.add(item), inside.push(item);
    if (random.below(3) === 0) heap.remove(inside.splice(random.below(inside.length), 1)[0]);
  }
  inside.sort((a, b) => a.dueMs - b.dueMs || a.number - b.number);
  for (const expected of inside) {
    assertEquals(heap.first, expected);
    heap.remove(expected);
    heap.remove(expected);
    assertEquals(expected.heapPlace, -1);
  }
  assertEquals(heap.size, 0);
});
