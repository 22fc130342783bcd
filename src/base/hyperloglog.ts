/**
 * HyperLogLog in Redis's format (hyperloglog.c of Redis 7.0): 2^14 registers of 6 bits, in a string of bytes.
 *
 *   0      4          5          8                            16
 *   | HYLL | encoding | 0, 0, 0  | cached cardinality (u64 LE) | registers …     the cache is void while its highest bit is set
 *
 *   encoding 0, dense: the registers one after the other, each from the lowest free bit up, 12288 bytes
 *     |11000000|22221111|33333322|…
 *   encoding 1, sparse: runs of equal registers, together exactly 2^14
 *     00nnnnnn           n + 1 registers of 0
 *     01nnnnnn nnnnnnnn  n + 1 registers of 0
 *     1vvvvvnn           n + 1 registers of v + 1
 *
 * A register is the longest run of zeros, plus one, that hashes of the elements which chose it had. The estimate is Otmar Ertl's
 * ("New cardinality estimation algorithms for HyperLogLog sketches", arXiv:1702.01284). Values may come from anyone (SET, RESTORE):
 * every reader checks that the runs cover all registers, and reads nothing beyond the value.
 */
import type { I64 } from "./integer.ts";
import { murmurHash64, murmurWords } from "./murmur_hash.ts";

export const REGISTERS = 1 << 14;
export const HEADER_BYTES = 16;
export const DENSE_BYTES = HEADER_BYTES + REGISTERS * 6 / 8;
export const ENCODING_AT = 4;
export const CACHE_AT = 8;
export const CACHE_BYTES = 8;
export const DENSE = 0, SPARSE = 1;
/** In the last byte of the cache. */
const CACHE_VOID = 0x80;
const LAST_CACHE_BYTE = CACHE_AT + CACHE_BYTES - 1;
const MAGIC = [0x48, 0x59, 0x4c, 0x4c];
const INDEX_BITS = 14, INDEX_MASK = REGISTERS - 1;
/** Bits of the hash that are not the index: a register is at most one more. */
const PATTERN_BITS = 64 - INDEX_BITS;
const HASH_SEED = 0xadc83b19;
export const REGISTER_MAX = 63;

/** Whether the bytes look like a HyperLogLog: what Redis checks before any command uses them. */
export function isHyperLogLog(bytes: Uint8Array, at: number, length: number): boolean {
  if (length < HEADER_BYTES) return false;
  for (let i = 0; i < MAGIC.length; i++) if (bytes[at + i] !== MAGIC[i]) return false;
  const encoding = bytes[at + ENCODING_AT];
  return encoding === SPARSE || (encoding === DENSE && length === DENSE_BYTES);
}

export function isDense(bytes: Uint8Array, at: number): boolean {
  return bytes[at + ENCODING_AT] === DENSE;
}

/** Writes the header of an empty one. */
export function writeHeader(bytes: Uint8Array, encoding: number): void {
  bytes.fill(0, 0, HEADER_BYTES);
  bytes.set(MAGIC);
  bytes[ENCODING_AT] = encoding;
}

export function cacheIsValid(bytes: Uint8Array, at: number): boolean {
  return (bytes[at + LAST_CACHE_BYTE] & CACHE_VOID) === 0;
}

/** Where the byte is that tells of the cache, and its value when it is void. */
export const CACHE_STATE_AT = LAST_CACHE_BYTE;

export function voidCacheByte(byte: number): number {
  return byte | CACHE_VOID;
}

/** The register that an element goes to, in the low 14 bits, and above them the value that it wants there. */
export function observe(bytes: Uint8Array, offset: number, length: number): number {
  murmurHash64(bytes, offset, length, HASH_SEED);
  const lo = murmurWords[0], hi = murmurWords[1];
  const low = (lo >>> INDEX_BITS) | (hi << (32 - INDEX_BITS));
  const high = (hi >>> INDEX_BITS) | (1 << (PATTERN_BITS - 32));
  const zeros = low !== 0 ? trailingZeros(low) : 32 + trailingZeros(high);
  return (zeros + 1) << INDEX_BITS | (lo & INDEX_MASK);
}

