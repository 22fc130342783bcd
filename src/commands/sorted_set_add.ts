/** ZADD and ZINCRBY, and what GEOADD has in common with them: adding pairs of scores and members that a request names. */
import { ascii } from "../base/bytes.ts";
import { formatDouble17 } from "../base/double.ts";
import { TYPE } from "../keyspace/entry.ts";
import { EVENT } from "../keyspace/key_events.ts";
import { ADD, ADDED, type SortedSet } from "../keyspace/values/sorted_set.ts";
import { sortedSetsOf } from "../keyspace/values/sorted_set_value.ts";
import { NONE } from "../memory/mod.ts";
import type { CommandContext, Handlers, Part } from "./context.ts";
import { ERROR } from "./errors.ts";
import { doubleArgument, storeSortedSet } from "./sorted_set_support.ts";

const WORD = {
  nx: ascii("NX"),
  xx: ascii("XX"),
  gt: ascii("GT"),
  lt: ascii("LT"),
  ch: ascii("CH"),
  incr: ascii("INCR"),
};
const ZADD = ascii("ZADD");
/** Not one of ADD: reply with changes too. */
export const CH = 32;
const SCORES_START = 16, SCORES_KEPT = 4096;

/** The pairs of a request: where its members are. The first score is that of argument `first`, the next that of `first + stride`. */
export interface Pairs {
  first: number;
  stride: number;
  count: number;
  flags: number;
}

let scores = new Float64Array(SCORES_START);
/** What the pairs of the executing command did. */
let added = 0, updated = 0, processed = 0;
const zaddPairs: Pairs = { first: 0, stride: 2, count: 0, flags: 0 };

/** Where the caller of `addScored` puts the scores of `count` pairs. */
export function scoresFor(count: number): Float64Array {
  if (count > scores.length || scores.length > SCORES_KEPT) scores = new Float64Array(Math.max(count, SCORES_START));
  return scores;
}

/** The bit of ADD (or CH) that the option at argument `index` stands for; 0 when it is no option. */
export function addOption({ args }: CommandContext, index: number): number {
  if (index >= args.count || args.lengths[index] < 2 || args.lengths[index] > 4) return 0;
  if (args.is(index, WORD.nx)) return ADD.nx;
  if (args.is(index, WORD.xx)) return ADD.xx;
  if (args.is(index, WORD.gt)) return ADD.gt;
  if (args.is(index, WORD.lt)) return ADD.lt;
  if (args.is(index, WORD.ch)) return CH;
  return args.is(index, WORD.incr) ? ADD.increment : 0;
}

function zadd(ctx: CommandContext): void {
  let flags = 0, from = 2;
  for (let one = addOption(ctx, from); one !== 0; one = addOption(ctx, from)) flags |= one, from++;
  addPairs(ctx, flags, from);
}

/** Adds the pairs of score and member from argument `from` on. */
function addPairs(ctx: CommandContext, flags: number, from: number): void {
  const { args, reply } = ctx, count = (args.count - from) / 2;
  if (count < 1 || !Number.isInteger(count)) return reply.error(ERROR.syntax);
  if (areIncompatible(ctx, flags, count)) return;
  const into = scoresFor(count);
  for (let i = 0; i < count; i++) {
    into[i] = doubleArgument(ctx, from + 2 * i);
    if (Number.isNaN(into[i])) return;
  }
  zaddPairs.first = from + 1, zaddPairs.count = count, zaddPairs.flags = flags;
  addScored(ctx, zaddPairs);
}

function areIncompatible({ reply }: CommandContext, flags: number, count: number): boolean {
  const nx = (flags & ADD.nx) !== 0, gt = (flags & ADD.gt) !== 0, lt = (flags & ADD.lt) !== 0;
  if (nx && (flags & ADD.xx) !== 0) reply.error("XX and NX options at the same time are not compatible");
  else if ((gt && nx) || (lt && nx) || (gt && lt)) {
    reply.error("GT, LT, and/or NX options at the same time are not compatible");
  } else if ((flags & ADD.increment) !== 0 && count > 1) {
    reply.error("INCR option supports a single increment-element pair");
  } else return false;
  return true;
}

/** Adds pairs whose scores are in `scoresFor` to the set at argument 1's key, and replies. */
export function addScored(ctx: CommandContext, pairs: Pairs): void {
  const entry = ctx.lookupWrite(1), { set } = sortedSetsOf(ctx.keyspace);
  if (!ctx.isType(entry, TYPE.zset)) return;
  added = updated = processed = 0;
  if (entry !== NONE) {
    set.open(entry);
    if (!addToOld(ctx, set, pairs)) return;
  } else if ((pairs.flags & ADD.xx) === 0) addToNew(ctx, set, pairs);
  if (added + updated > 0) ctx.notify(EVENT.zset, (pairs.flags & ADD.increment) !== 0 ? "zincr" : "zadd", 1);
  replyAdded(ctx, set, pairs.flags);
}

function addToNew(ctx: CommandContext, set: SortedSet, pairs: Pairs): void {
  set.create(ctx.args.lengths[pairs.first]);
  try {
    for (let i = 0; i < pairs.count; i++) addPair(ctx, set, pairs, i);
  } catch (error) {
    set.discard();
    throw error;
  }
  storeSortedSet(ctx, 1, set);
  ctx.keyspace.dirty += added + updated;
}

/** False when a score would be no number: the error is replied then. */
function addToOld(ctx: CommandContext, set: SortedSet, pairs: Pairs): boolean {
  let done = 0;
  try {
    for (; done < pairs.count; done++) {
      if (addPair(ctx, set, pairs, done)) continue;
      ctx.reply.error("resulting score is not a number (NaN)");
      return false;
    }
  } catch (error) {
    if (added + updated > 0) logPairs(ctx, pairs, done), tellAdded(ctx);
    throw error;
  }
  if (added + updated > 0) tellAdded(ctx);
  return true;
}

function tellAdded(ctx: CommandContext): void {
  ctx.changed(1);
  ctx.keyspace.dirty += added + updated;
}

/** False when the score would be no number. */
function addPair({ args }: CommandContext, set: SortedSet, { first, stride, flags }: Pairs, index: number): boolean {
  const at = first + stride * index;
  const result = set.add(scores[index], flags, args.bytes, args.offsets[at], args.lengths[at]);
  if (result === ADDED.notNumber) return false;
  if (result === ADDED.added) added++;
  else if (result === ADDED.updated) updated++;
  if (result !== ADDED.refused) processed++;
  return true;
}

function replyAdded(ctx: CommandContext, set: SortedSet, flags: number): void {
  if ((flags & ADD.increment) === 0) ctx.reply.integer((flags & CH) !== 0 ? added + updated : added);
  else if (processed === 0) ctx.reply.null();
  else ctx.reply.double(set.newScore);
}

/** Logs the first `count` pairs as ZADD, with the options of the request. */
export function logPairs(ctx: CommandContext, { first, stride }: Pairs, count: number): void {
  const parts: Part[] = [ZADD, ctx.args.slice(1)];
  for (let i = 2; addOption(ctx, i) !== 0; i++) parts.push(ctx.args.slice(i));
  for (let i = 0; i < count; i++) parts.push(formatDouble17(scores[i]), ctx.args.slice(first + stride * i));
  ctx.propagation.replace(...parts);
}

export const sortedSetAddCommands: Handlers = {
  zadd,
  zincrby: (ctx) => addPairs(ctx, ADD.increment, 2),
};
