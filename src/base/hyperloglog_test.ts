/** Golden values, as redis-server 7.0.15 has them. */
import { assert, assertEquals } from "@std/assert";
import { ascii } from "./bytes.ts";
import {
  DENSE_BYTES,
  denseGet,
  estimate,
  estimateRegisters,
  isHyperLogLog,
  mergeInto,
  observe,
  observedRegister,
  observedValue,
  REGISTERS,
} from "./hyperloglog.ts";
import { HyperLogLogBuffer, SET } from "./hyperloglog_buffer.ts";
import { I64 } from "./integer.ts";
import { Prng } from "./prng.ts";

const SPARSE_BYTES_MAX = 3000;
const GOLDEN_SEVEN = "48594c4c010000000000000000000080466d80560c80443c84388050b184498c80426d80425a";

function add(buffer: HyperLogLogBuffer, element: string): number {
  const bytes = ascii(element), observed = observe(bytes, 0, bytes.length);
  return buffer.raise(observedRegister(observed), observedValue(observed), SPARSE_BYTES_MAX);
}

function cleared(): HyperLogLogBuffer {
  const buffer = new HyperLogLogBuffer();
  buffer.clear();
  return buffer;
}

function estimateOf(buffer: HyperLogLogBuffer): number {
  const into = new I64();
  assert(estimate(buffer.bytes, 0, buffer.length, into));
  return into.toNumber();
}

function registersOf(buffer: HyperLogLogBuffer): Uint8Array {
  const registers = new Uint8Array(REGISTERS);
  assert(mergeInto(registers, buffer.bytes, 0, buffer.length));
  return registers;
}

Deno.test("HyperLogLogBuffer: the bytes after PFADD of seven letters", () => {
  const buffer = cleared();
  for (const letter of "abcdefg") assertEquals(add(buffer, letter), SET.changed);
  assertEquals(buffer.bytes.subarray(0, buffer.length).toHex(), GOLDEN_SEVEN);
  assertEquals(estimateOf(buffer), 7);
  assertEquals(add(buffer, "c"), SET.unchanged);
});

Deno.test("HyperLogLogBuffer: sparse and dense hold the same registers, and the estimate is near", () => {
  const sparse = cleared(), dense = cleared();
  dense.toDense();
  for (let i = 1; i <= 5000; i++) {
    assertEquals(add(sparse, `element ${i}`), add(dense, `element ${i}`));
    if (i % 250 === 0) assertEquals(registersOf(sparse), registersOf(dense));
    if (i === 500) assert(!sparse.isDense);
  }
  assert(sparse.isDense && sparse.length === DENSE_BYTES);
  const into = new I64();
  estimateRegisters(registersOf(dense), into);
  assertEquals(into.toNumber(), estimateOf(dense));
  assert(Math.abs(estimateOf(dense) - 5000) < 5000 * 0.03);
});

Deno.test("HyperLogLogBuffer: raising random registers leaves all others alone, whatever runs it splits and joins", () => {
  const random = new Prng(5);
  for (let round = 0; round < 20; round++) {
    const buffer = cleared(), expected = new Uint8Array(REGISTERS), window = 8 + random.below(60);
    for (let i = 0; i < 300; i++) {
      const register = random.below(window), value = 1 + random.below(round < 10 ? 3 : 33);
      assertEquals(
        buffer.raise(register, value, SPARSE_BYTES_MAX),
        value > expected[register] ? SET.changed : SET.unchanged,
      );
      expected[register] = Math.max(expected[register], value);
    }
    assertEquals(registersOf(buffer), expected);
    assert(buffer.toDense());
    for (let i = 0; i < REGISTERS; i++) assertEquals(denseGet(buffer.bytes, 0, i), expected[i]);
  }
});

Deno.test("values whose runs do not cover all registers are corrupt to every reader", () => {
  const buffer = cleared(), into = new I64();
  for (const length of [buffer.length - 1, buffer.length + 1]) {
    const damaged = new HyperLogLogBuffer();
    assert(damaged.load(buffer.bytes, 0, length));
    assert(isHyperLogLog(damaged.bytes, 0, length));
    assert(!estimate(damaged.bytes, 0, length, into));
    assert(!mergeInto(new Uint8Array(REGISTERS), damaged.bytes, 0, length));
    assert(!damaged.toDense());
    assertEquals(damaged.raise(0, 33, SPARSE_BYTES_MAX), SET.corrupt);
  }
});
