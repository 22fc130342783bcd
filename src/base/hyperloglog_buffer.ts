/**
 * A HyperLogLog that is being changed, in a buffer of its own: loaded, changed register by register, then stored again by its owner.
 *
 * Sparse values are edited in place the way Redis does it, so that the bytes come out the same: the run that covers the register is
 * split, then the runs around it are joined where Redis looks for that. The value becomes dense when a register needs more than 32
 * or when a split would make it longer than hll-sparse-max-bytes.
 */
import {
  CACHE_STATE_AT,
  DENSE,
  DENSE_BYTES,
  denseGet,
  denseSet,
  ENCODING_AT,
  HEADER_BYTES,
  isDense,
  isLongZeros,
  isValueRun,
  longZerosOpcode,
  opcodeBytes,
  REGISTERS,
  runLength,
  runValue,
  SPARSE,
  valueOpcode,
  voidCacheByte,
  writeHeader,
} from "./hyperloglog.ts";

/** Each run covers a register and takes two bytes at most: what is longer is corrupt. */
const SPARSE_BYTES_MAX = HEADER_BYTES + 2 * REGISTERS;
const SPARSE_VALUE_MAX = 32, VALUE_RUN_MAX = 4, SHORT_ZEROS_MAX = 64;
/** Opcodes that are looked at, from the one before the change on, to join runs. */
const JOIN_OPCODES = 5;
/** The longest that a run is split into: zeros, value, zeros. */
const SPLIT_BYTES_MAX = 5;

export const SET = { corrupt: -1, unchanged: 0, changed: 1 } as const;

export class HyperLogLogBuffer {
  bytes: Uint8Array = new Uint8Array(SPARSE_BYTES_MAX + SPLIT_BYTES_MAX);
  length = 0;
  #spare: Uint8Array = new Uint8Array(SPARSE_BYTES_MAX + SPLIT_BYTES_MAX);
  readonly #split = new Uint8Array(SPLIT_BYTES_MAX);

  /** Makes it empty: one run of zeros. */
  clear(): void {
    writeHeader(this.bytes, SPARSE);
    this.length = this.#putRun(this.bytes, HEADER_BYTES, REGISTERS, 0);
  }

  /** Makes it a copy of a value that `isHyperLogLog` has accepted; false when that is corrupt for its length alone. */
  load(bytes: Uint8Array, at: number, length: number): boolean {
    if (length > SPARSE_BYTES_MAX) return false;
    this.bytes.set(bytes.subarray(at, at + length));
    this.length = length;
    return true;
  }

  get isDense(): boolean {
    return isDense(this.bytes, 0);
  }

  voidCache(): void {
    this.bytes[CACHE_STATE_AT] = voidCacheByte(this.bytes[CACHE_STATE_AT]);
  }

  /** Raises a register to `value`; one of SET. */
  raise(register: number, value: number, sparseBytesMax: number): number {
    return this.isDense ? this.#raiseDense(register, value) : this.#raiseSparse(register, value, sparseBytesMax);
  }

  /** Changes to the dense encoding; false when the value is corrupt, and then it stays. */
  toDense(): boolean {
    if (this.isDense) return true;
    const { bytes, length } = this, dense = this.#spare;
    dense.fill(0, 0, DENSE_BYTES);
    dense.set(bytes.subarray(0, HEADER_BYTES));
    dense[ENCODING_AT] = DENSE;
    let register = 0;
    for (let at = HEADER_BYTES; at < length; at += opcodeBytes(bytes[at])) {
      const run = runLength(bytes, at, length), value = runValue(bytes[at]);
      if (register + run > REGISTERS) return false;
      if (value > 0) { for (let i = register; i < register + run; i++) denseSet(dense, 0, i, value); }
      register += run;
    }
    if (register !== REGISTERS) return false;
    this.bytes = dense, this.#spare = bytes, this.length = DENSE_BYTES;
    return true;
  }

  #raiseDense(register: number, value: number): number {
    if (value <= denseGet(this.bytes, 0, register)) return SET.unchanged;
    denseSet(this.bytes, 0, register, value);
    return SET.changed;
  }

  #raiseSparse(register: number, value: number, sparseBytesMax: number): number {
    if (value > SPARSE_VALUE_MAX) return this.#promote(register, value);
    const bytes = this.bytes, end = this.length;
    let at = HEADER_BYTES, before = HEADER_BYTES, first = 0, run = 0;
    while (at < end) {
      run = runLength(bytes, at, end);
      if (register < first + run) break;
      before = at;
      at += opcodeBytes(bytes[at]);
      first += run;
    }
    if (run === 0 || at >= end) return SET.corrupt;
    if (runValue(bytes[at]) >= value) return SET.unchanged;
    if (run === 1 && !isLongZeros(bytes[at])) bytes[at] = valueOpcode(value, 1);
    else if (!this.#splitRun(at, register - first, run, value, sparseBytesMax)) return this.#promote(register, value);
    this.#joinRuns(before);
    this.voidCache();
    return SET.changed;
  }

  #promote(register: number, value: number): number {
    return this.toDense() ? this.#raiseDense(register, value) : SET.corrupt;
  }

  /** Gives the register at `place` within the run at `at` a value of its own; false when the result would be too long. */
  #splitRun(at: number, place: number, run: number, value: number, sparseBytesMax: number): boolean {
    const { bytes, length } = this, split = this.#split, old = runValue(bytes[at]), oldBytes = opcodeBytes(bytes[at]);
    let size = this.#putRun(split, 0, place, old);
    split[size++] = valueOpcode(value, 1);
    size = this.#putRun(split, size, run - place - 1, old);
    if (size > oldBytes && length + size - oldBytes > sparseBytesMax) return false;
    if (length + SPLIT_BYTES_MAX > bytes.length) return false;
    bytes.copyWithin(at + size, at + oldBytes, length);
    for (let i = 0; i < size; i++) bytes[at + i] = split[i];
    this.length = length + size - oldBytes;
    return true;
  }

  /** Writes a run, none when its length is 0; returns the offset after it. */
  #putRun(target: Uint8Array, at: number, length: number, value: number): number {
    if (length === 0) return at;
    if (value > 0) target[at] = valueOpcode(value, length);
    else if (length <= SHORT_ZEROS_MAX) target[at] = length - 1;
    else {
      target[at] = longZerosOpcode(length), target[at + 1] = (length - 1) & 0xff;
      return at + 2;
    }
    return at + 1;
  }

  /** Joins neighbouring runs of one value, as far as a run can be long. */
  #joinRuns(start: number): void {
    const bytes = this.bytes;
    for (let at = start, left = JOIN_OPCODES; at < this.length && left > 0; left--) {
      const opcode = bytes[at];
      if (isValueRun(opcode) && this.#joinsNext(at)) {
        bytes[at + 1] = valueOpcode(runValue(opcode), (opcode & 3) + (bytes[at + 1] & 3) + 2);
        bytes.copyWithin(at, at + 1, this.length--);
      } else at += opcodeBytes(opcode);
    }
  }

  #joinsNext(at: number): boolean {
    const bytes = this.bytes, opcode = bytes[at], next = bytes[at + 1];
    return at + 1 < this.length && isValueRun(next) && runValue(next) === runValue(opcode) &&
      (opcode & 3) + (next & 3) + 2 <= VALUE_RUN_MAX;
  }
}
