/**
 * Writes replies straight into a client's output buffer, in RESP2 or RESP3.
 *
 * The buffer grows by doubling and is handed to the network whole; `take` exchanges it for a spare one, so a reply is never copied
 * on its way. Scalars, short bulks and integers allocate nothing.
 */
import { ascii, copyRange, utf8Encode } from "../base/bytes.ts";
import { formatDouble17 } from "../base/double.ts";
import { formatI64, formatInteger, I64, integerTextBytes } from "../base/integer.ts";
import { borrowBuffer, giveBuffer } from "./buffer_pool.ts";

/** Codes that Redis's error replies begin with, in place of ERR. */
const ERROR_CODE =
  /^(ERR|WRONGTYPE|WRONGPASS|NOAUTH|NOPERM|NOPROTO|NOREPLICAS|OOM|LOADING|MISCONF|EXECABORT|BUSYKEY|BUSY|READONLY|UNBLOCKED|DENIED) /;

/** Memory that a bulk can be copied out of; `Block` is the memory's kind of address. */
export interface BlockReader<Block> {
  copyOut(block: Block, offsetBytes: number, target: Uint8Array, targetBytes: number, lengthBytes: number): void;
}

/** Most and least that the buffer of a client is between replies. */
export const REPLY_BUFFER_BYTES = 16 * 1024;
export const REPLY_BUFFER_BYTES_MIN = 1024;
/** Lines up to this length are tried as ASCII first. */
const SHORT_LINE_CHARS = 64;
/** Longest line of type byte, number and CRLF. */
const HEADER_BYTES_MAX = 24;
const CR = 13, LF = 10;
const TYPE_BYTE = {
  status: 0x2b,
  error: 0x2d,
  integer: 0x3a,
  bulk: 0x24,
  array: 0x2a,
  map: 0x25,
  set: 0x7e,
  push: 0x3e,
  double: 0x2c,
  verbatim: 0x3d,
} as const;
const OK = ascii("+OK\r\n");
const NULL_BULK = ascii("$-1\r\n");
const NULL_ARRAY = ascii("*-1\r\n");
const NULL_RESP3 = ascii("_\r\n");
const TRUE_RESP3 = ascii("#t\r\n");
const FALSE_RESP3 = ascii("#f\r\n");

export class ReplyWriter {
  buffer: Uint8Array = new Uint8Array(REPLY_BUFFER_BYTES);
  length = 0;
  /** What the buffer is between replies; larger ones grow it until they are taken. */
  baseBytes: number = REPLY_BUFFER_BYTES;
  /** The most of the base that replies have used since it was reset. */
  peakBytes = 0;
  /** Unsent replies may be this much longer than the base, 0 for any length: beyond that they are dropped, and `overrun` is set. */
  overflowBytesMax = 0;
  /** The client can only be closed: part of its replies is lost. What is still written goes nowhere. */
  overrun = false;
  /** 2 or 3. */
  protocol = 2;
  /** Error replies written so far: dispatch compares before and after a command. */
  errors = 0;
  /** Text of the last error, without the dash. */
  lastError = "";
  readonly #number = new Uint8Array(HEADER_BYTES_MAX + 8);
  #spare: Uint8Array | null = null;
  #inFlightBytes = 0;
  #inFlightBufferBytes = 0;

  // ---- scalars -------------------------------------------------------------------------------------------------

  ok(): void {
    this.raw(OK);
  }

  status(text: string): void {
    this.#line(TYPE_BYTE.status, text);
  }

  /** An error; a text without one of Redis's error codes gets "ERR ". */
  error(text: string): void {
    this.errorWithCode(ERROR_CODE.test(text) ? text : "ERR " + text);
  }

  /** An error whose text is complete as it is. */
  errorWithCode(text: string): void {
    this.errors++;
    this.lastError = text;
    this.#line(TYPE_BYTE.error, text.replace(/[\r\n]/g, " "));
  }

  integer(value: number): void {
    this.#ensure(HEADER_BYTES_MAX);
    this.#header(TYPE_BYTE.integer, value);
  }

  i64(value: I64): void {
    this.#ensure(HEADER_BYTES_MAX);
    this.buffer[this.length++] = TYPE_BYTE.integer;
    this.length = formatI64(value, this.buffer, this.length);
    this.#crlf();
  }

  /** A double in RESP3, its text as a bulk in RESP2. */
  double(value: number): void {
    if (Number.isSafeInteger(value) && !Object.is(value, -0)) return this.#wholeDouble(value);
    this.doubleText(formatDouble17(value));
  }

  /** A double that has its text already. */
  doubleText(text: string): void {
    if (this.protocol === 2) return this.text(text);
    this.#line(TYPE_BYTE.double, text);
  }

  boolean(value: boolean): void {
    if (this.protocol === 2) return this.integer(value ? 1 : 0);
    this.raw(value ? TRUE_RESP3 : FALSE_RESP3);
  }

