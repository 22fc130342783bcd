import { assert, assertEquals, assertThrows } from "@std/assert";
import { ascii, latin1Decode } from "../base/bytes.ts";
import { Prng } from "../base/prng.ts";
import { KeyedHash } from "../base/siphash.ts";
import { type Address, Allocator, DebugMemory, NONE, OutOfArenaError } from "../memory/mod.ts";
import { DictWalk } from "./dict.ts";
import { MEMBER_BYTES_AT, MemberDicts, memberLength } from "./member_dict.ts";

class Model {
  readonly memory: DebugMemory = new DebugMemory({ arenaMaxBytes: 256 << 20, pageBytes: 4096 });
  readonly allocator: Allocator = new Allocator(this.memory, true);
  readonly members: MemberDicts;
  set: Address;
  readonly expected = new Set<string>();
  /** Allocations that succeed before one fails. */
  blocksLeft = Infinity;

  constructor() {
    this.memory.allocator = this.allocator;
    const allocate = this.allocator.allocate.bind(this.allocator);
    this.allocator.allocate = (sizeBytes, owner) => {
      if (--this.blocksLeft < 0) throw new OutOfArenaError("no more for this test");
      return allocate(sizeBytes, owner);
    };
    this.members = new MemberDicts(this.memory, this.allocator, new KeyedHash(1, 2));
    this.set = this.members.create(0);
  }

  add(text: string): void {
    assertEquals(this.members.add(this.set, ascii(text), 0, text.length), !this.expected.has(text));
    this.expected.add(text);
  }

  remove(text: string): void {
    assertEquals(this.members.remove(this.set, ascii(text), 0, text.length), this.expected.delete(text));
  }

  textOf(entry: Address): string {
    const bytes = new Uint8Array(memberLength(this.memory, entry));
    this.memory.copyOut(entry, MEMBER_BYTES_AT, bytes, 0, bytes.length);
    return latin1Decode(bytes);
  }

  texts(set: Address): string[] {
    const walk = new DictWalk(), texts: string[] = [];
    walk.start(this.memory, set);
    for (let entry = walk.next(); entry !== NONE; entry = walk.next()) texts.push(this.textOf(entry));
    return texts.sort();
  }

  check(): void {
    assertEquals(this.texts(this.set), [...this.expected].sort());
    assertEquals(this.members.dict.size(this.set), this.expected.size);
  }
}

Deno.test("MemberDicts: behave like a Set of strings through growth and shrinking, and nothing leaks", () => {
  const model = new Model(), prng = new Prng(5);
  for (let i = 0; i < 12000; i++) {
    model.add(`member:${prng.below(9000)}`);
    if (i % 3 === 0) model.remove(`member:${prng.below(9000)}`);
  }
  model.check();
  for (const text of [...model.expected].slice(20)) model.remove(text);
  model.check();
  for (let i = 0; i < 2000; i++) assert(!model.members.has(model.set, ascii("absent"), 0, 6));
  assert(model.members.dict.slots(model.set) < 4096, "the table shrinks with its members");
  model.members.free(model.set);
  assertEquals(model.allocator.liveBytes, 0);
});

Deno.test("MemberDicts.copy: has blocks of its own, or leaves nothing behind when the arena is full", () => {
  const model = new Model();
  for (let i = 0; i < 1000; i++) model.add(`member:${i}`);
  const copy = model.members.copy(model.set), texts = [...model.expected].sort();
  for (let i = 0; i < 500; i++) model.remove(`member:${i}`);
  assertEquals(model.texts(copy), texts);
  const { liveBytes } = model.allocator;
  model.blocksLeft = 300;
  assertThrows(() => model.members.copy(copy), OutOfArenaError);
  assertEquals(model.allocator.liveBytes, liveBytes);
});

Deno.test("MemberDicts: a full arena adds nothing, and removing needs no memory", () => {
  const model = new Model();
  for (let i = 0; i < 100; i++) model.add(`member:${i}`);
  const { liveBytes } = model.allocator;
  model.blocksLeft = 0;
  assertThrows(() => model.members.add(model.set, ascii("more"), 0, 4), OutOfArenaError);
  model.check();
  assertEquals(model.allocator.liveBytes, liveBytes);
  for (const text of [...model.expected]) model.remove(text);
  model.check();
});

Deno.test("MemberDicts.freeSome: frees a set in slices, all of it in the end", () => {
  const model = new Model();
  for (let i = 0; i < 10000; i++) model.add(`member:${i}`);
  let before = model.allocator.liveBytes, slices = 0;
  while (!model.members.freeSome(model.set, 100)) {
    assert(before - model.allocator.liveBytes < 150 * 32, "a slice is about as large as asked for");
    before = model.allocator.liveBytes;
    slices++;
  }
  assert(slices >= 70);
  assertEquals(model.allocator.liveBytes, 0);
});

Deno.test("MemberDicts.memoryUsage: all blocks when exact, close to it from samples", () => {
  const model = new Model();
  for (let i = 0; i < 5000; i++) model.add(`member:${i}`);
  assertEquals(model.members.memoryUsage(model.set, 0), model.allocator.liveBytes);
  const estimated = model.members.memoryUsage(model.set, 5);
  assert(Math.abs(estimated / model.allocator.liveBytes - 1) < 0.1, String(estimated));
});

Deno.test("MemberDicts.hasSame: what a walk knows of a hash finds the member in tables of any size, those that are rehashed too", () => {
  const model = new Model(), { members, memory } = model, walk = new DictWalk();
  // The walked set grows from round to round, so that either is the larger one at times, and both are rehashed at times.
  for (let i = 0; i < 700; i++) model.add(`member:${i * 2}`);
  const walked = members.create(0);
  for (let i = 0, next = 0; i < 12; i++) {
    for (const end = 3 * 2 ** i; next < end; next++) {
      members.add(walked, ascii(`member:${next}`), 0, `member:${next}`.length);
    }
    const found: string[] = [];
    walk.start(memory, walked);
    for (let entry = walk.next(); entry !== NONE; entry = walk.next()) {
      const same = members.hasSame(model.set, entry, walk.hashBits, walk.hashLog2);
      assertEquals(same, model.expected.has(model.textOf(entry)));
      if (same) found.push(model.textOf(entry));
    }
    assertEquals(found.length, [...model.expected].filter((text) => Number(text.slice(7)) < 3 * 2 ** i).length);
  }
});

Deno.test("Dict.randomEntry: every member of a set has the same chance", () => {
  const model = new Model(), prng = new Prng(11), counts = new Map<string, number>();
  for (let i = 0; i < 60; i++) model.add(`member:${i}`);
  while (model.members.dict.isRehashing(model.set)) model.members.has(model.set, ascii("x"), 0, 1);
  const draws = 60000, expected = draws / 60;
  for (let i = 0; i < draws; i++) {
    const text = model.textOf(model.members.dict.randomEntry(model.set, (n) => prng.below(n)));
    counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  let chiSquare = 0;
  for (const text of model.expected) chiSquare += ((counts.get(text) ?? 0) - expected) ** 2 / expected;
  // With 59 degrees of freedom, 98.3 is exceeded once in a thousand even runs.
  assert(chiSquare < 98.3, String(chiSquare));
});
