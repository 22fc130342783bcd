import { assert, assertEquals, assertThrows } from "@std/assert";
import { ascii } from "../base/bytes.ts";
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
  OWNER,
} from "../memory/mod.ts";
import { Dict, entriesOf, forEachEntry } from "./dict.ts";

const KEY_AT = 8;

function keyOf(memory: MemoryReader, entry: Address): string {
  const bytes = new Uint8Array(memory.u32(entry, 4));
  memory.copyOut(entry, KEY_AT, bytes, 0, bytes.length);
  return String.fromCharCode(...bytes);
}

/** A dict with entries of nothing but a key, and a set of the keys that should be in it. */
class Model {
  readonly memory: DebugMemory = new DebugMemory({ arenaMaxBytes: 256 << 20, pageBytes: 4096 });
  readonly allocator: Allocator = new Allocator(this.memory, true);
  readonly dict: Dict = new Dict(this.memory, this.allocator, new KeyedHash(1, 2), KEY_AT);
  readonly root: Address;
  readonly keys = new Set<string>();
  /** Allocations of tables that succeed before one fails. */
  tablesLeft = Infinity;

  constructor() {
    this.memory.allocator = this.allocator;
    this.root = this.dict.create();
    const allocate = this.allocator.allocate.bind(this.allocator);
    this.allocator.allocate = (sizeBytes, owner) => {
      if (owner === OWNER.dictTable && --this.tablesLeft < 0) throw new OutOfArenaError("no more for this test");
      return allocate(sizeBytes, owner);
    };
  }

  find(key: string): Address {
    return this.dict.find(this.root, ascii(key), 0, key.length);
  }

  /** Adds a key that is not there; a full arena leaves things as they are. */
  insert(key: string): void {
    assertEquals(this.find(key), NONE);
    const entry = this.#newEntry(key);
    try {
      this.dict.insertMissed(this.root, entry);
      this.keys.add(key);
    } catch (error) {
      this.allocator.free(entry);
      throw error;
    }
  }

  replaceFound(found: Address, key: string): void {
    this.dict.replaceFound(this.root, found, this.#newEntry(key));
    this.allocator.free(found);
  }

  remove(key: string): void {
    const entry = this.find(key);
    this.dict.unlinkFound(this.root, entry), this.allocator.free(entry);
    this.keys.delete(key);
  }

  /** Every way to walk the dict finds each key once, and look-ups find them all. */
  check(): void {
    const walked: string[] = [], batched: string[] = [], scanned = new Set<string>();
    forEachEntry(this.memory, this.root, (entry) => void walked.push(keyOf(this.memory, entry)));
    for (const batch of entriesOf(this.memory, this.root, 10)) {
      for (let i = 0; i < batch.count; i++) batched.push(keyOf(this.memory, batch.at[i] as Address));
    }
    let cursor = 0;
    do {
      cursor = this.dict.scan(this.root, cursor, (entry) => void scanned.add(keyOf(this.memory, entry)));
    } while (cursor !== 0);
    for (const seen of [new Set(walked), new Set(batched), scanned]) assertEquals(seen, this.keys);
    const { size } = this.keys;
    assertEquals([walked.length, batched.length, this.dict.size(this.root)], [size, size, size]);
    for (const key of this.keys) assert(this.find(key) !== NONE, key);
  }

  destroy(): void {
    const cursor = { slot: 0 };
    while (this.dict.takeSome(this.root, cursor, 50, (entry) => this.allocator.free(entry)) > 0);
    this.dict.destroy(this.root);
    assertEquals(this.allocator.liveBytes, 0);
  }

  #newEntry(key: string): Address {
    const bytes = ascii(key), entry = this.allocator.allocate(KEY_AT + bytes.length, OWNER.entry);
    this.memory.setU32(entry, 4, bytes.length);
    this.memory.copyIn(entry, KEY_AT, bytes, 0, bytes.length);
    return entry;
  }
}

function frozenKeys(frozen: FrozenMemory, root: Address): Set<string> {
  const keys = new Set<string>();
  forEachEntry(frozen, root, (entry) => void keys.add(keyOf(frozen, entry)));
  return keys;
}

