import { assert, assertEquals, assertThrows } from "@std/assert";
import { latin1Decode, latin1Encode } from "../base/bytes.ts";
import { formatI64, I64, parseI64 } from "../base/integer.ts";
import { Prng } from "../base/prng.ts";
import { KeyedHash } from "../base/siphash.ts";
import { type Address, Allocator, DebugMemory, FrozenMemory, NONE, OutOfArenaError, OWNER } from "../memory/mod.ts";
import { forEachEntry } from "../structures/dict.ts";
import type { Database } from "./database.ts";
import { debugDigest } from "./digest.ts";
import {
  accessOf,
  ENCODING,
  ENCODING_NAMES,
  encodingOf,
  ENTRY,
  expiresAtMs,
  expiryOffset,
  keyLength,
} from "./entry.ts";
import { KEEP_EXPIRY, Keyspace, NO_EXPIRY } from "./keyspace.ts";

const DATABASES = 3;
const START_MS = 1_700_000_000_000;
const KEY_LENGTHS = [1, 2, 7, 8, 16, 100, 1000, 3000];
const VALUE_LENGTHS = [0, 1, 10, 43, 44, 45, 100, 500, 1000, 1023, 1024, 1025, 2000, 4091, 4092, 4096, 4097, 9000];
const NUMBERS = ["0", "-1", "7", "123456", "9223372036854775807", "-9223372036854775808", "2147483648"];
const NOT_NUMBERS = ["9223372036854775808", "007", "-0", "1.5", " 1", "1 ", "+1", "-"];
const text = new Uint8Array(32);
const integer = new I64();

interface ModelValue {
  value: string;
  encoding: string;
  expiresAtMs: number;
}

type Model = Map<string, ModelValue>[];

function open(arenaMaxBytes: number) {
  const memory = new DebugMemory({ arenaMaxBytes, pageBytes: 4096 }), allocator = new Allocator(memory, true);
  memory.allocator = allocator;
  const prng = new Prng(arenaMaxBytes);
  const keyspace = new Keyspace({
    memory,
    allocator,
    hash: new KeyedHash(1, 2),
    databases: DATABASES,
    random: (below) => prng.below(below),
  });
  keyspace.nowMs = START_MS;
  return { memory, allocator, keyspace };
}

function stringOf(keyspace: Keyspace, entry: Address): string {
  if (encodingOf(keyspace.memory, entry) === ENCODING.int) {
    keyspace.readInteger(entry, integer);
    return latin1Decode(text, 0, formatI64(integer, text, 0));
  }
  keyspace.place.locate(keyspace.memory, entry);
  const { block, offsetBytes, lengthBytes } = keyspace.place, bytes = new Uint8Array(lengthBytes);
  keyspace.memory.copyOut(block, offsetBytes, bytes, 0, lengthBytes);
  return latin1Decode(bytes);
}

function keyOf(keyspace: Keyspace, entry: Address): string {
  const bytes = new Uint8Array(keyLength(keyspace.memory, entry));
  keyspace.memory.copyOut(entry, ENTRY.key, bytes, 0, bytes.length);
  return latin1Decode(bytes);
}

