/**
 * One open sorted set, in either encoding: a listpack of members and scores in order while they are few and short, else a `ScoreDict`.
 *
 * Commands point it at a set (`open`, or `create` for one that no key has yet) and work on it. A change may move the set: one that was
 * opened by its key's entry is stored there again at once, so nothing is left behind whatever is thrown later. When the arena is full a
 * change throws, and the set is as it was before that change.
 * Order is by score, then by memcmp of the member. Scores are never NaN. In a listpack a score is an integer element when it is one of
 * magnitude below 2^62, else the text of "%.17g": so -0 becomes 0 there, as in Redis.
 * What `bytes`, `start` and `length` describe, and where a seek stopped, is valid until the next change.
 */
import { compareRanges, latin1Decode, writeAscii } from "../../base/bytes.ts";
import { formatDouble17 } from "../../base/double.ts";
import { I64 } from "../../base/integer.ts";
import { parseBound, parseDouble } from "../../base/strtod.ts";
import { type Address, NONE } from "../../memory/mod.ts";
import {
  elementNumber,
  findElement,
  firstElement,
  LISTPACK_BYTES_MAX,
  LISTPACK_HEADER_BYTES,
  listpackBytes,
  ListpackElement,
  type Listpacks,
  nextElement,
  previousElement,
  readElement,
  seekElement,
} from "../../structures/listpack.ts";
import { ListpackBuilder } from "../../structures/listpack_builder.ts";
import type { ScoreDict } from "../../structures/score_dict.ts";
import { leafEntry, leafScore, MEMBER_ENTRY, memberLength } from "../../structures/sorted_index.ts";
import { ENCODING, encodingOf, valueOf } from "../entry.ts";
import type { Keyspace } from "../keyspace.ts";

/** How `add` treats a member that is there, or is not. */
export const ADD = { nx: 1, xx: 2, gt: 4, lt: 8, increment: 16 } as const;
/** What `add` did: nothing because of its flags, nothing because the score is the same, or a change. */
export const ADDED = { refused: 0, same: 1, updated: 2, added: 3, notNumber: 4 } as const;

/** Scores up to this magnitude are integer elements when they are integers. */
const INTEGER_SCORE_MAX = 2 ** 62;
/** "-1.7976931348623157e+308" is the longest. */
const SCORE_TEXT_BYTES_MAX = 24;
/** Bytes that a pair takes in a listpack beside its member, at most and about. */
const PAIR_BYTES = 12;

/** Members from `min` to `max`. */
export interface ScoreRange {
  min: number;
  max: number;
  minExclusive: boolean;
  maxExclusive: boolean;
}

/** One end of a range of members: below all, above all, or bytes of a request. */
export interface LexBound {
  kind: "lowest" | "highest" | "member";
  exclusive: boolean;
  bytes: Uint8Array;
  start: number;
  length: number;
}

export class SortedSet {
  value: Address = NONE;
  encoding = 0;
  /** The string that was read last: `length` bytes from `start` on. */
  bytes: Uint8Array = new Uint8Array(0);
  start = 0;
  length = 0;
  /** The score that `add` has set. */
  newScore = 0;
  /** The range that `select…` found: ranks [from, to). */
  from = 0;
  to = 0;
  readonly #keyspace: Keyspace;
  readonly #listpacks: Listpacks;
  readonly #members: ScoreDict;
  readonly #element = new ListpackElement();
  readonly #integer = new I64();
  #isIntegerScore = false;
  readonly #scoreText = new Uint8Array(SCORE_TEXT_BYTES_MAX);
  #scoreTextBytes = 0;
  /** The key's entry, or NONE for a set that no key has. */
  #entry: Address = NONE;
  /** Where a seek stands: the place of a member in a listpack, -1 for none; leaf and slot in the index of a large set. */
  #at = -1;
  #leaf: Address = NONE;
  #slot = 0;

  constructor(keyspace: Keyspace, listpacks: Listpacks, members: ScoreDict) {
    this.#keyspace = keyspace, this.#listpacks = listpacks, this.#members = members;
  }

