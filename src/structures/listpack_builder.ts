/**
 * Builds a listpack in an array of its own, element by element, with the encodings that Redis chooses: for what is converted while it
 * is loaded, before anything of it is in paged memory. `bytes[0]` to `bytes[lengthBytes - 1]` is a whole listpack after `finish`.
 */
import type { I64 } from "../base/integer.ts";
import { ElementEncoder, LISTPACK_EMPTY_BYTES, LISTPACK_END, LISTPACK_HEADER_BYTES } from "./listpack.ts";

const COUNT_UNKNOWN = 0xffff;
/** Strings below this have one byte of length before and one behind. */
const SHORT_BYTES = 64;
const NINE = 0x39;

export class ListpackBuilder {
  bytes: Uint8Array;
  /** Without the end byte until `finish`. */
  lengthBytes = LISTPACK_HEADER_BYTES;
  count = 0;
  readonly #encoder = new ElementEncoder();

  /** `sizeHint` is what the listpack may take; it grows beyond. */
  constructor(sizeHint: number) {
    this.bytes = new Uint8Array(Math.max(sizeHint, LISTPACK_EMPTY_BYTES));
  }

  /** Begins another listpack in the same array. */
  reset(): void {
    this.lengthBytes = LISTPACK_HEADER_BYTES, this.count = 0;
  }

  append(source: Uint8Array, start: number, length: number): void {
    // Short text that does not end with a digit is the common case, and cannot be an integer.
    if (length < SHORT_BYTES && (length === 0 || source[start + length - 1] > NINE)) {
      return this.#appendShort(source, start, length);
    }
    this.#encoder.ofBytes(source, start, length);
    this.#write(source, start);
  }

  appendInteger(value: I64): void {
    this.#encoder.ofInteger(value);
    this.#write(this.#encoder.head, 0);
  }

  /** `appendInteger` for 0 to 127. */
  appendSmall(value: number): void {
    this.#reserve(2);
    this.bytes[this.lengthBytes] = value, this.bytes[this.lengthBytes + 1] = 1;
    this.lengthBytes += 2, this.count++;
  }

  #appendShort(source: Uint8Array, start: number, length: number): void {
    this.#reserve(length + 2);
    const bytes = this.bytes, at = this.lengthBytes + 1;
    bytes[at - 1] = 0x80 | length;
    for (let i = 0; i < length; i++) bytes[at + i] = source[start + i];
    bytes[at + length] = length + 1;
    this.lengthBytes = at + length + 1, this.count++;
  }

  /** Puts the end byte behind the elements, without counting it: for `Listpacks.appendEncoded`. */
  closeElements(): void {
    this.#reserve(1);
    this.bytes[this.lengthBytes] = LISTPACK_END;
  }

  finish(): void {
    this.#reserve(1);
    const bytes = this.bytes, count = Math.min(this.count, COUNT_UNKNOWN);
    bytes[this.lengthBytes++] = LISTPACK_END;
    for (let i = 0; i < 4; i++) bytes[i] = (this.lengthBytes >>> (8 * i)) & 0xff;
    bytes[4] = count & 0xff, bytes[5] = count >>> 8;
  }

  #write(source: Uint8Array, start: number): void {
    const { head, headBytes, dataBytes, backlen, backlenBytes, sizeBytes } = this.#encoder;
    this.#reserve(sizeBytes);
    const bytes = this.bytes;
    let at = this.lengthBytes;
    for (let i = 0; i < headBytes; i++) bytes[at++] = head[i];
    if (dataBytes > 64) bytes.set(source.subarray(start, start + dataBytes), at), at += dataBytes;
    else for (let i = 0; i < dataBytes; i++) bytes[at++] = source[start + i];
    for (let i = 0; i < backlenBytes; i++) bytes[at++] = backlen[i];
    this.lengthBytes = at;
    this.count++;
  }

  #reserve(more: number): void {
    const needed = this.lengthBytes + more;
    if (needed <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, Math.ceil(this.bytes.length * 1.5)));
    grown.set(this.bytes.subarray(0, this.lengthBytes));
    this.bytes = grown;
  }
}