export function observedRegister(observed: number): number {
  return observed & INDEX_MASK;
}

export function observedValue(observed: number): number {
  return observed >>> INDEX_BITS;
}

function trailingZeros(word: number): number {
  return 31 - Math.clz32(word & -word);
}

// ---- dense -----------------------------------------------------------------------------------------------------------

/** Offset of the byte in which a dense register starts, from the first register on. */
export function denseByte(register: number): number {
  return (register * 6) >>> 3;
}

/** Reads a dense register; `at` is where the value (its header) starts. */
export function denseGet(bytes: Uint8Array, at: number, register: number): number {
  const first = at + HEADER_BYTES + denseByte(register), shift = (register * 6) & 7;
  const low = bytes[first] >>> shift;
  return (shift <= 2 ? low : low | (bytes[first + 1] << (8 - shift))) & REGISTER_MAX;
}

/** What a register's first byte becomes with a new value of it. */
export function withLowPart(byte: number, register: number, value: number): number {
  const shift = (register * 6) & 7;
  return (byte & ~(REGISTER_MAX << shift) | (value << shift)) & 0xff;
}

/** Whether a register goes on in the byte after its first. */
export function hasHighPart(register: number): boolean {
  return ((register * 6) & 7) > 2;
}

/** What that byte becomes. */
export function withHighPart(byte: number, register: number, value: number): number {
  const shift = 8 - ((register * 6) & 7);
  return byte & ~(REGISTER_MAX >>> shift) | (value >>> shift);
}

export function denseSet(bytes: Uint8Array, at: number, register: number, value: number): void {
  const first = at + HEADER_BYTES + denseByte(register);
  bytes[first] = withLowPart(bytes[first], register, value);
  if (hasHighPart(register)) bytes[first + 1] = withHighPart(bytes[first + 1], register, value);
}

// ---- all registers ---------------------------------------------------------------------------------------------------

/** How many registers have each value. */
const histogram = new Int32Array(REGISTER_MAX + 1);

/** Raises `registers` (one byte each) to those of a value; false when the value is corrupt, and then some may have been raised. */
export function mergeInto(registers: Uint8Array, bytes: Uint8Array, at: number, length: number): boolean {
  if (!isDense(bytes, at)) return mergeSparse(registers, bytes, at + HEADER_BYTES, at + length);
  for (let i = 0, from = at + HEADER_BYTES; i < REGISTERS; i += 4, from += 3) {
    const four = bytes[from] | bytes[from + 1] << 8 | bytes[from + 2] << 16;
    raise(registers, i, four & 63);
    raise(registers, i + 1, (four >>> 6) & 63);
    raise(registers, i + 2, (four >>> 12) & 63);
    raise(registers, i + 3, four >>> 18);
  }
  return true;
}

function raise(registers: Uint8Array, register: number, value: number): void {
  if (value > registers[register]) registers[register] = value;
}

function mergeSparse(registers: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  let register = 0;
  for (let at = start; at < end; at += opcodeBytes(bytes[at])) {
    const run = runLength(bytes, at, end), value = runValue(bytes[at]);
    if (register + run > REGISTERS) return false;
    if (value > 0) { for (let i = register; i < register + run; i++) raise(registers, i, value); }
    register += run;
  }
  return register === REGISTERS;
}

/** Estimates the cardinality of a value; false when it is corrupt. */
export function estimate(bytes: Uint8Array, at: number, length: number, into: I64): boolean {
  histogram.fill(0);
  if (isDense(bytes, at)) countDense(bytes, at + HEADER_BYTES);
  else if (!countSparse(bytes, at + HEADER_BYTES, at + length)) return false;
  estimateFromHistogram(into);
  return true;
}