  // ---- which set -----------------------------------------------------------------------------------------------

  open(entry: Address): void {
    const memory = this.#keyspace.memory;
    this.#entry = entry;
    this.value = valueOf(memory, entry), this.encoding = encodingOf(memory, entry);
  }

  /** Opens a new, empty set that no key has, in the encoding that suits its first member. */
  create(firstMemberBytes: number): void {
    const { zsetListpackEntriesMax, zsetListpackValueBytesMax } = this.#keyspace.limits;
    if (zsetListpackEntriesMax === 0 || firstMemberBytes > zsetListpackValueBytesMax) return this.createLarge(0);
    this.#entry = NONE;
    this.value = this.#listpacks.create(), this.encoding = ENCODING.listpack;
  }

  /** Opens a new, empty set that no key has, for many members. */
  createLarge(entries: number): void {
    this.#entry = NONE;
    this.value = this.#members.create(entries), this.encoding = ENCODING.skiplist;
  }

  /** Opens a new set with the pairs of a sound and ordered listpack at `bytes[at]`, that no key has. */
  createOf(bytes: Uint8Array, at: number, sizeBytes: number): void {
    this.#entry = NONE;
    this.value = this.#listpacks.ofBytes(bytes, at, sizeBytes), this.encoding = ENCODING.listpack;
  }

  /** Frees the open set, which no key has. */
  discard(): void {
    if (this.encoding === ENCODING.listpack) this.#listpacks.free(this.value);
    else this.#members.free(this.value);
  }

  get size(): number {
    return this.encoding === ENCODING.listpack
      ? this.#listpacks.count(this.value) >>> 1
      : this.#members.size(this.value);
  }

  // ---- by member -----------------------------------------------------------------------------------------------

  /** The score of a member, or NaN. */
  scoreOf(member: Uint8Array, memberAt: number, memberBytes: number): number {
    if (this.encoding === ENCODING.skiplist) {
      const entry = this.#members.find(this.value, member, memberAt, memberBytes);
      return entry === NONE ? NaN : this.#members.scoreOf(entry);
    }
    const bytes = this.#bytes(), lp = this.#place();
    const at = findElement(bytes, lp, firstElement(bytes, lp), member, memberAt, memberBytes, 1);
    return at < 0 ? NaN : this.#scoreAfter(bytes, lp, at);
  }

