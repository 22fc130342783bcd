/**
 * Pages: what files on a simulated disk are made of.
 *
 *   page    4,096 bytes: what the cache keeps, and what becomes old, new or torn
 *   sector    512 bytes: what the device writes whole or not at all
 *
 * Invariant: a page never changes, so that disks share pages and a fork copies none. A write makes another page.
 * Bytes behind the end of `bytes` are zeros.
 */
import { murmurHash64, murmurWords } from "../../base/murmur_hash.ts";

/** A small geometry shows with a kilobyte what the usual one shows with many. At most 8 sectors a page. */
export interface DiskGeometry {
  readonly pageBytes: number;
  readonly sectorBytes: number;
}

export const USUAL_GEOMETRY: DiskGeometry = { pageBytes: 4096, sectorBytes: 512 };
export const ALL_SECTORS = 0xff;
const NO_BYTES = new Uint8Array(0);
const PAGE_SEED = 0x9e3779b9;

export class Page {
  readonly bytes: Uint8Array;
  #hashLow = 0;
  #hashHigh = 0;
  #isHashed = false;
  #isZero = false;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  /** The page with `source[start, end)` at `at`. */
  with(at: number, source: Uint8Array, start: number, end: number): Page {
    const bytes = new Uint8Array(Math.max(this.bytes.length, at + end - start));
    bytes.set(this.bytes), bytes.set(source.subarray(start, end), at);
    return new Page(bytes);
  }

  /** The first `length` bytes, zeros behind. */
  cut(length: number): Page {
    return length >= this.bytes.length ? this : new Page(this.bytes.slice(0, length));
  }

  /** This page where `mask` has a sector's bit, `other` elsewhere. */
  torn(other: Page, mask: number, sectorBytes: number): Page {
    const bytes = new Uint8Array(Math.max(this.bytes.length, other.bytes.length));
    for (let sector = 0; sector * sectorBytes < bytes.length; sector++) {
      const source = (mask >> sector & 1) === 1 ? this.bytes : other.bytes;
      bytes.set(source.subarray(sector * sectorBytes, (sector + 1) * sectorBytes), sector * sectorBytes);
    }
    return new Page(bytes);
  }

  /** Bits of the sectors in which the two differ. */
  changedSectors(other: Page, sectorBytes: number): number {
    const length = Math.max(this.bytes.length, other.bytes.length);
    let mask = 0;
    for (let i = 0; i < length; i++) {
      if ((this.bytes[i] ?? 0) === (other.bytes[i] ?? 0)) continue;
      const sector = Math.floor(i / sectorBytes);
      mask |= 1 << sector;
      i = (sector + 1) * sectorBytes - 1;
    }
    return mask;
  }

  /** Only zeros: the same as no page. */
  get isZero(): boolean {
    if (!this.#isHashed) this.#hash();
    return this.#isZero;
  }

  get hashLow(): number {
    if (!this.#isHashed) this.#hash();
    return this.#hashLow;
  }

  get hashHigh(): number {
    if (!this.#isHashed) this.#hash();
    return this.#hashHigh;
  }

  #hash(): void {
    const bytes = this.bytes;
    let length = bytes.length;
    while (length > 0 && bytes[length - 1] === 0) length--;
    murmurHash64(bytes, 0, length, PAGE_SEED);
    this.#hashLow = murmurWords[0], this.#hashHigh = murmurWords[1];
    this.#isHashed = true, this.#isZero = length === 0;
  }
}

export const ZERO_PAGE: Page = new Page(NO_BYTES);
