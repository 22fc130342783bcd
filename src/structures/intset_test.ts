import { assert, assertEquals, assertThrows } from "@std/assert";
import { I64, parseI64 } from "../base/integer.ts";
import { Prng } from "../base/prng.ts";
import { type Address, Allocator, DebugMemory, OutOfArenaError } from "../memory/mod.ts";
import { intsetBytes, intsetCount, Intsets, readIntset } from "./intset.ts";
import { intsetFault } from "./intset_check.ts";

/** An intset in checked memory, next to the set that it should be. */
class Model {
  readonly memory: DebugMemory = new DebugMemory({ arenaMaxBytes: 64 << 20, pageBytes: 4096 });
  readonly allocator: Allocator = new Allocator(this.memory, true);
  readonly intsets: Intsets;
  intset: Address;
  readonly expected = new Set<bigint>();
  /** Allocations that succeed before one fails. */
  blocksLeft = Infinity;

  constructor() {
    this.memory.allocator = this.allocator;
    const allocate = this.allocator.allocate.bind(this.allocator);
    this.allocator.allocate = (sizeBytes, owner) => {
      if (--this.blocksLeft < 0) throw new OutOfArenaError("no more for this test");
      return allocate(sizeBytes, owner);
    };
    this.intsets = new Intsets(this.memory, this.allocator);
    this.intset = this.intsets.create();
  }

  add(value: bigint): void {
    this.intset = this.intsets.add(this.intset, i64(value));
    assertEquals(this.intsets.changed, !this.expected.has(value));
    this.expected.add(value);
  }

  remove(value: bigint): void {
    this.intset = this.intsets.remove(this.intset, i64(value));
    assertEquals(this.intsets.changed, this.expected.delete(value));
  }

  bytes(): Uint8Array {
    const bytes = new Uint8Array(intsetBytes(this.memory, this.intset));
    this.memory.copyOut(this.intset, 0, bytes, 0, bytes.length);
    return bytes;
  }

  check(): void {
    const sorted = [...this.expected].sort((a, b) => (a < b ? -1 : 1)), read: bigint[] = [], value = new I64();
    for (let i = 0; i < intsetCount(this.memory, this.intset); i++) {
      readIntset(this.memory, this.intset, i, value);
      read.push((BigInt(value.hi) << 32n) | BigInt(value.lo));
    }
    assertEquals(read, sorted);
    if (sorted.length > 0) assertEquals(intsetFault(this.bytes(), 0, this.bytes().length), "");
  }
}

function i64(value: bigint): I64 {
  const text = new TextEncoder().encode(String(value)), parsed = new I64();
  assert(parseI64(text, 0, text.length, parsed));
  return parsed;
}

const MIN = -(2n ** 63n), MAX = 2n ** 63n - 1n;
/** Where an encoding ends and the next one begins. */
const EDGES = [
  0n,
  32767n,
  32768n,
  -32768n,
  -32769n,
  2n ** 31n - 1n,
  2n ** 31n,
  -(2n ** 31n),
  -(2n ** 31n) - 1n,
  MIN,
  MAX,
];

Deno.test("Intset: layout, as Redis writes it", () => {
  const model = new Model();
  for (const value of [5n, -1n, 300n]) model.add(value);
  assertEquals([...model.bytes()], [2, 0, 0, 0, 3, 0, 0, 0, 255, 255, 5, 0, 44, 1]);
  model.add(32768n);
  assertEquals([...model.bytes().subarray(0, 16)], [4, 0, 0, 0, 4, 0, 0, 0, 255, 255, 255, 255, 5, 0, 0, 0]);
  model.add(MIN);
  assertEquals([...model.bytes().subarray(0, 8)], [8, 0, 0, 0, 5, 0, 0, 0]);
  assertEquals([...model.bytes().subarray(8, 24)], [0, 0, 0, 0, 0, 0, 0, 128, ...new Array(8).fill(255)]);
});

Deno.test("Intset: the encoding is the narrowest that holds all that were ever in it", () => {
  for (const value of EDGES) {
    const model = new Model(), narrow = value >= -32768n && value <= 32767n;
    const width = narrow ? 2 : value >= -(2n ** 31n) && value < 2n ** 31n ? 4 : 8;
    for (const one of [1n, value]) model.add(one);
    assertEquals(model.bytes()[0], width, String(value));
    model.check();
    model.remove(value);
    assertEquals(model.bytes()[0], width, String(value));
  }
});

Deno.test("Intset: behaves like a Set of integers, of any width and in any order, and nothing leaks", () => {
  for (const bits of [4n, 14n, 30n, 63n]) {
    const model = new Model(), prng = new Prng(Number(bits));
    const draw = () => {
      const value = (BigInt(prng.nextU32()) << 32n | BigInt(prng.nextU32())) & ((1n << bits) - 1n);
      return prng.below(2) === 0 ? value : -value;
    };
    for (let i = 0; i < 600; i++) {
      model.add(prng.below(20) === 0 ? EDGES[prng.below(EDGES.length)] : draw());
      if (prng.below(3) === 0) model.remove([...model.expected][prng.below(model.expected.size)]);
      model.remove(draw());
      const value = draw();
      assertEquals(model.intsets.has(model.intset, i64(value)), model.expected.has(value));
      if (i % 50 === 0) model.check();
    }
    model.check();
    for (const value of model.expected) model.remove(value);
    model.check();
    assert(model.allocator.allocatedBytes(model.intset) <= 128, "the block shrinks with its content");
    model.intsets.free(model.intset);
    assertEquals(model.allocator.liveBytes, 0);
  }
});

Deno.test("Intset: a full arena leaves it as it was, and removing needs no memory", () => {
  const model = new Model();
  for (let i = 0n; i < 200n; i++) model.add(i * 3n);
  model.blocksLeft = 0;
  const before = model.bytes();
  assertThrows(() => model.intsets.add(model.intset, i64(2n ** 40n)), OutOfArenaError);
  assertEquals(model.bytes(), before);
  for (const value of [...model.expected].slice(10)) model.remove(value);
  model.check();
});

Deno.test("Intset.copy: has blocks of its own", () => {
  const model = new Model();
  model.add(7n), model.add(MAX);
  const copy = model.intsets.copy(model.intset), bytes = model.bytes();
  model.remove(7n);
  model.intset = copy;
  assertEquals(model.bytes(), bytes);
});
