import { assert, assertEquals, assertThrows } from "@std/assert";
import { InvariantError } from "../base/assert.ts";
import { Prng } from "../base/prng.ts";
import { Allocator, FrozenMemory, LiveMemory, OutOfArenaError, OWNER, SnapshotAbortedError } from "./mod.ts";

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

for (const pageBytes of [65536, 2 << 20]) {
  Deno.test(`LiveMemory: pages that became free piece by piece are not copied either, page size ${pageBytes}`, () => {
    const memory = new LiveMemory({ arenaMaxBytes: 64 << 20, pageBytes }), allocator = new Allocator(memory);
    const blocks = Array.from({ length: 3 * pageBytes / 8192 }, () => allocator.allocate(8192, OWNER.value));
    for (const block of blocks) memory.fill(block, 0, 1, 8192);
    for (const block of blocks) allocator.free(block);
    memory.freeze(0);
    const again = allocator.allocate(3 * pageBytes, OWNER.value);
    memory.fill(again, 0, 1, 3 * pageBytes);
    // The first page holds unit 0, which is never free; of the last one the blocks had only a part.
    assert(memory.cow.pagesCopied <= 2, `${memory.cow.pagesCopied} pages copied`);
    memory.endSnapshot();
  });
}

Deno.test("LiveMemory: data and before-images together stay within the arena, and the snapshot gives way", () => {
  const memory = new LiveMemory({ arenaMaxBytes: 8 << 20, pageBytes: 4096 }), allocator = new Allocator(memory);
  const block = allocator.allocate(4 << 20, OWNER.value), page = (i: number) => memory.setU32(block, i * 4096, i);
  let reason = "";
  memory.onSnapshotAborted = (text) => reason = text;
  for (let i = 0; i < 1024; i++) page(i);
  memory.freeze(0);
  for (let i = 0; i < 256; i++) page(i);
  allocator.allocate(2 << 20, OWNER.value);
  for (let i = 256; i < 1024 && !memory.cow.aborted; i++) {
    page(i);
    assert(memory.dataBytes + memory.frameBytes <= memory.arenaMaxBytes);
  }
  assert(memory.cow.aborted && reason.includes("arena"), reason);
  memory.endSnapshot();
});

Deno.test("LiveMemory: no write is refused for the sake of a snapshot", () => {
  const memory = new LiveMemory({ arenaMaxBytes: 8 << 20, pageBytes: 4096 }), allocator = new Allocator(memory);
  const block = allocator.allocate(3 << 20, OWNER.value);
  memory.fill(block, 0, 1, 3 << 20);
  memory.freeze(0);
  memory.fill(block, 0, 2, 3 << 20);
  assertEquals([memory.frameBytes >= 3 << 20, memory.cow.aborted], [true, false]);
  const more = allocator.allocate(4 << 20, OWNER.value);
  assert(memory.cow.aborted);
  memory.fill(more, 0, 3, 4 << 20);
  assertThrows(() => allocator.allocate(2 << 20, OWNER.value), OutOfArenaError);
  memory.endSnapshot();
});

Deno.test("LiveMemory: an aborted snapshot must be ended before the next freeze", () => {
  const { memory, block } = open(4096);
  memory.freeze(4096);
  memory.setU32(block, 0, 1), memory.setU32(block, 8192, 1);
  assert(memory.cow.aborted);
  assertThrows(() => memory.freeze(0), InvariantError);
  memory.endSnapshot();
  memory.freeze(0);
  assertThrows(() => memory.freeze(0), InvariantError);
  memory.endSnapshot();
});

Deno.test("LiveMemory: the frames of one snapshot serve the next, and are let go on demand", () => {
  const { memory, block } = open(4096);
  const used: SharedArrayBuffer[][] = [];
  for (let round = 0; round < 3; round++) {
    const data = memory.freeze(0).segments;
    used.push(data.slice(1).filter((segment) => segment !== null));
    memory.fill(block, 0, round, BLOCK_BYTES);
    memory.endSnapshot();
    assertEquals(memory.spareFrameBytes > BLOCK_BYTES / 2, true);
    if (round === 1) memory.releaseSpareFrames();
    assertEquals(memory.spareFrameBytes === 0, round === 1);
  }
  assert(used[0].length === 1 && used[0][0] === used[1][0] && used[1][0] !== used[2][0]);
});

Deno.test("LiveMemory.copy: moves ranges of any length and alignment, overlapping or not, as an array would", () => {
  const { memory, block, bytes, prng } = open(4096);
  for (let i = 0; i < 40; i++) {
    const length = prng.below(prng.below(2) === 0 ? 600 : 60_000),
      from = prng.below(100_000),
      by = prng.below(200) - 100;
    const to = prng.below(3) === 0 ? prng.below(100_000) : Math.max(0, from + by);
    memory.copy(block, from, block, to, length);
    bytes.copyWithin(to, from, from + length);
    assert(contentOf(memory, block).every((byte, at) => byte === bytes[at]), `${length} bytes from ${from} to ${to}`);
  }
});
