/**
 * List commands that wait until there is an element: BLPOP, BRPOP, BLMPOP, BLMOVE, BRPOPLPUSH. With one at hand, and when a key becomes
 * ready later, they do what their counterparts do that do not wait, and are logged as those.
 */
import { TYPE, valueOf } from "../keyspace/entry.ts";
import { NONE } from "../memory/mod.ts";
import { blockTimeoutMs } from "./block_timeout.ts";
import type { CommandContext, Handlers } from "./context.ts";
import { firstList, isLeft, move, popArguments, popNested, takeOne } from "./list.ts";

/** Takes from the list of argument `key`, which has elements, and replies. */
type Take = (ctx: CommandContext, key: number) => void;

/** Takes from the first of these arguments' lists that has elements, now or later. */
function takeOrWait(ctx: CommandContext, firstKey: number, keys: number, timeoutMs: number, take: Take): void {
  const key = firstList(ctx, firstKey, keys);
  if (key < 0) return;
  if (key > 0) return take(ctx, key);
  if (!ctx.client.mayBlock) return ctx.reply.nullArray();
  ctx.server.blockClient({
    keys: Array.from({ length: keys }, (_, i) => ctx.args.slice(firstKey + i).slice()),
    type: TYPE.list,
    timeoutMs,
    serve(ctx, ready) {
      const key = argumentThatIs(ctx, ready, firstKey, keys);
      if (ctx.lookupWrite(key) === NONE) return false;
      take(ctx, key);
      return true;
    },
    timedOut: (reply) => reply.nullArray(),
  });
}

function argumentThatIs(ctx: CommandContext, key: Uint8Array, first: number, count: number): number {
  const isKey = (index: number) => {
    const argument = ctx.args.slice(index);
    return argument.length === key.length && argument.every((byte, i) => byte === key[i]);
  };
  let index = first;
  while (index < first + count && !isKey(index)) index++;
  return index;
}

function bpop(ctx: CommandContext, atHead: boolean): void {
  const { count } = ctx.args, timeoutMs = blockTimeoutMs(ctx, count - 1);
  if (Number.isNaN(timeoutMs)) return;
  takeOrWait(ctx, 1, count - 2, timeoutMs, (ctx, key) => {
    const { args, reply } = ctx;
    reply.startArray(2);
    reply.bulk(args.bytes, args.offsets[key], args.lengths[key]);
    takeOne(ctx, key, valueOf(ctx.keyspace.memory, ctx.lookupWrite(key)), atHead);
    ctx.propagation.replace(atHead ? "LPOP" : "RPOP", args.slice(key));
  });
}

function blmpop(ctx: CommandContext): void {
  const wanted = popArguments(ctx, 2);
  if (wanted === null) return;
  const timeoutMs = blockTimeoutMs(ctx, 1);
  if (Number.isNaN(timeoutMs)) return;
  takeOrWait(
    ctx,
    wanted.firstKey,
    wanted.keys,
    timeoutMs,
    (ctx, key) => popNested(ctx, key, wanted.atHead, wanted.count),
  );
}

function blmove(ctx: CommandContext): void {
  const fromHead = isLeft(ctx, 3);
  if (fromHead === null) return;
  const toHead = isLeft(ctx, 4);
  if (toHead === null) return;
  const timeoutMs = blockTimeoutMs(ctx, 5);
  if (Number.isNaN(timeoutMs)) return;
  moveOrWait(ctx, timeoutMs, (ctx) => {
    const { args, propagation } = ctx;
    if (move(ctx, fromHead, toHead)) {
      propagation.replace("LMOVE", args.slice(1), args.slice(2), args.slice(3), args.slice(4));
    }
  });
}

function brpoplpush(ctx: CommandContext): void {
  const timeoutMs = blockTimeoutMs(ctx, 3);
  if (Number.isNaN(timeoutMs)) return;
  moveOrWait(ctx, timeoutMs, (ctx) => {
    if (move(ctx, false, true)) ctx.propagation.replace("RPOPLPUSH", ctx.args.slice(1), ctx.args.slice(2));
  });
}

/** As `takeOrWait`, with the null that these reply where they may not wait. */
function moveOrWait(ctx: CommandContext, timeoutMs: number, take: Take): void {
  if (!ctx.client.mayBlock && ctx.lookupWrite(1) === NONE) return ctx.reply.null();
  takeOrWait(ctx, 1, 1, timeoutMs, take);
}

export const blockingListCommands: Handlers = {
  blpop: (ctx) => bpop(ctx, true),
  brpop: (ctx) => bpop(ctx, false),
  blmpop,
  blmove,
  brpoplpush,
};
