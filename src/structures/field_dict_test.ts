import { assert, assertEquals } from "@std/assert";
import { ascii, latin1Decode } from "../base/bytes.ts";
import { Prng } from "../base/prng.ts";
import { KeyedHash } from "../base/siphash.ts";
import {
  type Address,
  Allocator,
  DebugMemory,
  FrozenMemory,
  type MemoryReader,
  NONE,
  OutOfArenaError,
} from "../memory/mod.ts";
import { DictWalk } from "./dict.ts";
import { FIELD_AT, FieldDict, fieldLength, valueBlock, valueLength, valueOffset } from "./field_dict.ts";
import { ListpackBuilder } from "./listpack_builder.ts";

function text(memory: MemoryReader, block: Address, offset: number, length: number): string {
  const bytes = new Uint8Array(length);
  memory.copyOut(block, offset, bytes, 0, length);
  return latin1Decode(bytes);
}

function pairsOf(memory: MemoryReader, dict: Address): Map<string, string> {
  const pairs = new Map<string, string>(), walk = new DictWalk();
  walk.start(memory, dict);
  for (let entry = walk.next(); entry !== NONE; entry = walk.next()) {
    const value = text(memory, valueBlock(memory, entry), valueOffset(memory, entry), valueLength(memory, entry));
    pairs.set(text(memory, entry, FIELD_AT, fieldLength(memory, entry)), value);
  }
  return pairs;
}

/** A field dict and the Map that it must equal. */
class Model {
  readonly memory: DebugMemory = new DebugMemory({ arenaMaxBytes: 64 << 20, pageBytes: 4096 });
  readonly allocator: Allocator = new Allocator(this.memory, true);
  readonly fields: FieldDict;
  readonly root: Address;
  readonly pairs = new Map<string, string>();
  /** Allocations that succeed before one fails. */
  allocationsLeft = Infinity;

  constructor() {
    this.memory.allocator = this.allocator;
    const allocate = this.allocator.allocate.bind(this.allocator);
    this.allocator.allocate = (sizeBytes, owner) => {
      if (--this.allocationsLeft < 0) throw new OutOfArenaError("no more for this test");
      return allocate(sizeBytes, owner);
    };
    this.fields = new FieldDict(this.memory, this.allocator, new KeyedHash(1, 2));
    this.root = this.fields.create(0);
  }

  set(field: string, value: string): void {
    const isNew = this.fields.set(this.root, ascii(field), 0, field.length, ascii(value), 0, value.length);
    assertEquals(isNew, !this.pairs.has(field));
    this.pairs.set(field, value);
  }

  remove(field: string): void {
    assertEquals(this.fields.remove(this.root, ascii(field), 0, field.length), this.pairs.delete(field));
  }

  get(field: string): string | undefined {
    const { memory } = this, entry = this.fields.find(this.root, ascii(field), 0, field.length);
    if (entry === NONE) return undefined;
    return text(memory, valueBlock(memory, entry), valueOffset(memory, entry), valueLength(memory, entry));
  }

  check(): void {
    assertEquals(pairsOf(this.memory, this.root), this.pairs);
    for (const [field, value] of this.pairs) assertEquals(this.get(field), value);
  }
}

/** Lengths around where size classes and the place of the value change. */
const VALUE_LENGTHS = [0, 1, 7, 8, 9, 60, 250, 1000, 1023, 1024, 1025, 2000, 4096, 5000];

function drawValue(prng: Prng): string {
  return String.fromCharCode(97 + prng.below(26)).repeat(VALUE_LENGTHS[prng.below(VALUE_LENGTHS.length)]);
}

Deno.test("FieldDict: an entry has the layout that is drawn, with a short value and with a long one", () => {
  const { fields, memory, root, allocator } = new Model();
  fields.set(root, ascii("field"), 0, 5, ascii("value"), 0, 5);
  const short = fields.find(root, ascii("field"), 0, 5);
  assertEquals([memory.u32(short, 4), memory.u32(short, 8), text(memory, short, 12, 10)], [5, 5, "fieldvalue"]);
  fields.set(root, ascii("field"), 0, 5, ascii("v".repeat(1025)), 0, 1025);
  const long = fields.find(root, ascii("field"), 0, 5), block = memory.u32(long, 20) as Address;
  assertEquals([memory.u32(long, 4), memory.u32(long, 8)], [5 | (1 << 29), 1025]);
  assertEquals([text(memory, long, 12, 5), text(memory, block, 0, 1025)], ["field", "v".repeat(1025)]);
  assertEquals(allocator.allocatedBytes(long), 24);
});

