import { assert, assertEquals } from "@std/assert";
import { compareBytes, latin1Decode, latin1Encode } from "../../base/bytes.ts";
import { Prng } from "../../base/prng.ts";
import { KeyedHash } from "../../base/siphash.ts";
import { Allocator, DebugMemory, OutOfArenaError } from "../../memory/mod.ts";
import { ENCODING, TYPE } from "../entry.ts";
import { Keyspace } from "../keyspace.ts";
import { ADD, ADDED, type LexBound, type SortedSet } from "./sorted_set.ts";
import { sortedSetsOf, SortedSetValue } from "./sorted_set_value.ts";

function openKeyspace(arenaMaxBytes = 64 << 20): Keyspace {
  const memory = new DebugMemory({ arenaMaxBytes, pageBytes: 4096 }), random = new Prng(9);
  const allocator = memory.allocator = new Allocator(memory, true);
  const keyspace = new Keyspace({
    memory,
    allocator,
    hash: new KeyedHash(1, 2),
    databases: 1,
    random: (below) => random.below(below),
  });
  keyspace.types[TYPE.zset] = new SortedSetValue(keyspace);
  return keyspace;
}

type Model = Map<string, number>;

function ordered(model: Model): [string, number][] {
  return [...model].sort(([a, x], [b, y]) => x - y || compareBytes(latin1Encode(a), latin1Encode(b)));
}

/** All members and scores, up or down. */
function listed(set: SortedSet, isReverse = false): [string, number][] {
  const all: [string, number][] = [], size = set.size;
  if (size > 0) set.seek(isReverse ? size - 1 : 0);
  for (let left = size; left > 0; left--) {
    const score = set.score;
    set.readMember();
    all.push([latin1Decode(set.bytes, set.start, set.start + set.length), score]);
    if (left === 1) break;
    if (isReverse) set.previous();
    else set.next();
  }
  return all;
}

function add(set: SortedSet, member: string, score: number, flags = 0): number {
  const bytes = latin1Encode(member);
  return set.add(score, flags, bytes, 0, bytes.length);
}

const SCORES = [0, 1, -1, 3, 3, 100, -4097, 2 ** 40, -(2 ** 55), 2 ** 62, 0.1, -2.5, 1e300, Infinity, -Infinity];
const names = (random: Prng) => random.below(3) === 0 ? String(random.below(90) - 30) : `member ${random.below(90)}`;

for (const [encoding, entriesMax] of [["listpack", 1000], ["skiplist", 0]] as const) {
  Deno.test(`sorted set as ${encoding}: random changes give what a map gives`, () => {
    const keyspace = openKeyspace(), { set } = sortedSetsOf(keyspace), random = new Prng(1), model: Model = new Map();
    const before = keyspace.allocator.liveBytes;
    keyspace.limits.zsetListpackEntriesMax = entriesMax;
    set.create(0);
    for (let step = 0; step < 4_000; step++) {
      const member = names(random), bytes = latin1Encode(member), score = SCORES[random.below(SCORES.length)];
      const old = model.get(member);
      if (random.below(3) > 0) {
        const expected = old === undefined ? ADDED.added : old === score ? ADDED.same : ADDED.updated;
        assertEquals(add(set, member, score), expected);
        model.set(member, score);
      } else {
        assertEquals(set.remove(bytes, 0, bytes.length), old !== undefined);
        model.delete(member);
      }
      assertEquals(set.scoreOf(bytes, 0, bytes.length), model.get(member) ?? NaN);
      if (step % 50 > 0) continue;
      const all = ordered(model);
      assertEquals(listed(set), all);
      assertEquals(listed(set, true), all.toReversed());
      assertEquals(set.rankOf(bytes, 0, bytes.length), all.findIndex(([name]) => name === member));
    }
    assertEquals(set.encoding, ENCODING[encoding]);
    set.discard();
    assertEquals(keyspace.allocator.liveBytes, before);
  });

  Deno.test(`sorted set as ${encoding}: ranges by score, by member and by rank`, () => {
    const keyspace = openKeyspace(), { set } = sortedSetsOf(keyspace);
    keyspace.limits.zsetListpackEntriesMax = entriesMax;
    set.create(0);
    for (let i = 0; i < 200; i++) add(set, `m${String(i).padStart(3, "0")}`, i >> 2);
    const scores = (min: number, max: number, minExclusive = false, maxExclusive = false) => [
      set.selectScores({ min, max, minExclusive, maxExclusive }),
      set.from,
    ];
    assertEquals(scores(10, 12), [12, 40]);
    assertEquals(scores(10, 12, true), [8, 44]);
    assertEquals(scores(10, 12, true, true), [4, 44]);
    assertEquals(scores(-Infinity, Infinity), [200, 0]);
    assertEquals(scores(12, 10)[0], 0);
    assertEquals(scores(10, 10, true)[0], 0);
    assertEquals([set.selectRanks(-3, -1), set.from, set.selectRanks(5, 1), set.selectRanks(190, 900)], [
      3,
      197,
      0,
      10,
    ]);
    set.removeRanks(40, 52);
    assertEquals([set.size, scores(10, 12)[0]], [188, 0]);
    set.discard();
    set.create(0);
    for (const name of ["a", "b", "bb", "c", "12", ""]) add(set, name, 0);
    const bound = (text: string, exclusive = false): LexBound => {
      const kind = text === "-" ? "lowest" : text === "+" ? "highest" : "member";
      return { kind, exclusive, bytes: latin1Encode(text), start: 0, length: text.length };
    };
    const lex = (min: LexBound, max: LexBound) => [set.selectMembers(min, max), set.from];
    assertEquals(lex(bound("-"), bound("+")), [6, 0]);
    assertEquals(lex(bound("b"), bound("c")), [3, 3]);
    assertEquals(lex(bound("b", true), bound("c", true)), [1, 4]);
    assertEquals(lex(bound("+"), bound("-"))[0], 0);
    assertEquals(lex(bound("a"), bound("+")), [4, 2]);
    set.discard();
  });
}

