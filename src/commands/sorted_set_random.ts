/** ZRANDMEMBER: members drawn evenly, by rank. */
import { ascii } from "../base/bytes.ts";
import type { SortedSet } from "../keyspace/values/sorted_set.ts";
import type { CommandContext, Handlers } from "./context.ts";
import { ERROR } from "./errors.ts";
import {
  openForRead,
  replyEmptyArray,
  replyMember,
  replyMembers,
  replyNull,
  startMembers,
} from "./sorted_set_support.ts";

const WITHSCORES = ascii("WITHSCORES");
const COUNT_RANGE_ERROR = "value is out of range, value must between -9223372036854775807 and 9223372036854775807";
/** Beyond half of what a count may be: with scores the reply is twice as long. */
const HALF_COUNT_END = 2 ** 62;
/** Choosing more than one in this many passes over all members; choosing fewer draws until there are enough. */
const PASS_RATIO = 3;

function zrandmember(ctx: CommandContext): void {
  const { args, reply, keyspace } = ctx;
  if (args.count > 2) return withCount(ctx);
  const set = openForRead(ctx, 1, replyNull);
  if (set === null) return;
  set.seek(keyspace.random(set.size));
  replyMember(reply, set, false);
}

function withCount(ctx: CommandContext): void {
  const { args, reply } = ctx;
  if (!args.i64(2, ctx.a)) return reply.error(ERROR.notInteger);
  if (ctx.a.isMin()) return reply.error(COUNT_RANGE_ERROR);
  const withScores = args.count === 4 && args.is(3, WITHSCORES), count = ctx.a.toNumber();
  if (args.count > 3 && !withScores) return reply.error(ERROR.syntax);
  if ((withScores && Math.abs(count) >= HALF_COUNT_END) || !ctx.mayDraw(-count)) {
    return reply.error("value is out of range");
  }
  const set = openForRead(ctx, 1, replyEmptyArray);
  if (set === null) return;
  const size = set.size;
  if (count < 0) draw(ctx, set, -count, withScores);
  // Redis lists a whole set from its end.
  else if (count >= size) replyMembers(reply, set, size - 1, size, true, withScores);
  else if (count * PASS_RATIO > size) choose(ctx, set, count, withScores);
  else chooseFew(ctx, set, count, withScores);
}

/** Members in random order, the same one perhaps several times. */
function draw({ reply, keyspace }: CommandContext, set: SortedSet, count: number, withScores: boolean): void {
  const size = set.size;
  startMembers(reply, count, withScores);
  for (let left = count; left > 0 && !reply.overrun; left--) {
    set.seek(keyspace.random(size));
    replyMember(reply, set, withScores);
  }
}

/** Passes over all members: each is chosen with the odds that leave every choice equally likely. */
function choose({ reply, keyspace }: CommandContext, set: SortedSet, count: number, withScores: boolean): void {
  startMembers(reply, count, withScores);
  set.seek(0);
  for (let left = set.size, wanted = count; wanted > 0; left--, set.next()) {
    if (keyspace.random(left) >= wanted) continue;
    replyMember(reply, set, withScores);
    wanted--;
  }
}

/** Draws ranks until enough different ones have come. */
function chooseFew({ reply, keyspace }: CommandContext, set: SortedSet, count: number, withScores: boolean): void {
  const size = set.size, drawn = new Set<number>();
  startMembers(reply, count, withScores);
  while (drawn.size < count) {
    const rank = keyspace.random(size);
    if (drawn.has(rank)) continue;
    drawn.add(rank);
    set.seek(rank);
    replyMember(reply, set, withScores);
  }
}

export const sortedSetRandomCommands: Handlers = { zrandmember };
