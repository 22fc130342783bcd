/**
 * Which disk images were recovered, and what came out: a table of 64-bit hashes, 12 bytes each, so that millions fit. Results repeat, and
 * are kept once each.
 */

/** What a start made of an image: the digest of the data set, or why it refused. */
export interface Recovered {
  readonly digest: string;
  readonly refusal: string | null;
}

const SLOTS_START = 1 << 16;
const EMPTY = 0;

export class StateTable {
  size = 0;
  #low = new Int32Array(SLOTS_START);
  #high = new Int32Array(SLOTS_START);
  /** Index of the result, plus one. */
  #result = new Uint32Array(SLOTS_START);
  readonly #results: Recovered[] = [];
  readonly #indexes = new Map<string, number>();

  get(low: number, high: number): Recovered | undefined {
    const at = this.#slot(low, high), result = this.#result[at];
    return result === EMPTY ? undefined : this.#results[result - 1];
  }

  add(low: number, high: number, recovered: Recovered): void {
    if (this.size * 2 >= this.#low.length) this.#grow();
    this.#put(low, high, this.#indexOf(recovered) + 1);
    this.size++;
  }

  #indexOf(recovered: Recovered): number {
    const key = `${recovered.digest} ${recovered.refusal}`;
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

  #put(low: number, high: number, result: number): void {
    const at = this.#slot(low, high);
    this.#low[at] = low, this.#high[at] = high, this.#result[at] = result;
  }

  #grow(): void {
    const low = this.#low, high = this.#high, result = this.#result;
    this.#low = new Int32Array(low.length * 2), this.#high = new Int32Array(low.length * 2);
    this.#result = new Uint32Array(low.length * 2);
    for (let i = 0; i < low.length; i++) if (result[i] !== EMPTY) this.#put(low[i], high[i], result[i]);
  }
}