/** Random operations on a keyspace and on a model of it; every one either succeeds in both or changes neither. */
class Driver {
  readonly keyspace: Keyspace;
  readonly model: Model = Array.from({ length: DATABASES }, () => new Map());
  readonly prng: Prng;
  outOfArena = 0;
  /** Keys that the last operation was about. */
  #touched: { db: number; key: string }[] = [];
  readonly #keys: string[];
  readonly #operations: readonly (() => void)[] = [
    () => this.#setString(),
    () => this.#setString(),
    () => this.#setString(),
    () => this.#setRaw(),
    () => this.#setInteger(),
    () => this.#writeRange(),
    () => this.#writeRange(),
    () => this.#remove(),
    () => this.#setExpiry(),
    () => this.#setExpiry(),
    () => this.#removeExpiry(),
    () => this.#move(),
    () => this.#copy(),
    () => void this.keyspace.lazyFree.step(20),
  ];

  constructor(keyspace: Keyspace, seed: number, keys: number) {
    this.keyspace = keyspace, this.prng = new Prng(seed);
    this.#keys = Array.from({ length: keys }, (_, i) => `${i}:`.padEnd(KEY_LENGTHS[i % KEY_LENGTHS.length], "k"));
  }

  /** One random operation, then a look at the keys it was about. */
  step(): void {
    this.keyspace.nowMs += this.prng.below(3);
    this.#touched = [];
    try {
      this.#pick(this.#operations)();
    } catch (error) {
      if (!(error instanceof OutOfArenaError)) throw error;
      this.outOfArena++;
    }
    for (const { db, key } of this.#touched) this.#checkKey(db, key);
  }

  empty(db: number, async: boolean): void {
    this.keyspace.empty(this.keyspace.databases[db], async);
    this.model[db].clear();
  }

  swap(a: number, b: number): void {
    this.keyspace.swap(this.keyspace.databases[a], this.keyspace.databases[b]);
    [this.model[a], this.model[b]] = [this.model[b], this.model[a]];
  }

  /** Everything is as the model has it, and the index of expiring keys and the entries agree. */
  check(): void {
    for (const db of this.keyspace.databases) {
      const found: [string, ModelValue][] = [];
      let expiring = 0;
      forEachEntry(this.keyspace.memory, db.dict, (entry) => {
        if (this.#checkIndexed(db, entry)) expiring++;
        if (!this.keyspace.isExpired(entry)) found.push([keyOf(this.keyspace, entry), this.#valueOf(entry)]);
      });
      assertEquals(db.expiry.count, expiring);
      const expected = [...this.model[db.index]].filter(([, value]) => !this.#isExpired(value));
      assertEquals(new Map(found), new Map(expected));
      assertEquals(found.length, expected.length);
    }
  }

  #checkIndexed(db: Database, entry: Address): boolean {
    const memory = this.keyspace.memory;
    if (expiresAtMs(memory, entry) < 0) return false;
    assertEquals(db.expiry.at(memory.u32(entry, expiryOffset(keyLength(memory, entry)) + 8)), entry);
    return true;
  }

  #valueOf(entry: Address): ModelValue {
    const memory = this.keyspace.memory;
    return {
      value: stringOf(this.keyspace, entry),
      encoding: ENCODING_NAMES[encodingOf(memory, entry)],
      expiresAtMs: expiresAtMs(memory, entry),
    };
  }

  #checkKey(db: number, key: string): void {
    const expected = this.#modelValue(db, key), entry = this.#lookup(db, key);
    assertEquals(entry === NONE ? undefined : this.#valueOf(entry), expected);
  }

  #lookup(db: number, key: string): Address {
    return this.keyspace.lookupQuiet(this.keyspace.databases[db], latin1Encode(key), 0, key.length);
  }

  #isExpired(value: ModelValue): boolean {
    return value.expiresAtMs >= 0 && this.keyspace.nowMs > value.expiresAtMs;
  }

  #modelValue(db: number, key: string): ModelValue | undefined {
    const value = this.model[db].get(key);
    if (value === undefined || !this.#isExpired(value)) return value;
    this.model[db].delete(key);
    return undefined;
  }

  #pick<T>(from: readonly T[]): T {
    return from[this.prng.below(from.length)];
  }

  #place(): { db: number; key: string } {
    const place = { db: this.prng.below(DATABASES), key: this.#pick(this.#keys) };
    this.#touched.push(place);
    return place;
  }

  /** A place that holds a key, or undefined when the draw found none. */
  #occupied(): { db: number; key: string; old: ModelValue; found: Address } | undefined {
    const { db, key } = this.#place(), old = this.#modelValue(db, key);
    return old === undefined ? undefined : { db, key, old, found: this.#lookup(db, key) };
  }

  #value(): string {
    const kind = this.prng.below(4);
    if (kind === 0) return this.#pick(NUMBERS);
    if (kind === 1) return this.#pick(NOT_NUMBERS);
    return String.fromCharCode(97 + this.prng.below(26)).repeat(this.#pick(VALUE_LENGTHS));
  }

  #setString(): void {
    const { db, key } = this.#place(), value = this.#value(), old = this.#modelValue(db, key);
    const bytes = latin1Encode(`..${value}..`), kind = this.prng.below(3);
    const atMs = kind === 0 ? NO_EXPIRY : kind === 1 ? KEEP_EXPIRY : this.keyspace.nowMs + this.prng.below(3000);
    this.keyspace.setString(
      this.keyspace.databases[db],
      latin1Encode("/" + key),
      1,
      key.length,
      bytes,
      2,
      value.length,
      atMs,
    );
    const isInteger = parseI64(bytes, 2, value.length, integer);
    this.model[db].set(key, {
      value,
      encoding: isInteger ? "int" : value.length <= 44 ? "embstr" : "raw",
      expiresAtMs: atMs === KEEP_EXPIRY ? old?.expiresAtMs ?? -1 : atMs,
    });
  }

  #setRaw(): void {
    const { db, key } = this.#place(), value = this.#value(), old = this.#modelValue(db, key);
    const keyBytes = latin1Encode(key);
    this.keyspace.setRaw(this.keyspace.databases[db], keyBytes, 0, key.length, latin1Encode(value), value.length);
    this.model[db].set(key, { value, encoding: "raw", expiresAtMs: old?.expiresAtMs ?? -1 });
  }

  #setInteger(): void {
    const { db, key } = this.#place(), value = this.#pick(NUMBERS), old = this.#modelValue(db, key);
    const found = this.#lookup(db, key);
    parseI64(latin1Encode(value), 0, value.length, integer);
    const { hi, lo } = integer;
    this.keyspace.setInteger(this.keyspace.databases[db], found, latin1Encode(key), 0, key.length, hi, lo);
    this.model[db].set(key, { value, encoding: "int", expiresAtMs: old?.expiresAtMs ?? -1 });
  }

  #writeRange(): void {
    const { db, key } = this.#place(), piece = this.#value(), keyBytes = latin1Encode(key);
    const old = this.#modelValue(db, key) ?? { value: "", encoding: "raw", expiresAtMs: -1 };
    if (old.encoding === "int") return;
    this.#lookup(db, key);
    const at = this.prng.below(2) === 0 ? old.value.length : this.prng.below(old.value.length + 300);
    const length = this.keyspace.writeRange(
      this.keyspace.databases[db],
      keyBytes,
      0,
      key.length,
      at,
      latin1Encode(piece),
      0,
      piece.length,
    );
    const value = old.value.slice(0, at).padEnd(at, "\0") + piece + old.value.slice(at + piece.length);
    assertEquals(length, value.length);
    this.model[db].set(key, { ...old, value, encoding: "raw" });
  }

  #remove(): void {
    const { db, key } = this.#place(), old = this.#modelValue(db, key), lazy = this.prng.below(2) === 0;
    const removed = this.keyspace.remove(this.keyspace.databases[db], latin1Encode(key), 0, key.length, lazy);
    assertEquals(removed, old !== undefined);
    this.model[db].delete(key);
  }

  #setExpiry(): void {
    const place = this.#occupied();
    if (place === undefined) return;
    const atMs = this.keyspace.nowMs + this.prng.below(3000);
    const entry = this.keyspace.setExpiry(this.keyspace.databases[place.db], place.found, atMs);
    assertEquals(keyOf(this.keyspace, entry), place.key);
    this.model[place.db].set(place.key, { ...place.old, expiresAtMs: atMs });
  }

  #removeExpiry(): void {
    const place = this.#occupied();
    if (place === undefined) return;
    this.keyspace.removeExpiry(this.keyspace.databases[place.db], place.found);
    this.model[place.db].set(place.key, { ...place.old, expiresAtMs: -1 });
  }

  #move(): void {
    const from = this.#occupied(), to = this.#place();
    if (from === undefined || (from.db === to.db && from.key === to.key)) return;
    this.keyspace.moveValue(
      this.keyspace.databases[from.db],
      { bytes: latin1Encode(from.key), offset: 0, length: from.key.length },
      this.keyspace.databases[to.db],
      { bytes: latin1Encode("/" + to.key), offset: 1, length: to.key.length },
    );
    this.model[from.db].delete(from.key);
    this.model[to.db].set(to.key, from.old);
  }

  #copy(): void {
    const to = this.#place(), from = this.#occupied();
    if (from === undefined || this.#modelValue(to.db, to.key) !== undefined) return;
    if (this.#lookup(to.db, to.key) !== NONE) return;
    this.keyspace.copyValue(
      this.#lookup(from.db, from.key),
      this.keyspace.databases[to.db],
      latin1Encode(to.key),
      0,
      to.key.length,
    );
    this.model[to.db].set(to.key, { ...from.old });
  }
}

