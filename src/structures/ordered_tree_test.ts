import { assert, assertEquals } from "@std/assert";
import { Prng } from "../base/prng.ts";
import { type Address, Allocator, DebugMemory, OutOfArenaError, OWNER } from "../memory/mod.ts";
import { OrderedTree, TREE_BYTES, TreeCursor } from "./ordered_tree.ts";
import { compareIds, setId, type StreamId } from "./stream_id.ts";

const OFFSET = 8;

/** A tree with one word to an entry, and a sorted list of what should be in it. */
class Model {
  readonly memory: DebugMemory = new DebugMemory({ arenaMaxBytes: 64 << 20, pageBytes: 4096 });
  readonly allocator: Allocator = new Allocator(this.memory, true);
  readonly tree: OrderedTree = new OrderedTree(this.memory, this.allocator, OWNER.streamNode, 1);
  readonly block: Address;
  readonly cursor: TreeCursor = new TreeCursor(this.memory, 1);
  readonly entries = new Map<number, number>();
  /** Allocations that succeed before one fails. */
  allocationsLeft = Infinity;

  constructor() {
    this.memory.allocator = this.allocator;
    this.block = this.allocator.allocate(OFFSET + TREE_BYTES, OWNER.other);
    this.tree.init(this.block, OFFSET);
    const allocate = this.allocator.allocate.bind(this.allocator);
    this.allocator.allocate = (sizeBytes, owner) => {
      if (--this.allocationsLeft < 0) throw new OutOfArenaError("no more for this test");
      return allocate(sizeBytes, owner);
    };
  }

  insert(key: number, value: number): boolean {
    const isNew = this.tree.insert(this.block, OFFSET, idOf(key));
    this.tree.setWord(0, value);
    this.entries.set(key, value);
    return isNew;
  }

  remove(key: number): boolean {
    if (!this.tree.find(this.block, OFFSET, idOf(key))) return false;
    this.tree.removeFound(this.block, OFFSET);
    return this.entries.delete(key);
  }

  check(): void {
    const expected = [...this.entries.keys()].sort((a, b) => a - b);
    assertEquals(this.tree.size(this.block, OFFSET), expected.length);
    const forward: number[] = [], cursor = this.cursor.open(this.block, OFFSET);
    for (let more = cursor.seekFirst(); more; more = cursor.next()) {
      forward.push(keyAt(cursor));
      assertEquals(cursor.word(0), this.entries.get(forward.at(-1)!));
    }
    assertEquals(forward, expected);
    const backward: number[] = [];
    for (let more = cursor.seekLast(); more; more = cursor.previous()) backward.push(keyAt(cursor));
    assertEquals(backward.reverse(), expected);
    assertEquals(this.allocator.ownerBytes(OWNER.streamNode), this.tree.nodeBytes(this.block, OFFSET));
  }

  checkSeeks(key: number): void {
    const sorted = [...this.entries.keys()].sort((a, b) => a - b), cursor = this.cursor.open(this.block, OFFSET);
    assertEquals(cursor.seekFloor(idOf(key)) ? keyAt(cursor) : undefined, sorted.findLast((one) => one <= key));
    assertEquals(cursor.seekCeiling(idOf(key)) ? keyAt(cursor) : undefined, sorted.find((one) => one >= key));
    assertEquals(cursor.find(idOf(key)), this.entries.has(key));
  }
}

const scratch: StreamId = new Uint32Array(4);

/** Spreads a key over the words, in order. */
function idOf(key: number): StreamId {
  return setId(scratch, 0xfffffff0, key >>> 12, (key >>> 6) & 63, (key & 63) * 0x4000000);
}

function keyAt(cursor: TreeCursor): number {
  const id = new Uint32Array(4);
  cursor.readKey(id);
  const key = (id[1] << 12) | (id[2] << 6) | (id[3] / 0x4000000);
  assertEquals(compareIds(id, idOf(key)), 0);
  return key;
}

Deno.test("OrderedTree: holds what a sorted list holds, whatever is added and removed", () => {
  const model = new Model(), random = new Prng(11);
  for (let phase = 0; phase < 6; phase++) {
    const grows = phase % 2 === 0;
    for (let i = 0; i < 3000; i++) {
      const key = random.below(20_000);
      if (random.below(10) < (grows ? 8 : 2)) {
        const isNew = !model.entries.has(key);
        assertEquals(model.insert(key, i), isNew);
      } else model.remove(key);
      if (i % 97 === 0) model.checkSeeks(random.below(20_000));
    }
    model.check();
  }
  for (const key of [...model.entries.keys()]) assert(model.remove(key));
  model.check();
  assertEquals(model.tree.nodeBytes(model.block, OFFSET), 0);
});

Deno.test("OrderedTree: what is appended in order fills its nodes, and what is removed from the front frees them", () => {
  const model = new Model(), count = 20_000;
  for (let key = 0; key < count; key++) model.insert(key, key);
  model.check();
  assert(model.tree.nodeBytes(model.block, OFFSET) < count * 21.5);
  for (let key = 0; key < count - 100; key++) {
    assert(model.tree.findFirst(model.block, OFFSET));
    model.tree.removeFound(model.block, OFFSET);
    model.entries.delete(key);
  }
  model.check();
  assert(model.tree.nodeBytes(model.block, OFFSET) < 8 * 1280);
});

Deno.test("OrderedTree: a full arena leaves the tree as it was", () => {
  const model = new Model(), random = new Prng(5);
  let failures = 0;
  for (let i = 0; i < 6000; i++) {
    const key = random.below(1 << 20);
    if (model.entries.has(key)) continue;
    model.allocationsLeft = random.below(2);
    try {
      assert(model.tree.insert(model.block, OFFSET, idOf(key)));
      model.tree.setWord(0, i);
      model.entries.set(key, i);
    } catch (error) {
      if (!(error instanceof OutOfArenaError)) throw error;
      failures++;
      if (failures % 20 === 0) model.check();
      // The next one may have all it needs.
      model.allocationsLeft = Infinity;
      model.insert(key, i);
    }
  }
  assert(failures > 50);
  model.check();
});

Deno.test("OrderedTree.freeSome: frees nodes and what they name, never more than asked, and all in the end", () => {
  const model = new Model();
  for (let key = 0; key < 5000; key++) model.insert(key, model.allocator.allocate(24, OWNER.listpack));
  let steps = 0;
  for (let freed = -1; freed !== 0; steps++) {
    freed = model.tree.freeSome(model.block, OFFSET, 64, true);
    assert(freed <= 64 + 4);
  }
  assert(steps > 5000 / 68);
  assertEquals(model.allocator.ownerBytes(OWNER.listpack) + model.allocator.ownerBytes(OWNER.streamNode), 0);
  assertEquals(model.tree.size(model.block, OFFSET), 0);
});
