/** The first names of the keys that a repair concerns, each once. Keeps a few names only, however many keys there are. */
import { quoted } from "../../base/quoted.ts";

/** More would not help anybody on a terminal. */
const NAMES_MAX = 10;
const NAME_BYTES_MAX = 100;

export class KeyNames {
  readonly #names = new Set<string>();
  hasMore = false;

  get names(): string[] {
    return [...this.#names];
  }

  add(name: Uint8Array): void {
    const text = keyText(name);
    if (this.#names.has(text)) return;
    if (this.#names.size === NAMES_MAX) this.hasMore = true;
    else this.#names.add(text);
  }

  addAll(other: KeyNames): void {
    for (const name of other.#names) {
      if (this.#names.size < NAMES_MAX) this.#names.add(name);
      else if (!this.#names.has(name)) this.hasMore = true;
    }
    this.hasMore ||= other.hasMore;
  }
}

/** A key's name as redis-cli shows it; of a very long one the start. */
export function keyText(name: Uint8Array): string {
  return name.length <= NAME_BYTES_MAX ? quoted(name) : `${quoted(name.subarray(0, NAME_BYTES_MAX))}…`;
}
