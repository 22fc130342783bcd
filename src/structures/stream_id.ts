/**
 * Ids of stream entries: milliseconds and a sequence number, unsigned 64 bits each, ordered as one 128-bit number.
 *
 * An id is four uint32 words, most significant first, so that comparing words in order compares ids:
 *   [ ms high | ms low | sequence high | sequence low ]
 * The texts that are accepted are Redis's (string2ull: canonical digits, and else whatever strtoull takes whole). Owners keep their
 * ids and reuse them; nothing here allocates but `newStreamId`.
 */
import { formatInteger, formatU64, parseSafeInteger } from "../base/integer.ts";

export type StreamId = Uint32Array;

/** Longest text: two numbers of 20 digits and the dash. */
export const STREAM_ID_TEXT_BYTES_MAX = 41;
export const STREAM_ID_BYTES = 16;
/** Redis refuses longer arguments unseen. */
const PARSED_BYTES_MAX = 127;
const WORD_MAX = 0xffffffff, TWO_32 = 0x100000000;
/** Digits of which every number is a safe integer. */
const SAFE_DIGITS = 15;
const DASH = 0x2d, PLUS = 0x2b, STAR = 0x2a, ZERO = 0x30, SPACE = 0x20, TAB = 9, CR = 13;

/** What `parseStreamId` found. */
export const ID_TEXT = { invalid: 0, whole: 1, sequenceWanted: 2 } as const;

export function newStreamId(): StreamId {
  return new Uint32Array(4);
}

export function setId(
  id: StreamId,
  msHigh: number,
  msLow: number,
  sequenceHigh: number,
  sequenceLow: number,
): StreamId {
  id[0] = msHigh, id[1] = msLow, id[2] = sequenceHigh, id[3] = sequenceLow;
  return id;
}

export function copyId(to: StreamId, from: StreamId): StreamId {
  to[0] = from[0], to[1] = from[1], to[2] = from[2], to[3] = from[3];
  return to;
}

export function setMinId(id: StreamId): StreamId {
  return setId(id, 0, 0, 0, 0);
}

export function setMaxId(id: StreamId): StreamId {
  return setId(id, WORD_MAX, WORD_MAX, WORD_MAX, WORD_MAX);
}

export function isZeroId(id: StreamId): boolean {
  return (id[0] | id[1] | id[2] | id[3]) === 0;
}

export function isMaxId(id: StreamId): boolean {
  return (id[0] & id[1] & id[2] & id[3]) === -1;
}

export function compareIds(a: StreamId, b: StreamId): number {
  if (a[0] !== b[0]) return a[0] < b[0] ? -1 : 1;
  if (a[1] !== b[1]) return a[1] < b[1] ? -1 : 1;
  if (a[2] !== b[2]) return a[2] < b[2] ? -1 : 1;
  return a[3] === b[3] ? 0 : a[3] < b[3] ? -1 : 1;
}

/** The next id; false when there is none, and then it has become 0-0. */
export function incrementId(id: StreamId): boolean {
  for (let word = 3; word >= 0; word--) if (id[word]++ !== WORD_MAX) return true;
  return false;
}

/** The id before; false when there is none, and then it has become the largest. */
export function decrementId(id: StreamId): boolean {
  for (let word = 3; word >= 0; word--) if (id[word]-- !== 0) return true;
  return false;
}

/** The text of the milliseconds that were written last: entries that follow one another often share them. */
const msText = new Uint8Array(STREAM_ID_TEXT_BYTES_MAX);
const msOfText = new Uint32Array(2);
let msTextBytes = formatU64(0, 0, msText, 0);

/** Writes "ms-sequence" and returns the offset after it. */
export function formatStreamId(id: StreamId, dst: Uint8Array, off: number): number {
  if (id[1] !== msOfText[1] || id[0] !== msOfText[0]) {
    msOfText[0] = id[0], msOfText[1] = id[1];
    msTextBytes = formatU64(id[0], id[1], msText, 0);
  }
  const dashAt = off + msTextBytes;
  for (let i = 0; i < msTextBytes; i++) dst[off + i] = msText[i];
  dst[dashAt] = DASH;
  return id[2] === 0 ? formatInteger(id[3], dst, dashAt + 1) : formatU64(id[2], id[3], dst, dashAt + 1);
}

