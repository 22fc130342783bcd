/**
 * Seals of the log. What one write adds to a file is a block, and ends with a seal: a line that Redis skips, as all that start with `#`.
 *
 *   #AF:<crc>:<prev>:<file>:<seq>:<len>:<synced>\r\n          63 bytes; lower-case hexadecimal, of 8 digits each, synced of 12
 *   0   4     13     22     31    40    49      61
 *
 *   crc     CRC-32 of the block's bytes, then of the seal's bytes from 12 on
 *   prev    crc of the block before in this file; 0 in the first
 *   file    which file of which log this is: see `fileIdOf`
 *   seq     1, 2, 3 … within the file, modulo 2^32
 *   len     bytes of the block without its seal
 *   synced  how far the file was known to be durable when the seal was made: below that, damage is no torn write
 *
 * The blocks of a file leave no gap: each starts where the seal before it ended, the first at 0. So a block that is moved, repeated, left
 * out, old, or of another file is found out like one whose bytes changed.
 * This module makes and reads seals; what follows from them for a file is decided in `aof_verdict.ts`.
 */
import { assert } from "../../base/assert.ts";
import { ascii, utf8Encode } from "../../base/bytes.ts";
import { crc32 } from "../../base/crc32.ts";

export const SEAL_BYTES = 63;
/** A longer block cannot be sealed. */
export const BLOCK_BYTES_MAX = 0xffffffff;
/** Where the fields stand. */
const AT = { crc: 4, previous: 13, file: 22, sequence: 31, length: 40, synced: 49 } as const;
/** From here on the seal is part of what its checksum covers. */
export const COVERED_FROM = 12;
const DIGITS = 8, SYNCED_DIGITS = 12;
/** What stands at each place: a byte, or a digit. */
const DIGIT = -1;
const SHAPE = shape("#AF:________:________:________:________:________:____________\r\n");

function shape(text: string): Int16Array {
  return Int16Array.from(text, (character) => character === "_" ? DIGIT : character.charCodeAt(0));
}

/**
 * The word that selects a database, as it is written in sealed files, and as Redis writes it: so what Redis adds to a sealed file can be told
 * from a block of ours whose seal never came.
 */
export const SELECT_OURS: Uint8Array = ascii("select"), SELECT_REDIS: Uint8Array = ascii("SELECT");

/** The fields of a seal. */
export class Seal {
  crc = 0;
  previousCrc = 0;
  fileId = 0;
  sequence = 0;
  lengthBytes = 0;
  syncedBytes = 0;

  /** Reads the seal at `at`; false, and the fields are worth nothing, when there is none that is right in each byte's form. */
  read(bytes: Uint8Array, at: number): boolean {
    if (!isSealShaped(bytes, at, 0)) return false;
    this.crc = hexAt(bytes, at + AT.crc, DIGITS), this.previousCrc = hexAt(bytes, at + AT.previous, DIGITS);
    this.fileId = hexAt(bytes, at + AT.file, DIGITS), this.sequence = hexAt(bytes, at + AT.sequence, DIGITS);
    this.lengthBytes = hexAt(bytes, at + AT.length, DIGITS);
    this.syncedBytes = hexAt(bytes, at + AT.synced, SYNCED_DIGITS);
    return true;
  }
}

/** Whether what is at `at` has the form of a seal, but for at most `wrongMax` bytes. */
export function isSealShaped(bytes: Uint8Array, at: number, wrongMax = 1): boolean {
  if (at < 0 || at + SEAL_BYTES > bytes.length) return false;
  for (let i = 0, wrong = 0; i < SEAL_BYTES; i++) {
    const byte = bytes[at + i], expected = SHAPE[i];
    if ((expected === DIGIT ? !isDigit(byte) : byte !== expected) && ++wrong > wrongMax) return false;
  }
  return true;
}

/** The crc that the seal at `at` must have, behind a block with this checksum. */
export function crcOfSeal(blockCrc: number, bytes: Uint8Array, at: number): number {
  return crc32(bytes, at + COVERED_FROM, at + SEAL_BYTES, blockCrc);
}

