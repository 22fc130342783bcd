/** Commands on one sorted set: ZREM to ZSCAN. What adds, ranges, combines, pops or draws has files of its own. */
import { formatDouble17 } from "../base/double.ts";
import { globMatch } from "../base/glob.ts";
import { ENCODING, TYPE } from "../keyspace/entry.ts";
import { EVENT } from "../keyspace/key_events.ts";
import type { SortedSet } from "../keyspace/values/sorted_set.ts";
import { sortedSetsOf } from "../keyspace/values/sorted_set_value.ts";
import { type Address, NONE } from "../memory/mod.ts";
import type { ReplyWriter } from "../resp/reply_writer.ts";
import type { CommandContext, Handlers } from "./context.ts";
import { parseCursor, parseScanOptions, type ScanOptions } from "./scan_options.ts";
import { sortedSetAddCommands } from "./sorted_set_add.ts";
import { sortedSetAlgebraCommands } from "./sorted_set_algebra.ts";
import { sortedSetPopCommands } from "./sorted_set_pops.ts";
import { sortedSetRandomCommands } from "./sorted_set_random.ts";
import { sortedSetRangeCommands } from "./sorted_set_ranges.ts";
import { openForRead, removeKey, replyNull, replyZero } from "./sorted_set_support.ts";

// ---- ZREM -----------------------------------------------------------------------------------------------------------

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
  if (removed > 0) ctx.notify(EVENT.zset, "zrem", 1);
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
  ...sortedSetAddCommands,
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
