/**
 * The key's entry in a database's dict: the key, its metadata, and a small string itself.
 *
 *   0      4          8                                  12
 *   | next | key info | type 4 | encoding 4 | access 24  | value word | key bytes … | tail
 *   key info: length (29 bits), HAS_EXPIRY, INLINE
 *   access: LRU clock in the unit of the server (24 bits), or LFU: minutes (16 bits) and counter (8 bits), as in Redis
 * Without expiry the tail is empty; with it, at the next multiple of 8 after the key:
 *   0                       8                 12
 *   | expires at, ms (u64)  | place in index  |
 * Then the value, by encoding:
 *   INLINE string            value word = length in bytes; the bytes follow
 *   int                      value word = 0; at the next multiple of 4, the two's complement i64: low word, high word
 *   everything else          value word = address of the value; a raw string's block is | length u32 | bytes … |
 * Invariants: INLINE is set only for string encodings raw and embstr; an entry is written only through `Keyspace`.
 */
import { type Address, type MemoryReader } from "../memory/mod.ts";
import { KEY_LENGTH_MASK } from "../structures/dict.ts";

/** Redis's object types, as TYPE names them and RDB groups them. */
export const TYPE = { string: 0, list: 1, set: 2, zset: 3, hash: 4, module: 5, stream: 6 } as const;
export const TYPE_NAMES = ["string", "list", "set", "zset", "hash", "module", "stream"] as const;

/** Redis's encodings, as OBJECT ENCODING names them. */
export const ENCODING = {
  raw: 0,
  int: 1,
  hashtable: 2,
  intset: 6,
  skiplist: 7,
  embstr: 8,
  quicklist: 9,
  stream: 10,
  listpack: 11,
} as const;
export const ENCODING_NAMES: readonly string[] = [
  "raw",
  "int",
  "hashtable",
  "",
  "",
  "",
  "intset",
  "skiplist",
  "embstr",
  "quicklist",
  "stream",
  "listpack",
];

export const ENTRY = { next: 0, keyInfo: 4, meta: 8, valueWord: 12, key: 16 } as const;
export const HAS_EXPIRY = 1 << 29;
export const INLINE = 1 << 30;
/** Bytes of the expiry part of the tail. */
export const EXPIRY_BYTES = 12;
/** Raw string block: length, then the bytes. */
export const RAW_HEADER_BYTES = 4;
/** Longest string that Redis keeps as embstr. */
export const EMBSTR_BYTES_MAX = 44;

export function keyLength(memory: MemoryReader, entry: Address): number {
  return memory.u32(entry, ENTRY.keyInfo) & KEY_LENGTH_MASK;
}

export function hasExpiry(memory: MemoryReader, entry: Address): boolean {
  return (memory.u32(entry, ENTRY.keyInfo) & HAS_EXPIRY) !== 0;
}

export function isInline(memory: MemoryReader, entry: Address): boolean {
  return (memory.u32(entry, ENTRY.keyInfo) & INLINE) !== 0;
}

/** Offset of the expiry fields of an entry with this key length. */
export function expiryOffset(keyLengthBytes: number): number {
  return (ENTRY.key + keyLengthBytes + 7) & ~7;
}

/** The latest expiry: times are doubles, and beyond 2^53 ms they are rounded, but never up to 2^63, which no file can hold. */
export const EXPIRES_AT_MS_MAX = 2 ** 63 - 1024;

/** Unix time in ms, or -1 when the key does not expire. */
export function expiresAtMs(memory: MemoryReader, entry: Address): number {
  const info = memory.u32(entry, ENTRY.keyInfo);
  return (info & HAS_EXPIRY) === 0 ? -1 : memory.u64(entry, expiryOffset(info & KEY_LENGTH_MASK));
}

export function typeOf(memory: MemoryReader, entry: Address): number {
  return memory.u32(entry, ENTRY.meta) & 15;
}

export function encodingOf(memory: MemoryReader, entry: Address): number {
  return (memory.u32(entry, ENTRY.meta) >>> 4) & 15;
}

/** The 24-bit LRU clock, or LFU minutes and counter. */
export function accessOf(memory: MemoryReader, entry: Address): number {
  return memory.u32(entry, ENTRY.meta) >>> 8;
}

/** Address of a value that is not inline. */
export function valueOf(memory: MemoryReader, entry: Address): Address {
  return memory.u32(entry, ENTRY.valueWord) as Address;
}

/** Where what follows the key (and the expiry) starts. */
export function tailOffset(keyInfo: number): number {
  const keyLengthBytes = keyInfo & KEY_LENGTH_MASK;
  return (keyInfo & HAS_EXPIRY) === 0 ? ENTRY.key + keyLengthBytes : expiryOffset(keyLengthBytes) + EXPIRY_BYTES;
}

/** Where an int value starts. */
export function intOffset(keyInfo: number): number {
  return (tailOffset(keyInfo) + 3) & ~3;
}

/**
 * Where a string's bytes are (encoding raw or embstr, not int): fills the one shared place, valid until the next call.
 * Hot code reads the three fields at once and keeps none of them.
 */
export class StringPlace {
  block: Address = 0 as Address;
  offsetBytes = 0;
  lengthBytes = 0;

  locate(memory: MemoryReader, entry: Address): void {
    const info = memory.u32(entry, ENTRY.keyInfo);
    if ((info & INLINE) !== 0) {
      this.block = entry;
      this.offsetBytes = tailOffset(info);
      this.lengthBytes = memory.u32(entry, ENTRY.valueWord);
    } else {
      this.block = memory.u32(entry, ENTRY.valueWord) as Address;
      this.offsetBytes = RAW_HEADER_BYTES;
      this.lengthBytes = memory.u32(this.block, 0);
    }
  }
}
