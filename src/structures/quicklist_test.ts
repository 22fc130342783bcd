/** Quicklists against an array, on memory that checks every access; where nodes end, against what Redis does. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { ascii, latin1Decode } from "../base/bytes.ts";
import { Prng } from "../base/prng.ts";
import { type Address, Allocator, DebugMemory, NONE, OutOfArenaError } from "../memory/mod.ts";
import { forEachListElement, LIST, NODE, NODE_FLAG } from "./quicklist.ts";
import { Quicklists } from "./quicklists.ts";

interface Bench {
  memory: DebugMemory;
  allocator: Allocator;
  lists: Quicklists;
}

function bench(arenaMaxBytes = 64 << 20): Bench {
  const memory = new DebugMemory({ arenaMaxBytes, pageBytes: 4096 });
  const allocator = memory.allocator = new Allocator(memory, true);
  return { memory, allocator, lists: new Quicklists(memory, allocator) };
}

function elements({ memory }: Bench, list: Address): string[] {
  const found: string[] = [];
  forEachListElement(memory, list, (bytes, start, length) => found.push(latin1Decode(bytes, start, start + length)));
  return found;
}

interface NodeFacts {
  elements: number;
  bytes: number;
  flags: number;
}

function nodesOf({ memory }: Bench, list: Address): NodeFacts[] {
  const nodes: NodeFacts[] = [];
  let previous: Address = NONE;
  for (
    let node = memory.u32(list, LIST.head) as Address;
    node !== NONE;
    node = memory.u32(node, NODE.next) as Address
  ) {
    assertEquals(memory.u32(node, NODE.previous), previous);
    nodes.push({
      elements: memory.u32(node, NODE.elements),
      bytes: memory.u32(node, NODE.bytes),
      flags: memory.u32(node, NODE.flags),
    });
    previous = node;
  }
  assertEquals(memory.u32(list, LIST.tail), previous);
  assertEquals(memory.u32(list, LIST.nodes), nodes.length);
  return nodes;
}

function push({ lists }: Bench, list: Address, atHead: boolean, text: string): void {
  const bytes = ascii(text);
  lists.push(list, atHead, bytes, 0, bytes.length);
}

/** Integers of all sizes, short texts, texts that compress, and now and then a large one. */
function randomText(random: Prng): string {
  switch (random.below(6)) {
    case 0:
      return String(random.below(200) - 100);
    case 1:
      return String(random.nextU32() * 2 ** random.below(20));
    case 2:
      return "a".repeat(random.below(100));
    case 3:
      return "xyz".repeat(random.below(400));
    default:
      return random.nextU32().toString(36);
  }
}

/** What may be done to a list and, alike, to an array. Each returns false when it does not apply. */
const CHANGES: readonly ((one: Bench, list: Address, model: string[], random: Prng) => void)[] = [
  (one, list, model, random) => {
    const text = randomText(random);
    push(one, list, true, text), model.unshift(text);
  },
  (one, list, model, random) => {
    const text = randomText(random);
    push(one, list, false, text), model.push(text);
  },
  ({ lists }, list, model, random) => {
    if (model.length < 2) return;
    const atHead = random.below(2) === 0;
    lists.pop(list, atHead);
    if (atHead) model.shift();
    else model.pop();
  },
  ({ lists }, list, model, random) => {
    const text = randomText(random),
      bytes = ascii(text),
      at = random.below(model.length),
      after = random.below(2) === 1;
    lists.cursor.seek(list, at);
    lists.insert(list, after, bytes, 0, bytes.length);
    model.splice(after ? at + 1 : at, 0, text);
  },
  ({ lists }, list, model, random) => {
    const text = randomText(random), bytes = ascii(text), at = random.below(model.length);
    lists.cursor.seek(list, at - model.length);
    lists.replace(list, bytes, 0, bytes.length);
    model[at] = text;
  },
  ({ lists }, list, model, random) => {
    const start = random.below(model.length), count = Math.min(random.below(6), model.length - start, model.length - 1);
    lists.deleteRange(list, start, count);
    model.splice(start, count);
  },
  ({ lists }, list, model, random) => {
    const text = random.below(4) === 0 ? "L".repeat(600) : model[random.below(model.length)],
      bytes = ascii(text),
      max = 1 + random.below(3);
    const fromHead = random.below(2) === 0, indexes = model.flatMap((one, i) => one === text ? [i] : []);
    if (indexes.length === model.length) return;
    const gone = (fromHead ? indexes : indexes.toReversed()).slice(0, max);
    assertEquals(lists.removeEqual(list, fromHead, max, bytes, 0, bytes.length), gone.length);
    for (const index of gone.toSorted((a, b) => b - a)) model.splice(index, 1);
  },
  ({ lists }, list, model, random) => {
    const fromHead = random.below(2) === 0, toHead = random.below(4) > 0 ? !fromHead : fromHead;
    lists.cursor.seek(list, fromHead ? 0 : -1);
    lists.rotate(list, fromHead, toHead);
    const moved = fromHead ? model.shift()! : model.pop()!;
    if (toHead) model.unshift(moved);
    else model.push(moved);
  },
  ({ lists }, list, model, random) => {
    if (random.below(8) > 0 || model.length < 50) return;
    const fromHead = random.below(model.length >> 2), fromTail = random.below(model.length >> 2);
    lists.trim(list, fromHead, fromTail);
    model.splice(0, fromHead), model.splice(model.length - fromTail, fromTail);
  },
];

