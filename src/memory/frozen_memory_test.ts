import { assert, assertEquals, assertThrows } from "@std/assert";
import { Prng } from "../base/prng.ts";
import { UNIT_BYTES } from "./address.ts";
import {
  type Address,
  Allocator,
  FrozenMemory,
  LiveMemory,
  OWNER,
  SEGMENT_BYTES,
  SnapshotAbortedError,
} from "./mod.ts";

const OWNERS = [OWNER.entry, OWNER.value, OWNER.dictTable];
const PAGE_SIZES = [512, 4096, 65536, 2 << 20];

/** A block and what it should hold. */
interface Held {
  address: Address;
  bytes: Uint8Array;
}

/**
 * Random blocks and stores on a memory, and the same on plain arrays. Without poisoning: freeing must not store anything, so that a page
 * that is lost between free and reuse shows.
 */
class Model {
  readonly memory: LiveMemory;
  readonly allocator: Allocator;
  readonly prng: Prng;
  held: Held[] = [];
  readonly #random = new Uint8Array(100_000);

  constructor(memory: LiveMemory, seed: number) {
    this.memory = memory, this.allocator = new Allocator(memory), this.prng = new Prng(seed);
    this.prng.bytes(this.#random);
  }

  step(): void {
    const kind = this.prng.below(100);
    if (this.held.length < 100 || kind < 12) this.#allocate();
    else if (kind < 22) this.#free(this.prng.below(this.held.length));
    else this.#store(this.#pick(this.held));
  }

  /** Frees most blocks in the order of their addresses, so that whole runs and pages become free. */
  freeMany(): void {
    this.held.sort((a, b) => a.address - b.address);
    const first = this.prng.below(this.held.length >> 2);
    for (let i = 0; i < this.held.length >> 1; i++) this.#free(first);
  }

  copyOfHeld(): Held[] {
    return this.held.map(({ address, bytes }) => ({ address, bytes: bytes.slice() }));
  }

  #allocate(): void {
    const kind = this.prng.below(20);
    const length = 1 + this.prng.below(kind === 0 ? 90_000 : kind < 6 ? 9000 : 700);
    const address = this.allocator.allocate(length, this.#pick(OWNERS)), bytes = this.#random.slice(0, length);
    this.memory.copyIn(address, 0, bytes, 0, length);
    this.held.push({ address, bytes });
  }

  #free(index: number): void {
    this.allocator.free(this.held[index].address);
    this.held.splice(index, 1);
  }

  #store({ address, bytes }: Held): void {
    const { memory, prng } = this, at = prng.below(bytes.length), room = prng.below(bytes.length - at + 1);
    const view = new DataView(bytes.buffer), aligned = at & ~7, value = prng.nextU32();
    const kind = prng.below(8);
    if (kind === 0) memory.setU8(address, at, value), bytes[at] = value;
    else if (kind === 1 && aligned + 8 <= bytes.length) {
      memory.setU32(address, aligned + 4, value), view.setUint32(aligned + 4, value, true);
    } else if (kind === 2 && aligned + 8 <= bytes.length) {
      memory.setU64(address, aligned, value * 1000), view.setBigUint64(aligned, BigInt(value) * 1000n, true);
    } else if (kind === 3 && aligned + 8 <= bytes.length) {
      memory.setF64(address, aligned, value / 3), view.setFloat64(aligned, value / 3, true);
    } else if (kind === 4) memory.fill(address, at, value, room), bytes.fill(value, at, at + room);
    else if (kind === 5) {
      const from = prng.below(bytes.length - room + 1);
      memory.copy(address, from, address, at, room), bytes.copyWithin(at, from, from + room);
    } else if (kind === 6) {
      const other = this.#pick(this.held), length = Math.min(room, other.bytes.length);
      memory.copy(other.address, 0, address, at, length), bytes.set(other.bytes.subarray(0, length), at);
    } else {
      const from = prng.below(this.#random.length - room);
      memory.copyIn(address, at, this.#random, from, room), bytes.set(this.#random.subarray(from, from + room), at);
    }
  }

  #pick<T>(from: readonly T[]): T {
    return from[this.prng.below(from.length)];
  }
}

function contentOf(memory: FrozenMemory | LiveMemory, { address, bytes }: Held): Uint8Array {
  const out = new Uint8Array(bytes.length);
  memory.copyOut(address, 0, out, 0, out.length);
  return out;
}

for (const pageBytes of PAGE_SIZES) {
  Deno.test(`FrozenMemory: shows what was there at the freeze, through frees, reuse and aborted snapshots, page size ${pageBytes}`, () => {
    const memory = new LiveMemory({ arenaMaxBytes: 256 << 20, pageBytes }), model = new Model(memory, pageBytes);
    const { prng } = model;
    for (let i = 0; i < 1500; i++) model.step();
    for (let round = 0; round < 25; round++) {
      const frozen = new FrozenMemory(memory.freeze(round % 5 === 3 ? pageBytes * 4 : 0)), before = model.copyOfHeld();
      if (round % 4 === 1) model.freeMany();
      for (let i = 0; i < 150; i++) {
        model.step();
        const probe = before[prng.below(before.length)], at = prng.below(probe.bytes.length);
        if (!memory.cow.aborted) assertEquals(frozen.u8(probe.address, at), probe.bytes[at]);
      }
      if (memory.cow.aborted) assertThrows(() => frozen.checkUsable(), SnapshotAbortedError);
      else for (const one of before) assertEquals(contentOf(frozen, one), one.bytes);
      memory.endSnapshot();
      if (round % 4 === 2) model.freeMany();
      for (let i = 0; i < prng.below(100); i++) model.step();
      memory.wipeStaleFrames(prng.below(40));
      for (const one of model.held) assertEquals(contentOf(memory, one), one.bytes);
    }
  });
}

