/**
 * Ranges of sorted sets, by rank, score or member: ZRANGE and its older names, ZRANGESTORE, ZCOUNT, ZLEXCOUNT, ZREMRANGEBY….
 * Every range becomes a range of ranks first; so the number of members is known before the first is looked at.
 */
import { ascii } from "../base/bytes.ts";
import { TYPE } from "../keyspace/entry.ts";
import type { SortedSet } from "../keyspace/values/sorted_set.ts";
import { sortedSetsOf } from "../keyspace/values/sorted_set_value.ts";
import { NONE } from "../memory/mod.ts";
import { EVENT } from "../keyspace/key_events.ts";
import type { CommandContext, Handlers } from "./context.ts";
import { ERROR } from "./errors.ts";
import {
  newLexBound,
  newScoreRange,
  openForRead,
  parseLexRange,
  parseScoreRange,
  removeKey,
  replyEmptyArray,
  replyMembers,
  replyZero,
  storeResult,
} from "./sorted_set_support.ts";

type RangeKind = "rank" | "score" | "lex";

/** What removing a range is called, by kind. */
const REMOVED_EVENT: Readonly<Record<RangeKind, string>> = {
  rank: "zremrangebyrank",
  score: "zremrangebyscore",
  lex: "zremrangebylex",
};

const WORD = {
  withscores: ascii("WITHSCORES"),
  limit: ascii("LIMIT"),
  rev: ascii("REV"),
  bylex: ascii("BYLEX"),
  byscore: ascii("BYSCORE"),
};

/** The range of the executing command; one shared instance each. */
const scores = newScoreRange();
const lower = newLexBound(), upper = newLexBound();
const ranks = { first: 0, last: 0 };
const options = { kind: "rank" as RangeKind, isReverse: false, withScores: false, offset: 0, limit: -1 };

/** What the name of a command says: null leaves it to options. */
interface RangeCommand {
  readonly kind: RangeKind | null;
  readonly isReverse: boolean | null;
  /** Argument with the source key. */
  readonly source: number;
}

// ---- arguments -----------------------------------------------------------------------------------------------------

/** Reads the options behind the range; false with the error replied. */
function parseOptions(ctx: CommandContext, { kind, isReverse, source }: RangeCommand): boolean {
  const { args } = ctx, isStore = source === 2;
  options.kind = kind ?? "rank", options.isReverse = isReverse ?? false, options.withScores = false;
  options.offset = 0, options.limit = -1;
  for (let i = source + 3; i < args.count; i++) {
    if (!isStore && args.is(i, WORD.withscores)) options.withScores = true;
    else if (args.is(i, WORD.limit) && i + 2 < args.count) {
      options.offset = ctx.wideInteger(i + 1);
      if (Number.isNaN(options.offset)) return false;
      options.limit = ctx.wideInteger(i + 2);
      if (Number.isNaN(options.limit)) return false;
      i += 2;
    } else if (isReverse === null && !options.isReverse && args.is(i, WORD.rev)) options.isReverse = true;
    else if (kind === null && options.kind === "rank" && args.is(i, WORD.bylex)) options.kind = "lex";
    else if (kind === null && options.kind === "rank" && args.is(i, WORD.byscore)) options.kind = "score";
    else return refuse(ctx, ERROR.syntax);
  }
  if (options.limit !== -1 && options.kind === "rank") {
    return refuse(ctx, `${ERROR.syntax}, LIMIT is only supported in combination with either BYSCORE or BYLEX`);
  }
  if (options.withScores && options.kind === "lex") {
    return refuse(ctx, `${ERROR.syntax}, WITHSCORES not supported in combination with BYLEX`);
  }
  return true;
}

function refuse(ctx: CommandContext, error: string): false {
  ctx.reply.error(error);
  return false;
}

/** Reads the range at arguments `first` and `first + 1`, which are max and min when it is reversed (and not of ranks). */
function parseRange(ctx: CommandContext, kind: RangeKind, first: number, isReverse: boolean): boolean {
  const min = isReverse ? first + 1 : first, max = isReverse ? first : first + 1;
  if (kind === "score") return parseScoreRange(ctx, min, max, scores);
  if (kind === "lex") return parseLexRange(ctx, min, max, lower, upper);
  ranks.first = ctx.wideInteger(first);
  if (Number.isNaN(ranks.first)) return false;
  ranks.last = ctx.wideInteger(first + 1);
  return !Number.isNaN(ranks.last);
}

/** Finds the range that was read in a set: `set.from` and `set.to`. Returns the number of members. */
function select(set: SortedSet, kind: RangeKind, isReverse: boolean): number {
  if (kind === "score") return set.selectScores(scores);
  if (kind === "lex") return set.selectMembers(lower, upper);
  // Ranks of a reversed range count from the other end.
  return isReverse ? set.selectRanks(-1 - ranks.last, -1 - ranks.first) : set.selectRanks(ranks.first, ranks.last);
}

