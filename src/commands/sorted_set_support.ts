/** What the commands on sorted sets share: opening, storing, ends of ranges, replies of members. */
import { parseBound } from "../base/strtod.ts";
import { TYPE } from "../keyspace/entry.ts";
import { EVENT } from "../keyspace/key_events.ts";
import type { LexBound, ScoreRange, SortedSet } from "../keyspace/values/sorted_set.ts";
import { sortedSetsOf } from "../keyspace/values/sorted_set_value.ts";
import { NONE } from "../memory/mod.ts";
import type { ReplyWriter } from "../resp/reply_writer.ts";
import type { CommandContext } from "./context.ts";
import { ERROR } from "./errors.ts";

/** A temporary set of more members than this is freed in slices. */
const DROP_AT_ONCE_MAX = 16384;
const OPEN = 0x28, CLOSED = 0x5b, PLUS = 0x2b, MINUS = 0x2d;

export const SCORE_RANGE_ERROR = "min or max is not a float";
export const LEX_RANGE_ERROR = "min or max not valid string range item";

export const replyZero = (reply: ReplyWriter): void => reply.integer(0);
export const replyNull = (reply: ReplyWriter): void => reply.null();
export const replyEmptyArray = (reply: ReplyWriter): void => reply.startArray(0);

/** Opens the set at the key that argument `index` names, for reading; null, with the reply written, when there is none. */
export function openForRead(
  ctx: CommandContext,
  index: number,
  replyNone: (reply: ReplyWriter) => void,
): SortedSet | null {
  const entry = ctx.lookupRead(index);
  if (entry === NONE) {
    replyNone(ctx.reply);
    return null;
  }
  if (!ctx.isType(entry, TYPE.zset)) return null;
  const { set } = sortedSetsOf(ctx.keyspace);
  set.open(entry);
  return set;
}

/** Stores a set that no key has at argument `index`'s key, whatever that held. */
export function storeSortedSet(ctx: CommandContext, index: number, set: SortedSet): void {
  const { args, keyspace, db } = ctx;
  keyspace.setValue(db, args.bytes, args.offsets[index], args.lengths[index], TYPE.zset, set.encoding, set.value);
}

/** Removes the key of argument `index`, as commands do that found or left nothing for it. */
export function removeKey(ctx: CommandContext, index: number): boolean {
  return ctx.remove(index, ctx.keyspace.lazyOverwrite);
}

/** What a command that stores does with its result: stores it, or removes the key when it is empty; replies with the size. */
export function storeResult(ctx: CommandContext, index: number, set: SortedSet, event: string): void {
  const size = set.size;
  if (size > 0) {
    storeSortedSet(ctx, index, set);
    ctx.notify(EVENT.zset, event, index);
    ctx.keyspace.dirty++;
  } else {
    set.discard();
    if (removeKey(ctx, index)) ctx.keyspace.dirty++;
  }
  ctx.reply.integer(size);
}

/** Frees a set that no key has; a large one in slices. */
export function dropSortedSet(ctx: CommandContext, set: SortedSet): void {
  if (set.size <= DROP_AT_ONCE_MAX) set.discard();
  else ctx.keyspace.lazyFree.addValue(sortedSetsOf(ctx.keyspace), set.value, set.encoding);
}

/** Argument `index` as a double, or NaN with the error replied. */
export function doubleArgument(ctx: CommandContext, index: number, error: string = ERROR.notFloat): number {
  const value = ctx.args.double(index);
  if (Number.isNaN(value)) ctx.reply.error(error);
  return value;
}

// ---- ranges --------------------------------------------------------------------------------------------------------

/** Reads the ends of a range of scores; false, with the error replied, when they are none. */
export function parseScoreRange(ctx: CommandContext, min: number, max: number, into: ScoreRange): boolean {
  into.minExclusive = isOpen(ctx, min), into.maxExclusive = isOpen(ctx, max);
  into.min = bound(ctx, min, into.minExclusive), into.max = bound(ctx, max, into.maxExclusive);
  if (!Number.isNaN(into.min) && !Number.isNaN(into.max)) return true;
  ctx.reply.error(SCORE_RANGE_ERROR);
  return false;
}

function isOpen({ args }: CommandContext, index: number): boolean {
  return args.lengths[index] > 0 && args.bytes[args.offsets[index]] === OPEN;
}

function bound({ args }: CommandContext, index: number, isOpen: boolean): number {
  const skipped = isOpen ? 1 : 0;
  return parseBound(args.bytes, args.offsets[index] + skipped, args.lengths[index] - skipped);
}

/** Reads the ends of a range of members; false, with the error replied, when they are none. */
export function parseLexRange(
  ctx: CommandContext,
  min: number,
  max: number,
  lower: LexBound,
  upper: LexBound,
): boolean {
  if (parseLexBound(ctx, min, lower) && parseLexBound(ctx, max, upper)) return true;
  ctx.reply.error(LEX_RANGE_ERROR);
  return false;
}

function parseLexBound({ args }: CommandContext, index: number, into: LexBound): boolean {
  const at = args.offsets[index], length = args.lengths[index];
  if (length === 0) return false;
  const first = args.bytes[at];
  into.bytes = args.bytes, into.start = at + 1, into.length = length - 1, into.exclusive = first !== CLOSED;
  into.kind = first === PLUS ? "highest" : first === MINUS ? "lowest" : "member";
  return first === OPEN || first === CLOSED || (into.kind !== "member" && length === 1);
}

export function newScoreRange(): ScoreRange {
  return { min: 0, max: 0, minExclusive: false, maxExclusive: false };
}

export function newLexBound(): LexBound {
  return { kind: "lowest", exclusive: true, bytes: new Uint8Array(0), start: 0, length: 0 };
}

// ---- replies -------------------------------------------------------------------------------------------------------

/** Begins a reply of `count` members: with scores a flat list in RESP2, pairs in RESP3. */
export function startMembers(reply: ReplyWriter, count: number, withScores: boolean): void {
  reply.startArray(withScores && reply.protocol === 2 ? count * 2 : count);
}

/** Replies with the member where the set stands. */
export function replyMember(reply: ReplyWriter, set: SortedSet, withScores: boolean): void {
  if (withScores && reply.protocol !== 2) reply.startArray(2);
  set.readMember();
  reply.bulk(set.bytes, set.start, set.length);
  if (withScores) reply.double(set.score);
}

/** Replies with `count` members, from the one with rank `first` on, up or down. */
export function replyMembers(
  reply: ReplyWriter,
  set: SortedSet,
  first: number,
  count: number,
  isReverse: boolean,
  withScores: boolean,
): void {
  startMembers(reply, count, withScores);
  if (count === 0) return;
  set.seek(first);
  for (let left = count; left > 0; left--) {
    replyMember(reply, set, withScores);
    if (left === 1) return;
    if (isReverse) set.previous();
    else set.next();
  }
}
