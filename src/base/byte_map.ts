/**
 * A map whose keys are bytes, found by (bytes, offset, length) without making a string or a view of them.
 *
 *   Map: hash (30 bits, so that it stays a small integer) -> chain of entries with that hash, the newest first
 *
 * The hash is keyed: names that a client chooses cannot be made to collide. Looking up allocates nothing; iterating gives entries in
 * the order of their hashes' first arrival, and stands entries that are removed meanwhile.
 */
import { rangesEqual } from "./bytes.ts";
import type { KeyedHash } from "./siphash.ts";

interface Entry<V> {
  readonly key: Uint8Array;
  value: V;
  next: Entry<V> | null;
}

export class ByteMap<V> {
  readonly #hash: KeyedHash;
  readonly #chains: Map<number, Entry<V>> = new Map();
  size = 0;

  constructor(hash: KeyedHash) {
    this.#hash = hash;
  }

  get(bytes: Uint8Array, offset: number, length: number): V | undefined {
    let entry = this.#chains.get(this.#hashOf(bytes, offset, length)) ?? null;
    while (entry !== null && !isKey(entry.key, bytes, offset, length)) entry = entry.next;
    return entry === null ? undefined : entry.value;
  }

  /** Sets the value of a key, which the map keeps and nobody may change. */
  set(key: Uint8Array, value: V): void {
    const hash = this.#hashOf(key, 0, key.length), first = this.#chains.get(hash) ?? null;
    for (let entry = first; entry !== null; entry = entry.next) {
      if (isKey(entry.key, key, 0, key.length)) {
        entry.value = value;
        return;
      }
    }
    this.#chains.set(hash, { key, value, next: first });
    this.size++;
  }

  /** Removes a key; false when it was not there. */
  delete(bytes: Uint8Array, offset: number, length: number): boolean {
    const hash = this.#hashOf(bytes, offset, length);
    let before: Entry<V> | null = null, entry = this.#chains.get(hash) ?? null;
    while (entry !== null && !isKey(entry.key, bytes, offset, length)) before = entry, entry = entry.next;
    if (entry === null) return false;
    if (before !== null) before.next = entry.next;
    else if (entry.next !== null) this.#chains.set(hash, entry.next);
    else this.#chains.delete(hash);
    this.size--;
    return true;
  }

  clear(): void {
    this.#chains.clear();
    this.size = 0;
  }

  *values(): IterableIterator<V> {
    for (const first of this.#chains.values()) {
      for (let entry: Entry<V> | null = first; entry !== null; entry = entry.next) yield entry.value;
    }
  }

  #hashOf(bytes: Uint8Array, offset: number, length: number): number {
    return this.#hash.hash(bytes, offset, length) >>> 2;
  }
}

function isKey(key: Uint8Array, bytes: Uint8Array, offset: number, length: number): boolean {
  return key.length === length && rangesEqual(key, 0, bytes, offset, length);
}
