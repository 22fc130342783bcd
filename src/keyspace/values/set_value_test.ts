import { assert, assertEquals, assertThrows } from "@std/assert";
import { ascii, latin1Decode } from "../../base/bytes.ts";
import { Prng } from "../../base/prng.ts";
import { KeyedHash } from "../../base/siphash.ts";
import { Allocator, DebugMemory, OutOfArenaError } from "../../memory/mod.ts";
import { ENCODING } from "../entry.ts";
import { Keyspace } from "../keyspace.ts";
import { SetMember, SetRef, SetValues, SetWalk } from "./set_value.ts";

/** Sets in checked memory; `blocksLeft` allocations succeed before one fails. */
function open(integersMax: number) {
  const memory = new DebugMemory({ arenaMaxBytes: 64 << 20, pageBytes: 4096 }), allocator = new Allocator(memory, true);
  memory.allocator = allocator;
  const prng = new Prng(1), arena = { blocksLeft: Infinity }, allocate = allocator.allocate.bind(allocator);
  allocator.allocate = (sizeBytes, owner) => {
    if (--arena.blocksLeft < 0) throw new OutOfArenaError("no more for this test");
    return allocate(sizeBytes, owner);
  };
  const hash = new KeyedHash(1, 2), random = (below: number) => prng.below(below);
  const keyspace = new Keyspace({ memory, allocator, hash, databases: 1, random });
  keyspace.limits.setIntsetEntriesMax = integersMax;
  const sets = new SetValues(keyspace), walk = new SetWalk();
  const membersOf = (set: SetRef): string[] => {
    const texts: string[] = [];
    walk.start(memory, set.value, set.encoding);
    while (walk.next()) texts.push(latin1Decode(sets.textOf(walk.member)));
    return texts.sort();
  };
  const setOf = (members: readonly string[]): SetRef => {
    const set = sets.createFor(new SetRef(), ascii(members[0]), 0, members[0].length);
    for (const member of members) sets.add(set, ascii(member), 0, member.length);
    return set;
  };
  return { allocator, arena, sets, membersOf, setOf };
}

const numbers = (count: number) => Array.from({ length: count }, (_, i) => String(i));

Deno.test("SetValues: integers stay an intset up to the limit, and any other member makes a hash table", () => {
  const { sets, membersOf, setOf } = open(4);
  assertEquals(setOf(numbers(4)).encoding, ENCODING.intset);
  assertEquals(setOf([...numbers(4), "3"]).encoding, ENCODING.intset);
  for (const members of [numbers(5), ["1", "a"], ["a"], ["01"], ["9223372036854775808"], ["1", ""]]) {
    const set = setOf(members);
    assertEquals(set.encoding, ENCODING.hashtable, String(members));
    assertEquals(membersOf(set), [...members].sort());
    assertEquals(sets.size(set), members.length);
  }
  assertEquals(setOf(["-9223372036854775808", "9223372036854775807"]).encoding, ENCODING.intset);
});

Deno.test("SetValues: with a full arena a set that would change its encoding stays as it was, and nothing leaks", () => {
  const { allocator, arena, sets, membersOf, setOf } = open(8);
  const set = setOf(numbers(8)), { liveBytes } = allocator;
  for (const member of ["8", "word", "9223372036854775807"]) {
    for (let blocks = 0; blocks < 10; blocks++) {
      arena.blocksLeft = blocks;
      assertThrows(() => sets.add(set, ascii(member), 0, member.length), OutOfArenaError);
      assertEquals([set.encoding, allocator.liveBytes], [ENCODING.intset, liveBytes]);
    }
  }
  arena.blocksLeft = Infinity;
  assertEquals(membersOf(set), numbers(8));
  sets.add(set, ascii("word"), 0, 4);
  assertEquals(membersOf(set), [...numbers(8), "word"]);
});

Deno.test("SetValues: members of either encoding are found, added and removed in sets of either encoding", () => {
  const { sets, membersOf, setOf } = open(512);
  const texts = numbers(20), integers = setOf(texts), table = setOf([...texts, "word"]);
  sets.remove(table, ascii("word"), 0, 4);
  assertEquals([integers.encoding, table.encoding], [ENCODING.intset, ENCODING.hashtable]);
  const drawn = new SetMember();
  for (const from of [integers, table]) {
    for (const other of [setOf(numbers(10)), setOf([...numbers(10), "word"])]) {
      for (let i = 0; i < 200; i++) {
        sets.draw(from, drawn);
        const text = latin1Decode(sets.textOf(drawn)), isMember = Number(text) < 10;
        assertEquals(sets.hasMember(other, drawn), isMember);
        assertEquals(sets.addMember(other, drawn), !isMember);
        if (!isMember) assert(sets.removeMember(other, drawn));
        assert(!isMember || sets.has(other, ascii(text), 0, text.length));
      }
      assertEquals(membersOf(other).filter((text) => text !== "word"), numbers(10));
    }
  }
});

Deno.test("SetValues.reencode: few integers are an intset again; with a full arena the set stays as it is", () => {
  const { allocator, arena, sets, membersOf, setOf } = open(8);
  const set = setOf(numbers(20));
  for (const text of numbers(20).slice(5)) sets.remove(set, ascii(text), 0, text.length);
  const { liveBytes } = allocator;
  arena.blocksLeft = 0;
  sets.reencode(set);
  assertEquals([set.encoding, allocator.liveBytes], [ENCODING.hashtable, liveBytes]);
  arena.blocksLeft = Infinity;
  sets.reencode(set);
  assertEquals([set.encoding, membersOf(set).join()], [ENCODING.intset, "0,1,2,3,4"]);
  sets.add(set, ascii("word"), 0, 4);
  sets.reencode(set);
  assertEquals([set.encoding, membersOf(set).join()], [ENCODING.hashtable, "0,1,2,3,4,word"]);
});

Deno.test("SetValues: a set is freed whole, at once or in slices", () => {
  const { allocator, sets, setOf } = open(512), before = allocator.liveBytes;
  sets.drop(setOf(numbers(100)));
  sets.drop(setOf(numbers(2000)));
  const large = setOf(numbers(2000));
  while (!sets.freeSome(large.value, large.encoding, 100));
  assertEquals(allocator.liveBytes, before);
});
