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

export class Crc64 {
  /** The two halves, as int32. */
  low = 0;
  high = 0;

  reset(): void {
    this.low = this.high = 0;
  }

  /** Adds bytes [start, end). */
  update(bytes: Uint8Array, start: number, end: number): void {
    const tl = TABLE_LOW, th = TABLE_HIGH;
    let low = this.low, high = this.high, at = start;
    for (const stop = end - 7; at < stop; at += 8) {
      low ^= bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
      high ^= bytes[at + 4] | (bytes[at + 5] << 8) | (bytes[at + 6] << 16) | (bytes[at + 7] << 24);
      const a = 1792 + (low & 0xff),
        b = 1536 + ((low >>> 8) & 0xff),
        c = 1280 + ((low >>> 16) & 0xff),
        d = 1024 + (low >>> 24);
      const e = 768 + (high & 0xff), f = 512 + ((high >>> 8) & 0xff), g = 256 + ((high >>> 16) & 0xff), h = high >>> 24;
      low = tl[a] ^ tl[b] ^ tl[c] ^ tl[d] ^ tl[e] ^ tl[f] ^ tl[g] ^ tl[h];
      high = th[a] ^ th[b] ^ th[c] ^ th[d] ^ th[e] ^ th[f] ^ th[g] ^ th[h];
    }
    for (; at < end; at++) {
      const index = (low ^ bytes[at]) & 0xff;
      low = ((low >>> 8) | (high << 24)) ^ tl[index];
      high = (high >>> 8) ^ th[index];
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
