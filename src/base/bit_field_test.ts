import { assertEquals } from "@std/assert";
import { addToField, OVERFLOW, readField, WINDOW_BYTES, writeField } from "./bit_field.ts";
import { I64 } from "./integer.ts";
import { Prng } from "./prng.ts";

function fromBigInt(value: bigint): I64 {
  return new I64().set(Number(BigInt.asIntN(32, value >> 32n)), Number(BigInt.asUintN(32, value)));
}

function toBigInt(value: I64): bigint {
  return BigInt(value.hi) * 2n ** 32n + BigInt(value.lo);
}

function randomBits(random: Prng, bits: number): bigint {
  let value = 0n;
  for (let i = 0; i < bits; i++) value = value * 2n + BigInt(random.below(2));
  return value;
}

Deno.test("a field is its bits, highest first, from any bit on; writing one leaves its neighbours alone", () => {
  const random = new Prng(11), window = new Uint8Array(WINDOW_BYTES), read = new I64();
  for (let round = 0; round < 3000; round++) {
    const bits = 1 + random.below(64), offset = random.below(8), signed = bits === 64 || random.below(2) === 1;
    for (let i = 0; i < WINDOW_BYTES; i++) window[i] = random.below(256);
    const before = BigInt("0x" + window.toHex()), value = randomBits(random, bits), shift = BigInt(72 - offset - bits);
    writeField(window, offset, bits, fromBigInt(value));
    const mask = (2n ** BigInt(bits) - 1n) << shift;
    assertEquals(BigInt("0x" + window.toHex()), (before & ~mask) | (value << shift));
    readField(window, offset, bits, signed, read);
    assertEquals(toBigInt(read), signed ? BigInt.asIntN(bits, value) : value);
  }
});

Deno.test("u5 at offset 7 looks as drawn", () => {
  const window = new Uint8Array(WINDOW_BYTES);
  writeField(window, 7, 5, new I64().setNumber(23));
  assertEquals([...window.subarray(0, 2)], [0b00000001, 0b01110000]);
});

Deno.test("addToField wraps, saturates or tells of overflow as integers of that width do", () => {
  const random = new Prng(13);
  for (let round = 0; round < 5000; round++) {
    const signed = random.below(2) === 1, bits = 1 + random.below(signed ? 64 : 63);
    const start = signed ? BigInt.asIntN(bits, randomBits(random, bits)) : randomBits(random, bits);
    const increment = BigInt.asIntN(64, randomBits(random, 1 + random.below(64))) * (random.below(2) === 1 ? 1n : -1n);
    if (increment !== BigInt.asIntN(64, increment)) continue;
    const sum = start + increment, wrapped = signed ? BigInt.asIntN(bits, sum) : BigInt.asUintN(bits, sum);
    const max = 2n ** BigInt(signed ? bits - 1 : bits) - 1n, min = signed ? -max - 1n : 0n;
    const value = fromBigInt(start);
    assertEquals(addToField(value, fromBigInt(increment), bits, signed, OVERFLOW.wrap), wrapped !== sum);
    assertEquals(toBigInt(value), wrapped);
    const bounded = fromBigInt(start);
    addToField(bounded, fromBigInt(increment), bits, signed, OVERFLOW.saturate);
    assertEquals(toBigInt(bounded), sum > max ? max : sum < min ? min : sum);
  }
});