Deno.test("sorted set: flags refuse as Redis has them, and an infinite sum of both signs is no number", () => {
  const { set } = sortedSetsOf(openKeyspace());
  set.create(0);
  assertEquals(add(set, "a", 1, ADD.xx), ADDED.refused);
  assertEquals(add(set, "a", 5, ADD.nx | ADD.gt), ADDED.added);
  assertEquals(add(set, "a", 6, ADD.nx), ADDED.refused);
  assertEquals(add(set, "a", 5, ADD.gt), ADDED.refused);
  assertEquals(add(set, "a", 4, ADD.lt), ADDED.updated);
  assertEquals([add(set, "a", 3, ADD.increment), set.newScore], [ADDED.updated, 7]);
  assertEquals(add(set, "a", Infinity), ADDED.updated);
  assertEquals(add(set, "a", -Infinity, ADD.increment), ADDED.notNumber);
  assertEquals(listed(set), [["a", Infinity]]);
});

Deno.test("sorted set: becomes large by Redis's limits, and small again only when that is asked for", () => {
  const keyspace = openKeyspace(), { set } = sortedSetsOf(keyspace);
  keyspace.limits.zsetListpackEntriesMax = 3;
  set.create(64);
  for (const name of ["1", "2", "3"]) add(set, name, 1);
  assertEquals(set.encoding, ENCODING.listpack);
  add(set, "4", -0.5);
  assertEquals(set.encoding, ENCODING.skiplist);
  set.removeRanks(0, 2);
  assertEquals(set.encoding, ENCODING.skiplist);
  set.shrinkToListpack(65, 10);
  assertEquals(set.encoding, ENCODING.skiplist);
  set.shrinkToListpack(64, 10);
  assertEquals([set.encoding, listed(set)], [ENCODING.listpack, [["2", 1], ["3", 1]]]);
  add(set, "x".repeat(65), 0);
  assertEquals(set.encoding, ENCODING.skiplist);
  set.discard();
  set.create(65);
  assertEquals(set.encoding, ENCODING.skiplist);
});

Deno.test("sorted set: with the arena full a change throws and nothing is half done, in both encodings", () => {
  for (const entriesMax of [1 << 20, 0]) {
    const keyspace = openKeyspace(1 << 19), { set } = sortedSetsOf(keyspace), random = new Prng(2);
    Object.assign(keyspace.limits, { zsetListpackEntriesMax: entriesMax, zsetListpackValueBytesMax: 1 << 20 });
    const model: Model = new Map();
    set.create(0);
    let refused = 0;
    for (let step = 0; step < 100_000 && refused < 8; step++) {
      const member = `${"long ".repeat(entriesMax === 0 ? 40 : 1600)}${random.below(5_000)}`,
        score = random.below(50) / 8;
      try {
        add(set, member, score);
        model.set(member, score);
      } catch (error) {
        assert(error instanceof OutOfArenaError);
        refused++;
        assertEquals(listed(set), ordered(model));
      }
    }
    assert(refused > 0);
    for (const member of model.keys()) {
      const bytes = latin1Encode(member);
      assert(set.remove(bytes, 0, bytes.length));
    }
    assertEquals(set.size, 0);
  }
});

Deno.test("sorted set: copies share nothing, sizes are the allocator's, and large sets go in slices", () => {
  const keyspace = openKeyspace(), sets = sortedSetsOf(keyspace), { set } = sets, { allocator } = keyspace;
  const before = allocator.liveBytes;
  set.create(0);
  for (let i = 0; i < 3_000; i++) add(set, `member ${i}`, i % 70);
  const all = listed(set), bytes = allocator.liveBytes - before;
  assertEquals(sets.memoryUsage(set.value, set.encoding, 0), bytes);
  const copy = sets.copy(set.value, set.encoding);
  set.discard();
  set.value = copy;
  assertEquals(listed(set), all);
  assertEquals(sets.memoryUsage(copy, set.encoding, 0), allocator.liveBytes - before);
  let slices = 0;
  for (; !sets.freeSome(copy, ENCODING.skiplist, 100); slices++);
  assert(slices > 20, `${slices} slices`);
  assertEquals(allocator.liveBytes, before);
});
