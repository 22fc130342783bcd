/**
 * The keys of one database that expire: a vector of entry addresses, in chunks, outside the paged memory (no snapshot needs it).
 * Each entry knows its place in the vector, so adding, removing and moving are O(1), and the vector is walked in order.
 */
import type { Address } from "../memory/mod.ts";

const CHUNK_LOG2 = 14;
const CHUNK_MASK = (1 << CHUNK_LOG2) - 1;

export class ExpiryIndex {
  readonly #chunks: Uint32Array[] = [];
  count = 0;
  /** Where the active expire cycle goes on. */
  cursor = 0;
  /** Running average of what keys had left to live when sampled, ms. */
  averageTtlMs = 0;

  at(place: number): Address {
    return this.#chunks[place >>> CHUNK_LOG2][place & CHUNK_MASK] as Address;
  }

  set(place: number, entry: Address): void {
    this.#chunks[place >>> CHUNK_LOG2][place & CHUNK_MASK] = entry;
  }

  /** Adds an entry and returns its place. */
  add(entry: Address): number {
    const place = this.count++;
    if (place >>> CHUNK_LOG2 === this.#chunks.length) this.#chunks.push(new Uint32Array(1 << CHUNK_LOG2));
    this.set(place, entry);
    return place;
  }

  /** Removes a place; the last entry moves there and is returned so that its own record can follow (NONE when it was the last). */
  remove(place: number): Address {
    const last = this.at(--this.count);
    if (this.count >>> CHUNK_LOG2 < this.#chunks.length - 2) this.#chunks.pop();
    if (place === this.count) return 0 as Address;
    this.set(place, last);
    return last;
  }

  clear(): void {
    this.#chunks.length = 0;
    this.count = this.cursor = this.averageTtlMs = 0;
  }

  get bytes(): number {
    return this.#chunks.length << (CHUNK_LOG2 + 2);
  }
}