/** The crc that stands at `at`; worth nothing when what is there are no digits. */
export function storedCrc(bytes: Uint8Array, at: number): number {
  return hexAt(bytes, at + AT.crc, DIGITS);
}

/** Writes what of a seal its crc does not cover: `COVERED_FROM` bytes. */
export function putSealStart(into: Uint8Array, crc: number): void {
  for (let i = 0; i < AT.crc; i++) into[i] = SHAPE[i];
  putHex(into, AT.crc, crc, DIGITS);
}

/**
 * The id of a file: the log's number, mixed with the file's name. The log's number follows from the two, so files whose manifest was
 * written by Redis, without it, still tell.
 */
export function fileIdOf(logId: number, name: string): number {
  const bytes = utf8Encode(name);
  return (logId ^ crc32(bytes, 0, bytes.length)) >>> 0;
}

/** The log that a file of this name and id belongs to: `fileIdOf` the other way round. */
export function logIdOf(fileId: number, name: string): number {
  return fileIdOf(fileId, name);
}

/** The blocks of one file, one after the other. */
export class SealChain {
  readonly fileId: number;
  sequence = 0;
  previousCrc = 0;

  constructor(fileId: number) {
    this.fileId = fileId;
  }

  /** Seals the block bytes[start, end): writes its seal to `into` at `at`. A block is sealed once, however often it is written. */
  seal(bytes: Uint8Array, start: number, end: number, syncedBytes: number, into: Uint8Array, at: number): void {
    this.sealCounted(crc32(bytes, start, end), end - start, syncedBytes, into, at);
  }

  /** The same for a block that is not at hand, with this checksum and length. */
  sealCounted(blockCrc: number, lengthBytes: number, syncedBytes: number, into: Uint8Array, at: number): void {
    assert(lengthBytes <= BLOCK_BYTES_MAX, "a block must be shorter than 4 GiB");
    this.sequence = (this.sequence + 1) >>> 0;
    for (let i = 0; i < SEAL_BYTES; i++) into[at + i] = SHAPE[i];
    putHex(into, at + AT.previous, this.previousCrc, DIGITS), putHex(into, at + AT.file, this.fileId, DIGITS);
    putHex(into, at + AT.sequence, this.sequence, DIGITS), putHex(into, at + AT.length, lengthBytes, DIGITS);
    putHex(into, at + AT.synced, syncedBytes, SYNCED_DIGITS);
    this.previousCrc = crcOfSeal(blockCrc, into, at);
    putHex(into, at + AT.crc, this.previousCrc, DIGITS);
  }

  /** Whether this seal, with the right crc, is of the next block. */
  isNext(seal: Seal): boolean {
    return seal.sequence === (this.sequence + 1) >>> 0 && seal.previousCrc === this.previousCrc &&
      seal.fileId === this.fileId;
  }

  /** The next block is this one. */
  advance(seal: Seal): void {
    this.sequence = seal.sequence, this.previousCrc = seal.crc;
  }
}

function isDigit(byte: number): boolean {
  return (byte >= 0x30 && byte <= 0x39) || (byte >= 0x61 && byte <= 0x66);
}

function digitOf(value: number): number {
  return value < 10 ? 0x30 + value : 0x57 + value;
}

function hexAt(bytes: Uint8Array, at: number, digits: number): number {
  let value = 0;
  for (let i = 0; i < digits; i++) {
    const byte = bytes[at + i];
    value = value * 16 + (byte <= 0x39 ? byte - 0x30 : byte - 0x57);
  }
  return value;
}

function putHex(into: Uint8Array, at: number, value: number, digits: number): void {
  let high = Math.floor(value / 2 ** 32), low = value >>> 0;
  for (let i = digits - 1; i >= 0; i--) {
    into[at + i] = digitOf(low & 15);
    low = (low >>> 4) | ((high & 15) << 28), high >>>= 4;
  }
}