/** Freezes, runs `steps` operations, and checks that the frozen image is still what was frozen, unless the frames ran out. */
function underSnapshot(memory: DebugMemory, driver: Driver, steps: number): void {
  const frozenDbs = driver.keyspace.databases.map(({ index, dict }) => ({ index, dict }));
  const before = debugDigest(memory, frozenDbs), frozen = new FrozenMemory(memory.freeze(0));
  for (let i = 0; i < steps; i++) driver.step();
  if (!memory.cow.aborted) assertEquals(debugDigest(frozen, frozenDbs), before);
  memory.endSnapshot();
}

for (const seed of [1, 2, 3]) {
  Deno.test(`Keyspace: does what a Map would, through snapshots, and leaks nothing (seed ${seed})`, () => {
    const { memory, allocator, keyspace } = open(256 << 20), startBytes = allocator.liveBytes;
    const driver = new Driver(keyspace, seed, 120);
    for (let round = 0; round < 8; round++) {
      if (round % 3 === 1) underSnapshot(memory, driver, 500);
      else for (let i = 0; i < 500; i++) driver.step();
      driver.check();
      if (round % 4 === 2) driver.empty(driver.prng.below(DATABASES), round === 2);
      if (round % 2 === 1) driver.swap(driver.prng.below(DATABASES), driver.prng.below(DATABASES));
      driver.check();
    }
    assertEquals(driver.outOfArena, 0);
    for (let db = 0; db < DATABASES; db++) driver.empty(db, db === 0);
    driver.check();
    keyspace.lazyFree.finish();
    assertEquals([allocator.liveBytes, keyspace.lazyFree.pendingObjects], [startBytes, 0]);
  });

  Deno.test(`Keyspace: with a full arena a write fails whole, in keyspace and model alike (seed ${seed})`, () => {
    const { memory, allocator, keyspace } = open(768 << 10), startBytes = allocator.liveBytes;
    const driver = new Driver(keyspace, seed, 200);
    for (let round = 0; round < 10; round++) {
      if (round % 3 === 1) underSnapshot(memory, driver, 300);
      else for (let i = 0; i < 300; i++) driver.step();
      driver.check();
    }
    assert(driver.outOfArena > 100, "the arena was full now and then");
    for (let db = 0; db < DATABASES; db++) driver.empty(db, false);
    keyspace.lazyFree.finish();
    assertEquals(allocator.liveBytes, startBytes);
  });
}