/** Estimates the cardinality that registers of one byte each stand for. */
export function estimateRegisters(registers: Uint8Array, into: I64): void {
  histogram.fill(0);
  for (let i = 0; i < REGISTERS; i++) histogram[registers[i]]++;
  estimateFromHistogram(into);
}

function countDense(bytes: Uint8Array, start: number): void {
  for (let i = 0, from = start; i < REGISTERS; i += 4, from += 3) {
    const four = bytes[from] | bytes[from + 1] << 8 | bytes[from + 2] << 16;
    histogram[four & 63]++;
    histogram[(four >>> 6) & 63]++;
    histogram[(four >>> 12) & 63]++;
    histogram[four >>> 18]++;
  }
}

function countSparse(bytes: Uint8Array, start: number, end: number): boolean {
  let registers = 0;
  for (let at = start; at < end; at += opcodeBytes(bytes[at])) {
    const run = runLength(bytes, at, end);
    histogram[runValue(bytes[at])] += run;
    registers += run;
  }
  return registers === REGISTERS;
}

/** 0.5 / ln 2 */
const ALPHA = 0.721347520444481703680;

function estimateFromHistogram(into: I64): void {
  let z = REGISTERS * tau((REGISTERS - histogram[PATTERN_BITS + 1]) / REGISTERS);
  for (let value = PATTERN_BITS; value >= 1; value--) z = (z + histogram[value]) * 0.5;
  z += REGISTERS * sigma(histogram[0] / REGISTERS);
  const cardinality = Math.round(ALPHA * REGISTERS * REGISTERS / z);
  // Only registers that no element has set lead there: Redis's conversion then gives the lowest integer.
  if (!(cardinality < 2 ** 63)) into.set(0x80000000, 0);
  else into.set(Math.floor(cardinality / 2 ** 32), cardinality % 2 ** 32);
}

function sigma(fraction: number): number {
  if (fraction === 1) return Infinity;
  let x = fraction, y = 1, z = x, before = NaN;
  while (z !== before) {
    x *= x;
    before = z;
    z += x * y;
    y += y;
  }
  return z;
}

function tau(fraction: number): number {
  if (fraction === 0 || fraction === 1) return 0;
  let x = fraction, y = 1, z = 1 - x, before = NaN;
  while (z !== before) {
    x = Math.sqrt(x);
    before = z;
    y *= 0.5;
    z -= (1 - x) * (1 - x) * y;
  }
  return z / 3;
}

// ---- sparse opcodes --------------------------------------------------------------------------------------------------

const VALUE_BIT = 0x80, LONG_ZEROS_BIT = 0x40;

export function isValueRun(opcode: number): boolean {
  return (opcode & VALUE_BIT) !== 0;
}

export function isLongZeros(opcode: number): boolean {
  return (opcode & (VALUE_BIT | LONG_ZEROS_BIT)) === LONG_ZEROS_BIT;
}

export function opcodeBytes(opcode: number): number {
  return isLongZeros(opcode) ? 2 : 1;
}

/** Registers that the run at `at` covers; a second byte that is missing counts as 0. */
export function runLength(bytes: Uint8Array, at: number, end: number): number {
  const opcode = bytes[at];
  if (isValueRun(opcode)) return (opcode & 3) + 1;
  if (!isLongZeros(opcode)) return opcode + 1;
  return ((opcode & 0x3f) << 8 | (at + 1 < end ? bytes[at + 1] : 0)) + 1;
}

/** The value of the run's registers. */
export function runValue(opcode: number): number {
  return isValueRun(opcode) ? ((opcode >>> 2) & 31) + 1 : 0;
}

export function valueOpcode(value: number, length: number): number {
  return VALUE_BIT | (value - 1) << 2 | (length - 1);
}

export function longZerosOpcode(length: number): number {
  return LONG_ZEROS_BIT | (length - 1) >>> 8;
}
