/**
 * Parses requests in place in the query buffer: RESP arrays of bulk strings, and inline commands.
 *
 * Limits and error texts are Redis 7.0's. Invariants: bytes [start, end) of `buffer` are unparsed or belong to the request that is
 * being parsed; a request split anywhere is resumed where it stopped (no byte is parsed twice but an incomplete length line);
 * `args` point into `buffer` and stay valid until the next call of `next` or `room`. It never copies an argument, except for inline
 * requests, whose quoting may change the bytes.
 */
import { EMPTY_BYTES } from "../base/bytes.ts";
import { parseSafeInteger } from "../base/integer.ts";
import { Args } from "./args.ts";
import { splitInlineArgs } from "./inline_args.ts";

const INLINE_BYTES_MAX = 64 * 1024;
const BUFFER_BYTES_START = 16 * 1024;
const BIG_ARG_BYTES = 32 * 1024;
/** Free room that is left alone, and the smallest buffer that is cut down while its client is busy. */
const WASTE_BYTES_MAX = 4 * 1024, RESIZE_BYTES_MIN = 32 * 1024;
const CR = 13, LF = 10, STAR = 0x2a, DOLLAR = 0x24, ZERO = 0x30;
const SPACE = 0x20, QUOTE = 0x22, APOSTROPHE = 0x27;
const INT_MAX = 0x7fffffff;
const PEEK_DIGITS_MAX = 8;

export const PARSE = { incomplete: 0, request: 1, error: 2 } as const;

export class RequestParser {
  readonly args: Args = new Args();
  buffer: Uint8Array = new Uint8Array(BUFFER_BYTES_START);
  start = 0;
  end = 0;
  /** The most that the buffer has held since `trim` was called. */
  peakBytes = 0;
  /** Why the client must be closed: text of the reply, after "Protocol error: ". */
  error = "";
  /** Bulk strings up to this length are accepted (proto-max-bulk-len). */
  bulkBytesMax = 512 * 1024 * 1024;
  /** Before AUTH only small requests are. */
  unauthenticated = false;
  #argsLeft = 0;
  #bulkLength = -1;
  #inRequest = false;
  #numberEnd = -1;
  #peekEnd = 0;