  null(): void {
    this.raw(this.protocol === 2 ? NULL_BULK : NULL_RESP3);
  }

  nullArray(): void {
    this.raw(this.protocol === 2 ? NULL_ARRAY : NULL_RESP3);
  }

  // ---- bulks ---------------------------------------------------------------------------------------------------

  bulk(bytes: Uint8Array, offset: number, length: number): void {
    this.#ensure(HEADER_BYTES_MAX + length + 2);
    const buffer = this.buffer, at = writeHeader(buffer, this.length, TYPE_BYTE.bulk, length), end = at + length;
    copyRange(bytes, offset, buffer, at, length);
    buffer[end] = CR, buffer[end + 1] = LF;
    this.length = end + 2;
  }

  /** A bulk whose bytes are in paged memory. */
  bulkFrom<Block>(memory: BlockReader<Block>, block: Block, offsetBytes: number, length: number): void {
    this.#ensure(HEADER_BYTES_MAX + length + 2);
    const buffer = this.buffer, at = writeHeader(buffer, this.length, TYPE_BYTE.bulk, length), end = at + length;
    memory.copyOut(block, offsetBytes, buffer, at, length);
    buffer[end] = CR, buffer[end + 1] = LF;
    this.length = end + 2;
  }

  /** A bulk with the decimal text of an integer. */
  bulkInteger(value: I64): void {
    const length = formatI64(value, this.#number, 0);
    this.bulk(this.#number, 0, length);
  }

  text(value: string): void {
    const bytes = utf8Encode(value);
    this.bulk(bytes, 0, bytes.length);
  }

  bytes(value: Uint8Array): void {
    this.bulk(value, 0, value.length);
  }

  /** Text with a format ("txt"), which RESP2 clients get as a bulk. */
  verbatim(value: string, format = "txt"): void {
    if (this.protocol === 2) return this.text(value);
    const bytes = utf8Encode(`${format}:${value}`);
    this.#ensure(HEADER_BYTES_MAX + bytes.length + 2);
    this.#header(TYPE_BYTE.verbatim, bytes.length);
    this.#copy(bytes, 0, bytes.length);
    this.#crlf();
  }

  // ---- aggregates ----------------------------------------------------------------------------------------------

  startArray(count: number): void {
    this.#ensure(HEADER_BYTES_MAX);
    this.#header(TYPE_BYTE.array, count);
  }

  /** A map of `pairs` pairs; an array twice as long in RESP2. */
  startMap(pairs: number): void {
    this.#ensure(HEADER_BYTES_MAX);
    if (this.protocol === 2) this.#header(TYPE_BYTE.array, pairs * 2);
    else this.#header(TYPE_BYTE.map, pairs);
  }

  startSet(count: number): void {
    this.#ensure(HEADER_BYTES_MAX);
    this.#header(this.protocol === 2 ? TYPE_BYTE.array : TYPE_BYTE.set, count);
  }

  /** Out-of-band data in RESP3, an array in RESP2. */
  startPush(count: number): void {
    this.#ensure(HEADER_BYTES_MAX);
    this.#header(this.protocol === 2 ? TYPE_BYTE.array : TYPE_BYTE.push, count);
  }

  /** Makes room for `bytes` more, which the caller writes into `buffer` from `length` on; it moves `length` behind them then. */
  reserve(bytes: number): void {
    this.#ensure(bytes);
  }

  /** Bytes that are a complete reply already. */
  raw(bytes: Uint8Array): void {
    this.#ensure(bytes.length);
    this.#copy(bytes, 0, bytes.length);
  }

  /**
   * Leaves room for an array header whose count is not known yet; returns the mark that `setDeferredArray`, `setDeferredSet`
   * or `setDeferredMap` takes.
   * What is written in between is moved once, when the count is set.
   */
  deferArray(): number {
    return this.length;
  }

  setDeferredArray(mark: number, count: number): void {
    this.#setDeferred(mark, TYPE_BYTE.array, count);
  }

  setDeferredSet(mark: number, count: number): void {
    this.#setDeferred(mark, this.protocol === 2 ? TYPE_BYTE.array : TYPE_BYTE.set, count);
  }

  /** A map of `pairs` pairs; an array twice as long in RESP2. */
  setDeferredMap(mark: number, pairs: number): void {
    if (this.protocol === 2) this.#setDeferred(mark, TYPE_BYTE.array, pairs * 2);
    else this.#setDeferred(mark, TYPE_BYTE.map, pairs);
  }

  #setDeferred(mark: number, type: number, count: number): void {
    const size = 1 + formatInteger(count, this.#number, 0) + 2;
    this.#ensure(size);
    this.buffer.copyWithin(mark + size, mark, this.length);
    const end = this.length + size;
    this.length = mark;
    this.#header(type, count);
    this.length = end;
  }

  /** Forgets what was written after `length`. */
  truncate(length: number): void {
    this.length = length;
  }

  /** The filled buffer; writing goes on in another one. The caller gives it back with `reuse` when the network is done. */
  take(): Uint8Array {
    const full = this.buffer;
    this.#inFlightBytes = this.length, this.#inFlightBufferBytes = full.length;
    this.notePeak();
    this.buffer = this.#spare ?? new Uint8Array(this.baseBytes);
    this.#spare = null;
    this.length = 0;
    return full;
  }

  reuse(buffer: Uint8Array): void {
    this.#inFlightBytes = this.#inFlightBufferBytes = 0;
    this.#keep(buffer);
  }

  /** Keeps a buffer for the next replies, of this client or another. */
  #keep(buffer: Uint8Array): void {
    if (buffer.length === this.baseBytes) this.#spare = buffer;
    else giveBuffer(buffer);
  }

  notePeak(): void {
    this.peakBytes = Math.max(this.peakBytes, Math.min(this.length, this.baseBytes));
  }

  /** Changes the base; a buffer that holds unsent replies stays until they are taken. */
  resizeBase(bytes: number): void {
    this.baseBytes = bytes;
    this.#spare = null;
    if (this.length === 0) this.buffer = new Uint8Array(bytes);
  }

  /** Replies that are not sent yet, beyond what the base holds: what output buffer limits are about. */
  get overflowBytes(): number {
    return Math.max(0, this.unsentBytes - this.baseBytes);
  }

  get unsentBytes(): number {
    return this.length + this.#inFlightBytes;
  }

  /** Bytes that all its buffers take. */
  get memoryBytes(): number {
    return this.buffer.length + this.#inFlightBufferBytes + (this.#spare === null ? 0 : this.#spare.length);
  }

  // ---- inside --------------------------------------------------------------------------------------------------

  #ensure(bytes: number): void {
    if (this.length + bytes > this.buffer.length) this.#grow(bytes);
  }

