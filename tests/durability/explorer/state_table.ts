/**
 * Which disk images were recovered, and what came out: a table of 64-bit hashes, 13 bytes a slot, so that millions fit. Results repeat,
 * and are kept once each.
 */
import type { FoundOnDisk } from "./found.ts";
import type { Broken } from "./promise.ts";

/** What a start made of an image: the digest of the data set, or why it refused. */
export interface Recovered {
  readonly digest: string;
  readonly refusal: string | null;
  readonly found: FoundOnDisk;
  /** What is wrong whatever was promised. */
  readonly broken: Broken | null;
}

const SLOTS_START = 1 << 16;
/** At most three quarters of the slots are used. */
const FULL_SHARE = 0.75;
const EMPTY = 0;
/** Flags of a slot: the lowest depth at which the start was followed, and whether the image counts here. */
const NEVER_FOLLOWED = 7, DEPTH_BITS = 7, OWN = 8;

export class StateTable {
  size = 0;
  #low = new Int32Array(SLOTS_START);
  #high = new Int32Array(SLOTS_START);
  /** Index of the result, plus one. */
  #result = new Uint32Array(SLOTS_START);
  #flags = new Uint8Array(SLOTS_START);
  readonly #results: Recovered[] = [];
  readonly #indexes = new Map<string, number>();

  get(low: number, high: number): Recovered | undefined {
    const at = this.#slot(low, high), result = this.#result[at];
    return result === EMPTY ? undefined : this.#results[result - 1];
  }

  /** @param isOwn whether it counts: another shard may count what this one only follows */
  add(low: number, high: number, recovered: Recovered, isOwn = true): void {
    if (this.size >= this.#low.length * FULL_SHARE) this.#grow();
    this.#put(low, high, this.#indexOf(recovered) + 1, NEVER_FOLLOWED | (isOwn ? OWN : 0));
    this.size++;
  }

  /** Whether what a start does on this image was followed at this depth, or before it. */
  isFollowed(low: number, high: number, depth: number): boolean {
    const at = this.#slot(low, high);
    return this.#result[at] !== EMPTY && (this.#flags[at] & DEPTH_BITS) <= depth;
  }

  follow(low: number, high: number, depth: number): void {
    const at = this.#slot(low, high);
    this.#flags[at] = (this.#flags[at] & OWN) | Math.min(depth, NEVER_FOLLOWED - 1);
  }

  /** The hashes that count, as text. */
  *own(): Generator<string> {
    for (let at = 0; at < this.#low.length; at++) {
      if ((this.#flags[at] & OWN) !== 0) yield `${this.#low[at]} ${this.#high[at]}`;
    }
  }

  #indexOf(recovered: Recovered): number {
    const key = JSON.stringify(recovered);
    let index = this.#indexes.get(key);
    if (index === undefined) {
      index = this.#results.push(recovered) - 1;
      this.#indexes.set(key, index);
    }
    return index;
  }

  /** Where the hash is, or would be. */
  #slot(low: number, high: number): number {
    const mask = this.#low.length - 1, mixed = Math.imul(low, 0x9e3779b1) ^ Math.imul(high, 0x85ebca6b);
    let at = (mixed ^ (mixed >>> 15)) & mask;
    while (this.#result[at] !== EMPTY && (this.#low[at] !== low || this.#high[at] !== high)) at = (at + 1) & mask;
    return at;
  }

  #put(low: number, high: number, result: number, flags: number): void {
    const at = this.#slot(low, high);
    this.#low[at] = low, this.#high[at] = high, this.#result[at] = result, this.#flags[at] = flags;
  }

  #grow(): void {
    const low = this.#low, high = this.#high, result = this.#result, flags = this.#flags;
    this.#low = new Int32Array(low.length * 2), this.#high = new Int32Array(low.length * 2);
    this.#result = new Uint32Array(low.length * 2), this.#flags = new Uint8Array(low.length * 2);
    for (let i = 0; i < low.length; i++) if (result[i] !== EMPTY) this.#put(low[i], high[i], result[i], flags[i]);
  }
}
