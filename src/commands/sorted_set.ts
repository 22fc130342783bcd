/** Commands on one sorted set: ZADD to ZSCAN. Ranges, combinations and those that pop have files of their own. */
import { ascii } from "../base/bytes.ts";
import { formatDouble17 } from "../base/double.ts";
import { globMatch } from "../base/glob.ts";
import { ENCODING, TYPE } from "../keyspace/entry.ts";
import { ADD, ADDED, type SortedSet } from "../keyspace/values/sorted_set.ts";
import { sortedSetsOf } from "../keyspace/values/sorted_set_value.ts";
import { type Address, NONE } from "../memory/mod.ts";
import type { ReplyWriter } from "../resp/reply_writer.ts";
import type { CommandContext, Handlers } from "./context.ts";
import { ERROR } from "./errors.ts";
import { parseCursor, parseScanOptions, type ScanOptions } from "./scan_options.ts";
import { sortedSetAlgebraCommands } from "./sorted_set_algebra.ts";
import { sortedSetPopCommands } from "./sorted_set_pops.ts";
import { sortedSetRandomCommands } from "./sorted_set_random.ts";
import { sortedSetRangeCommands } from "./sorted_set_ranges.ts";
import {
  doubleArgument,
  logDone,
  openForRead,
  removeKey,
  replyNull,
  replyZero,
  storeSortedSet,
} from "./sorted_set_support.ts";

const WORD = {
  nx: ascii("NX"),
  xx: ascii("XX"),
  gt: ascii("GT"),
  lt: ascii("LT"),
  ch: ascii("CH"),
  incr: ascii("INCR"),
};
/** Not one of ADD: reply with changes too. */
const CH = 32;

/** What the pairs of the executing command did. */
let added = 0, updated = 0, processed = 0;

// ---- ZADD, ZINCRBY, ZREM -------------------------------------------------------------------------------------------

function zadd(ctx: CommandContext): void {
  let flags = 0, from = 2;
  for (let one = addOption(ctx, from); one !== 0; one = addOption(ctx, from)) flags |= one, from++;
  addPairs(ctx, flags, from);
}

function addOption({ args }: CommandContext, index: number): number {
  if (index >= args.count || args.lengths[index] < 2 || args.lengths[index] > 4) return 0;
  if (args.is(index, WORD.nx)) return ADD.nx;
  if (args.is(index, WORD.xx)) return ADD.xx;
  if (args.is(index, WORD.gt)) return ADD.gt;
  if (args.is(index, WORD.lt)) return ADD.lt;
  if (args.is(index, WORD.ch)) return CH;
  return args.is(index, WORD.incr) ? ADD.increment : 0;
}

function addPairs(ctx: CommandContext, flags: number, from: number): void {
  const { args, reply } = ctx, pairs = (args.count - from) / 2;
  if (pairs < 1 || !Number.isInteger(pairs)) return reply.error(ERROR.syntax);
  if (areIncompatible(ctx, flags, pairs)) return;
  for (let i = from; i < args.count; i += 2) if (Number.isNaN(doubleArgument(ctx, i))) return;
  const entry = ctx.lookupWrite(1);
  if (!ctx.isType(entry, TYPE.zset)) return;
  if (addAll(ctx, entry, flags, from)) replyAdded(ctx, flags);
}

function areIncompatible({ reply }: CommandContext, flags: number, pairs: number): boolean {
  const nx = (flags & ADD.nx) !== 0, gt = (flags & ADD.gt) !== 0, lt = (flags & ADD.lt) !== 0;
  if (nx && (flags & ADD.xx) !== 0) reply.error("XX and NX options at the same time are not compatible");
  else if ((gt && nx) || (lt && nx) || (gt && lt)) {
    reply.error("GT, LT, and/or NX options at the same time are not compatible");
  } else if ((flags & ADD.increment) !== 0 && pairs > 1) {
    reply.error("INCR option supports a single increment-element pair");
  } else return false;
  return true;
}

/** Adds the pairs from argument `from` on, which have been checked; false when that gave an error. */
export function addAll(ctx: CommandContext, entry: Address, flags: number, from: number): boolean {
  added = updated = processed = 0;
  if (entry === NONE) return (flags & ADD.xx) !== 0 || addToNew(ctx, flags, from);
  const { set } = sortedSetsOf(ctx.keyspace);
  set.open(entry);
  return addTo(ctx, set, flags, from);
}

function addToNew(ctx: CommandContext, flags: number, from: number): boolean {
  const { args, keyspace } = ctx, { set } = sortedSetsOf(keyspace);
  set.create(args.lengths[from + 1]);
  try {
    for (let i = from; i < args.count; i += 2) addPair(ctx, set, flags, i);
  } catch (error) {
    set.discard();
    throw error;
  }
  storeSortedSet(ctx, 1, set);
  keyspace.dirty += added + updated;
  return true;
}

function addTo(ctx: CommandContext, set: SortedSet, flags: number, from: number): boolean {
  const count = ctx.args.count;
  let at = from;
  try {
    for (; at < count; at += 2) {
      if (addPair(ctx, set, flags, at)) continue;
      ctx.reply.error("resulting score is not a number (NaN)");
      return false;
    }
  } catch (error) {
    if (added + updated > 0) logDone(ctx, at), tellAdded(ctx);
    throw error;
  }
  tellAdded(ctx);
  return true;
}

function tellAdded(ctx: CommandContext): void {
  if (added + updated === 0) return;
  ctx.changed(1);
  ctx.keyspace.dirty += added + updated;
}

