/**
 * Writes values as old Redis servers did, as DUMP payloads: ziplists (2.2 to 6.2), zipmaps (2.0 to 2.4), sorted sets with scores as text.
 * Independent of the readers in src: written from the formats' descriptions in ziplist.c, zipmap.c and rdb.c.
 */

/** A string or an integer. */
export type Element = string | bigint;

/** Bytes as a list that grows; text is latin1. */
class Bytes {
  readonly list: number[] = [];

  add(...parts: (number | string | readonly number[])[]): this {
    for (const part of parts) {
      if (typeof part === "number") this.list.push(part & 0xff);
      else if (typeof part === "string") { for (const char of part) this.list.push(char.charCodeAt(0) & 0xff); }
      else for (const byte of part) this.list.push(byte);
    }
    return this;
  }
}

function little(value: number | bigint, bytes: number): number[] {
  return Array.from({ length: bytes }, (_, i) => Number((BigInt(value) >> BigInt(8 * i)) & 0xffn));
}

function big(value: number, bytes: number): number[] {
  return little(value, bytes).reverse();
}

// ---- strings and lengths -----------------------------------------------------------------------------------------------

function rdbLength(length: number): number[] {
  return length < 64 ? [length] : length < 16384 ? [0x40 | (length >> 8), length & 0xff] : [0x80, ...big(length, 4)];
}

function rdbString(bytes: readonly number[] | string): number[] {
  const list = typeof bytes === "string" ? new Bytes().add(bytes).list : bytes;
  return [...rdbLength(list.length), ...list];
}

/** A DUMP payload of RDB version 10 whose checksum is 0, which servers take after DEBUG SET-SKIP-CHECKSUM-VALIDATION. */
function payload(typeByte: number, ...parts: readonly number[][]): Uint8Array {
  return Uint8Array.from([typeByte, ...parts.flat(), 10, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
}

// ---- ziplist -----------------------------------------------------------------------------------------------------------

function ziplistInteger(value: bigint): number[] {
  if (value >= 0n && value <= 12n) return [0xf1 + Number(value)];
  const widths = [[1, 0xfe], [2, 0xc0], [3, 0xf0], [4, 0xd0], [8, 0xe0]] as const;
  const [bytes, encoding] = widths.find(([bytes]) => BigInt.asIntN(bytes * 8, value) === value)!;
  return [encoding, ...little(value, bytes)];
}

function ziplistString(text: string): number[] {
  const length = text.length;
  const head = length < 64
    ? [length]
    : length < 16384
    ? [0x40 | (length >> 8), length & 0xff]
    : [0x80, ...big(length, 4)];
  return new Bytes().add(head, text).list;
}

/** With `widePrevious` every entry says the size of the one before in five bytes, as after an old cascade. */
export function ziplist(elements: readonly Element[], widePrevious = false): number[] {
  const body = new Bytes();
  let previous = 0, last = 0;
  for (const element of elements) {
    last = body.list.length;
    body.add(previous < 254 && !widePrevious ? previous : [0xfe, ...little(previous, 4)]);
    body.add(typeof element === "bigint" ? ziplistInteger(element) : ziplistString(element));
    previous = body.list.length - last;
  }
  const count = Math.min(elements.length, 0xffff);
  return new Bytes().add(little(body.list.length + 11, 4), little(10 + last, 4), little(count, 2), body.list, 0xff)
    .list;
}

// ---- zipmap ------------------------------------------------------------------------------------------------------------

function zipmapLength(length: number): number[] {
  return length < 254 ? [length] : [0xfe, ...little(length, 4)];
}

/** `freeBytes` unused ones follow each value, as after it got shorter. */
export function zipmap(pairs: readonly (readonly [string, string])[], freeBytes = 0): number[] {
  const bytes = new Bytes().add(Math.min(pairs.length, 254));
  for (const [field, value] of pairs) {
    bytes.add(zipmapLength(field.length), field, zipmapLength(value.length), freeBytes, value, "?".repeat(freeBytes));
  }
  return bytes.add(0xff).list;
}

// ---- values ------------------------------------------------------------------------------------------------------------

export function listOfZiplist(elements: readonly Element[]): Uint8Array {
  return payload(10, rdbString(ziplist(elements)));
}

export function listOfZiplists(nodes: readonly (readonly Element[])[]): Uint8Array {
  return payload(14, rdbLength(nodes.length), ...nodes.map((node) => rdbString(ziplist(node))));
}

export function listOfStrings(elements: readonly string[]): Uint8Array {
  return payload(1, rdbLength(elements.length), ...elements.map(rdbString));
}

export function hashOfZiplist(elements: readonly Element[], widePrevious = false): Uint8Array {
  return payload(13, rdbString(ziplist(elements, widePrevious)));
}

export function hashOfZipmap(pairs: readonly (readonly [string, string])[], freeBytes = 0): Uint8Array {
  return payload(9, rdbString(zipmap(pairs, freeBytes)));
}

export function sortedSetOfZiplist(elements: readonly Element[]): Uint8Array {
  return payload(12, rdbString(ziplist(elements)));
}

/** Scores as text, or as the bytes that stand for NaN (253) and the infinities (254, 255). */
export function sortedSetOfTexts(members: readonly (readonly [string, string | number])[]): Uint8Array {
  const parts = members.map(([member, score]) => [
    ...rdbString(member),
    ...(typeof score === "number" ? [score] : [score.length, ...new Bytes().add(score).list]),
  ]);
  return payload(3, rdbLength(members.length), ...parts);
}

// ---- files -------------------------------------------------------------------------------------------------------------

export interface OldEntry {
  readonly key: string;
  /** As the functions above make it. */
  readonly payload: Uint8Array;
  /** Unix time, in seconds as before version 3. */
  readonly expiresAtSeconds?: number;
}

const EXPIRE_SECONDS = 253, SELECT_DB = 254, END = 255, PAYLOAD_FOOTER_BYTES = 10, CHECKSUM_BYTES = 8;

/** A file of this RDB version, with all in database 0, and without a checksum. */
export function rdbFile(version: number, entries: readonly OldEntry[]): Uint8Array {
  const bytes = new Bytes().add(`REDIS${String(version).padStart(4, "0")}`, SELECT_DB, 0);
  for (const { key, payload, expiresAtSeconds } of entries) {
    if (expiresAtSeconds !== undefined) bytes.add(EXPIRE_SECONDS, little(expiresAtSeconds, 4));
    bytes.add(payload[0], rdbString(key), [...payload.subarray(1, payload.length - PAYLOAD_FOOTER_BYTES)]);
  }
  return Uint8Array.from(bytes.add(END, version >= 5 ? Array(CHECKSUM_BYTES).fill(0) : []).list);
}