  /** Room for the next bytes, at the end of what is there; at least `minBytes`, more when a large argument is expected. */
  room(minBytes: number): Uint8Array {
    const isBig = this.#bulkLength >= BIG_ARG_BYTES;
    const wanted = Math.max(minBytes, isBig ? this.#bulkLength + 2 - (this.end - this.start) : 1);
    if (this.start === this.end && !this.#inRequest) this.start = this.end = 0;
    // A large argument fills the buffer that was made for it; else there is to be room for some requests.
    const roomBytes = isBig ? wanted : Math.max(wanted, this.buffer.length >>> 2);
    if (this.buffer.length - this.end < roomBytes) this.#makeRoom(wanted);
    // Nearly always the whole buffer: no view has to be made.
    return this.end === 0 ? this.buffer : this.buffer.subarray(this.end);
  }

  /** Whether a request has begun to arrive. */
  get isMidRequest(): boolean {
    return this.#inRequest || this.start < this.end;
  }

  /** Parses the next request into `args`. */
  next(): number {
    if (!this.#inRequest) {
      if (this.start === this.end) return PARSE.incomplete;
      this.args.clear();
      this.args.bytes = this.buffer;
      if (this.buffer[this.start] !== STAR) return this.#nextInline();
    }
    return this.#nextArray();
  }

  /**
   * Where the first arguments after the name are of the requests that are there whole and not parsed yet, up to `max`; returns how many.
   * Only looks: whatever is odd ends it, and `next` will find it.
   */
  peekFirstArguments(offsets: Int32Array, lengths: Int32Array, max: number): number {
    if (this.#inRequest) return 0;
    let found = 0, at = this.start;
    while (found < max) {
      let left = this.#peekNumber(at, STAR);
      if (left < 2) break;
      at = this.#peekEnd;
      let key = -1, keyLength = 0;
      for (let i = 0; left > 0; left--, i++) {
        const length = this.#peekNumber(at, DOLLAR);
        if (length < 0) return found;
        if (i === 1) key = this.#peekEnd, keyLength = length;
        at = this.#peekEnd + length + 2;
      }
      if (at > this.end) break;
      offsets[found] = key, lengths[found++] = keyLength;
    }
    return found;
  }

  /** The number on a line of this type, or -1; `#peekEnd` is then where the next line starts. */
  #peekNumber(at: number, type: number): number {
    const buffer = this.buffer, stop = Math.min(this.end, at + PEEK_DIGITS_MAX);
    if (at >= this.end || buffer[at] !== type) return -1;
    let value = 0;
    for (at++; at < stop; at++) {
      const digit = buffer[at] - ZERO;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
    }
    if (at >= stop || buffer[at] !== CR) return -1;
    this.#peekEnd = at + 2;
    return value;
  }

  /** So many bytes are where `room` said. */
  received(bytes: number): void {
    this.end += bytes;
    if (this.end > this.peakBytes) this.peakBytes = this.end;
  }

  /**
   * Gives back what the buffer wastes, by Redis's rules: all of it when the client is idle, else what is far above the peak since the
   * last call, which starts a new peak. The arguments of the last request are forgotten.
   */
  trim(isIdle: boolean): void {
    const size = this.buffer.length, used = this.usedBytes;
    if (size - used > WASTE_BYTES_MAX) {
      if (isIdle) this.#resize(used);
      else if (size > RESIZE_BYTES_MIN && size / 2 > this.peakBytes) {
        this.#resize(Math.max(used, this.peakBytes, this.#bulkLength));
      }
    }
    this.peakBytes = Math.max(this.usedBytes, this.#bulkLength);
  }

  /** Bytes of the request that is being parsed, and of what follows. */
  get usedBytes(): number {
    return this.end - this.#usedStart;
  }

  get #usedStart(): number {
    return this.#inRequest ? Math.min(this.start, this.args.rawStart) : this.start;
  }

  /** Splits an inline request without quotes in place; false, and no arguments, when there are quotes or odd bytes. */
  #splitPlain(lineEnd: number): boolean {
    const buffer = this.buffer, args = this.args;
    let from = -1;
    for (let at = this.start; at < lineEnd; at++) {
      const byte = buffer[at];
      if (byte === SPACE) {
        if (from >= 0) args.push(from, at - from);
        from = -1;
      } else if (byte < SPACE || byte === QUOTE || byte === APOSTROPHE) {
        args.clear();
        return false;
      } else if (from < 0) from = at;
    }
    if (from >= 0) args.push(from, lineEnd - from);
    return true;
  }

  #nextArray(): number {
    const args = this.args, buffer = this.buffer;
    if (!this.#inRequest) {
      const count = this.#number();
      const line = this.#numberEnd;
      if (line < 0) return this.#incompleteLine("too big mbulk count string");
      if (!(count <= INT_MAX)) return this.#fail("invalid multibulk length");
      if (count > 10 && this.unauthenticated) return this.#fail("unauthenticated multibulk length");
      args.rawStart = this.start;
      this.start = line + 2;
      if (count <= 0) return PARSE.request;
      this.#argsLeft = count, this.#bulkLength = -1, this.#inRequest = true;
    }
    while (this.#argsLeft > 0) {
      if (this.#bulkLength < 0) {
        const length = this.#number();
        const line = this.#numberEnd;
        if (line < 0) return this.#incompleteLine("too big bulk count string");
        if (buffer[this.start] !== DOLLAR) {
          return this.#fail(`expected '$', got '${String.fromCharCode(buffer[this.start])}'`);
        }
        if (!(length >= 0 && length <= this.bulkBytesMax)) return this.#fail("invalid bulk length");
        if (length > 16384 && this.unauthenticated) return this.#fail("unauthenticated bulk length");
        this.start = line + 2;
        this.#bulkLength = length;
      }
      const length = this.#bulkLength;
      if (this.end - this.start < length + 2) {
        // At once, so that what a client takes shows before all of it has come.
        if (length >= BIG_ARG_BYTES) this.room(1);
        return PARSE.incomplete;
      }
      args.push(this.start, length);
      this.start += length + 2;
      this.#bulkLength = -1;
      this.#argsLeft--;
    }
    this.#inRequest = false;
    args.rawEnd = this.start;
    return PARSE.request;
  }

