import { assert, assertEquals, assertThrows } from "@std/assert";
import { Prng } from "../base/prng.ts";
import { Allocator, FrozenMemory, LiveMemory, OWNER, SnapshotAbortedError } from "./mod.ts";

const BLOCK_BYTES = 1 << 20;

function open(pageBytes: number) {
  const memory = new LiveMemory({ arenaMaxBytes: 64 << 20, pageBytes });
  const allocator = new Allocator(memory), block = allocator.allocate(BLOCK_BYTES, OWNER.value);
  const prng = new Prng(pageBytes);
  const bytes = new Uint8Array(BLOCK_BYTES);
  prng.bytes(bytes);
  memory.copyIn(block, 0, bytes, 0, BLOCK_BYTES);
  return { memory, allocator, block, bytes, prng };
}

function contentOf(memory: FrozenMemory | LiveMemory, block: Parameters<LiveMemory["u8"]>[0]): Uint8Array {
  const out = new Uint8Array(BLOCK_BYTES);
  memory.copyOut(block, 0, out, 0, BLOCK_BYTES);
  return out;
}

for (const pageBytes of [512, 4096, 65536, 2 << 20]) {
  Deno.test(`FrozenMemory: shows the state at the freeze whatever is stored afterwards, page size ${pageBytes}`, () => {
    const { memory, block, bytes, prng } = open(pageBytes);
    for (let round = 0; round < 4; round++) {
      const before = contentOf(memory, block), frozen = new FrozenMemory(memory.freeze(0));
      for (let i = 0; i < 300; i++) {
        const at = prng.below(BLOCK_BYTES - 5000) & ~7;
        switch (prng.below(6)) {
          case 0:
            memory.setU8(block, at, i);
            break;
          case 1:
            memory.setU32(block, at, i);
            break;
          case 2:
            memory.setF64(block, at, i);
            break;
          case 3:
            memory.copyIn(block, at, bytes, prng.below(1000), 4999);
            break;
          case 4:
            memory.fill(block, at, i, 1 + prng.below(4000));
            break;
          default:
            memory.copy(block, prng.below(BLOCK_BYTES - 5000), block, at, prng.below(5000));
        }
        const probe = prng.below(BLOCK_BYTES);
        assertEquals(frozen.u8(block, probe), before[probe]);
      }
      assertEquals(contentOf(frozen, block), before);
      assert(memory.cow.pagesCopied > 0 && memory.frameBytes === memory.cow.copiedBytes);
      memory.endSnapshot();
      assertEquals(memory.frameBytes, 0);
      memory.wipeStaleFrames(prng.below(100));
    }
  });
}

Deno.test("LiveMemory: a page is copied once, however often it is written, and only if it existed at the freeze", () => {
  const { memory, allocator, block } = open(4096);
  memory.freeze(0);
  for (let i = 0; i < 100; i++) memory.setU32(block, 0, i);
  assertEquals(memory.cow.pagesCopied, 1);
  const fresh = allocator.allocate(100_000, OWNER.value);
  memory.fill(fresh, 0, 1, 100_000);
  assertEquals(memory.cow.pagesCopied, 1);
  assertEquals(memory.cow.byOwner[OWNER.value], 1);
  memory.endSnapshot();
});

Deno.test("LiveMemory: memory that is freed and used again during a snapshot still shows its old content there", () => {
  const { memory, allocator, block } = open(4096), before = contentOf(memory, block);
  const frozen = new FrozenMemory(memory.freeze(0));
  allocator.free(block);
  const again = allocator.allocate(BLOCK_BYTES, OWNER.entry);
  assertEquals(again, block);
  memory.fill(again, 0, 0xee, BLOCK_BYTES);
  assertEquals(contentOf(frozen, block), before);
  memory.endSnapshot();
});

Deno.test("LiveMemory: beyond the budget the snapshot is aborted, the reader is told, and stores go on", () => {
  const { memory, block } = open(4096);
  let reason = "";
  memory.onSnapshotAborted = (text) => reason = text;
  const frozen = new FrozenMemory(memory.freeze(3 * 4096));
  for (let page = 0; page < 10; page++) memory.setU32(block, page * 4096, page);
  assert(reason !== "" && memory.cow.aborted && !memory.snapshotLive);
  assertThrows(() => frozen.u32(block, 50 * 4096), SnapshotAbortedError);
  assertEquals(memory.u32(block, 9 * 4096), 9);
  memory.endSnapshot();
  // The next one starts clean.
  const next = new FrozenMemory(memory.freeze(0));
  assertEquals(next.u32(block, 9 * 4096), 9);
  memory.endSnapshot();
});

Deno.test("LiveMemory: pages that were free at the freeze are not copied", () => {
  const { memory, allocator, block } = open(4096);
  allocator.free(block);
  memory.freeze(0);
  const again = allocator.allocate(BLOCK_BYTES, OWNER.value);
  memory.fill(again, 0, 1, BLOCK_BYTES);
  assertEquals(memory.cow.pagesCopied, 0);
  memory.endSnapshot();
});
