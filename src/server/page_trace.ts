/**
 * Which keys cause page copies while PAGES TRACE is on: copies by the first key of the command that was executing.
 *
 * Memory is bounded: at most `KEYS_MAX` keys are counted, each by its first `KEY_BYTES_MAX` bytes. When a new key finds no room,
 * the key with the fewest copies makes way and the new one starts from its count (the Space-Saving algorithm of Metwally et al.),
 * so a count may be too high by at most `overcount`, and a frequent key is never missed.
 */

const KEYS_MAX = 1024;
const KEY_BYTES_MAX = 128;

export interface KeyCopies {
  /** One character a byte. */
  readonly key: string;
  readonly copies: number;
  readonly overcount: number;
}

interface Counter {
  copies: number;
  overcount: number;
}

export class PageTrace {
  readonly #counters = new Map<string, Counter>();
  #epoch = -1;

  /** Counts a copy that a command with this key caused in an epoch; a new epoch starts from nothing. */
  record(key: string, epoch: number): void {
    if (epoch !== this.#epoch) this.clear();
    this.#epoch = epoch;
    const name = key.slice(0, KEY_BYTES_MAX), counter = this.#counters.get(name);
    if (counter !== undefined) counter.copies++;
    else this.#counters.set(name, this.#counters.size < KEYS_MAX ? { copies: 1, overcount: 0 } : this.#replaceLeast());
  }

  /** The keys with the most copies first. */
  top(count: number): KeyCopies[] {
    const rows = Array.from(this.#counters, ([key, { copies, overcount }]) => ({ key, copies, overcount }));
    return rows.sort((a, b) => b.copies - a.copies).slice(0, count);
  }

  clear(): void {
    this.#counters.clear();
  }

  #replaceLeast(): Counter {
    let least = "", copies = Infinity;
    for (const [key, counter] of this.#counters) if (counter.copies < copies) least = key, copies = counter.copies;
    this.#counters.delete(least);
    return { copies: copies + 1, overcount: copies };
  }
}
