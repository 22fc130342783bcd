/** What PFSELFTEST runs: registers that keep what they are given, and estimates that are near the truth in both encodings. */
import {
  DENSE_BYTES,
  denseGet,
  denseSet,
  estimate,
  observe,
  observedRegister,
  observedValue,
  REGISTERS,
} from "./hyperloglog.ts";
import { HyperLogLogBuffer } from "./hyperloglog_buffer.ts";
import { I64 } from "./integer.ts";
import type { Prng } from "./prng.ts";

const REGISTER_ROUNDS = 1000;
const ELEMENTS = 10_000_000;
/** Standard error of an estimate, and how many times that is tolerated. */
const RELATIVE_ERROR = 1.04 / Math.sqrt(REGISTERS), TOLERANCE = 6;

/** Null, or what is wrong. Takes some seconds. */
export function hyperLogLogFault(random: Prng, sparseBytesMax: number): string | null {
  return registerFault(random) ?? estimateFault(random, sparseBytesMax);
}

function registerFault(random: Prng): string | null {
  const dense = new Uint8Array(DENSE_BYTES), expected = new Uint8Array(REGISTERS);
  for (let round = 0; round < REGISTER_ROUNDS; round++) {
    for (let i = 0; i < REGISTERS; i++) denseSet(dense, 0, i, expected[i] = random.nextU32() >>> 26);
    for (let i = 0; i < REGISTERS; i++) {
      const value = denseGet(dense, 0, i);
      if (value !== expected[i]) return `Register ${i} should be ${expected[i]} but is ${value}`;
    }
  }
  return null;
}

function estimateFault(random: Prng, sparseBytesMax: number): string | null {
  const dense = new HyperLogLogBuffer(), grown = new HyperLogLogBuffer();
  const element = new Uint8Array(8), words = new Uint32Array(element.buffer), seed = random.nextU32();
  dense.clear(), dense.toDense(), grown.clear();
  words[1] = random.nextU32();
  for (let count = 1, checkpoint = 1; count <= ELEMENTS; count++) {
    words[0] = count ^ seed;
    const observed = observe(element, 0, element.length);
    const register = observedRegister(observed), value = observedValue(observed);
    dense.raise(register, value, sparseBytesMax), grown.raise(register, value, sparseBytesMax);
    if (count !== checkpoint) continue;
    const fault = checkpointFault(dense, grown, count, sparseBytesMax);
    if (fault !== null) return fault;
    checkpoint *= 10;
  }
  return null;
}

function checkpointFault(
  dense: HyperLogLogBuffer,
  grown: HyperLogLogBuffer,
  count: number,
  sparseBytesMax: number,
): string | null {
  if (count < sparseBytesMax / 2 && grown.isDense) return "sparse encoding not used";
  const estimated = estimateOf(dense);
  if (estimateOf(grown) !== estimated) return "dense/sparse disagree";
  // Of ten elements two may well meet in one register.
  const tolerated = count === 10 ? 1 : Math.ceil(RELATIVE_ERROR * TOLERANCE * count),
    error = Math.abs(count - estimated);
  return error > tolerated ? `Too big error. card:${count} abserr:${error}` : null;
}

function estimateOf(buffer: HyperLogLogBuffer): number {
  const into = new I64();
  return estimate(buffer.bytes, 0, buffer.length, into) ? into.toNumber() : NaN;
}