  /** How many members come before this one, or -1 when it is not there. */
  rankOf(member: Uint8Array, memberAt: number, memberBytes: number): number {
    if (this.encoding === ENCODING.skiplist) {
      const entry = this.#members.find(this.value, member, memberAt, memberBytes);
      return entry === NONE ? -1 : this.#members.index.rankOf(this.value, this.#members.scoreOf(entry), entry);
    }
    const bytes = this.#bytes(), lp = this.#place();
    const found = findElement(bytes, lp, firstElement(bytes, lp), member, memberAt, memberBytes, 1);
    if (found < 0) return -1;
    let rank = 0;
    for (let at = LISTPACK_HEADER_BYTES; at !== found; at = this.#nextMember(bytes, lp, at)) rank++;
    return rank;
  }

  /** Adds a member, or gives it another score, as `flags` have it. Returns one of ADDED; the score is in `newScore` then. */
  add(score: number, flags: number, member: Uint8Array, memberAt: number, memberBytes: number): number {
    const result = this.encoding === ENCODING.skiplist
      ? this.#addLarge(score, flags, member, memberAt, memberBytes)
      : this.#addSmall(score, flags, member, memberAt, memberBytes);
    if (result >= ADDED.updated) this.#keyspace.memory.cow.writtenBytes += memberBytes + 8;
    return result;
  }

  /** True when the member was there. */
  remove(member: Uint8Array, memberAt: number, memberBytes: number): boolean {
    if (this.encoding === ENCODING.skiplist) {
      const entry = this.#members.find(this.value, member, memberAt, memberBytes);
      if (entry === NONE) return false;
      this.#members.removeFound(this.value, entry);
      return true;
    }
    const bytes = this.#bytes(), lp = this.#place();
    const at = findElement(bytes, lp, firstElement(bytes, lp), member, memberAt, memberBytes, 1);
    if (at < 0) return false;
    this.#set(this.#listpacks.deleteRange(this.value, at, 2), ENCODING.listpack);
    return true;
  }

  // ---- by order ------------------------------------------------------------------------------------------------

  /** Stops at the member with this rank, which is there. */
  seek(rank: number): void {
    if (this.encoding === ENCODING.listpack) {
      this.#at = seekElement(this.#bytes(), this.#place(), rank * 2);
      return;
    }
    const index = this.#members.index;
    index.seekRank(this.value, rank);
    this.#leaf = index.leaf, this.#slot = index.slot;
  }

  /** Stops at the next member, or at none. */
  next(): void {
    if (this.encoding === ENCODING.listpack) {
      this.#at = nextElement(this.#bytes(), this.#place(), this.#scorePlace());
      return;
    }
    const index = this.#members.index;
    index.leaf = this.#leaf, index.slot = this.#slot;
    index.next();
    this.#leaf = index.leaf, this.#slot = index.slot;
  }

  /** Stops at the member before, or at none. */
  previous(): void {
    if (this.encoding === ENCODING.listpack) {
      const bytes = this.#bytes(), lp = this.#place(), score = previousElement(bytes, lp, this.#at);
      this.#at = score < 0 ? -1 : previousElement(bytes, lp, score);
      return;
    }
    const index = this.#members.index;
    index.leaf = this.#leaf, index.slot = this.#slot;
    index.previous();
    this.#leaf = index.leaf, this.#slot = index.slot;
  }

  /** The score of the member where a seek stands. */
  get score(): number {
    if (this.encoding === ENCODING.listpack) return this.#scoreAfter(this.#bytes(), this.#place(), this.#at);
    return leafScore(this.#keyspace.memory, this.#leaf, this.#slot);
  }

  /** The text of that score as it is stored: in a listpack an integer has all its digits. */
  get scoreText(): string {
    if (this.encoding === ENCODING.skiplist) return formatDouble17(this.score);
    const bytes = this.#bytes();
    this.#readText(bytes, this.#place(), this.#scorePlace());
    return latin1Decode(this.bytes, this.start, this.start + this.length);
  }

  /** Reads the member where a seek stands. */
  readMember(): void {
    if (this.encoding === ENCODING.listpack) return this.#readText(this.#bytes(), this.#place(), this.#at);
    this.readEntry(leafEntry(this.#keyspace.memory, this.#leaf, this.#slot));
  }

  /** Selects the ranks of scores in a range; the number of them. */
  selectScores({ min, max, minExclusive, maxExclusive }: ScoreRange): number {
    if (this.encoding === ENCODING.listpack) {
      this.from = this.#countScoresBelow(min, minExclusive);
      this.to = this.#countScoresBelow(max, !maxExclusive);
    } else {
      const index = this.#members.index;
      index.seekScore(this.value, min, minExclusive);
      this.from = index.rank;
      this.to = this.size;
      if (max !== Infinity || maxExclusive) {
        index.seekScore(this.value, max, !maxExclusive);
        this.to = index.rank;
      }
    }
    return this.#selected();
  }

  /** Selects the ranks of members in a range, provided that all scores are equal; the number of them. */
  selectMembers(min: LexBound, max: LexBound): number {
    this.from = this.#rankOfBound(min, min.exclusive);
    this.to = this.#rankOfBound(max, !max.exclusive);
    return this.#selected();
  }

  /** Selects the ranks of a range of ranks, those below 0 counting from the end; the number of them. */
  selectRanks(first: number, last: number): number {
    const size = this.size;
    this.from = Math.max(first < 0 ? size + first : first, 0);
    this.to = Math.min(last < 0 ? size + last : last, size - 1) + 1;
    return this.#selected();
  }

  /** Takes away the members with ranks [from, to), which are there. */
  removeRanks(from: number, to: number): void {
    if (this.encoding === ENCODING.skiplist) return this.#members.removeRange(this.value, from, to - from);
    const at = seekElement(this.#bytes(), this.#place(), from * 2);
    this.#set(this.#listpacks.deleteRange(this.value, at, (to - from) * 2), ENCODING.listpack);
  }

  // ---- by place in the hash table ------------------------------------------------------------------------------

  /** The entries of one cursor position of a large set, for ZSCAN. Returns the next cursor. */
  scan(cursor: number, visit: (entry: Address) => void): number {
    return this.#members.dict.scan(this.#members.dictOf(this.value), cursor, visit);
  }

  readEntry(entry: Address): void {
    const memory = this.#keyspace.memory;
    this.bytes = memory.bytesOf(entry);
    this.start = memory.placeOf(entry) + MEMBER_ENTRY.member, this.length = memberLength(memory, entry);
  }

  scoreOfEntry(entry: Address): number {
    return this.#members.scoreOf(entry);
  }

  // ---- filling a large set -------------------------------------------------------------------------------------

  /** Starts to fill the open, large, empty set; `append`, then `finish`. Members should come in order, up or down, and need not. */
  startFilling(ascending: boolean): void {
    this.#members.start(this.value, ascending);
  }

  /** False, and nothing done, when the member has been there. */
  append(score: number, member: Uint8Array, memberAt: number, memberBytes: number): boolean {
    return this.#members.append(this.value, score, member, memberAt, memberBytes);
  }

  finish(): void {
    this.#members.finish(this.value);
  }

  /** Adds a score to a member's by `combine`; nothing but `finishSums` may be called in between. True when the member is new. */
  accumulate(
    score: number,
    member: Uint8Array,
    memberAt: number,
    memberBytes: number,
    combine: (old: number, score: number) => number,
  ): boolean {
    return this.#members.accumulate(this.value, score, member, memberAt, memberBytes, combine);
  }

  finishSums(): void {
    this.#members.indexAll(this.value);
  }

  /** Makes a large set a listpack when that is what Redis keeps so few members, none longer than `longestBytes`, in. */
  shrinkToListpack(longestBytes: number, totalBytes: number): void {
    const { zsetListpackEntriesMax, zsetListpackValueBytesMax } = this.#keyspace.limits;
    if (this.encoding === ENCODING.listpack || this.size > zsetListpackEntriesMax) return;
    if (longestBytes > zsetListpackValueBytesMax || totalBytes > LISTPACK_BYTES_MAX) return;
    const size = this.size, set = this.value, builder = new ListpackBuilder(totalBytes + size * PAIR_BYTES);
    this.seek(0);
    for (let i = 0; i < size; i++, this.next()) {
      this.readMember();
      builder.append(this.bytes, this.start, this.length);
      this.#encodeScore(this.score);
      if (this.#isIntegerScore) builder.appendInteger(this.#integer);
      else builder.append(this.#scoreText, 0, this.#scoreTextBytes);
    }
    builder.finish();
    this.#set(this.#listpacks.ofBytes(builder.bytes, 0, builder.lengthBytes), ENCODING.listpack);
    this.#members.free(set);
  }

  /** Makes a listpack a large set. Of a member that is there twice, as in a damaged file, the first counts. */
  grow(): void {
    const large = this.#members.create(this.size), old = this.value;
    try {
      this.#members.start(large, true);
      const bytes = this.#bytes(), lp = this.#place();
      for (let at = firstElement(bytes, lp); at >= 0; at = this.#nextMember(bytes, lp, at)) {
        this.#readText(bytes, lp, at);
        const { bytes: member, start, length } = this;
        this.#members.append(large, this.#scoreAfter(bytes, lp, at), member, start, length);
      }
      this.#members.finish(large);
    } catch (error) {
      this.#members.free(large);
      throw error;
    }
    this.#set(large, ENCODING.skiplist);
    this.#listpacks.free(old);
  }

  // ---- inside --------------------------------------------------------------------------------------------------

  #set(value: Address, encoding: number): void {
    this.value = value, this.encoding = encoding;
    if (this.#entry !== NONE) this.#keyspace.updateValue(this.#entry, encoding, value);
  }

  #bytes(): Uint8Array {
    return this.#keyspace.memory.bytesOf(this.value);
  }

  #place(): number {
    return this.#keyspace.memory.placeOf(this.value);
  }

  #selected(): number {
    if (this.to < this.from) this.to = this.from;
    return this.to - this.from;
  }

  /** What becomes of a member that is there. */
  #resolve(current: number, score: number, flags: number): number {
    if ((flags & ADD.nx) !== 0) return ADDED.refused;
    const next = (flags & ADD.increment) !== 0 ? current + score : score;
    if (Number.isNaN(next)) return ADDED.notNumber;
    if ((flags & ADD.lt) !== 0 && next >= current) return ADDED.refused;
    if ((flags & ADD.gt) !== 0 && next <= current) return ADDED.refused;
    this.newScore = next;
    return next === current ? ADDED.same : ADDED.updated;
  }

  #addLarge(score: number, flags: number, member: Uint8Array, memberAt: number, memberBytes: number): number {
    const members = this.#members, entry = members.find(this.value, member, memberAt, memberBytes);
    if (entry !== NONE) {
      const result = this.#resolve(members.scoreOf(entry), score, flags);
      if (result === ADDED.updated) members.setScore(this.value, entry, this.newScore);
      return result;
    }
    if ((flags & ADD.xx) !== 0) return ADDED.refused;
    members.insertMissed(this.value, score, member, memberAt, memberBytes);
    this.newScore = score;
    return ADDED.added;
  }

  #addSmall(score: number, flags: number, member: Uint8Array, memberAt: number, memberBytes: number): number {
    const bytes = this.#bytes(), lp = this.#place();
    const at = findElement(bytes, lp, firstElement(bytes, lp), member, memberAt, memberBytes, 1);
    if (at >= 0) {
      const current = this.#scoreAfter(bytes, lp, at), result = this.#resolve(current, score, flags);
      if (result === ADDED.updated) this.#rescore(at, this.newScore > current, member, memberAt, memberBytes);
      return result;
    }
    if ((flags & ADD.xx) !== 0) return ADDED.refused;
    const limits = this.#keyspace.limits;
    if (
      this.size + 1 > limits.zsetListpackEntriesMax || memberBytes > limits.zsetListpackValueBytesMax ||
      listpackBytes(bytes, lp) + memberBytes > LISTPACK_BYTES_MAX
    ) {
      this.grow();
      return this.#addLarge(score, flags, member, memberAt, memberBytes);
    }
    const place = this.#placeFor(firstElement(bytes, lp), score, member, memberAt, memberBytes);
    this.#insertPair(place, score, member, memberAt, memberBytes);
    this.newScore = score;
    return ADDED.added;
  }

  /** Moves the member at `at` to where `newScore` wants it. The new pair comes first: then nothing can fail. */
  #rescore(at: number, isHigher: boolean, member: Uint8Array, memberAt: number, memberBytes: number): void {
    const from = isHigher ? at : LISTPACK_HEADER_BYTES;
    const place = this.#placeFor(from, this.newScore, member, memberAt, memberBytes);
    const before = this.#listpacks.bytes(this.value);
    this.#insertPair(place, this.newScore, member, memberAt, memberBytes);
    const old = place <= at ? at + this.#listpacks.bytes(this.value) - before : at;
    this.#set(this.#listpacks.deleteRange(this.value, old, 2), ENCODING.listpack);
  }