/** 16 bytes, most significant first: the form that radix tree keys have in RDB files. */
export function writeBigEndianId(id: StreamId, dst: Uint8Array, off: number): void {
  for (let i = 0; i < STREAM_ID_BYTES; i++) dst[off + i] = id[i >>> 2] >>> (24 - 8 * (i & 3));
}

export function readBigEndianId(bytes: Uint8Array, off: number, into: StreamId): void {
  for (let word = 0, at = off; word < 4; word++, at += 4) {
    into[word] = (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
  }
}

/**
 * Parses an id into `into` (undefined when invalid). Without a sequence it gets the smallest one, or with `completeWithMax` the
 * largest. "-" and "+" are the smallest and the largest id, unless `strict`. "ms-*" is accepted only with `mayWantSequence`; then the
 * sequence is 0 and the answer `sequenceWanted`.
 */
export function parseStreamId(
  bytes: Uint8Array,
  off: number,
  length: number,
  into: StreamId,
  completeWithMax: boolean,
  strict: boolean,
  mayWantSequence: boolean,
): number {
  if (length > PARSED_BYTES_MAX) return ID_TEXT.invalid;
  if (length === 1 && (bytes[off] === DASH || bytes[off] === PLUS)) {
    if (strict) return ID_TEXT.invalid;
    if (bytes[off] === DASH) setMinId(into);
    else setMaxId(into);
    return ID_TEXT.whole;
  }
  const end = off + length;
  let dash = off;
  while (dash < end && bytes[dash] !== DASH) dash++;
  if (!parseU64(bytes, off, dash, into, 0)) return ID_TEXT.invalid;
  if (dash === end) {
    into[2] = into[3] = completeWithMax ? WORD_MAX : 0;
    return ID_TEXT.whole;
  }
  if (mayWantSequence && end - dash === 2 && bytes[dash + 1] === STAR) {
    into[2] = into[3] = 0;
    return ID_TEXT.sequenceWanted;
  }
  return parseU64(bytes, dash + 1, end, into, 2) ? ID_TEXT.whole : ID_TEXT.invalid;
}

/** An unsigned number in [off, end), to two words of `into`. */
function parseU64(bytes: Uint8Array, off: number, end: number, into: StreamId, word: number): boolean {
  if (end - off <= SAFE_DIGITS) {
    const value = parseSafeInteger(bytes, off, end - off);
    if (value >= 0) {
      into[word] = value / TWO_32, into[word + 1] = value;
      return true;
    }
    if (value < 0) return false;
  }
  return parseLikeStrtoull(bytes, off, end, into, word);
}

/** What strtoull takes whole: spaces, a sign, digits; "-n" is 2^64 - n, except that Redis refuses canonical negative numbers first. */
function parseLikeStrtoull(bytes: Uint8Array, off: number, end: number, into: StreamId, word: number): boolean {
  const nul = bytes.subarray(off, end).indexOf(0), stop = nul < 0 ? end : off + nul;
  let at = off;
  while (at < stop && (bytes[at] === SPACE || (bytes[at] >= TAB && bytes[at] <= CR))) at++;
  const negative = bytes[at] === DASH && at < stop;
  if (at < stop && (negative || bytes[at] === PLUS)) at++;
  if (at === stop) return false;
  if (negative && at === off + 1 && bytes[at] !== ZERO) return false;
  let high = 0, low = 0;
  for (; at < stop; at++) {
    const digit = bytes[at] - ZERO;
    if (digit < 0 || digit > 9) return false;
    low = low * 10 + digit;
    const carry = Math.floor(low / TWO_32);
    low -= carry * TWO_32, high = high * 10 + carry;
    if (high >= TWO_32) return false;
  }
  into[word] = high, into[word + 1] = low;
  if (negative) into[word] = low === 0 ? -high : ~high, into[word + 1] = -low;
  return true;
}