Deno.test("Dict: behaves like a Set through growth, shrinking and snapshots, each snapshot stays as it was, and nothing leaks", () => {
  const model = new Model(), prng = new Prng(3), { dict, memory, root, keys } = model;
  for (let round = 0; round < 8; round++) {
    // Up past the size of one chunk, then down to a few.
    const isGrowing = round < 4, snapshot = round % 2 === 1;
    const atFreeze = new Set(keys), frozen = snapshot ? new FrozenMemory(memory.freeze(0)) : null;
    for (let i = 0; i < 2500; i++) {
      const key = `key:${prng.below(8000)}`, found = model.find(key);
      assertEquals(found !== NONE, keys.has(key));
      if (found === NONE && (isGrowing || prng.below(10) === 0)) model.insert(key);
      else if (found !== NONE && prng.below(4) === 0) model.replaceFound(found, key);
      else if (found !== NONE && prng.below(3) === 0) model.remove(key);
      if (!isGrowing && keys.size > 20) model.remove(keys.values().next().value!);
      if (i % 100 === 0) dict.shrinkIfSparse(root), dict.rehash(root, 20);
    }
    if (frozen !== null) assertEquals(frozenKeys(frozen, root), atFreeze);
    if (frozen !== null) memory.endSnapshot();
    model.check();
  }
  for (let i = 0; i < 100_000 && dict.slots(root) > 64; i++) dict.shrinkIfSparse(root), dict.rehash(root, 100);
  assert(dict.slots(root) <= 64, "a sparse table shrinks all the way");
  model.check();
  model.destroy();
});

Deno.test("Dict: when there is no memory for tables, look-ups go on, nothing is lost, and it grows once there is", () => {
  const model = new Model(), prng = new Prng(4);
  let refused = 0;
  for (let i = 0; i < 6000; i++) {
    model.tablesLeft = prng.below(20) === 0 ? 1 : 0;
    const key = `key:${i}`;
    assertEquals(model.find(key), NONE);
    try {
      model.insert(key);
    } catch (error) {
      assert(error instanceof OutOfArenaError);
      refused++;
    }
    if (i % 2000 === 0) model.check();
  }
  // Only the first insert and those that need a chunk of their own want memory; growing can wait.
  assert(refused > 0 && refused < 200, `${refused} refused`);
  model.check();
  model.tablesLeft = Infinity;
  for (let i = 0; i < 6000; i++) if (model.find(`key:${i}`) === NONE) model.insert(`key:${i}`);
  while (model.dict.rehash(model.root, 100));
  assertEquals([model.dict.size(model.root), model.dict.slots(model.root)], [6000, 8192]);
  model.check();
  model.destroy();
});

Deno.test("Dict: without memory for its first table an insert throws and changes nothing, later ones do without", () => {
  const model = new Model();
  model.tablesLeft = 0;
  assertThrows(() => model.insert("key"), OutOfArenaError);
  model.check();
  // With the first table there is room: one that is too full grows later.
  model.tablesLeft = 1;
  for (let i = 0; i < 50; i++) model.insert(`key:${i}`);
  assertEquals(model.dict.slots(model.root), 4);
  model.tablesLeft = Infinity;
  model.insert("one more");
  assert(model.dict.slots(model.root) >= 64);
  model.check();
  model.destroy();
});

Deno.test("Dict.scan: returns every entry that is there throughout, while the table grows and shrinks", () => {
  for (let seed = 0; seed < 8; seed++) {
    const model = new Model(), { dict, root, memory } = model, prng = new Prng(seed), seen = new Set<string>();
    const isGrowing = seed % 2 === 0;
    let cursor = 0, extra = 0;
    for (let i = 0; i < 200; i++) model.insert(`stays:${i}`);
    if (!isGrowing) { for (; extra < 9000; extra++) model.insert(`goes:${extra}`); }
    do {
      cursor = dict.scan(root, cursor, (entry) => void seen.add(keyOf(memory, entry)));
      for (let i = 20 + prng.below(200); i > 0; i--) {
        if (isGrowing && extra < 9000) model.insert(`goes:${extra++}`);
        else if (!isGrowing && extra > 0) model.remove(`goes:${--extra}`);
      }
      dict.rehash(root, prng.below(200));
      if (!isGrowing) dict.shrinkIfSparse(root);
    } while (cursor !== 0);
    for (let i = 0; i < 200; i++) assert(seen.has(`stays:${i}`), `seed ${seed} missed stays:${i}`);
  }
});

Deno.test("Dict.scan: any cursor a client may send ends the walk sooner or later", () => {
  const model = new Model(), prng = new Prng(6);
  for (let i = 0; i < 100; i++) model.insert(`k${i}`);
  for (let i = 0; i < 20; i++) {
    let cursor = i === 0 ? 0xffffffff : prng.nextU32(), steps = 0;
    do {
      cursor = model.dict.scan(model.root, cursor, () => {});
      assert(cursor >= 0 && cursor <= 0xffffffff && ++steps <= 128);
    } while (cursor !== 0);
  }
});

Deno.test("Dict: a table that is filled again while it shrinks keeps its chains short", () => {
  const model = new Model(), { dict, root } = model;
  dict.reserve(root, 1 << 16);
  for (let i = 0; i < 5; i++) model.insert(`few:${i}`);
  dict.shrinkIfSparse(root);
  let longest = 0;
  for (let i = 0; i < 9000; i++) {
    model.insert(`key:${i}`);
    if (i % 1000 === 0) {
      longest = Math.max(longest, dict.chainLengths(root, 0).length, dict.chainLengths(root, 1).length);
    }
  }
  assert(longest < 16, `a chain of ${longest - 1}`);
});

