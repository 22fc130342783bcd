/** Sorted sets, and sets whose members all have score 1, as inputs of the commands that combine them. */
import { formatI64, INTEGER_TEXT_BYTES_MAX } from "../base/integer.ts";
import { TYPE, typeOf } from "../keyspace/entry.ts";
import type { Keyspace } from "../keyspace/keyspace.ts";
import { SetRef, setsOf, SetWalk } from "../keyspace/values/set_value.ts";
import { sortedSetsOf } from "../keyspace/values/sorted_set_value.ts";
import { type Address, NONE } from "../memory/mod.ts";

const SET_SCORE = 1;

/** One input; its entry is NONE where there is no key. */
export class Operand {
  entry: Address = NONE;
  isSet = false;
  weight = 1;
  size = 0;

  open(keyspace: Keyspace, entry: Address): void {
    this.entry = entry, this.weight = 1, this.size = 0;
    if (entry === NONE) return;
    this.isSet = typeOf(keyspace.memory, entry) === TYPE.set;
    if (this.isSet) this.size = setsOf(keyspace).size(probedSet.open(keyspace.memory, entry));
    else sortedSetsOf(keyspace).probed.open(entry), this.size = sortedSetsOf(keyspace).probed.size;
  }

  /** The score of a member, or NaN. */
  scoreOf(keyspace: Keyspace, member: Uint8Array, at: number, length: number): number {
    if (this.entry === NONE) return NaN;
    if (this.isSet) {
      return setsOf(keyspace).has(probedSet.open(keyspace.memory, this.entry), member, at, length) ? SET_SCORE : NaN;
    }
    const { probed } = sortedSetsOf(keyspace);
    probed.open(this.entry);
    return probed.scoreOf(member, at, length);
  }
}

const probedSet = new SetRef(), walkedSet = new SetRef();

/** Walks the members of an operand, those of a sorted set from the highest score down; one instance is reused. */
export class OperandWalk {
  /** The member, and its score. */
  bytes: Uint8Array = new Uint8Array(0);
  at = 0;
  length = 0;
  score = 0;
  readonly #setWalk = new SetWalk();
  readonly #digits = new Uint8Array(INTEGER_TEXT_BYTES_MAX);
  #keyspace!: Keyspace;
  #isSet = false;
  #left = 0;
  #isStarted = false;

  start(keyspace: Keyspace, { entry, isSet, size }: Operand): void {
    this.#keyspace = keyspace, this.#isSet = isSet, this.#left = size, this.#isStarted = false;
    if (size === 0) return;
    if (!isSet) return sortedSetsOf(keyspace).walked.open(entry);
    walkedSet.open(keyspace.memory, entry);
    this.#setWalk.start(keyspace.memory, walkedSet.value, walkedSet.encoding);
  }

  /** Steps to the next member; false at the end. */
  next(): boolean {
    if (this.#left-- <= 0) return false;
    if (this.#isSet) this.#nextOfSet();
    else this.#nextOfSortedSet();
    return true;
  }

  #nextOfSortedSet(): void {
    const { walked } = sortedSetsOf(this.#keyspace);
    if (this.#isStarted) walked.previous();
    else walked.seek(walked.size - 1);
    this.#isStarted = true;
    walked.readMember();
    this.bytes = walked.bytes, this.at = walked.start, this.length = walked.length, this.score = walked.score;
  }

  #nextOfSet(): void {
    const walk = this.#setWalk, sets = setsOf(this.#keyspace), { member } = walk;
    walk.next();
    this.score = SET_SCORE;
    if (member.isInteger) {
      this.bytes = this.#digits, this.at = 0, this.length = formatI64(member.integer, this.#digits, 0);
    } else this.bytes = sets.bytesOf(member), this.at = sets.startOf(member), this.length = sets.lengthOf(member);
  }
}
