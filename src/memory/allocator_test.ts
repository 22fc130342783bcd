import { assert, assertEquals, assertThrows } from "@std/assert";
import { Prng } from "../base/prng.ts";
import { Allocator, CLASS_BYTES, OutOfArenaError } from "./allocator.ts";
import { type Address, SEGMENT_BYTES, SEGMENT_SHIFT } from "./address.ts";
import { DebugMemory } from "./debug_memory.ts";
import { OWNER } from "./owner.ts";

function open(arenaMaxBytes = 256 << 20): { memory: DebugMemory; allocator: Allocator } {
  const memory = new DebugMemory({ arenaMaxBytes, pageBytes: 4096 });
  const allocator = new Allocator(memory, true);
  memory.allocator = allocator;
  return { memory, allocator };
}

/** No block reaches into the next one. */
function checkApart(allocator: Allocator, blocks: readonly { address: Address }[]): void {
  const addresses = blocks.map((block) => block.address).sort((a, b) => a - b);
  for (let i = 1; i < addresses.length; i++) {
    assert(addresses[i - 1] + allocator.allocatedBytes(addresses[i - 1]) / 8 <= addresses[i]);
  }
}

Deno.test("Allocator: blocks of any size and owner never overlap, and everything comes back", () => {
  const { memory, allocator } = open(), prng = new Prng(1), owners = [OWNER.entry, OWNER.value, OWNER.dictTable];
  const blocks: { address: Address; size: number; mark: number }[] = [];
  for (let i = 0; i < 20_000; i++) {
    if (blocks.length < 200 || prng.below(100) < 52) {
      const size = 1 + (prng.below(20) === 0 ? prng.below(100_000) : prng.below(700)), mark = i & 0xff;
      const address = allocator.allocate(size, owners[prng.below(3)]);
      assert(
        allocator.allocatedBytes(address) >= size && allocator.allocatedBytes(address) === allocator.sizeFor(size),
      );
      memory.fill(address, 0, mark, size);
      blocks.push({ address, size, mark });
    } else {
      const { address, size, mark } = blocks.splice(prng.below(blocks.length), 1)[0];
      assertEquals([memory.u8(address, 0), memory.u8(address, size - 1)], [mark, mark]);
      allocator.free(address);
    }
    if (i % 5000 === 0) {
      checkApart(allocator, blocks);
      const live = allocator.statistics().reduce((sum, row) => sum + row.liveBytes, 0);
      assertEquals(live, allocator.liveBytes);
      assertEquals(allocator.statistics().reduce((sum, row) => sum + row.usedBytes, 0), allocator.usedBytes);
    }
  }
  for (const { address } of blocks) allocator.free(address);
  assertEquals([allocator.liveBytes, allocator.ownerBytes(OWNER.entry)], [0, 0]);
});

Deno.test("Allocator: slabs that became empty go back, but for one of each class and owner", () => {
  const { allocator } = open(), prng = new Prng(3), blocks: Address[] = [];
  for (let i = 0; i < 5000; i++) blocks.push(allocator.allocate(100, OWNER.entry));
  const full = allocator.usedBytes;
  while (blocks.length > 0) allocator.free(blocks.splice(prng.below(blocks.length), 1)[0]);
  assert(allocator.usedBytes > 0 && allocator.usedBytes * 8 < full, `${allocator.usedBytes} of ${full} bytes are left`);
});

Deno.test("Allocator: a block wastes at most an eighth above 64 bytes, and every class fills its slab", () => {
  const { allocator } = open();
  for (let size = 64; size <= 4096; size++) {
    assert(allocator.sizeFor(size) <= size * 1.13 + 8, `${size} takes ${allocator.sizeFor(size)}`);
  }
  assert(CLASS_BYTES.every((bytes) => bytes % 8 === 0));
});

Deno.test("Allocator: a full arena throws, changes nothing, and serves again after a free", () => {
  const { allocator } = open(1 << 20), held: Address[] = [];
  assertThrows(() => {
    for (;;) held.push(allocator.allocate(40_000, OWNER.value));
  }, OutOfArenaError);
  const live = allocator.liveBytes;
  assertThrows(() => allocator.allocate(40_000, OWNER.value), OutOfArenaError);
  assertEquals(allocator.liveBytes, live);
  allocator.free(held.pop()!);
  held.push(allocator.allocate(40_000, OWNER.value));
});

Deno.test("Allocator: freeing twice, and touching a freed or foreign block, is a failed assertion", () => {
  const { memory, allocator } = open();
  const address = allocator.allocate(100, OWNER.value), run = allocator.allocate(10_000, OWNER.value);
  assertThrows(() => memory.u8(address, 104), Error, "within a taken block");
  allocator.free(address), allocator.free(run);
  assertThrows(() => allocator.free(address), Error);
  assertThrows(() => memory.u32(address, 0), Error, "within a taken block");
  assertThrows(() => memory.setU32(run, 0, 1), Error, "within a taken block");
});

Deno.test("Allocator: runs coalesce: a segment that was cut up is whole again", () => {
  const { allocator } = open(2 * SEGMENT_BYTES), prng = new Prng(2), blocks: Address[] = [];
  for (let i = 0; i < 500; i++) blocks.push(allocator.allocate(5000 + prng.below(200_000), OWNER.value));
  while (blocks.length > 0) allocator.free(blocks.splice(prng.below(blocks.length), 1)[0]);
  const large = allocator.allocate(SEGMENT_BYTES - 2 * 4096, OWNER.value);
  assertEquals(large >>> SEGMENT_SHIFT, 0);
  allocator.free(large);
  assertEquals(allocator.usedBytes, 0);
});