  #nextInline(): number {
    const buffer = this.buffer;
    const newline = buffer.indexOf(LF, this.start);
    if (newline < 0 || newline >= this.end) {
      if (this.end - this.start > INLINE_BYTES_MAX) return this.#fail("too big inline request");
      return PARSE.incomplete;
    }
    const lineEnd = newline > this.start && buffer[newline - 1] === CR ? newline - 1 : newline;
    if (this.#splitPlain(lineEnd)) {
      this.start = newline + 1;
      return PARSE.request;
    }
    const parts = splitInlineArgs(buffer, this.start, lineEnd);
    if (parts === null) return this.#fail("unbalanced quotes in request");
    this.start = newline + 1;
    this.args.setAll(parts);
    return PARSE.request;
  }

  /**
   * The number on the line at `start`, after its type byte; NaN when it is none. `#numberEnd` is then where the line's CR is, or -1 when
   * the line is not whole yet.
   */
  #number(): number {
    const buffer = this.buffer, end = this.end - 1;
    let at = this.start + 1, value = 0;
    // Nearly always: up to nine digits and the CR.
    for (const stop = Math.min(end, at + 9); at < stop; at++) {
      const digit = buffer[at] - ZERO;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
    }
    const isPlain = at < end && buffer[at] === CR &&
      (at === this.start + 2 || (at > this.start + 2 && buffer[this.start + 1] !== ZERO));
    if (isPlain) {
      this.#numberEnd = at;
      return value;
    }
    const line = this.#numberEnd = this.#lineEnd();
    return line < 0 ? NaN : parseSafeInteger(buffer, this.start + 1, line - this.start - 1);
  }

  /** Position of the CR that ends the line at `start`, once its LF is there too; else -1. */
  #lineEnd(): number {
    const buffer = this.buffer, end = this.end - 1;
    for (let at = this.start; at < end; at++) if (buffer[at] === CR) return at;
    return -1;
  }

  #incompleteLine(error: string): number {
    return this.end - this.start > INLINE_BYTES_MAX ? this.#fail(error) : PARSE.incomplete;
  }

  #fail(error: string): number {
    this.error = error;
    return PARSE.error;
  }

  /** Moves what is unparsed, and the arguments parsed so far, to the front of a buffer that has room for `wanted` more bytes. */
  #makeRoom(wanted: number): void {
    const kept = this.usedBytes;
    let size = this.buffer.length;
    if (size - kept < wanted || kept > size / 2) {
      size = Math.max(kept + wanted, Math.min(size * 2, size + (64 << 20)), BUFFER_BYTES_START);
    }
    if (size > this.buffer.length) return this.#resize(size);
    const from = this.#usedStart;
    this.buffer.copyWithin(0, from, this.end);
    this.#moved(from);
  }

  /** The same in a new buffer of `size` bytes. */
  #resize(size: number): void {
    const from = this.#usedStart, buffer = size === 0 ? EMPTY_BYTES : new Uint8Array(size);
    buffer.set(this.buffer.subarray(from, this.end));
    this.buffer = buffer;
    this.#moved(from);
  }

  /** What was at `from` is at the front now. */
  #moved(from: number): void {
    const args = this.args;
    this.start -= from, this.end -= from;
    args.bytes = this.buffer;
    if (!this.#inRequest) return args.clear();
    args.rawStart -= from;
    for (let i = 0; i < args.count; i++) args.offsets[i] -= from;
  }
}
