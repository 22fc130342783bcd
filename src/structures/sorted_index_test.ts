import { assert, assertEquals, assertThrows } from "@std/assert";
import { compareBytes } from "../base/bytes.ts";
import { Prng } from "../base/prng.ts";
import { type Address, Allocator, DebugMemory, LiveMemory, NONE, OutOfArenaError, OWNER } from "../memory/mod.ts";
import {
  firstLeaf,
  leafCount,
  leafEntry,
  leafScore,
  MEMBER_ENTRY,
  nextLeaf,
  SortedIndex,
  SortedIndexBuilder,
} from "./sorted_index.ts";

interface Member {
  score: number;
  entry: Address;
  name: Uint8Array;
}

class Fixture {
  readonly memory: LiveMemory;
  readonly allocator: Allocator;
  readonly tree: SortedIndex;
  readonly index: Address;
  /** In order. */
  readonly model: Member[] = [];

  constructor(arenaMaxBytes = 256 << 20, checked = true) {
    const memory = checked
      ? new DebugMemory({ arenaMaxBytes, pageBytes: 4096 })
      : new LiveMemory({ arenaMaxBytes, pageBytes: 4096 });
    this.allocator = new Allocator(memory, checked);
    if (memory instanceof DebugMemory) memory.allocator = this.allocator;
    this.memory = memory;
    this.tree = new SortedIndex(memory, this.allocator);
    this.index = this.tree.create(7);
  }

  entryOf(name: Uint8Array): Address {
    const entry = this.allocator.allocate(MEMBER_ENTRY.member + name.length, OWNER.fieldEntry);
    this.memory.setU32(entry, MEMBER_ENTRY.info, name.length);
    this.memory.copyIn(entry, MEMBER_ENTRY.member, name, 0, name.length);
    return entry;
  }