Deno.test("FieldDict: behaves like a Map, a copy and a snapshot stay as they were, and nothing leaks", () => {
  const model = new Model(), prng = new Prng(11), { fields, memory, allocator, root } = model;
  for (let round = 0; round < 6; round++) {
    const before = new Map(model.pairs), copy = fields.copy(root), frozen = new FrozenMemory(memory.freeze(0));
    for (let i = 0; i < 1500; i++) {
      const field = `field:${prng.below(600)}`;
      if (prng.below(round < 3 ? 4 : 2) === 0) model.remove(field);
      else model.set(field, drawValue(prng));
    }
    model.check();
    assertEquals(pairsOf(frozen, root), before);
    memory.endSnapshot();
    assertEquals(pairsOf(memory, copy), before);
    fields.free(copy);
  }
  fields.free(root);
  assertEquals(allocator.liveBytes, 0);
});

Deno.test("FieldDict: a value of the same size is written in place", () => {
  const model = new Model(), { fields, root } = model;
  for (const length of [10, 1024, 3000]) {
    model.set("field", "a".repeat(length));
    const entry = fields.find(root, ascii("field"), 0, 5), block = valueBlock(model.memory, entry);
    model.set("field", "b".repeat(length));
    assertEquals(fields.find(root, ascii("field"), 0, 5), entry);
    assertEquals(valueBlock(model.memory, entry), block);
    model.check();
  }
});

Deno.test("FieldDict: when any one allocation fails, the dict is as it was and nothing leaks", () => {
  const model = new Model(), prng = new Prng(12), { fields, allocator, root } = model;
  let refused = 0;
  for (let i = 0; i < 3000; i++) {
    model.allocationsLeft = prng.below(4) === 0 ? prng.below(3) : Infinity;
    try {
      if (prng.below(5) === 0) model.remove(`field:${prng.below(500)}`);
      else model.set(`field:${prng.below(500)}`, drawValue(prng));
    } catch (error) {
      assert(error instanceof OutOfArenaError);
      refused++;
    }
    if (i % 100 === 0) model.check();
  }
  assert(refused > 100);
  const { liveBytes } = allocator;
  for (let allowed = 0; allowed < 300; allowed += 7) {
    model.allocationsLeft = allowed;
    try {
      fields.copy(root);
      assert(false, "the copy takes more");
    } catch (error) {
      assert(error instanceof OutOfArenaError);
    }
    assertEquals(allocator.liveBytes, liveBytes);
  }
  model.check();
  model.allocationsLeft = Infinity;
  fields.free(root);
  assertEquals(allocator.liveBytes, 0);
});

Deno.test("FieldDict.freeSome: frees about as many fields as it is asked for, and all in the end", () => {
  const model = new Model(), { fields, allocator, root } = model;
  for (let i = 0; i < 2000; i++) model.set(`field:${i}`, "value");
  let slices = 0, before = allocator.liveBytes, mostFreed = 0;
  while (!fields.freeSome(root, 50)) {
    mostFreed = Math.max(mostFreed, before - allocator.liveBytes);
    before = allocator.liveBytes, slices++;
  }
  assert(slices >= 38 && slices < 100, `${slices} slices`);
  assert(mostFreed < 60 * 32, `${mostFreed} bytes in a slice`);
  assertEquals(allocator.liveBytes, 0);
});

Deno.test("FieldDict.ofListpack: holds the pairs, numbers as their text, and of a field that comes twice the first", () => {
  const { fields, memory } = new Model(), builder = new ListpackBuilder(0);
  for (const word of ["a", "1", "-5000", "long".repeat(30), "a", "2"]) builder.append(ascii(word), 0, word.length);
  builder.finish();
  const dict = fields.ofListpack(builder.bytes, 0, 3);
  assertEquals(pairsOf(memory, dict), new Map([["a", "1"], ["-5000", "long".repeat(30)]]));
});

Deno.test("FieldDict.memoryUsage: counts every block, and estimates with samples", () => {
  const model = new Model(), { fields, allocator, root } = model, empty = allocator.liveBytes;
  assertEquals(fields.memoryUsage(root, 0), empty);
  for (let i = 0; i < 300; i++) model.set(`field:${100 + i}`, "v".repeat(i % 2 === 0 ? 10 : 2000));
  assertEquals(fields.memoryUsage(root, 0), allocator.liveBytes);
  for (let i = 0; i < 300; i++) model.set(`field:${100 + i}`, "short");
  assertEquals(fields.memoryUsage(root, 5), allocator.liveBytes);
});
