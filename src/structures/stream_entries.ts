/**
 * Walks the entries of a stream, forward or backward, between two ids. Layout of a node's listpack: stream_listpack_check.ts, whose
 * checks this code relies on.
 *
 * Nodes are read where they are in live memory, or through a copy, which frozen memory needs: two sources, one walk. The stream may
 * not change while it is walked, except for its groups. A walk allocates nothing.
 */
import type { Address, LiveMemory, MemoryReader } from "../memory/mod.ts";
import {
  backlenBytes,
  elementBytes,
  firstElement,
  lastElement,
  LISTPACK_END,
  ListpackCopy,
  ListpackElement,
  previousElement,
  readElement,
} from "./listpack.ts";
import { TreeCursor } from "./ordered_tree.ts";
import { compareIds, copyId, newStreamId, setMaxId, setMinId, type StreamId } from "./stream_id.ts";
import { NODE_WORDS, STREAM } from "./stream_layout.ts";
import { STREAM_DELETED, STREAM_SAME_FIELDS } from "./stream_listpack_check.ts";

const TWO_32 = 0x100000000;
/** The encoding byte of a 64-bit integer. */
const INTEGER_64 = 0xf4;
/** Differences of high words up to this make differences that a double holds exactly. */
const EXACT_HIGH_MAX = 2 ** 20;

/** Where a listpack can be read: `bytes`, from `place` on. */
export interface ListpackSource {
  bytes: Uint8Array;
  place: number;
  load(listpack: Address): void;
}

class LiveListpacks implements ListpackSource {
  readonly #memory: LiveMemory;
  bytes: Uint8Array = new Uint8Array(0);
  place = 0;

  constructor(memory: LiveMemory) {
    this.#memory = memory;
  }

  load(listpack: Address): void {
    this.bytes = this.#memory.bytesOf(listpack), this.place = this.#memory.placeOf(listpack);
  }
}

class CopiedListpacks implements ListpackSource {
  readonly #memory: MemoryReader;
  readonly #copy = new ListpackCopy();
  bytes: Uint8Array = this.#copy.bytes;
  readonly place = 0;

  constructor(memory: MemoryReader) {
    this.#memory = memory;
  }

  load(listpack: Address): void {
    this.#copy.load(this.#memory, listpack);
    this.bytes = this.#copy.bytes;
  }
}

/** The integer that the element at `bytes[place]` is; rounded beyond 2^53. */
export function elementInteger(bytes: Uint8Array, place: number): number {
  const first = bytes[place];
  if (first < 0x80) return first;
  if (first < 0xe0) return ((((first & 0x1f) << 8) | bytes[place + 1]) << 19) >> 19;
  if (first === 0xf1) return ((bytes[place + 1] | (bytes[place + 2] << 8)) << 16) >> 16;
  if (first === 0xf2) return ((bytes[place + 1] | (bytes[place + 2] << 8) | (bytes[place + 3] << 16)) << 8) >> 8;
  const low = bytes[place + 1] | (bytes[place + 2] << 8) | (bytes[place + 3] << 16) | (bytes[place + 4] << 24);
  if (first === 0xf3) return low;
  return (bytes[place + 5] | (bytes[place + 6] << 8) | (bytes[place + 7] << 16) | (bytes[place + 8] << 24)) * TWO_32 +
    (low >>> 0);
}

/** Adds the 64-bit element at `bytes[place]` to words `word` and `word + 1` of `base`, modulo 2^64, into those of `id`. */
function addDelta(base: StreamId, id: StreamId, word: number, bytes: Uint8Array, place: number): void {
  let low: number, high: number;
  if (bytes[place] === INTEGER_64) {
    low = (bytes[place + 1] | (bytes[place + 2] << 8) | (bytes[place + 3] << 16) | (bytes[place + 4] << 24)) >>> 0;
    high = bytes[place + 5] | (bytes[place + 6] << 8) | (bytes[place + 7] << 16) | (bytes[place + 8] << 24);
  } else {
    const delta = elementInteger(bytes, place);
    low = delta >>> 0, high = delta < 0 ? -1 : 0;
  }
  const sum = base[word + 1] + low;
  id[word + 1] = sum, id[word] = base[word] + high + (sum >= TWO_32 ? 1 : 0);
}

export class StreamEntries {
  readonly #source: ListpackSource;
  /** The node that is walked: its key is `masterId`, its value the listpack `node`. */
  readonly cursor: TreeCursor;
  node: Address = 0 as Address;
  readonly masterId: StreamId = newStreamId();
  /** The entry: valid after `next` answered true. */
  readonly id: StreamId = newStreamId();
  flags = 0;
  fieldCount = 0;
  /** Place of the entry's flags in the node's listpack. */
  entryAt = 0;
  /** The pair that `nextField` read; `bytes` is where it lies. */
  readonly field: ListpackElement = new ListpackElement();
  readonly value: ListpackElement = new ListpackElement();
  bytes: Uint8Array = new Uint8Array(0);