  /** Where a pair belongs, which is not before the member at `from`: the place of the first member behind it, or of the end. */
  #placeFor(from: number, score: number, member: Uint8Array, memberAt: number, memberBytes: number): number {
    const bytes = this.#bytes(), lp = this.#place();
    let at = from;
    while (at >= 0) {
      const scoreAt = nextElement(bytes, lp, at), one = this.#scoreAt(bytes, lp, scoreAt);
      if (one > score) return at;
      if (one === score && this.#compareElement(bytes, lp, at, member, memberAt, memberBytes) > 0) return at;
      at = nextElement(bytes, lp, scoreAt);
    }
    return listpackBytes(bytes, lp) - 1;
  }

  /** Inserts a pair before the element at `place`. @throws {OutOfArenaError} and then nothing has changed */
  #insertPair(place: number, score: number, member: Uint8Array, memberAt: number, memberBytes: number): void {
    const listpacks = this.#listpacks;
    this.#encodeScore(score);
    // The score first: should the member find no room, the score goes again, which needs none.
    const lp = this.#isIntegerScore
      ? listpacks.insertIntegerBefore(this.value, place, this.#integer)
      : listpacks.insertBefore(this.value, place, this.#scoreText, 0, this.#scoreTextBytes);
    try {
      this.#set(listpacks.insertBefore(lp, place, member, memberAt, memberBytes), ENCODING.listpack);
    } catch (error) {
      this.#set(listpacks.deleteRange(lp, place, 1), ENCODING.listpack);
      throw error;
    }
  }

  /** What a score is in a listpack: `#integer` or `#scoreText`. */
  #encodeScore(score: number): void {
    this.#isIntegerScore = Number.isInteger(score) && Math.abs(score) < INTEGER_SCORE_MAX;
    if (this.#isIntegerScore) this.#integer.setNumber(score);
    else this.#scoreTextBytes = writeAscii(formatDouble17(score), this.#scoreText, 0);
  }

  #scorePlace(): number {
    return nextElement(this.#bytes(), this.#place(), this.#at);
  }

  #nextMember(bytes: Uint8Array, lp: number, at: number): number {
    return nextElement(bytes, lp, nextElement(bytes, lp, at));
  }