Deno.test("Keyspace: an allocation that fails inside any operation leaves everything as it was", () => {
  const { allocator, keyspace } = open(64 << 20), driver = new Driver(keyspace, 11, 60);
  const startBytes = allocator.liveBytes, allocate = allocator.allocate.bind(allocator);
  let untilFailure = Infinity;
  allocator.allocate = (sizeBytes, owner) => {
    if (--untilFailure < 0) throw new OutOfArenaError("no more for this test");
    return allocate(sizeBytes, owner);
  };
  for (let i = 0; i < 4000; i++) {
    untilFailure = driver.prng.below(4);
    driver.step();
    untilFailure = Infinity;
    if (i % 500 === 0) driver.check();
  }
  driver.check();
  assert(driver.outOfArena > 500, "many operations failed");
  for (let db = 0; db < DATABASES; db++) driver.empty(db, false);
  assertEquals(allocator.liveBytes, startBytes);
});

Deno.test("Keyspace: emptying a database works when the arena is full", () => {
  const { keyspace } = open(1 << 20), db = keyspace.databases[0], value = new Uint8Array(200).fill(120);
  const set = (i: number, length: number) => {
    const key = latin1Encode(`key:${i}`);
    keyspace.setString(db, key, 0, key.length, value, 0, length);
  };
  let keys = 0;
  for (const length of [200, 100, 50, 1]) {
    try {
      for (;;) set(keys, length), keys++;
    } catch (error) {
      assert(error instanceof OutOfArenaError);
    }
  }
  assertEquals(keyspace.empty(db, false), keys);
  set(0, 200);
  assertEquals(keyspace.size(db), 1);
});

