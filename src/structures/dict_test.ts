import { assert, assertEquals } from "@std/assert";
import { ascii } from "../base/bytes.ts";
import { Prng } from "../base/prng.ts";
import { KeyedHash } from "../base/siphash.ts";
import { type Address, Allocator, DebugMemory, NONE, OWNER } from "../memory/mod.ts";
import { Dict, entriesOf, forEachEntry } from "./dict.ts";

const KEY_AT = 8;

/** Entries of nothing but a key. */
function open() {
  const memory = new DebugMemory({ arenaMaxBytes: 256 << 20, pageBytes: 4096 }),
    allocator = new Allocator(memory, true);
  memory.allocator = allocator;
  const dict = new Dict(memory, allocator, new KeyedHash(1, 2), KEY_AT);
  const newEntry = (key: string): Address => {
    const bytes = ascii(key), entry = allocator.allocate(KEY_AT + bytes.length, OWNER.entry);
    memory.setU32(entry, 4, bytes.length);
    memory.copyIn(entry, KEY_AT, bytes, 0, bytes.length);
    return entry;
  };
  const keyOf = (entry: Address): string => {
    const bytes = new Uint8Array(memory.u32(entry, 4));
    memory.copyOut(entry, KEY_AT, bytes, 0, bytes.length);
    return String.fromCharCode(...bytes);
  };
  const find = (root: Address, key: string) => dict.find(root, ascii(key), 0, key.length);
  return { memory, allocator, dict, newEntry, keyOf, find, root: dict.create() };
}

Deno.test("Dict: behaves like a Map through growth, shrinking and snapshots, and leaks nothing", () => {
  const { memory, allocator, dict, newEntry, keyOf, find, root } = open(),
    prng = new Prng(3),
    model = new Set<string>();
  const overhead = allocator.liveBytes;
  for (let i = 0; i < 60_000; i++) {
    const key = `key:${prng.below(i < 30_000 ? 20_000 : 300)}`, found = find(root, key);
    assertEquals(found !== NONE, model.has(key));
    if (found === NONE && (i < 30_000 || prng.below(3) === 0)) dict.insertMissed(root, newEntry(key)), model.add(key);
    else if (found !== NONE && prng.below(4) === 0) {
      const copy = newEntry(key);
      dict.replaceFound(root, found, copy);
      allocator.free(found);
    } else if (found !== NONE && prng.below(3) === 0) {
      dict.unlinkFound(root, found), allocator.free(found), model.delete(key);
    }
    if (i === 20_000) memory.freeze(0);
    if (i === 25_000) memory.endSnapshot();
    if (i > 30_000 && model.size > 200) {
      const victim = model.values().next().value!, entry = find(root, victim);
      dict.unlinkFound(root, entry), allocator.free(entry), model.delete(victim);
    }
    if (i % 100 === 0) dict.shrinkIfSparse(root), dict.rehash(root, 5);
    assertEquals(dict.size(root), model.size);
  }
  const seen: string[] = [];
  forEachEntry(memory, root, (entry) => void seen.push(keyOf(entry)));
  assertEquals(new Set(seen), model);
  let counted = 0;
  for (const batch of entriesOf(memory, root, 100)) counted += batch.count;
  assertEquals([seen.length, counted], [model.size, model.size]);
  const cursor = { slot: 0 };
  while (dict.takeSome(root, cursor, 50, (entry) => allocator.free(entry)) > 0);
  dict.destroy(root);
  assert(allocator.liveBytes < overhead);
});

Deno.test("Dict.scan: returns every entry that is there throughout, while the table grows and shrinks", () => {
  for (let seed = 0; seed < 30; seed++) {
    const { allocator, dict, newEntry, keyOf, find, root } = open(), prng = new Prng(seed);
    for (let i = 0; i < 500; i++) dict.insert(root, newEntry(`stays:${i}`));
    const seen = new Set<string>();
    let cursor = 0, extra = 0;
    const grow = seed % 2 === 0;
    if (!grow) { for (; extra < 20_000; extra++) dict.insert(root, newEntry(`goes:${extra}`)); }
    do {
      cursor = dict.scan(root, cursor, (entry) => void seen.add(keyOf(entry)));
      for (let i = 0; i < 40 + prng.below(300); i++) {
        if (grow && extra < 20_000) dict.insert(root, newEntry(`goes:${extra++}`));
        else if (!grow && extra > 0) {
          const entry = find(root, `goes:${--extra}`);
          dict.unlinkFound(root, entry), allocator.free(entry);
        }
      }
      dict.rehash(root, prng.below(200));
      if (!grow) dict.shrinkIfSparse(root);
    } while (cursor !== 0);
    for (let i = 0; i < 500; i++) assert(seen.has(`stays:${i}`), `seed ${seed} missed stays:${i}`);
  }
});

Deno.test("Dict.randomEntry: reaches every entry", () => {
  const { dict, newEntry, keyOf, root } = open(), prng = new Prng(5), counts = new Map<string, number>();
  for (let i = 0; i < 50; i++) dict.insert(root, newEntry(`k${i}`));
  for (let i = 0; i < 20_000; i++) {
    const key = keyOf(dict.randomEntry(root, (n) => prng.below(n)));
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  assertEquals(counts.size, 50);
  for (const count of counts.values()) assert(count > 40, "no entry is starved");
});
