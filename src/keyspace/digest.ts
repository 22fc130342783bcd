/**
 * DEBUG DIGEST: a fingerprint of a data set that does not depend on the order of keys, equal to Redis's for the same data.
 * Each key's digest mixes its name, its type and value, and whether it expires; the hashes of all keys' digests are xored.
 */
import { ascii } from "../base/bytes.ts";
import { formatI64, I64 } from "../base/integer.ts";
import { Sha1 } from "../base/sha1.ts";
import type { Address, MemoryReader } from "../memory/mod.ts";
import { forEachEntry } from "../structures/dict.ts";
import { ENCODING, encodingOf, ENTRY, hasExpiry, intOffset, keyLength, StringPlace, TYPE, typeOf } from "./entry.ts";

export const DIGEST_BYTES = 20;
const EXPIRE_MARK = ascii("!!expire!!");

/** Mixes a value of one type into a digest. */
export type ValueDigest = (mixer: DigestMixer, memory: MemoryReader, entry: Address) => void;

/** By entry type; a type registers its own. */
export const VALUE_DIGESTS: (ValueDigest | undefined)[] = [];

/** The state while mixing: a 20-byte digest and the operations Redis has on it. */
export class DigestMixer {
  readonly digest: Uint8Array = new Uint8Array(DIGEST_BYTES);
  readonly #sha = new Sha1();
  readonly #hash = new Uint8Array(DIGEST_BYTES);
  #scratch = new Uint8Array(1024);
  readonly #integer = new I64();
  readonly #place = new StringPlace();

  reset(): void {
    this.digest.fill(0);
  }

  /** digest ^= sha1(bytes): order does not matter. */
  xor(bytes: Uint8Array, start: number, end: number): void {
    this.#sha.reset();
    this.#sha.update(bytes, start, end);
    this.#sha.digest(this.#hash);
    for (let i = 0; i < DIGEST_BYTES; i++) this.digest[i] ^= this.#hash[i];
  }

  /** digest = sha1(digest ^ sha1(bytes)): order matters. */
  mix(bytes: Uint8Array, start: number, end: number): void {
    this.xor(bytes, start, end);
    this.#sha.reset();
    this.#sha.update(this.digest, 0, DIGEST_BYTES);
    this.#sha.digest(this.digest);
  }

  mixFrom(memory: MemoryReader, block: Address, offsetBytes: number, length: number): void {
    if (this.#scratch.length < length) this.#scratch = new Uint8Array(length);
    memory.copyOut(block, offsetBytes, this.#scratch, 0, length);
    this.mix(this.#scratch, 0, length);
  }

  mixString(memory: MemoryReader, entry: Address): void {
    if (encodingOf(memory, entry) === ENCODING.int) {
      const at = intOffset(memory.u32(entry, ENTRY.keyInfo));
      this.#integer.set(memory.u32(entry, at + 4) | 0, memory.u32(entry, at));
      return this.mix(this.#scratch, 0, formatI64(this.#integer, this.#scratch, 0));
    }
    this.#place.locate(memory, entry);
    this.mixFrom(memory, this.#place.block, this.#place.offsetBytes, this.#place.lengthBytes);
  }

  mixU32BigEndian(value: number): void {
    for (let i = 0; i < 4; i++) this.#scratch[i] = value >>> (24 - 8 * i);
    this.mix(this.#scratch, 0, 4);
  }
}

VALUE_DIGESTS[TYPE.string] = (mixer, memory, entry) => mixer.mixString(memory, entry);

function mixValue(mixer: DigestMixer, memory: MemoryReader, entry: Address): void {
  mixer.mixU32BigEndian(typeOf(memory, entry));
  VALUE_DIGESTS[typeOf(memory, entry)]!(mixer, memory, entry);
  if (hasExpiry(memory, entry)) mixer.xor(EXPIRE_MARK, 0, EXPIRE_MARK.length);
}

/** The digest of all databases, in hex; all zeros when they are empty. */
export function debugDigest(memory: MemoryReader, databases: readonly { index: number; dict: Address }[]): string {
  const final = new DigestMixer(), mixer = new DigestMixer();
  for (const db of databases) {
    let isFirst = true;
    forEachEntry(memory, db.dict, (entry) => {
      // Redis mixes the number of each database that has keys.
      if (isFirst) final.mixU32BigEndian(db.index), isFirst = false;
      mixer.reset();
      mixer.mixFrom(memory, entry, ENTRY.key, keyLength(memory, entry));
      mixValue(mixer, memory, entry);
      final.xor(mixer.digest, 0, DIGEST_BYTES);
    });
  }
  return hex(final.digest);
}

/** The digest of one value, in hex: DEBUG DIGEST-VALUE. */
export function valueDigest(memory: MemoryReader, entry: Address): string {
  const mixer = new DigestMixer();
  mixValue(mixer, memory, entry);
  return hex(mixer.digest);
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