// ---- ZRANGE and what it replaced -----------------------------------------------------------------------------------

function range(ctx: CommandContext, command: RangeCommand): void {
  if (!parseOptions(ctx, command)) return;
  const { kind, isReverse, withScores } = options;
  if (!parseRange(ctx, kind, command.source + 1, isReverse)) return;
  const set = openForRead(ctx, command.source, replyEmptyArray);
  if (set === null) return;
  const count = limited(select(set, kind, isReverse));
  replyMembers(ctx.reply, set, firstRank(set), count, isReverse, withScores);
}

/** What LIMIT leaves of `count` members. A negative offset leaves nothing, a negative limit all. */
function limited(count: number): number {
  if (options.offset < 0 || options.offset >= count) return 0;
  const left = count - options.offset;
  return options.limit < 0 ? left : Math.min(left, options.limit);
}

/** Rank of the member that the reply begins with. */
function firstRank(set: SortedSet): number {
  return options.isReverse ? set.to - 1 - options.offset : set.from + options.offset;
}

function zrangestore(ctx: CommandContext): void {
  if (!parseOptions(ctx, { kind: null, isReverse: null, source: 2 })) return;
  const { kind, isReverse } = options;
  if (!parseRange(ctx, kind, 3, isReverse)) return;
  const { set, walked } = sortedSetsOf(ctx.keyspace), entry = ctx.lookupRead(2);
  if (!ctx.isType(entry, TYPE.zset)) return;
  if (entry === NONE) set.create(0);
  else {
    walked.open(entry);
    copyRange(ctx, walked, limited(select(walked, kind, isReverse)), set);
  }
  storeResult(ctx, 1, set, "zrangestore");
}

/** Makes `target` a set of the first `count` members of the range in `source`. */
function copyRange(ctx: CommandContext, source: SortedSet, count: number, target: SortedSet): void {
  const isLarge = count > ctx.keyspace.limits.zsetListpackEntriesMax;
  if (isLarge) target.createLarge(count), target.startFilling(!options.isReverse);
  else target.create(0);
  try {
    if (count > 0) source.seek(firstRank(source));
    for (let left = count; left > 0; left--) {
      const score = source.score;
      source.readMember();
      if (isLarge) target.append(score, source.bytes, source.start, source.length);
      else target.add(score, 0, source.bytes, source.start, source.length);
      if (left === 1) break;
      if (options.isReverse) source.previous();
      else source.next();
    }
    if (isLarge) target.finish();
  } catch (error) {
    target.discard();
    throw error;
  }
}

// ---- counting and removing -----------------------------------------------------------------------------------------

function count(ctx: CommandContext, kind: RangeKind): void {
  if (!parseRange(ctx, kind, 2, false)) return;
  const set = openForRead(ctx, 1, replyZero);
  if (set !== null) ctx.reply.integer(select(set, kind, false));
}

function removeRange(ctx: CommandContext, kind: RangeKind): void {
  if (!parseRange(ctx, kind, 2, false)) return;
  const entry = ctx.lookupWrite(1);
  if (entry === NONE) return ctx.reply.integer(0);
  if (!ctx.isType(entry, TYPE.zset)) return;
  const { set } = sortedSetsOf(ctx.keyspace);
  set.open(entry);
  const removed = select(set, kind, false);
  if (removed > 0) ctx.notify(EVENT.zset, REMOVED_EVENT[kind], 1);
  if (removed === set.size) removeKey(ctx, 1);
  else if (removed > 0) {
    set.removeRanks(set.from, set.to);
    ctx.changed(1);
  }
  ctx.keyspace.dirty += removed;
  ctx.reply.integer(removed);
}

/** The handler of a command whose name says which range it takes. */
function ranging(kind: RangeKind | null, isReverse: boolean | null): (ctx: CommandContext) => void {
  const command = { kind, isReverse, source: 1 };
  return (ctx) => range(ctx, command);
}

export const sortedSetRangeCommands: Handlers = {
  zrange: ranging(null, null),
  zrevrange: ranging("rank", true),
  zrangebyscore: ranging("score", false),
  zrevrangebyscore: ranging("score", true),
  zrangebylex: ranging("lex", false),
  zrevrangebylex: ranging("lex", true),
  zrangestore,
  zcount: (ctx) => count(ctx, "score"),
  zlexcount: (ctx) => count(ctx, "lex"),
  zremrangebyrank: (ctx) => removeRange(ctx, "rank"),
  zremrangebyscore: (ctx) => removeRange(ctx, "score"),
  zremrangebylex: (ctx) => removeRange(ctx, "lex"),
};
