/**
 * Checks a stream node's listpack that came from outside (a file, RESTORE); layout: t_stream.c.
 *
 *   | count | deleted | fields n | n field names | 0 |                         the master entry
 *   | flags | ms delta | seq delta | values, as many as master fields | elements so far: n + 3 |                     with SAMEFIELDS
 *   | flags | ms delta | seq delta | fields m | m field names and values, alternating | elements so far: 2 m + 4 |   without
 * as many entries as count + deleted say, `deleted` of them with the flag DELETED. Code that reads streams relies on all of this, so it
 * is checked at every sanitisation level, in time O(elements).
 */
import { firstElement, ListpackElement, nextElement, readElement } from "./listpack.ts";
import { ListpackCheck } from "./listpack_check.ts";

export const STREAM_DELETED = 1, STREAM_SAME_FIELDS = 2;
const FLAGS_MAX = STREAM_DELETED | STREAM_SAME_FIELDS;

const check = new ListpackCheck();
const element = new ListpackElement();

/** What is wrong with the node that shall fill [start, start + length); "" when it is sound. */
export function streamListpackFault(bytes: Uint8Array, start: number, length: number): string {
  const fault = check.fault(bytes, start, length);
  return fault !== "" ? fault : new NodeWalk(bytes, start, check.count).fault();
}

/** Whether the last node that was found sound has the encodings that Redis chooses; if not, `ListpackCheck.rebuilt` makes them so. */
export function isNodeCanonical(): boolean {
  return check.isCanonical;
}

/** Walks the elements of one node; what is read beyond the last element is NaN. */
class NodeWalk {
  readonly #bytes: Uint8Array;
  readonly #start: number;
  #at: number;
  /** Elements not read yet. */
  #left: number;

  constructor(bytes: Uint8Array, start: number, count: number) {
    this.#bytes = bytes, this.#start = start, this.#left = count;
    this.#at = firstElement(bytes, start);
  }

  fault(): string {
    const count = this.#integer(), deleted = this.#integer(), fields = this.#integer();
    if (!this.#canSkip(count) || !this.#canSkip(deleted)) return "its master entry has impossible counts";
    if (!this.#skip(fields)) return "its master entry names more fields than there are";
    if (this.#integer() !== 0) return "its master entry does not end with 0";
    let deletedSeen = 0;
    for (let entry = 0; entry < count + deleted; entry++) {
      const flags = this.#integer();
      if (!this.#entry(flags, fields)) return `entry ${entry} is no stream entry`;
      if ((flags & STREAM_DELETED) !== 0) deletedSeen++;
    }
    if (this.#left !== 0) return "it has more than its entries";
    return deletedSeen === deleted ? "" : `its master entry names ${deleted} deleted entries, it has ${deletedSeen}`;
  }

  /** The rest of an entry after its flags. */
  #entry(flags: number, masterFields: number): boolean {
    if (!(flags >= 0 && flags <= FLAGS_MAX) || Number.isNaN(this.#integer()) || Number.isNaN(this.#integer())) {
      return false;
    }
    if ((flags & STREAM_SAME_FIELDS) !== 0) return this.#skip(masterFields) && this.#integer() === masterFields + 3;
    const fields = this.#integer();
    return this.#canSkip(fields * 2) && this.#skip(fields * 2) && this.#integer() === 2 * fields + 4;
  }

  /** The next element, or NaN when there is none or it is no integer. Beyond 2^53 it is rounded, which no count may be. */
  #integer(): number {
    if (this.#left === 0) return NaN;
    readElement(this.#bytes, this.#start, this.#at, element);
    this.#step();
    return element.isInteger ? element.integer.toNumber() : NaN;
  }

  #canSkip(elements: number): boolean {
    return elements >= 0 && elements <= this.#left;
  }

  #skip(elements: number): boolean {
    if (!this.#canSkip(elements)) return false;
    for (let i = 0; i < elements; i++) this.#step();
    return true;
  }

  #step(): void {
    this.#at = nextElement(this.#bytes, this.#start, this.#at);
    this.#left--;
  }
}