/** Every way to store, as a function of where; each stores within `lengthBytes` from there. */
const STORES: Readonly<Record<string, (memory: LiveMemory, block: Address, at: number, lengthBytes: number) => void>> =
  {
    setU8: (memory, block, at) => memory.setU8(block, at, 0xff),
    setU32: (memory, block, at) => memory.setU32(block, at, 0xffffffff),
    setU64: (memory, block, at) => memory.setU64(block, at, 2 ** 53 - 1),
    setF64: (memory, block, at) => memory.setF64(block, at, -1),
    fill: (memory, block, at, length) => memory.fill(block, at, 0xff, length),
    "copyIn of few bytes": (memory, block, at) => memory.copyIn(block, at, new Uint8Array(8).fill(0xff), 0, 8),
    "copyIn of many": (memory, block, at, length) =>
      memory.copyIn(block, at, new Uint8Array(length).fill(0xff), 0, length),
    "copy within a block": (memory, block, at, length) => memory.copy(block, 0, block, at, length),
  };

for (const [name, store] of Object.entries(STORES)) {
  Deno.test(`LiveMemory.${name}: copies each page it touches before it stores, and no other`, () => {
    for (const pageBytes of PAGE_SIZES) {
      const memory = new LiveMemory({ arenaMaxBytes: 64 << 20, pageBytes }), allocator = new Allocator(memory);
      const sizeBytes = 4 * pageBytes + UNIT_BYTES, block = allocator.allocate(sizeBytes, OWNER.value);
      memory.fill(block, 0, 0x11, sizeBytes);
      // The first boundary between pages that is well inside the block.
      const boundary = 2 * pageBytes - ((block * 8) % pageBytes), wide = pageBytes + 8;
      for (const at of [boundary - 8, boundary]) {
        const isWide = name === "fill" || name === "copyIn of many" || name === "copy within a block";
        const before = new Uint8Array(sizeBytes), after = new Uint8Array(sizeBytes), held = new Uint8Array(sizeBytes);
        memory.fill(block, 0, 0x22, 64), memory.copyOut(block, 0, before, 0, sizeBytes);
        const frozen = new FrozenMemory(memory.freeze(0));
        store(memory, block, at, wide);
        const last = at + (isWide ? wide - 1 : name === "setU8" ? 0 : name === "setU32" ? 3 : 7);
        const pageOf = (offset: number) => Math.floor((block * 8 + offset) / pageBytes);
        assertEquals(memory.cow.pagesCopied, pageOf(last) - pageOf(at) + 1);
        memory.copyOut(block, 0, after, 0, sizeBytes), frozen.copyOut(block, 0, held, 0, sizeBytes);
        assertEquals(held, before);
        const changed = after.findIndex((byte, i) => byte !== before[i]);
        assert(changed >= at && changed <= last && after.findLastIndex((byte, i) => byte !== before[i]) <= last);
        memory.endSnapshot();
      }
    }
  });
}

Deno.test("FrozenMemory: holds at the edges of segments", () => {
  const memory = new LiveMemory({ arenaMaxBytes: 4 * SEGMENT_BYTES, pageBytes: 65536 }),
    allocator = new Allocator(memory);
  const large = SEGMENT_BYTES - 2 * UNIT_BYTES, first = allocator.allocate(large, OWNER.value);
  const second = allocator.allocate(SEGMENT_BYTES, OWNER.value), third = allocator.allocate(100_000, OWNER.value);
  const places: [Address, number][] = [[first, 0], [first, large - 8], [second, 0], [second, SEGMENT_BYTES - 8], [
    third,
    0,
  ]];
  for (const [block, at] of places) memory.setF64(block, at, at + 1);
  const frozen = new FrozenMemory(memory.freeze(0));
  for (const [block, at] of places) memory.setF64(block, at, -1);
  assertEquals(memory.cow.pagesCopied, places.length);
  for (const [block, at] of places) assertEquals([frozen.f64(block, at), memory.f64(block, at)], [at + 1, -1]);
  memory.endSnapshot();
});

Deno.test("FrozenMemory: reads words, doubles and bytes as the live memory does", () => {
  const memory = new LiveMemory({ arenaMaxBytes: 64 << 20, pageBytes: 512 }), allocator = new Allocator(memory);
  const block = allocator.allocate(3000, OWNER.value), bytes = new Uint8Array(3000);
  new Prng(1).bytes(bytes);
  memory.copyIn(block, 0, bytes, 0, 3000);
  const frozen = new FrozenMemory(memory.freeze(0));
  for (let at = 0; at < 2992; at += 8) {
    assertEquals(frozen.u8(block, at + 3), memory.u8(block, at + 3));
    assertEquals(frozen.u32(block, at + 4), memory.u32(block, at + 4));
    assertEquals(frozen.u64(block, at), memory.u64(block, at));
    assertEquals(frozen.f64(block, at), memory.f64(block, at));
  }
  assert(frozen.equals(block, 100, bytes, 100, 2000) && !frozen.equals(block, 100, bytes, 101, 2000));
  memory.endSnapshot();
});
