/**
 * KeyedHash against published values and against a reference written from the paper's description: BigInt words, rounds as parameters,
 * nothing shared with the class. The reference itself is held to the authors' HalfSipHash-2-4 vectors.
 */
import { assertEquals } from "@std/assert";
import { Prng } from "./prng.ts";
import { KeyedHash } from "./siphash.ts";

const KEY_LOW = 0x03020100, KEY_HIGH = 0x07060504;

Deno.test("the reference of these tests gives the authors' HalfSipHash-2-4 values", () => {
  const expected = [0x5b9f35a9, 0xb85a4727, 0x03a662fa, 0x04e7fe8a, 0x89466e2a];
  assertEquals(expected.map((_, length) => reference(KEY_LOW, KEY_HIGH, counting(length), 2, 4)), expected);
});

Deno.test("KeyedHash: the Linux kernel's HalfSipHash-1-3 values", () => {
  const hash = new KeyedHash(KEY_LOW, KEY_HIGH);
  const expected = [0x5814c896, 0xe7e864ca, 0xbc4b0e30, 0x01539939, 0x7e059ea6];
  assertEquals(expected.map((_, length) => hash.hash(counting(length), 0, length)), expected);
});

Deno.test("KeyedHash: equals the reference for every length to 300, any key, and wherever the bytes lie", () => {
  const prng = new Prng(11);
  for (let length = 0; length <= 300; length++) {
    const k0 = prng.nextU32(), k1 = prng.nextU32(), offset = prng.below(9), bytes = new Uint8Array(offset + length + 5);
    prng.bytes(bytes);
    const expected = reference(k0, k1, bytes.subarray(offset, offset + length), 1, 3);
    assertEquals(new KeyedHash(k0, k1).hash(bytes, offset, length), expected, `length ${length} at ${offset}`);
  }
});

function counting(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => i);
}

function reference(k0: number, k1: number, message: Uint8Array, rounds: number, finalRounds: number): number {
  const v = [BigInt(k0), BigInt(k1), 0x6c796765n ^ BigInt(k0), 0x74656462n ^ BigInt(k1)];
  for (const word of paddedWords(message)) {
    v[3] ^= word;
    for (let i = 0; i < rounds; i++) sipRound(v);
    v[0] ^= word;
  }
  v[2] ^= 0xffn;
  for (let i = 0; i < finalRounds; i++) sipRound(v);
  return Number(v[1] ^ v[3]);
}

/** The message, zeros up to a multiple of four less one, and the length modulo 256; as little-endian words. */
function paddedWords(message: Uint8Array): bigint[] {
  const padded = new Uint8Array((Math.floor(message.length / 4) + 1) * 4);
  padded.set(message);
  padded[padded.length - 1] = message.length % 256;
  const view = new DataView(padded.buffer);
  return Array.from({ length: padded.length / 4 }, (_, i) => BigInt(view.getUint32(i * 4, true)));
}

function sipRound(v: bigint[]): void {
  mix(v, 0, 1, 5n), v[0] = rotate(v[0], 16n);
  mix(v, 2, 3, 8n);
  mix(v, 0, 3, 7n);
  mix(v, 2, 1, 13n), v[2] = rotate(v[2], 16n);
}

function mix(v: bigint[], into: number, from: number, bits: bigint): void {
  v[into] = BigInt.asUintN(32, v[into] + v[from]);
  v[from] = rotate(v[from], bits) ^ v[into];
}

function rotate(word: bigint, bits: bigint): bigint {
  return BigInt.asUintN(32, (word << bits) | (word >> (32n - bits)));
}