function assertSame(one: Bench, list: Address, model: string[]): void {
  const { cursor } = one.lists;
  assertEquals(elements(one, list), model);
  assertEquals(one.lists.length(list), model.length);
  assertEquals(nodesOf(one, list).reduce((sum, node) => sum + node.elements, 0), model.length);
  assert(cursor.seek(list, -1));
  for (let i = model.length - 1; i >= 0; i--) {
    const element = cursor.read();
    const text = element.text(cursor.bytes);
    assertEquals(latin1Decode(text, element.start, element.start + element.length), model[i]);
    assertEquals(cursor.previous(), i > 0);
  }
}

for (
  const [fill, depth, packedThreshold] of [[-2, 0, 1 << 30], [4, 1, 1 << 30], [-1, 2, 500], [1, 1, 300], [0, 0, 40]]
) {
  Deno.test(`Quicklists: do what an array does and leak nothing (fill ${fill}, depth ${depth}, plain from ${packedThreshold})`, () => {
    const one = bench(), { lists, allocator } = one, random = new Prng(fill * 7 + depth + 99);
    lists.packedThresholdBytes = packedThreshold;
    const list = lists.create(fill, depth), model: string[] = [randomText(random)];
    push(one, list, true, model[0]);
    for (let step = 0; step < 4000; step++) {
      // Pushes come more often, so that the list has many nodes.
      CHANGES[random.below(random.below(3) === 0 ? 2 : CHANGES.length)](one, list, model, random);
      if (step % 100 === 0) assertSame(one, list, model);
    }
    assertSame(one, list, model);
    const copy = lists.copy(list);
    lists.free(list);
    assertSame(one, copy, model);
    while (!lists.freeSome(copy, 8));
    assertEquals(allocator.liveBytes, 0);
  });
}

Deno.test("Quicklists: a change that the arena has no room for changes nothing", () => {
  const random = new Prng(5);
  for (const depth of [0, 1]) {
    const one = bench(128 * 1024), { lists } = one;
    lists.packedThresholdBytes = 2000;
    const list = lists.create(-1, depth), model = ["first"];
    push(one, list, true, "first");
    let failures = 0;
    for (let step = 0; step < 6000; step++) {
      const trial = [...model];
      try {
        // Growing changes come more often, so that the arena stays full.
        CHANGES[random.below(2) === 0 ? random.below(2) : random.below(CHANGES.length)](one, list, trial, random);
        model.splice(0, model.length, ...trial);
      } catch (error) {
        if (!(error instanceof OutOfArenaError)) throw error;
        failures++;
        // What removes equal elements tells how far it came.
        if (elements(one, list).length !== model.length) {
          assert(lists.removed > 0);
          model.splice(0, model.length, ...elements(one, list));
        }
        assertSame(one, list, model);
      }
    }
    assert(failures > 10);
    assertSame(one, list, model);
  }
});