Deno.test("Keyspace: lazy freeing of a database is bounded per step", () => {
  const { allocator, keyspace } = open(64 << 20), db = keyspace.databases[0], startBytes = allocator.liveBytes;
  for (let i = 0; i < 5000; i++) {
    const key = latin1Encode(`key:${i}`);
    keyspace.setString(db, key, 0, key.length, key, 0, key.length);
  }
  assertEquals(keyspace.empty(db, true), 5000);
  for (let pending = 5000, steps = 0; pending > 0; steps++) {
    keyspace.lazyFree.step(100);
    const freed = pending - keyspace.lazyFree.pendingObjects;
    // A chain is freed whole, so a slice may be a few over.
    assert(freed <= 130, `${freed} objects in one step`);
    assert(steps < 1000, "every few steps free something");
    pending -= freed;
  }
  // Its tables are left, and do not count as objects.
  assertEquals(keyspace.lazyFree.isIdle, false);
  keyspace.lazyFree.finish();
  assertEquals(keyspace.lazyFree.isIdle, true);
  assertEquals([allocator.liveBytes, keyspace.lazyFree.freedObjects], [startBytes, 5000]);
});

Deno.test("Keyspace.setValue: with a full arena the value is freed, whatever part of the write failed", () => {
  const { allocator, keyspace } = open(64 << 20), db = keyspace.databases[0], startBytes = allocator.liveBytes;
  const type = 1, allocate = allocator.allocate.bind(allocator), key = latin1Encode("key");
  keyspace.types[type] = {
    type,
    free: (value) => allocator.free(value),
    freeEffort: () => 1,
    freeSome: () => true,
    copy: (value) => value,
    memoryUsage: () => 0,
  };
  const set = () => keyspace.setValue(db, key, 0, key.length, type, ENCODING.quicklist, allocate(100, OWNER.value));
  for (const allocations of [0, 1]) {
    let left = allocations;
    allocator.allocate = (sizeBytes, owner) => {
      if (--left < 0) throw new OutOfArenaError("no more for this test");
      return allocate(sizeBytes, owner);
    };
    assertThrows(set, OutOfArenaError);
    assertEquals([allocator.liveBytes, keyspace.size(db)], [startBytes, 0]);
  }
  allocator.allocate = allocate;
  set(), set();
  assertEquals(keyspace.remove(db, key, 0, key.length, false), true);
});

Deno.test("Keyspace.setString: stamps the access, while a snapshot is live too", () => {
  const { memory, keyspace } = open(64 << 20), db = keyspace.databases[0], key = latin1Encode("key");
  for (const stamp of [1000, 2000]) {
    keyspace.accessStamp = stamp;
    if (stamp === 2000) memory.freeze(0);
    const entry = keyspace.setString(db, key, 0, key.length, key, 0, key.length);
    assertEquals(accessOf(memory, entry), stamp);
  }
  keyspace.accessStamp = 3000;
  assertEquals(accessOf(memory, keyspace.lookupRead(db, key, 0, key.length)), 2000, "a read stamps nothing meanwhile");
  memory.endSnapshot();
});
