import { assert, assertEquals } from "@std/assert";
import { ascii, latin1Decode } from "../../base/bytes.ts";
import { Prng } from "../../base/prng.ts";
import { KeyedHash } from "../../base/siphash.ts";
import { Allocator, DebugMemory, OutOfArenaError } from "../../memory/mod.ts";
import { ENCODING } from "../entry.ts";
import { Keyspace } from "../keyspace.ts";
import { HashValue } from "./hash_value.ts";

/** An open hash and the Map that it must equal. */
class Model {
  readonly prng: Prng;
  readonly keyspace: Keyspace;
  readonly allocator: Allocator;
  readonly hash: HashValue;
  readonly pairs = new Map<string, string>();
  /** Allocations that succeed before one fails. */
  allocationsLeft = Infinity;

  constructor(seed: number) {
    const memory = new DebugMemory({ arenaMaxBytes: 64 << 20, pageBytes: 4096 }), prng = this.prng = new Prng(seed);
    const allocator = this.allocator = memory.allocator = new Allocator(memory, true);
    const allocate = allocator.allocate.bind(allocator);
    allocator.allocate = (sizeBytes, owner) => {
      if (--this.allocationsLeft < 0) throw new OutOfArenaError("no more for this test");
      return allocate(sizeBytes, owner);
    };
    const random = (below: number) => prng.below(below);
    this.keyspace = new Keyspace({ memory, allocator, hash: new KeyedHash(1, 2), databases: 1, random });
    this.keyspace.limits.hashListpackEntriesMax = 40;
    this.hash = new HashValue(this.keyspace);
    this.hash.create(0, 0);
  }

  set(field: string, value: string): void {
    const isNew = this.hash.set(ascii(field), 0, field.length, ascii(value), 0, value.length);
    assertEquals(isNew, !this.pairs.has(field));
    this.pairs.set(field, value);
  }

  remove(field: string): void {
    assertEquals(this.hash.remove(ascii(field), 0, field.length), this.pairs.delete(field));
  }

  #text(): string {
    return latin1Decode(this.hash.bytes, this.hash.start, this.hash.start + this.hash.length);
  }

  field(): string {
    this.hash.readField();
    return this.#text();
  }

  check(): void {
    const { hash, pairs } = this, walked = new Map<string, string>();
    for (hash.rewind(); hash.next();) {
      const field = this.field();
      hash.readValue();
      walked.set(field, this.#text());
    }
    assertEquals([walked, hash.size], [pairs, pairs.size]);
    for (const [field, value] of pairs) {
      assert(hash.get(ascii(field), 0, field.length));
      assertEquals(this.#text(), value);
    }
  }
}

const VALUES = ["", "0", "-7", "127", "4096", "70000", "9223372036854775807", "1.5", "word", "v".repeat(64)];

Deno.test("HashValue: behaves like a Map in either encoding, and when any one allocation fails it is as it was", () => {
  for (const longest of [64, 1500]) {
    const model = new Model(longest), { prng, hash } = model;
    let refused = 0;
    for (let i = 0; i < 3000; i++) {
      const field = String(prng.below(i < 1000 ? 30 : 100)), value = VALUES[prng.below(VALUES.length)];
      model.allocationsLeft = prng.below(3) === 0 ? prng.below(2) : Infinity;
      try {
        if (prng.below(3) === 0) model.remove(field);
        else model.set(field, prng.below(200) === 0 ? "x".repeat(longest) : value);
      } catch (error) {
        assert(error instanceof OutOfArenaError);
        refused++;
      }
      if (i % 50 === 0) model.check();
    }
    assert(refused > 20, `${refused} refused`);
    assertEquals(hash.encoding, ENCODING.hashtable);
    model.check();
    hash.discard();
    // The header of the keyspace's own dict.
    assertEquals(model.allocator.liveBytes, 32);
  }
});

Deno.test("HashValue: becomes a hash table with the field beyond the limit, and when there is no room, with the next change", () => {
  const model = new Model(1), { hash } = model;
  for (let i = 0; i < 40; i++) model.set(`field:${i}`, "1");
  assertEquals(hash.encoding, ENCODING.listpack);
  // Room for the field, not for the table.
  model.allocationsLeft = 1;
  model.set("one more", "1");
  assertEquals(hash.encoding, ENCODING.listpack);
  model.check();
  model.allocationsLeft = Infinity;
  model.set("field:0", "2");
  assertEquals(hash.encoding, ENCODING.hashtable);
  model.check();
  const copy = hash.copy(hash.value, hash.encoding);
  assertEquals(hash.memoryUsage(copy, hash.encoding, 0), hash.memoryUsage(hash.value, hash.encoding, 0));
  assertEquals(hash.freeEffort(copy, hash.encoding), 41);
  while (!hash.freeSome(copy, hash.encoding, 10));
  model.check();
});

Deno.test("HashValue.random: every field has the same chance, in either encoding", () => {
  for (const count of [20, 200]) {
    const model = new Model(count), drawn = new Map<string, number>();
    for (let i = 0; i < count; i++) model.set(`field:${i}`, "1");
    const draws = count * 200;
    for (let i = 0; i < draws; i++) {
      model.hash.random();
      const field = model.field();
      drawn.set(field, (drawn.get(field) ?? 0) + 1);
    }
    // Pearson's test: with this many degrees of freedom a fair draw stays below this nearly always.
    const squares = [...drawn.values()].reduce((sum, times) => sum + (times - 200) ** 2 / 200, 0);
    assertEquals(drawn.size, count);
    assert(squares < count + 5 * Math.sqrt(2 * count), `${count} fields: ${squares}`);
  }
});
