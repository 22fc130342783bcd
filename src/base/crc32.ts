/**
 * CRC-32 (ISO-HDLC, as zlib and gzip have it): the checksum of the log's seals. The runtime computes it, at some 50 GB/s; the check value
 * of "123456789" is cbf43926. It is linear: the checksums of two ranges of one length differ by what depends only on where they differ.
 */
import { crc32 as zlibCrc32 } from "node:zlib";

/** The checksum of bytes[start, end) behind bytes whose checksum is `before`. An unsigned 32-bit number. */
export function crc32(bytes: Uint8Array, start: number, end: number, before = 0): number {
  return zlibCrc32(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end), before);
}