  /** The score of the member at `at`. */
  #scoreAfter(bytes: Uint8Array, lp: number, at: number): number {
    return this.#scoreAt(bytes, lp, nextElement(bytes, lp, at));
  }

  #scoreAt(bytes: Uint8Array, lp: number, at: number): number {
    const score = elementNumber(bytes, lp, at);
    if (!Number.isNaN(score)) return score;
    const element = this.#element;
    readElement(bytes, lp, at, element);
    const decimal = parseDouble(bytes, element.start, element.length);
    // What a file brought may be out of a double's range.
    return Number.isNaN(decimal) ? parseBound(bytes, element.start, element.length) : decimal;
  }

  #readText(bytes: Uint8Array, lp: number, at: number): void {
    const element = this.#element;
    readElement(bytes, lp, at, element);
    this.bytes = element.text(bytes), this.start = element.start, this.length = element.length;
  }

  /** Sign of the element minus the string. */
  #compareElement(
    bytes: Uint8Array,
    lp: number,
    at: number,
    other: Uint8Array,
    otherAt: number,
    length: number,
  ): number {
    const element = this.#element;
    readElement(bytes, lp, at, element);
    return compareRanges(element.text(bytes), element.start, element.length, other, otherAt, length);
  }

  /** Pairs of a listpack whose scores are below a bound, or with `orEqual` not above it. */
  #countScoresBelow(bound: number, orEqual: boolean): number {
    const bytes = this.#bytes(), lp = this.#place();
    let count = 0;
    for (let at = firstElement(bytes, lp); at >= 0; count++) {
      const scoreAt = nextElement(bytes, lp, at), score = this.#scoreAt(bytes, lp, scoreAt);
      if (orEqual ? score > bound : score >= bound) break;
      at = nextElement(bytes, lp, scoreAt);
    }
    return count;
  }

  /** How many members come before a bound, or with `orEqual` not after it. */
  #rankOfBound({ kind, bytes: bound, start, length }: LexBound, orEqual: boolean): number {
    if (kind !== "member") return kind === "lowest" ? 0 : this.size;
    if (this.encoding === ENCODING.skiplist) {
      this.#members.index.seekMember(this.value, bound, start, length, orEqual);
      return this.#members.index.rank;
    }
    const bytes = this.#bytes(), lp = this.#place();
    let count = 0;
    for (let at = firstElement(bytes, lp); at >= 0; at = this.#nextMember(bytes, lp, at), count++) {
      const order = this.#compareElement(bytes, lp, at, bound, start, length);
      if (orEqual ? order > 0 : order >= 0) break;
    }
    return count;
  }
}