  #grow(bytes: number): void {
    const tooMuch = this.overflowBytesMax > 0 && this.overflowBytes + bytes > this.overflowBytesMax;
    if (this.overrun || tooMuch) return this.#drop(bytes);
    const smaller = this.buffer;
    const larger = borrowBuffer(Math.max(this.length + bytes, smaller.length * 2, REPLY_BUFFER_BYTES));
    larger.set(smaller.subarray(0, this.length));
    this.buffer = larger;
    this.#keep(smaller);
  }

  /** Starts over, with room for what comes next. */
  #drop(bytes: number): void {
    this.overrun = true;
    this.length = 0;
    if (bytes > this.buffer.length) this.buffer = new Uint8Array(bytes);
  }

  #header(type: number, value: number): void {
    this.length = writeHeader(this.buffer, this.length, type, value);
  }

  #crlf(): void {
    this.buffer[this.length++] = CR;
    this.buffer[this.length++] = LF;
  }

  /** A double whose text is an integer's. */
  #wholeDouble(value: number): void {
    this.#ensure(2 * HEADER_BYTES_MAX);
    if (this.protocol !== 2) return this.#header(TYPE_BYTE.double, value);
    this.#header(TYPE_BYTE.bulk, integerTextBytes(value));
    this.length = formatInteger(value, this.buffer, this.length);
    this.#crlf();
  }

  #copy(bytes: Uint8Array, offset: number, length: number): void {
    copyRange(bytes, offset, this.buffer, this.length, length);
    this.length += length;
  }

  #line(type: number, text: string): void {
    if (text.length <= SHORT_LINE_CHARS && this.#asciiLine(type, text)) return;
    const bytes = utf8Encode(text);
    this.#ensure(bytes.length + 3);
    this.buffer[this.length++] = type;
    this.#copy(bytes, 0, bytes.length);
    this.#crlf();
  }

  /** Writes a line of ASCII without a detour through bytes of its own; false, and nothing written, when it is not all ASCII. */
  #asciiLine(type: number, text: string): boolean {
    const start = this.length, length = text.length;
    this.#ensure(length + 3);
    const buffer = this.buffer;
    for (let i = 0; i < length; i++) {
      const code = text.charCodeAt(i);
      if (code > 0x7f) return false;
      buffer[start + 1 + i] = code;
    }
    buffer[start] = type;
    this.length = start + 1 + length;
    this.#crlf();
    return true;
  }
}

/** A type byte, a number and the end of the line; returns where that ends. */
function writeHeader(buffer: Uint8Array, start: number, type: number, value: number): number {
  let at = start;
  buffer[at++] = type;
  if (value >= 0 && value < 10) buffer[at++] = 0x30 + value;
  else if (value >= 10 && value < 100) {
    const tens = (value / 10) | 0;
    buffer[at++] = 0x30 + tens;
    buffer[at++] = 0x30 + value - tens * 10;
  } else at = formatInteger(value, buffer, at);
  buffer[at] = CR, buffer[at + 1] = LF;
  return at + 2;
}