  readonly #start: StreamId = newStreamId();
  readonly #end: StreamId = newStreamId();
  #reverse = false;
  #withDeleted = false;
  #hasNode = false;
  #nodesLeft = false;
  #place = 0;
  /** Forward: what comes next in the listpack. Backward: the element count of the entry that comes next. */
  #at = 0;
  #fieldsLeft = 0;
  #masterFields = 0;
  #masterFieldsAt = 0;
  #masterFieldAt = 0;

  private constructor(memory: MemoryReader, source: ListpackSource) {
    this.cursor = new TreeCursor(memory, NODE_WORDS), this.#source = source;
  }

  static inPlace(memory: LiveMemory): StreamEntries {
    return new StreamEntries(memory, new LiveListpacks(memory));
  }

  static byCopy(memory: MemoryReader): StreamEntries {
    return new StreamEntries(memory, new CopiedListpacks(memory));
  }

  /** Sets out for the entries from `start` to `end`, both included; null is the first or last one. */
  open(stream: Address, start: StreamId | null, end: StreamId | null, reverse: boolean, withDeleted = false): this {
    if (start === null) setMinId(this.#start);
    else copyId(this.#start, start);
    if (end === null) setMaxId(this.#end);
    else copyId(this.#end, end);
    this.#reverse = reverse, this.#withDeleted = withDeleted, this.#hasNode = false;
    const cursor = this.cursor.open(stream, STREAM.nodes);
    if (reverse) this.#nodesLeft = end === null ? cursor.seekLast() : cursor.seekFloor(end);
    else this.#nodesLeft = (start !== null && cursor.seekFloor(start)) || cursor.seekFirst();
    return this;
  }

  /** To the next entry; false when there is none. */
  next(): boolean {
    return this.#reverse ? this.#nextBackward() : this.#nextForward();
  }

  /** Reads the next field and value of the entry; to be called `fieldCount` times at most. */
  nextField(): void {
    const bytes = this.bytes, place = this.#place;
    this.#fieldsLeft--;
    if ((this.flags & STREAM_SAME_FIELDS) !== 0) {
      readElement(bytes, place, this.#masterFieldAt, this.field);
      this.#masterFieldAt = skipElements(bytes, place, this.#masterFieldAt, 1);
    } else {
      readElement(bytes, place, this.#at, this.field);
      this.#at = skipElements(bytes, place, this.#at, 1);
    }
    readElement(bytes, place, this.#at, this.value);
    this.#at = skipElements(bytes, place, this.#at, 1);
  }

  #nextForward(): boolean {
    while (true) {
      if (!this.#hasNode) {
        if (!this.#nodesLeft) return false;
        this.#loadNode();
        this.#at = this.#skipBelowStart(
          skipElements(this.bytes, this.#place, this.#masterFieldsAt, this.#masterFields + 1),
        );
      } else this.#at = this.#afterEntry();
      while (this.bytes[this.#place + this.#at] !== LISTPACK_END) {
        this.#readEntry(this.#at);
        if (this.#isShown() && compareIds(this.id, this.#start) >= 0) return compareIds(this.id, this.#end) <= 0;
        this.#at = this.#afterEntry();
      }
      this.#hasNode = false, this.#nodesLeft = this.cursor.next();
    }
  }

  /**
   * Place of the first entry from `at` on that is not below `#start`, or of one before it. Compares differences to the node's id as
   * doubles, and stops where these might be inexact, or negative only because they wrapped: the walk goes on entry by entry.
   */
  #skipBelowStart(at: number): number {
    const start = this.#start, master = this.masterId, bytes = this.bytes, place = this.#place;
    const msHigh = start[0] - master[0], sequenceHigh = start[2] - master[2];
    if (Math.abs(msHigh) > EXACT_HIGH_MAX || Math.abs(sequenceHigh) > EXACT_HIGH_MAX) return at;
    if (master[2] > EXACT_HIGH_MAX) return at;
    const masterSequence = master[2] * TWO_32 + master[3];
    const ms = msHigh * TWO_32 + start[1] - master[1], sequence = sequenceHigh * TWO_32 + start[3] - master[3];
    while (bytes[place + at] !== LISTPACK_END) {
      const msAt = skipElements(bytes, place, at, 1), sequenceAt = skipElements(bytes, place, msAt, 1);
      if (bytes[place + msAt] === INTEGER_64 || bytes[place + sequenceAt] === INTEGER_64) return at;
      const msDelta = elementInteger(bytes, place + msAt);
      if (msDelta > ms || msDelta < 0) return at;
      if (msDelta === ms) {
        const sequenceDelta = elementInteger(bytes, place + sequenceAt);
        if (sequenceDelta >= sequence || masterSequence + sequenceDelta < 0) return at;
      }
      const fieldsAt = skipElements(bytes, place, sequenceAt, 1);
      const elements = (bytes[place + at] & STREAM_SAME_FIELDS) !== 0
        ? this.#masterFields + 1
        : 2 * elementInteger(bytes, place + fieldsAt) + 2;
      at = skipElements(bytes, place, fieldsAt, elements);
    }
    return at;
  }

  #nextBackward(): boolean {
    while (true) {
      if (!this.#hasNode) {
        if (!this.#nodesLeft) return false;
        this.#loadNode();
        this.#at = lastElement(this.bytes, this.#place);
      } else this.#at = previousElement(this.bytes, this.#place, this.entryAt);
      for (let elements = this.#countAt(); elements !== 0; elements = this.#countAt()) {
        let at = this.#at;
        for (; elements > 0; elements--) at = previousElement(this.bytes, this.#place, at);
        this.#readEntry(at);
        if (this.#isShown() && compareIds(this.id, this.#end) <= 0) return compareIds(this.id, this.#start) >= 0;
        this.#at = previousElement(this.bytes, this.#place, at);
      }
      this.#hasNode = false, this.#nodesLeft = this.cursor.previous();
    }
  }

  #loadNode(): void {
    const cursor = this.cursor, source = this.#source;
    cursor.readKey(this.masterId);
    this.node = cursor.word(0) as Address;
    source.load(this.node);
    const bytes = this.bytes = source.bytes, place = this.#place = source.place;
    const fieldsAt = skipElements(bytes, place, firstElement(bytes, place), 2);
    this.#masterFields = elementInteger(bytes, place + fieldsAt);
    this.#masterFieldsAt = skipElements(bytes, place, fieldsAt, 1);
    this.#hasNode = true;
  }

  /** Reads flags, id and number of fields of the entry at `at`. */
  #readEntry(at: number): void {
    const bytes = this.bytes, place = this.#place;
    this.entryAt = at;
    const flags = this.flags = elementInteger(bytes, place + at);
    const msAt = skipElements(bytes, place, at, 1), sequenceAt = skipElements(bytes, place, msAt, 1);
    addDelta(this.masterId, this.id, 0, bytes, place + msAt);
    addDelta(this.masterId, this.id, 2, bytes, place + sequenceAt);
    this.#at = skipElements(bytes, place, sequenceAt, 1);
    if ((flags & STREAM_SAME_FIELDS) !== 0) {
      this.fieldCount = this.#masterFields, this.#masterFieldAt = this.#masterFieldsAt;
    } else {
      this.fieldCount = elementInteger(bytes, place + this.#at);
      this.#at = skipElements(bytes, place, this.#at, 1);
    }
    this.#fieldsLeft = this.fieldCount;
  }

  #isShown(): boolean {
    return this.#withDeleted || (this.flags & STREAM_DELETED) === 0;
  }

  /** Place behind the entry that was read, whatever of its fields has been. */
  #afterEntry(): number {
    const elements = (this.flags & STREAM_SAME_FIELDS) !== 0 ? this.#fieldsLeft : this.#fieldsLeft * 2;
    return skipElements(this.bytes, this.#place, this.#at, elements + 1);
  }

  #countAt(): number {
    return elementInteger(this.bytes, this.#place + this.#at);
  }
}

/** Reads the id of the entry whose flags are at `at` of the listpack. */
export function readEntryId(bytes: Uint8Array, place: number, at: number, masterId: StreamId, into: StreamId): void {
  const msAt = skipElements(bytes, place, at, 1), sequenceAt = skipElements(bytes, place, msAt, 1);
  addDelta(masterId, into, 0, bytes, place + msAt), addDelta(masterId, into, 2, bytes, place + sequenceAt);
}

/** Place of the first entry's flags, or of the listpack's end. */
export function firstEntryAt(bytes: Uint8Array, place: number): number {
  const fieldsAt = skipElements(bytes, place, firstElement(bytes, place), 2);
  const fields = elementInteger(bytes, place + fieldsAt);
  return skipElements(bytes, place, fieldsAt, fields + 2);
}

/** Place of the last entry's flags; the listpack has one. */
export function lastEntryAt(bytes: Uint8Array, place: number): number {
  let at = lastElement(bytes, place);
  for (let elements = elementInteger(bytes, place + at); elements > 0; elements--) {
    at = previousElement(bytes, place, at);
  }
  return at;
}

/** Place behind the entry whose flags are at `at`. */
export function afterEntryAt(bytes: Uint8Array, place: number, at: number): number {
  const flags = elementInteger(bytes, place + at), fieldsAt = skipElements(bytes, place, at, 3);
  if ((flags & STREAM_SAME_FIELDS) === 0) {
    return skipElements(bytes, place, fieldsAt, 2 * elementInteger(bytes, place + fieldsAt) + 2);
  }
  const masterAt = skipElements(bytes, place, firstElement(bytes, place), 2);
  return skipElements(bytes, place, fieldsAt, elementInteger(bytes, place + masterAt) + 1);
}

/** Place behind `count` elements from `at` on. */
export function skipElements(bytes: Uint8Array, place: number, at: number, count: number): number {
  for (; count > 0; count--) {
    const first = bytes[place + at];
    if (first < 0x80) at += 2;
    else if (first < 0xc0) at += (first & 0x3f) + 2;
    else {
      const size = elementBytes(bytes, place + at);
      at += size + backlenBytes(size);
    }
  }
  return at;
}
