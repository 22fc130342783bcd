/**
 * Commands that take the lowest or highest members: ZPOPMIN, ZPOPMAX, ZMPOP and those that wait: BZPOPMIN, BZPOPMAX, BZMPOP.
 * What waits or chooses its key is logged as ZPOPMIN or ZPOPMAX of that key.
 */
import { ascii } from "../base/bytes.ts";
import { TYPE } from "../keyspace/entry.ts";
import { EVENT } from "../keyspace/key_events.ts";
import { sortedSetsOf } from "../keyspace/values/sorted_set_value.ts";
import { type Address, NONE } from "../memory/mod.ts";
import type { ReplyWriter } from "../resp/reply_writer.ts";
import { blockTimeoutMs } from "./block_timeout.ts";
import type { CommandContext, Handlers } from "./context.ts";
import type { BlockRequest } from "./control.ts";
import { ERROR } from "./errors.ts";
import { replyMember } from "./sorted_set_support.ts";

type End = "lowest" | "highest";

const WORD = { min: ascii("MIN"), max: ascii("MAX"), count: ascii("COUNT") };
const ZPOPMIN = ascii("ZPOPMIN"), ZPOPMAX = ascii("ZPOPMAX");

/** Takes up to `count` members out of the set at a key and replies with them, behind whatever the caller has begun. Returns how many. */
function take(
  ctx: CommandContext,
  entry: Address,
  key: Uint8Array,
  keyAt: number,
  keyLength: number,
  end: End,
  count: number,
  nested: boolean,
): number {
  const { keyspace, reply, db } = ctx, { set } = sortedSetsOf(keyspace);
  set.open(entry);
  const size = set.size, taken = Math.min(count, size);
  set.seek(end === "lowest" ? 0 : size - 1);
  for (let left = taken; left > 0; left--) {
    if (nested) reply.startArray(2);
    replyMember(reply, set, false);
    reply.double(set.score);
    if (left === 1) break;
    if (end === "lowest") set.next();
    else set.previous();
  }
  keyspace.notify(EVENT.zset, end === "lowest" ? "zpopmin" : "zpopmax", db, key, keyAt, keyLength);
  if (taken === size) {
    keyspace.remove(db, key, keyAt, keyLength, keyspace.lazyOverwrite);
    keyspace.notify(EVENT.generic, "del", db, key, keyAt, keyLength);
  } else {
    if (end === "lowest") set.removeRanks(0, taken);
    else set.removeRanks(size - taken, size);
    keyspace.changed(db, key, keyAt, keyLength);
  }
  keyspace.dirty += taken;
  return taken;
}

function sizeOf(ctx: CommandContext, entry: Address): number {
  const { set } = sortedSetsOf(ctx.keyspace);
  set.open(entry);
  return set.size;
}

// ---- ZPOPMIN, ZPOPMAX ----------------------------------------------------------------------------------------------

function pop(ctx: CommandContext, end: End): void {
  const { args, reply } = ctx;
  if (args.count > 3) return reply.error(ERROR.syntax);
  const hasCount = args.count === 3;
  const count = hasCount ? ctx.wideInteger(2, ERROR.notPositive) : 1;
  if (Number.isNaN(count)) return;
  if (count < 0) return reply.error(ERROR.notPositive);
  const entry = ctx.lookupWrite(1);
  if (!ctx.isType(entry, TYPE.zset)) return;
  if (entry === NONE || count === 0) return reply.startArray(0);
  const taken = Math.min(count, sizeOf(ctx, entry)), nested = hasCount && reply.protocol > 2;
  reply.startArray(nested ? taken : taken * 2);
  take(ctx, entry, args.bytes, args.offsets[1], args.lengths[1], end, taken, nested);
}

// ---- ZMPOP, BZPOPMIN, BZPOPMAX, BZMPOP -----------------------------------------------------------------------------

/** What to take from the first of some keys that has members. `count` -1: one member, in the form of BZPOPMIN. */
interface Order {
  readonly firstKey: number;
  readonly keys: number;
  readonly end: End;
  readonly count: number;
}

/** Takes what an order asks for from a set that is not empty, with a reply that names the key, and logs it. */
function serve(
  ctx: CommandContext,
  entry: Address,
  key: Uint8Array,
  keyAt: number,
  keyLength: number,
  { end, count }: Order,
): void {
  const { reply } = ctx, isSingle = count === -1, wanted = Math.min(isSingle ? 1 : count, sizeOf(ctx, entry));
  reply.startArray(isSingle ? 3 : 2);
  reply.bulk(key, keyAt, keyLength);
  if (!isSingle) reply.startArray(wanted);
  const name = end === "lowest" ? ZPOPMIN : ZPOPMAX, logged = key.slice(keyAt, keyAt + keyLength);
  take(ctx, entry, key, keyAt, keyLength, end, wanted, !isSingle);
  if (isSingle) ctx.propagation.replace(name, logged);
  else ctx.propagation.replace(name, logged, wanted);
}

