/**
 * CRC-32 (ISO-HDLC, as zlib and gzip have it): the checksum of the log's seals. The runtime computes it, at some 50 GB/s; the check value
 * of "123456789" is cbf43926. It is linear: the checksums of two ranges of one length differ by what depends only on where they differ.
 */
import { crc32 as zlibCrc32 } from "node:zlib";

/** The checksum of bytes[start, end) behind bytes whose checksum is `before`. An unsigned 32-bit number. */
export function crc32(bytes: Uint8Array, start: number, end: number, before = 0): number {
  return zlibCrc32(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end), before);
}

const POLYNOMIAL = 0xedb88320 | 0;

/** A flipped bit: in which byte, and which; `xor` is 0 when there is none. */
export interface Flip {
  readonly offsetBytes: number;
  readonly xor: number;
}

/** Nothing that one flipped bit explains. */
export const NO_FLIP: Flip = { offsetBytes: -1, xor: 0 };

/** The bit in `length` bytes that, flipped, changes their checksum by `change` (xor). */
export function flippedBit(change: number, length: number): Flip {
  // The last bit that was taken in, the highest of the last byte, changes it by the polynomial; each one before by a step more.
  let step = POLYNOMIAL;
  for (let bit = 0; bit < length * 8; bit++) {
    if (step >>> 0 === change) return { offsetBytes: length - 1 - (bit >>> 3), xor: 0x80 >>> (bit & 7) };
    step = (step >>> 1) ^ (POLYNOMIAL & -(step & 1));
  }
  return NO_FLIP;
}