Deno.test("Quicklists: a node gets no more than its fill allows", () => {
  const one = bench(), { lists } = one, byCount = lists.create(5, 0), bySize = lists.create(-1, 0);
  for (let i = 0; i < 17; i++) push(one, byCount, false, `element ${i}`), push(one, bySize, true, "x".repeat(1000));
  assertEquals(nodesOf(one, byCount).map((node) => node.elements), [5, 5, 5, 2]);
  assertEquals(nodesOf(one, bySize).map((node) => node.elements), [1, 4, 4, 4, 4]);
});

Deno.test("Quicklists: with a depth only nodes inside are compressed, and reading leaves them so", () => {
  const one = bench(), { lists } = one, list = lists.create(2, 1), text = "ab".repeat(100);
  for (let i = 0; i < 10; i++) push(one, list, false, text);
  const flags = () => nodesOf(one, list).map((node) => node.flags);
  assertEquals(flags(), [0, 1, 1, 1, 0]);
  assert(lists.cursor.seek(list, 5));
  assertEquals(lists.cursor.read().length, text.length);
  assertEquals(flags(), [0, 1, 1, 1, 0]);
  lists.pop(list, true), lists.pop(list, true);
  assertEquals(flags(), [0, 1, 1, 0]);
});

Deno.test("Quicklists: an element from the threshold on has a plain node, and LSET changes between both kinds", () => {
  const one = bench(), { lists } = one, list = lists.create(-2, 0), large = ascii("L".repeat(200)), small = ascii("s");
  lists.packedThresholdBytes = 100;
  for (const text of ["a", "b", "c"]) push(one, list, false, text);
  lists.cursor.seek(list, 1);
  lists.replace(list, large, 0, large.length);
  assertEquals(nodesOf(one, list).map((node) => node.flags), [0, NODE_FLAG.plain, 0]);
  assertEquals(elements(one, list), ["a", "L".repeat(200), "c"]);
  lists.cursor.seek(list, 1);
  lists.replace(list, small, 0, small.length);
  assertEquals(nodesOf(one, list).map((node) => [node.elements, node.flags]), [[1, 0], [2, 0]]);
  assertEquals(elements(one, list), ["a", "s", "c"]);
});

Deno.test("Quicklists: a list that cannot be copied leaves nothing behind", () => {
  const one = bench(96 * 1024), { lists, allocator } = one, list = lists.create(-1, 0);
  for (let i = 0; i < 12; i++) push(one, list, false, "y".repeat(3900));
  const before = allocator.liveBytes;
  assertThrows(() => lists.copy(list), OutOfArenaError);
  assertEquals(allocator.liveBytes, before);
});

Deno.test("Quicklists: header, node and content are laid out as drawn", () => {
  const one = bench(), { lists, memory } = one, list = lists.create(-2, 3);
  push(one, list, false, "ab"), push(one, list, true, "5");
  const words = (block: Address, count: number) => Array.from({ length: count }, (_, i) => memory.u32(block, 4 * i));
  const node = memory.u32(list, LIST.head) as Address, content = memory.u32(node, NODE.content) as Address;
  assertEquals([words(list, 2), memory.f64(list, 8), words(list, 6).slice(4)], [[node, node], 2, [1, 0x0003fffe]]);
  const start = memory.u32(node, 12), listpack = [13, 0, 0, 0, 2, 0, 5, 1, 0x82, 0x61, 0x62, 3, 0xff];
  assertEquals(words(node, 7), [NONE, NONE, content, start, listpack.length, 2, 0]);
  assertEquals(listpack.map((_, i) => memory.u8(content, start + i)), listpack);
});

Deno.test("Quicklists: pushes and pops at both ends keep to the block, and a drained node gives memory back", () => {
  const one = bench(), { lists, allocator } = one, list = lists.create(-2, 0);
  for (let i = 0; i < 300; i++) push(one, list, i % 2 === 0, `element ${i}`);
  const full = allocator.liveBytes;
  for (let i = 0; i < 5000; i++) push(one, list, true, "xyz"), lists.pop(list, false);
  for (let i = 0; i < 5000; i++) push(one, list, false, "xyz"), lists.pop(list, true);
  assert(allocator.liveBytes <= full, "moving through a list takes no more memory");
  while (lists.length(list) > 3) lists.pop(list, lists.length(list) % 2 === 0);
  assertEquals(elements(one, list), ["xyz", "xyz", "xyz"]);
  assert(allocator.liveBytes < 400, `${allocator.liveBytes} bytes`);
});
