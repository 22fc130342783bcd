import { assertEquals } from "@std/assert";
import { countBits, findBit } from "./bits.ts";
import { Prng } from "./prng.ts";

const SIZE_BYTES = 512;

function bitAt(bytes: Uint8Array, index: number): number {
  return (bytes[index >>> 3] >>> (7 - (index & 7))) & 1;
}

/** A buffer that is all of one byte, but for a few places. */
function mostlyBytes(random: Prng, byte: number): { bytes: Uint8Array; words: Uint32Array } {
  const bytes = new Uint8Array(SIZE_BYTES).fill(byte);
  for (let i = random.below(4); i > 0; i--) bytes[random.below(SIZE_BYTES)] = random.below(256);
  return { bytes, words: new Uint32Array(bytes.buffer) };
}

Deno.test("countBits and findBit agree with a walk over the bits, at any place and length", () => {
  const random = new Prng(7);
  for (let round = 0; round < 2000; round++) {
    const { bytes, words } = mostlyBytes(random, round % 2 === 0 ? 0 : 0xff);
    const at = random.below(SIZE_BYTES), length = random.below(SIZE_BYTES - at + 1);
    const bits = Array.from({ length: length * 8 }, (_, i) => bitAt(bytes, at * 8 + i));
    assertEquals(countBits(bytes, words, at, length), bits.filter((bit) => bit === 1).length);
    for (const bit of [0, 1]) assertEquals(findBit(bytes, words, at, length, bit), bits.indexOf(bit));
  }
});

Deno.test("countBits counts words that are all different", () => {
  const random = new Prng(8), bytes = new Uint8Array(SIZE_BYTES);
  for (let i = 0; i < SIZE_BYTES; i++) bytes[i] = random.below(256);
  let expected = 0;
  for (let i = 0; i < SIZE_BYTES * 8; i++) expected += bitAt(bytes, i);
  assertEquals(countBits(bytes, new Uint32Array(bytes.buffer), 0, SIZE_BYTES), expected);
});