Deno.test("Dict: a shrinking table that is filled while a snapshot is live keeps its chains short too", () => {
  const model = new Model(), { dict, memory, root } = model;
  dict.reserve(root, 1 << 12);
  for (let i = 0; i < 5; i++) model.insert(`few:${i}`);
  dict.shrinkIfSparse(root);
  memory.freeze(0);
  for (let i = 0; i < 6000; i++) model.insert(`key:${i}`);
  assert(dict.chainLengths(root, 0).length < 24 && dict.chainLengths(root, 1).length < 24);
  memory.endSnapshot();
  model.check();
});

Deno.test("Dict: while a snapshot is live look-ups do not move entries", () => {
  const model = new Model(), { dict, memory, root } = model;
  for (let i = 0; i < 300; i++) model.insert(`key:${i}`);
  assert(dict.isRehashing(root));
  memory.freeze(0);
  for (let i = 0; i < 300; i++) model.find(`key:${i}`);
  assertEquals([memory.cow.pagesCopied, dict.rehash(root, 100), dict.isRehashing(root)], [0, false, true]);
  memory.endSnapshot();
  while (dict.rehash(root, 100));
  model.check();
});

Deno.test("Dict: shrinking a table that is far too large goes on while a snapshot is live: few entries move", () => {
  const model = new Model(), { dict, memory, root } = model;
  for (let i = 0; i < 500; i++) model.insert(`key:${i}`);
  while (dict.rehash(root, 100));
  for (let i = 10; i < 500; i++) model.remove(`key:${i}`);
  dict.shrinkIfSparse(root);
  assert(dict.isRehashing(root));
  memory.freeze(0);
  while (dict.rehash(root, 100));
  assert(!dict.isRehashing(root) && dict.slots(root) <= 32);
  memory.endSnapshot();
  model.check();
});

Deno.test("Dict: while a snapshot is live a table grows only when it is far too full", () => {
  const model = new Model(), { dict, memory, root } = model;
  for (let i = 0; i < 64; i++) model.insert(`before:${i}`);
  while (dict.rehash(root, 100));
  assertEquals(dict.slots(root), 64);
  memory.freeze(0);
  for (let i = 0; i < 64 * 4; i++) model.insert(`during:${i}`);
  assertEquals(dict.slots(root), 64);
  for (let i = 64 * 4; i < 64 * 6; i++) model.insert(`during:${i}`);
  assert(dict.slots(root) >= 512);
  model.check();
  memory.endSnapshot();
});

Deno.test("Dict.reserve: holds that many without a rehash, and costs no memory for empty chunks", () => {
  const model = new Model(), { allocator, dict, root } = model;
  dict.reserve(root, 1_000_000);
  assertEquals(dict.slots(root), 1 << 20);
  assert(allocator.liveBytes < 2048, `${allocator.liveBytes} bytes`);
  for (let i = 0; i < 50; i++) model.insert(`key:${i}`);
  assert(!dict.isRehashing(root) && allocator.liveBytes < 51 * (16_384 + 100));
  model.check();
  const prng = new Prng(7), drawn = new Set<string>();
  for (let i = 0; i < 50; i++) drawn.add(keyOf(model.memory, dict.randomEntry(root, (n) => prng.below(n))));
  assert(drawn.size > 10, "random entries are found among the empty chunks");
  model.destroy();
});

Deno.test("Dict.randomEntry: reaches every entry", () => {
  const model = new Model(), prng = new Prng(5), counts = new Map<string, number>();
  for (let i = 0; i < 50; i++) model.insert(`k${i}`);
  for (let i = 0; i < 20_000; i++) {
    const key = keyOf(model.memory, model.dict.randomEntry(model.root, (n) => prng.below(n)));
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  assertEquals(counts.size, 50);
  for (const count of counts.values()) assert(count > 40, "no entry is starved");
});

Deno.test("Dict.takeSome: takes about as many as it is asked for, and all in the end", () => {
  const model = new Model(), { dict, root, allocator } = model, cursor = { slot: 0 };
  dict.reserve(root, 100_000);
  for (let i = 0; i < 3000; i++) model.insert(`key:${i}`);
  dict.shrinkIfSparse(root), dict.rehash(root, 1000);
  assert(dict.isRehashing(root), "both tables hold entries");
  let taken = 0, step = 0;
  do {
    let now = 0;
    step = dict.takeSome(root, cursor, 20, (entry) => (allocator.free(entry), now++));
    assert(now < 30, `${now} at once`);
    taken += now;
  } while (step > 0);
  assertEquals(taken, 3000);
  dict.destroy(root);
  assertEquals(allocator.liveBytes, 0);
});
