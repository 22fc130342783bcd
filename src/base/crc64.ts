/**
 * CRC-64 as RDB files end with: the Jones polynomial ad93d23594c935a9, reflected, initial value 0, no final xor.
 * Computed on pairs of 32-bit words, eight bytes at a step (slicing by 8); the check value of "123456789" is e9c6d914c4b8d9ca.
 */

/** The polynomial with its bits reversed. */
const POLY_HIGH = 0x95ac9329 | 0;
const POLY_LOW = 0xac4bc9b5 | 0;
const SLICES = 8;
/** TABLE_LOW[k * 256 + b]: low word of the CRC of byte b followed by k zero bytes. */
const TABLE_LOW = new Int32Array(SLICES * 256);
const TABLE_HIGH = new Int32Array(SLICES * 256);
fillTables();

function fillTables(): void {
  for (let byte = 0; byte < 256; byte++) {
    let low = byte, high = 0;
    for (let bit = 0; bit < 8; bit++) {
      const odd = low & 1;
      low = (low >>> 1) | (high << 31), high = high >>> 1;
      if (odd !== 0) low ^= POLY_LOW, high ^= POLY_HIGH;
    }
    TABLE_LOW[byte] = low, TABLE_HIGH[byte] = high;
  }
  for (let k = 1; k < SLICES; k++) {
    for (let byte = 0; byte < 256; byte++) {
      const low = TABLE_LOW[(k - 1) * 256 + byte], high = TABLE_HIGH[(k - 1) * 256 + byte], at = low & 0xff;
      TABLE_LOW[k * 256 + byte] = ((low >>> 8) | (high << 24)) ^ TABLE_LOW[at];
      TABLE_HIGH[k * 256 + byte] = (high >>> 8) ^ TABLE_HIGH[at];
    }
  }
}

/** Shorter ranges are not worth aligning. */
const WORDS_FROM_BYTES = 32;
const NO_WORDS = new Int32Array(0);

export class Crc64 {
  /** The two halves, as int32. */
  low = 0;
  high = 0;
  /** All of the buffer that was read last, as words. */
  #words: Int32Array = NO_WORDS;

  reset(): void {
    this.low = this.high = 0;
  }

  /** Adds bytes [start, end). */
  update(bytes: Uint8Array, start: number, end: number): void {
    if (end - start < WORDS_FROM_BYTES) {
      this.#updateBytes(bytes, start, end);
      return;
    }
    const buffer = bytes.buffer, origin = bytes.byteOffset;
    if (buffer !== this.#words.buffer) this.#words = new Int32Array(buffer, 0, buffer.byteLength >>> 2);
    const aligned = start + (-(origin + start) & 3);
    const stop = aligned + ((end - aligned) & ~7);
    this.#updateBytes(bytes, start, aligned);
    this.#updateWords(this.#words, (origin + aligned) >>> 2, (origin + stop) >>> 2);
    this.#updateBytes(bytes, stop, end);
  }

  #updateBytes(bytes: Uint8Array, start: number, end: number): void {
    let low = this.low, high = this.high;
    for (let at = start; at < end; at++) {
      const index = (low ^ bytes[at]) & 0xff;
      low = ((low >>> 8) | (high << 24)) ^ TABLE_LOW[index];
      high = (high >>> 8) ^ TABLE_HIGH[index];
    }
    this.low = low, this.high = high;
  }

  /** Two words at a step; words are little-endian on every machine that Deno runs on. */
  #updateWords(words: Int32Array, start: number, end: number): void {
    const tl = TABLE_LOW, th = TABLE_HIGH;
    let low = this.low, high = this.high;
    for (let at = start; at < end; at += 2) {
      low ^= words[at];
      high ^= words[at + 1];
      const a = 1792 + (low & 0xff),
        b = 1536 + ((low >>> 8) & 0xff),
        c = 1280 + ((low >>> 16) & 0xff),
        d = 1024 + (low >>> 24);
      const e = 768 + (high & 0xff), f = 512 + ((high >>> 8) & 0xff), g = 256 + ((high >>> 16) & 0xff), h = high >>> 24;
      low = tl[a] ^ tl[b] ^ tl[c] ^ tl[d] ^ tl[e] ^ tl[f] ^ tl[g] ^ tl[h];
      high = th[a] ^ th[b] ^ th[c] ^ th[d] ^ th[e] ^ th[f] ^ th[g] ^ th[h];
    }
    this.low = low, this.high = high;
  }

  writeLittleEndian(target: Uint8Array, offset: number): void {
    for (let i = 0; i < 4; i++) {
      target[offset + i] = this.low >>> (8 * i), target[offset + 4 + i] = this.high >>> (8 * i);
    }
  }

  equalsLittleEndian(source: Uint8Array, offset: number): boolean {
    for (let i = 0; i < 4; i++) {
      if (
        source[offset + i] !== ((this.low >>> (8 * i)) & 0xff) ||
        source[offset + 4 + i] !== ((this.high >>> (8 * i)) & 0xff)
      ) return false;
    }
    return true;
  }
}