/** Serves an order from the first key that has members; false when none has. True also when a key of another type gave an error. */
function serveNow(ctx: CommandContext, order: Order): boolean {
  const { args } = ctx;
  for (let i = order.firstKey; i < order.firstKey + order.keys; i++) {
    const entry = ctx.lookupWrite(i);
    if (entry === NONE) continue;
    if (ctx.isType(entry, TYPE.zset)) serve(ctx, entry, args.bytes, args.offsets[i], args.lengths[i], order);
    return true;
  }
  return false;
}

/** A client that waits for a sorted set. */
class PopRequest implements BlockRequest {
  readonly keys: readonly Uint8Array[];
  readonly type: number = TYPE.zset;
  readonly timeoutMs: number;
  readonly #order: Order;

  constructor(keys: readonly Uint8Array[], timeoutMs: number, order: Order) {
    this.keys = keys, this.timeoutMs = timeoutMs, this.#order = order;
  }

  serve(ctx: CommandContext, key: Uint8Array): boolean {
    const entry = ctx.keyspace.lookupWrite(ctx.db, key, 0, key.length);
    if (entry === NONE) return false;
    serve(ctx, entry, key, 0, key.length, this.#order);
    return true;
  }

  timedOut(reply: ReplyWriter): void {
    reply.nullArray();
  }
}

function serveOrWait(ctx: CommandContext, timeoutMs: number, order: Order): void {
  if (serveNow(ctx, order)) return;
  if (!ctx.client.mayBlock) return ctx.reply.nullArray();
  const keys: Uint8Array[] = [];
  for (let i = 0; i < order.keys; i++) keys.push(ctx.args.slice(order.firstKey + i).slice());
  ctx.server.blockClient(new PopRequest(keys, timeoutMs, order));
}

function bzpop(ctx: CommandContext, end: End): void {
  const last = ctx.args.count - 1, timeoutMs = blockTimeoutMs(ctx, last);
  if (!Number.isNaN(timeoutMs)) serveOrWait(ctx, timeoutMs, { firstKey: 1, keys: last - 1, end, count: -1 });
}

function zmpop(ctx: CommandContext): void {
  const order = parseOrder(ctx, 1);
  if (order !== null && !serveNow(ctx, order)) ctx.reply.nullArray();
}

function bzmpop(ctx: CommandContext): void {
  const order = parseOrder(ctx, 2);
  if (order === null) return;
  const timeoutMs = blockTimeoutMs(ctx, 1);
  if (!Number.isNaN(timeoutMs)) serveOrWait(ctx, timeoutMs, order);
}

/** Reads "numkeys key … MIN|MAX [COUNT count]" from argument `from` on; null with the error replied. */
function parseOrder(ctx: CommandContext, from: number): Order | null {
  const { args } = ctx, keys = positive(ctx, from, "numkeys should be greater than 0");
  if (Number.isNaN(keys)) return null;
  const where = from + 1 + keys;
  if (where >= args.count) return syntaxError(ctx);
  const isMin = args.is(where, WORD.min);
  if (!isMin && !args.is(where, WORD.max)) return syntaxError(ctx);
  const order = { firstKey: from + 1, keys, end: isMin ? "lowest" : "highest" } as const;
  if (args.count === where + 1) return { ...order, count: 1 };
  if (args.count < where + 3 || !args.is(where + 1, WORD.count)) return syntaxError(ctx);
  const count = positive(ctx, where + 2, "count should be greater than 0");
  if (Number.isNaN(count)) return null;
  return args.count > where + 3 ? syntaxError(ctx) : { ...order, count };
}

function positive(ctx: CommandContext, index: number, error: string): number {
  const value = ctx.wideInteger(index, error);
  if (value <= 0) ctx.reply.error(error);
  return value > 0 ? value : NaN;
}

function syntaxError(ctx: CommandContext): null {
  ctx.reply.error(ERROR.syntax);
  return null;
}

export const sortedSetPopCommands: Handlers = {
  zpopmin: (ctx) => pop(ctx, "lowest"),
  zpopmax: (ctx) => pop(ctx, "highest"),
  zmpop,
  bzpopmin: (ctx) => bzpop(ctx, "lowest"),
  bzpopmax: (ctx) => bzpop(ctx, "highest"),
  bzmpop,
};
