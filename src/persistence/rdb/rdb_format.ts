/**
 * The RDB file format, version 10 as Redis 7.0 writes it.
 *
 *   "REDIS" "0010" | aux fields | for each database: SELECTDB n, RESIZEDB keys expires, entries | EOF | CRC-64 (8 bytes, little-endian)
 *   entry: [EXPIRETIME_MS u64] [IDLE seconds | FREQ byte] type key value
 * A length has its kind in the top two bits of the first byte: 6 bits, 14 bits, 32 or 64 bits big-endian, or a special string encoding.
 */
export const RDB_VERSION = 10;
export const RDB_VERSION_MAX = 12;

export const OPCODE = {
  slotInfo: 244,
  function2: 245,
  functionPreGa: 246,
  moduleAux: 247,
  idle: 248,
  frequency: 249,
  aux: 250,
  resizeDb: 251,
  expireTimeMs: 252,
  expireTime: 253,
  selectDb: 254,
  eof: 255,
} as const;

/** Type bytes by what an error message calls them. */
export const TYPE_BYTE_NAMES: Readonly<Record<number, string>> = {
  0: "string",
  1: "list",
  2: "set",
  3: "sorted set",
  4: "hash",
  5: "sorted set",
  6: "module value",
  7: "module value",
  9: "hash (zipmap)",
  10: "list (ziplist)",
  11: "set (intset)",
  12: "sorted set (ziplist)",
  13: "hash (ziplist)",
  14: "list (quicklist of ziplists)",
  15: "stream",
  16: "hash (listpack)",
  17: "sorted set (listpack)",
  18: "list (quicklist)",
  19: "stream",
  20: "set (listpack)",
  21: "stream",
  22: "hash whose fields expire",
  23: "hash (listpack) whose fields expire",
  24: "hash whose fields expire",
  25: "hash (listpack) whose fields expire",
};

export const MODULE_TYPE_BYTES: readonly number[] = [6, 7];

export const LENGTH_KIND = { bits6: 0, bits14: 1, wide: 2, special: 3 } as const;
export const WIDE = { bits32: 0x80, bits64: 0x81 } as const;
export const SPECIAL = { int8: 0, int16: 1, int32: 2, lzf: 3 } as const;