  place(score: number, name: Uint8Array): number {
    let low = 0, high = this.model.length;
    while (low < high) {
      const middle = (low + high) >>> 1, one = this.model[middle];
      if (one.score < score || (one.score === score && compareBytes(one.name, name) < 0)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  insert(score: number, name: Uint8Array): void {
    const entry = this.entryOf(name);
    this.tree.insert(this.index, score, entry);
    this.model.splice(this.place(score, name), 0, { score, entry, name });
  }

  removeAt(at: number): void {
    const [gone] = this.model.splice(at, 1);
    this.tree.remove(this.index, gone.score, gone.entry);
    this.allocator.free(gone.entry);
  }

  updateAt(at: number, score: number): void {
    const [one] = this.model.splice(at, 1);
    if (one.score !== score) this.tree.update(this.index, one.score, one.entry, score);
    this.model.splice(this.place(score, one.name), 0, { ...one, score });
  }

  cutRun(from: number, max: number): void {
    const run = this.tree.removeRun(this.index, from, max), gone = this.model.splice(from, run);
    assert(run > 0 && run <= max);
    gone.forEach((one, i) => {
      assertEquals(this.tree.removed[i], one.entry);
      this.allocator.free(one.entry);
    });
  }

  /** Order both ways, ranks, sizes and bytes. */
  check(): void {
    const { tree, index, memory, model, allocator } = this;
    assertEquals(tree.length(index), model.length);
    let at = 0;
    for (let leaf = firstLeaf(memory, index); leaf !== NONE && model.length > 0; leaf = nextLeaf(memory, leaf)) {
      for (let slot = 0; slot < leafCount(memory, leaf); slot++, at++) {
        assertEquals(leafEntry(memory, leaf, slot), model[at].entry);
        assertEquals(leafScore(memory, leaf, slot), model[at].score);
      }
    }
    assertEquals(at, model.length);
    if (at > 0) tree.seekRank(index, at - 1);
    while (at-- > 0) {
      assertEquals(leafEntry(memory, tree.leaf, tree.slot), model[at].entry);
      tree.previous();
    }
    for (let rank = 0; rank < model.length; rank++) {
      assertEquals(tree.rankOf(index, model[rank].score, model[rank].entry), rank);
      tree.seekRank(index, rank);
      assertEquals(leafEntry(memory, tree.leaf, tree.slot), model[rank].entry);
    }
    assertEquals(tree.overheadBytes(index), allocator.ownerBytes(OWNER.sortedIndexNode));
  }
}

function randomName(random: Prng): Uint8Array {
  const name = new Uint8Array(3 + random.below(8));
  random.bytes(name);
  return name;
}

for (
  const [what, distinctScores] of [["few equal scores", 1 << 20], ["many equal scores", 40], ["one score", 1]] as const
) {
  Deno.test(`sorted index: random changes keep order, ranks and sizes (${what})`, () => {
    const seed = 11 + distinctScores, random = new Prng(seed), fixture = new Fixture(), seen = new Set<string>();
    // It grows, then shrinks to nothing, then grows again.
    for (let step = 0; step < 36_000; step++) {
      const size = fixture.model.length, growing = step % 27_000 < 16_500;
      const action = random.below(10);
      if (size === 0 || (growing ? action < 7 : action < 1)) {
        const name = randomName(random), text = name.join();
        if (seen.has(text)) continue;
        seen.add(text);
        fixture.insert(random.below(distinctScores) - 20, name);
      } else if (action < 8) fixture.removeAt(random.below(size));
      else if (action < 9) fixture.updateAt(random.below(size), random.below(distinctScores) - 20);
      else if (!growing) fixture.cutRun(random.below(size), 1 + random.below(200));
      if (step % 6_000 === 0) fixture.check();
    }
    fixture.check();
    while (fixture.model.length > 0) fixture.cutRun(0, 84);
    fixture.check();
    fixture.tree.destroy(fixture.index);
    assertEquals(fixture.allocator.liveBytes, 0, `seed ${seed}`);
  });
}

Deno.test("sorted index: bounds by score and by member stop where the model says", () => {
  const random = new Prng(3), fixture = new Fixture(), { tree, index, model, memory } = fixture;
  for (let i = 0; i < 3_000; i++) fixture.insert(random.below(60), new Uint8Array([i >>> 8, i & 0xff]));
  const here = () => tree.leaf === NONE ? NONE : leafEntry(memory, tree.leaf, tree.slot);
  for (let score = -1; score <= 60; score++) {
    for (const after of [false, true]) {
      tree.seekScore(index, score, after);
      const rank = model.filter((one) => after ? one.score <= score : one.score < score).length;
      assertEquals([tree.rank, here()], [rank, model[rank]?.entry ?? NONE]);
    }
  }
  const flat = new Fixture();
  for (let i = 0; i < 3_000; i++) flat.insert(0, new Uint8Array([i >>> 7, (i & 0x7f) * 2]));
  for (let i = 0; i < 400; i++) {
    const bound = new Uint8Array([random.below(30), random.below(256)]), after = i % 2 === 0;
    flat.tree.seekMember(flat.index, bound, 0, 2, after);
    const rank = flat.model.filter(({ name }) =>
      after ? compareBytes(name, bound) <= 0 : compareBytes(name, bound) < 0
    );
    assertEquals(flat.tree.rank, rank.length);
  }
});

for (const ascending of [true, false]) {
  Deno.test(`sorted index: built from ${ascending ? "ascending" : "descending"} elements, it changes like any other`, () => {
    for (const size of [0, 1, 84, 85, 4_200, 9_001]) {
      const fixture = new Fixture(), { tree, index, model } = fixture, builder = new SortedIndexBuilder(tree);
      for (let i = 0; i < size; i++) {
        const name = new Uint8Array([i >>> 8, i & 0xff]);
        model.push({ score: i >>> 2, name, entry: fixture.entryOf(name) });
      }
      builder.start(index, ascending);
      for (const { score, entry } of ascending ? model : model.toReversed()) builder.add(score, entry);
      builder.finish();
      fixture.check();
      const random = new Prng(size);
      for (let i = 0; i < 300; i++) fixture.insert(random.below(2_000), randomName(random));
      for (let i = 0; i < 300; i++) fixture.removeAt(random.below(model.length));
      fixture.check();
      let taken = 0;
      for (let run = tree.freeLeaf(index); run > 0; run = tree.freeLeaf(index)) taken += run;
      tree.destroy(index);
      assertEquals([taken, fixture.allocator.ownerBytes(OWNER.sortedIndexNode)], [size, 0]);
    }
  });
}

Deno.test("sorted index: members that come in order leave full leaves", () => {
  for (const direction of [1, -1]) {
    const fixture = new Fixture(), { tree, index, allocator } = fixture;
    for (let i = 0; i < 8_400; i++) fixture.insert(direction * i, new Uint8Array([1]));
    assert(tree.overheadBytes(index) <= 8_400 * 13 + 6_000, `${tree.overheadBytes(index)} bytes`);
    assertEquals(tree.overheadBytes(index), allocator.ownerBytes(OWNER.sortedIndexNode));
  }
});

Deno.test("sorted index: with the arena full, an insert changes nothing and removing still works", () => {
  const fixture = new Fixture(2 << 20, true), { tree, index, model, allocator } = fixture, random = new Prng(5);
  const spare = fixture.entryOf(new Uint8Array([9, 9, 9, 9, 9, 9, 9, 9, 9]));
  const insertTill = () => {
    for (let i = 0;; i++) fixture.insert(random.below(1000), new Uint8Array([i >>> 16, i >>> 8, i]));
  };
  assertThrows(insertTill, OutOfArenaError);
  const before = allocator.ownerBytes(OWNER.sortedIndexNode);
  let failed = 0;
  for (let score = 0; score < 1000; score += 7) {
    try {
      tree.insert(index, score, spare);
      tree.remove(index, score, spare);
    } catch (error) {
      assert(error instanceof OutOfArenaError);
      failed++;
    }
  }
  assert(failed > 0);
  fixture.check();
  assertEquals(allocator.ownerBytes(OWNER.sortedIndexNode), before);
  while (model.length > 0) fixture.removeAt(random.below(model.length));
  fixture.check();
});