/** Adds the pair at argument `index`; false when the score would be no number. */
function addPair({ args }: CommandContext, set: SortedSet, flags: number, index: number): boolean {
  const result = set.add(
    args.double(index),
    flags,
    args.bytes,
    args.offsets[index + 1],
    args.lengths[index + 1],
  );
  if (result === ADDED.notNumber) return false;
  if (result === ADDED.added) added++;
  else if (result === ADDED.updated) updated++;
  if (result !== ADDED.refused) processed++;
  return true;
}

function replyAdded(ctx: CommandContext, flags: number): void {
  if ((flags & ADD.increment) === 0) ctx.reply.integer((flags & CH) !== 0 ? added + updated : added);
  else if (processed === 0) ctx.reply.null();
  else ctx.reply.double(sortedSetsOf(ctx.keyspace).set.newScore);
}

function zrem(ctx: CommandContext): void {
  const entry = ctx.lookupWrite(1), { args } = ctx;
  if (entry === NONE) return ctx.reply.integer(0);
  if (!ctx.isType(entry, TYPE.zset)) return;
  const { set } = sortedSetsOf(ctx.keyspace);
  set.open(entry);
  let removed = 0, left = set.size;
  for (let i = 2; i < args.count && left > 0; i++) {
    if (set.remove(args.bytes, args.offsets[i], args.lengths[i])) removed++, left--;
  }
  if (left === 0) removeKey(ctx, 1);
  else if (removed > 0) ctx.changed(1);
  ctx.keyspace.dirty += removed;
  ctx.reply.integer(removed);
}

// ---- by member -----------------------------------------------------------------------------------------------------

function zscore(ctx: CommandContext): void {
  const set = openForRead(ctx, 1, replyNull);
  if (set !== null) replyScore(ctx, set, 2);
}

/** Replies with the score of the member that argument `index` names, or null. */
function replyScore({ args, reply }: CommandContext, set: SortedSet, index: number): void {
  const score = set.scoreOf(args.bytes, args.offsets[index], args.lengths[index]);
  if (Number.isNaN(score)) reply.null();
  else reply.double(score);
}

/** A key that is not there is a set without members. */
function zmscore(ctx: CommandContext): void {
  const entry = ctx.lookupRead(1), { args, reply, keyspace } = ctx, { set } = sortedSetsOf(keyspace);
  if (!ctx.isType(entry, TYPE.zset)) return;
  if (entry !== NONE) set.open(entry);
  reply.startArray(args.count - 2);
  for (let i = 2; i < args.count; i++) {
    if (entry === NONE) reply.null();
    else replyScore(ctx, set, i);
  }
}

function zcard(ctx: CommandContext): void {
  const set = openForRead(ctx, 1, replyZero);
  if (set !== null) ctx.reply.integer(set.size);
}

function rank(ctx: CommandContext, isReverse: boolean): void {
  const set = openForRead(ctx, 1, replyNull), { args } = ctx;
  if (set === null) return;
  const before = set.rankOf(args.bytes, args.offsets[2], args.lengths[2]);
  if (before < 0) ctx.reply.null();
  else ctx.reply.integer(isReverse ? set.size - 1 - before : before);
}

// ---- ZSCAN ---------------------------------------------------------------------------------------------------------

function zscan(ctx: CommandContext): void {
  const cursor = parseCursor(ctx, 2);
  if (Number.isNaN(cursor)) return;
  const set = openForRead(ctx, 1, replyEmptyScan);
  if (set === null) return;
  const options = parseScanOptions(ctx, 3, false);
  if (options === null) return;
  if (set.encoding === ENCODING.listpack) scanListpack(ctx.reply, set, options);
  else scanTable(ctx.reply, set, cursor, options);
}

function replyEmptyScan(reply: ReplyWriter): void {
  reply.startArray(2);
  reply.text("0");
  reply.startArray(0);
}

/** A listpack is small: one call returns all of it. */
function scanListpack(reply: ReplyWriter, set: SortedSet, { pattern }: ScanOptions): void {
  reply.startArray(2);
  reply.text("0");
  const mark = reply.deferArray();
  let replied = 0;
  set.seek(0);
  for (let left = set.size; left > 0; left--, set.next()) {
    set.readMember();
    if (!matches(set, pattern)) continue;
    reply.bulk(set.bytes, set.start, set.length);
    reply.text(set.scoreText);
    replied += 2;
  }
  reply.setDeferredArray(mark, replied);
}

/** The entries come first, as the cursor stands before what it leads to in the reply. */
function scanTable(reply: ReplyWriter, set: SortedSet, start: number, { count, pattern }: ScanOptions): void {
  const found: Address[] = [], collect = (entry: Address): void => void found.push(entry);
  let cursor = start, iterations = count * 20;
  do cursor = set.scan(cursor, collect); while (cursor !== 0 && iterations-- > 0 && found.length < count);
  reply.startArray(2);
  reply.text(String(cursor));
  const mark = reply.deferArray();
  let replied = 0;
  for (const entry of found) {
    set.readEntry(entry);
    if (!matches(set, pattern)) continue;
    reply.bulk(set.bytes, set.start, set.length);
    reply.text(formatDouble17(set.scoreOfEntry(entry)));
    replied += 2;
  }
  reply.setDeferredArray(mark, replied);
}

function matches(set: SortedSet, pattern: Uint8Array | null): boolean {
  return pattern === null || globMatch(pattern, 0, pattern.length, set.bytes, set.start, set.length, false);
}

export const sortedSetCommands: Handlers = {
  zadd,
  zincrby: (ctx) => addPairs(ctx, ADD.increment, 2),
  zrem,
  zscore,
  zmscore,
  zcard,
  zrank: (ctx) => rank(ctx, false),
  zrevrank: (ctx) => rank(ctx, true),
  zscan,
  ...sortedSetRangeCommands,
  ...sortedSetAlgebraCommands,
  ...sortedSetPopCommands,
  ...sortedSetRandomCommands,
};
