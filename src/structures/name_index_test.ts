import { assert, assertEquals } from "@std/assert";
import { ascii, compareBytes } from "../base/bytes.ts";
import { Prng } from "../base/prng.ts";
import { type Address, Allocator, DebugMemory, NONE, OutOfArenaError, OWNER } from "../memory/mod.ts";
import { NAME_INDEX_BYTES, NameCursor, NameIndex, nameIndexSize } from "./name_index.ts";

const NAME_AT = 4;

/** An index, and a set of the names that should be in it. */
class Model {
  readonly memory: DebugMemory = new DebugMemory({ arenaMaxBytes: 64 << 20, pageBytes: 4096 });
  readonly allocator: Allocator = new Allocator(this.memory, true);
  readonly index: NameIndex = new NameIndex(this.memory, this.allocator, OWNER.pendingEntries, NAME_AT);
  readonly block: Address;
  readonly names = new Set<string>();
  allocationsLeft = Infinity;

  constructor() {
    this.memory.allocator = this.allocator;
    this.block = this.allocator.allocate(NAME_INDEX_BYTES, OWNER.other);
    this.index.init(this.block, 0);
    const allocate = this.allocator.allocate.bind(this.allocator);
    this.allocator.allocate = (sizeBytes, owner) => {
      if (owner === OWNER.pendingEntries && --this.allocationsLeft < 0) throw new OutOfArenaError("no more");
      return allocate(sizeBytes, owner);
    };
  }

  find(name: string): Address {
    return this.index.find(this.block, 0, ascii(name), 0, name.length);
  }

  insert(name: string): void {
    assertEquals(this.find(name), NONE);
    const item = this.allocator.allocate(NAME_AT + name.length, OWNER.other);
    this.memory.setU32(item, 0, name.length);
    this.memory.copyIn(item, NAME_AT, ascii(name), 0, name.length);
    try {
      this.index.insertMissed(this.block, 0, item);
      this.names.add(name);
    } catch (error) {
      this.allocator.free(item);
      throw error;
    }
  }

  remove(name: string): void {
    const item = this.find(name);
    assertEquals(this.nameOf(item), name);
    this.index.removeFound(this.block, 0);
    this.allocator.free(item);
    this.names.delete(name);
  }

  nameOf(item: Address): string {
    const bytes = new Uint8Array(this.memory.u32(item, 0));
    this.memory.copyOut(item, NAME_AT, bytes, 0, bytes.length);
    return String.fromCharCode(...bytes);
  }

  check(): void {
    const found: string[] = [], cursor = new NameCursor(this.memory).open(this.block, 0);
    for (let item = cursor.next(); item !== NONE; item = cursor.next()) found.push(this.nameOf(item));
    assertEquals(found, [...this.names].sort((a, b) => compareBytes(ascii(a), ascii(b))));
    assertEquals(nameIndexSize(this.memory, this.block, 0), this.names.size);
    assertEquals(this.index.listBytes(this.block, 0), this.allocator.ownerBytes(OWNER.pendingEntries));
  }
}

Deno.test("NameIndex: holds names in byte order, whatever comes and goes", () => {
  const model = new Model(), random = new Prng(3);
  for (let phase = 0; phase < 4; phase++) {
    for (let i = 0; i < 2500; i++) {
      const name = "n" + random.below(3000).toString(36), isThere = model.names.has(name);
      assertEquals(model.find(name) !== NONE, isThere);
      if (isThere && random.below(10) < (phase % 2 === 0 ? 2 : 9)) model.remove(name);
      else if (!isThere && random.below(10) < (phase % 2 === 0 ? 9 : 2)) model.insert(name);
    }
    model.check();
  }
  for (let left = model.names.size; left > 0; left--) {
    const last = model.index.last(model.block, 0);
    assertEquals(model.index.takeLast(model.block, 0), last);
    model.names.delete(model.nameOf(last));
  }
  assertEquals(model.index.takeLast(model.block, 0), NONE);
  model.check();
});

Deno.test("NameIndex: a full arena leaves the index as it was", () => {
  const model = new Model(), random = new Prng(9);
  let failures = 0;
  for (let i = 0; i < 2000; i++) {
    const name = "n" + random.below(1 << 30);
    if (model.names.has(name)) continue;
    model.allocationsLeft = random.below(2);
    try {
      model.insert(name);
    } catch (error) {
      if (!(error instanceof OutOfArenaError)) throw error;
      failures++;
      model.allocationsLeft = Infinity;
      model.insert(name);
    }
  }
  assert(failures > 5);
  model.check();
});
