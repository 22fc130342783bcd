/** List commands: LPUSH to LPOS. `Quicklists` knows the nodes; here are arguments, replies and what is logged. Those that wait: `list_blocking.ts`. */
import { ascii } from "../base/bytes.ts";
import { ENCODING, TYPE, valueOf } from "../keyspace/entry.ts";
import type { ListValues } from "../keyspace/values/list_value.ts";
import { type Address, NONE } from "../memory/mod.ts";
import type { Quicklists } from "../structures/quicklists.ts";
import { EVENT } from "../keyspace/key_events.ts";
import type { CommandContext, Handlers } from "./context.ts";
import { ERROR } from "./errors.ts";
import { replyElements } from "./listpack_reply.ts";

const LEFT = ascii("LEFT"), RIGHT = ascii("RIGHT"), BEFORE = ascii("BEFORE"), AFTER = ascii("AFTER");
const RANK = ascii("RANK"), COUNT = ascii("COUNT"), MAXLEN = ascii("MAXLEN");
/** LRANGE makes room for a reply of about the size that its first node promises, so that it need not grow by and by. */
const RESERVED_BYTES_MAX = 1 << 20, BULK_OVERHEAD_BYTES = 8;
const RANK_IS_ZERO = "RANK can't be zero: use 1 to start from the first match, 2 from the second ... " +
  "or use negative to start from the end of the list";
const MUST_BE_POSITIVE = "value is out of range, must be positive";

export function listsOf(ctx: CommandContext): Quicklists {
  return (ctx.keyspace.types[TYPE.list] as ListValues).lists;
}

/** The list that an entry holds. */
function listOf(ctx: CommandContext, entry: Address): Address {
  return valueOf(ctx.keyspace.memory, entry);
}

/** True when the argument says LEFT, false for RIGHT; null, with the error replied, for anything else. */
export function isLeft(ctx: CommandContext, index: number): boolean | null {
  if (ctx.args.is(index, LEFT)) return true;
  if (ctx.args.is(index, RIGHT)) return false;
  ctx.reply.error(ERROR.syntax);
  return null;
}

/** An integer of at least `min`, or NaN with the error replied. */
function atLeast(ctx: CommandContext, index: number, min: number, error: string, notInteger: string): number {
  const value = ctx.wideInteger(index, notInteger);
  if (Number.isNaN(value) || value >= min) return value;
  ctx.reply.error(error);
  return NaN;
}

// ---- replies -------------------------------------------------------------------------------------------------------

/** The element that the cursor is at. */
function replyElement(ctx: CommandContext, lists: Quicklists): void {
  const { cursor } = lists, element = cursor.read(), text = element.text(cursor.bytes);
  ctx.reply.bulk(text, element.start, element.length);
}

/** `count` elements from index `start` on; the list has them. */
function replyRange(ctx: CommandContext, list: Address, start: number, count: number): void {
  const lists = listsOf(ctx), { cursor } = lists, reply = ctx.reply;
  reply.startArray(count);
  cursor.seek(list, start);
  reply.reserve(Math.min(RESERVED_BYTES_MAX, count * (cursor.bytesPerElement + BULK_OVERHEAD_BYTES)));
  for (let left = count; left > 0;) {
    if (cursor.isPlain) replyElement(ctx, lists), left--;
    else left -= replyElements(reply, cursor.bytes, cursor.start, cursor.at, left);
    if (left > 0) cursor.nextNode();
  }
}

/** The last `count` elements, backwards; the list has them. */
function replyLast(ctx: CommandContext, list: Address, count: number): void {
  const lists = listsOf(ctx), { cursor } = lists;
  ctx.reply.startArray(count);
  cursor.seekEnd(list, false);
  for (let left = count; left > 0; left--) {
    replyElement(ctx, lists);
    if (left > 1) cursor.previous();
  }
}

// ---- pushing -------------------------------------------------------------------------------------------------------

function push(ctx: CommandContext, atHead: boolean, onlyExisting: boolean): void {
  const entry = ctx.lookupWrite(1), lists = listsOf(ctx);
  if (!ctx.isType(entry, TYPE.list)) return;
  if (entry === NONE && onlyExisting) return ctx.reply.integer(0);
  let list: Address;
  if (entry === NONE) list = pushNew(ctx, atHead);
  else {
    list = listOf(ctx, entry);
    pushArguments(ctx, lists, list, atHead);
    ctx.changed(1);
  }
  ctx.notify(EVENT.list, atHead ? "lpush" : "rpush", 1);
  ctx.keyspace.dirty += ctx.args.count - 2;
  ctx.reply.integer(lists.length(list));
}

/** Pushes arguments 2 and on; when there is no room for all, those before are taken out again. */
function pushArguments(ctx: CommandContext, lists: Quicklists, list: Address, atHead: boolean): void {
  const { bytes, offsets, lengths, count } = ctx.args;
  let done = 2;
  try {
    for (; done < count; done++) lists.push(list, atHead, bytes, offsets[done], lengths[done]);
  } catch (error) {
    lists.deleteRange(list, atHead ? 0 : lists.length(list) - (done - 2), done - 2);
    throw error;
  }
}

function pushNew(ctx: CommandContext, atHead: boolean): Address {
  const lists = listsOf(ctx), list = newList(ctx);
  try {
    pushArguments(ctx, lists, list, atHead);
  } catch (error) {
    lists.free(list);
    throw error;
  }
  store(ctx, 1, list);
  return list;
}

function newList(ctx: CommandContext): Address {
  return (ctx.keyspace.types[TYPE.list] as ListValues).create();
}

/** Makes a list the value of the key that argument `key` names. @throws {OutOfArenaError} and then the list has been freed */
function store(ctx: CommandContext, key: number, list: Address): void {
  const { args, keyspace } = ctx;
  keyspace.setValue(ctx.db, args.bytes, args.offsets[key], args.lengths[key], TYPE.list, ENCODING.quicklist, list);
}

function linsert(ctx: CommandContext): void {
  const { args } = ctx, after = args.is(2, AFTER), lists = listsOf(ctx);
  if (!after && !args.is(2, BEFORE)) return ctx.reply.error(ERROR.syntax);
  const entry = ctx.lookupWrite(1);
  if (entry === NONE) return ctx.reply.integer(0);
  if (!ctx.isType(entry, TYPE.list)) return;
  const list = listOf(ctx, entry), { bytes, offsets, lengths } = args;
  if (!lists.cursor.seekEqual(list, bytes, offsets[3], lengths[3])) return ctx.reply.integer(-1);
  lists.insert(list, after, bytes, offsets[4], lengths[4]);
  changedBy(ctx, 1, 1);
  ctx.notify(EVENT.list, "linsert", 1);
  ctx.reply.integer(lists.length(list));
}

function lset(ctx: CommandContext): void {
  const { args } = ctx, lists = listsOf(ctx), entry = ctx.lookupWrite(1);
  if (entry === NONE) return ctx.reply.error(ERROR.noSuchKey);
  if (!ctx.isType(entry, TYPE.list)) return;
  const index = ctx.wideInteger(2), list = listOf(ctx, entry);
  if (Number.isNaN(index)) return;
  if (!lists.cursor.seek(list, index)) return ctx.reply.error(ERROR.outOfRange);
  lists.replace(list, args.bytes, args.offsets[3], args.lengths[3]);
  changedBy(ctx, 1, 1);
  ctx.notify(EVENT.list, "lset", 1);
  ctx.reply.ok();
}

function changedBy(ctx: CommandContext, key: number, changes: number): void {
  ctx.keyspace.dirty += changes;
  ctx.changed(key);
}

// ---- popping -------------------------------------------------------------------------------------------------------

/** The elements of argument `key`'s list are fewer by `count`, which may have been all. */
function removed(ctx: CommandContext, key: number, list: Address, count: number, event: string): void {
  ctx.notify(EVENT.list, event, key);
  ctx.keyspace.dirty += count;
  if (listsOf(ctx).length(list) === 0) ctx.remove(key, false);
  else ctx.changed(key);
}

function pop(ctx: CommandContext, atHead: boolean): void {
  const { args, reply } = ctx, hasCount = args.count === 3;
  if (args.count > 3) return reply.error(`wrong number of arguments for '${atHead ? "lpop" : "rpop"}' command`);
  const count = hasCount ? atLeast(ctx, 2, 0, MUST_BE_POSITIVE, MUST_BE_POSITIVE) : 1;
  if (Number.isNaN(count)) return;
  const entry = ctx.lookupWrite(1);
  if (entry === NONE) return hasCount ? reply.nullArray() : reply.null();
  if (!ctx.isType(entry, TYPE.list)) return;
  if (!hasCount) takeOne(ctx, 1, listOf(ctx, entry), atHead);
  else if (count === 0) reply.startArray(0);
  else takeMany(ctx, 1, listOf(ctx, entry), atHead, count);
}

/** Replies with the first or last element of argument `key`'s list and removes it. */
export function takeOne(ctx: CommandContext, key: number, list: Address, atHead: boolean): void {
  const lists = listsOf(ctx);
  lists.cursor.seekEnd(list, atHead);
  replyElement(ctx, lists);
  lists.pop(list, atHead);
  removed(ctx, key, list, 1, atHead ? "lpop" : "rpop");
}

/** Replies with up to `count` elements from one end of argument `key`'s list, as an array, and removes them; returns how many. */
export function takeMany(ctx: CommandContext, key: number, list: Address, atHead: boolean, count: number): number {
  const lists = listsOf(ctx), length = lists.length(list), taken = Math.min(count, length);
  if (atHead) replyRange(ctx, list, 0, taken);
  else replyLast(ctx, list, taken);
  lists.deleteRange(list, atHead ? 0 : length - taken, taken);
  removed(ctx, key, list, taken, atHead ? "lpop" : "rpop");
  return taken;
}

/** Arguments of LMPOP and BLMPOP from `numkeys` on. */
export interface PopArguments {
  readonly firstKey: number;
  readonly keys: number;
  readonly atHead: boolean;
  readonly count: number;
}

/** Null, with the error replied, when they are wrong. */
export function popArguments(ctx: CommandContext, numkeys: number): PopArguments | null {
  const { args, reply } = ctx,
    fewKeys = "numkeys should be greater than 0",
    fewElements = "count should be greater than 0";
  const keys = atLeast(ctx, numkeys, 1, fewKeys, fewKeys);
  if (Number.isNaN(keys)) return null;
  const where = numkeys + keys + 1;
  const isSound = where < args.count &&
    (args.count === where + 1 || (args.count === where + 3 && args.is(where + 1, COUNT)));
  if (where >= args.count) return reply.error(ERROR.syntax), null;
  const atHead = isLeft(ctx, where);
  if (atHead === null) return null;
  if (!isSound) return reply.error(ERROR.syntax), null;
  const count = args.count > where + 1 ? atLeast(ctx, where + 2, 1, fewElements, fewElements) : 1;
  return Number.isNaN(count) ? null : { firstKey: numkeys + 1, keys, atHead, count };
}

function lmpop(ctx: CommandContext): void {
  const wanted = popArguments(ctx, 1);
  if (wanted === null) return;
  const key = firstList(ctx, wanted.firstKey, wanted.keys);
  if (key === 0) return ctx.reply.nullArray();
  if (key > 0) popNested(ctx, key, wanted.atHead, wanted.count);
}

/** The first of these arguments whose key holds a list; 0 when none holds anything, -1 with the error replied when one holds another type. */
export function firstList(ctx: CommandContext, firstKey: number, keys: number): number {
  for (let key = firstKey; key < firstKey + keys; key++) {
    const entry = ctx.lookupWrite(key);
    if (entry !== NONE) return ctx.isType(entry, TYPE.list) ? key : -1;
  }
  return 0;
}

/** Replies with a key and an array of elements that are taken from its list; logged as LPOP or RPOP with their number. */
export function popNested(ctx: CommandContext, key: number, atHead: boolean, count: number): void {
  const { args, reply } = ctx, list = listOf(ctx, ctx.lookupWrite(key));
  reply.startArray(2);
  reply.bulk(args.bytes, args.offsets[key], args.lengths[key]);
  const taken = takeMany(ctx, key, list, atHead, count);
  ctx.propagation.replace(atHead ? "LPOP" : "RPOP", args.slice(key), taken);
}

// ---- moving --------------------------------------------------------------------------------------------------------

function lmove(ctx: CommandContext): void {
  const fromHead = isLeft(ctx, 3);
  if (fromHead === null) return;
  const toHead = isLeft(ctx, 4);
  if (toHead !== null) move(ctx, fromHead, toHead);
}

/** Moves an element from argument 1's list to argument 2's; false when there was none, or, with the error replied, another type. */
export function move(ctx: CommandContext, fromHead: boolean, toHead: boolean): boolean {
  const source = ctx.lookupWrite(1);
  if (source === NONE) return ctx.reply.null(), false;
  if (!ctx.isType(source, TYPE.list)) return false;
  const target = ctx.lookupWrite(2);
  if (!ctx.isType(target, TYPE.list)) return false;
  const lists = listsOf(ctx), from = listOf(ctx, source);
  lists.preparePop(from, fromHead);
  lists.cursor.seekEnd(from, fromHead);
  replyElement(ctx, lists);
  if (source !== target) moveBetween(ctx, from, target, fromHead, toHead);
  else lists.rotate(from, fromHead, toHead);
  ctx.keyspace.dirty++;
  if (source === target) {
    ctx.changed(1);
    ctx.notify(EVENT.list, toHead ? "lpush" : "rpush", 1);
    ctx.notify(EVENT.list, fromHead ? "lpop" : "rpop", 1);
  }
  return true;
}

/** The cursor is at the element. It is pushed before it is popped, so that nothing is lost when there is no room. */
function moveBetween(ctx: CommandContext, from: Address, target: Address, fromHead: boolean, toHead: boolean): void {
  const lists = listsOf(ctx), { cursor } = lists, element = cursor.read(), text = element.text(cursor.bytes);
  if (target === NONE) storeOne(ctx, text, element.start, element.length);
  else {
    lists.push(listOf(ctx, target), toHead, text, element.start, element.length);
    ctx.changed(2);
  }
  ctx.notify(EVENT.list, toHead ? "lpush" : "rpush", 2);
  lists.pop(from, fromHead);
  ctx.notify(EVENT.list, fromHead ? "lpop" : "rpop", 1);
  if (lists.length(from) === 0) ctx.remove(1, false);
  else ctx.changed(1);
}

/** A new list of one element at argument 2's key. */
function storeOne(ctx: CommandContext, text: Uint8Array, start: number, length: number): void {
  const lists = listsOf(ctx), list = newList(ctx);
  try {
    lists.push(list, true, text, start, length);
  } catch (error) {
    lists.free(list);
    throw error;
  }
  store(ctx, 2, list);
}

// ---- removing ------------------------------------------------------------------------------------------------------

function ltrim(ctx: CommandContext): void {
  let start = ctx.wideInteger(2);
  if (Number.isNaN(start)) return;
  let end = ctx.wideInteger(3);
  if (Number.isNaN(end)) return;
  const entry = ctx.lookupWrite(1), lists = listsOf(ctx);
  if (entry === NONE) return ctx.reply.ok();
  if (!ctx.isType(entry, TYPE.list)) return;
  const list = listOf(ctx, entry), length = lists.length(list);
  if (start < 0) start = Math.max(0, length + start);
  if (end < 0) end = length + end;
  if (start > end || start >= length) {
    ctx.keyspace.dirty += length;
    ctx.notify(EVENT.list, "ltrim", 1);
    ctx.remove(1, false);
  } else {
    const fromTail = Math.max(0, length - end - 1);
    lists.trim(list, start, fromTail);
    changedBy(ctx, 1, start + fromTail);
    ctx.notify(EVENT.list, "ltrim", 1);
  }
  ctx.reply.ok();
}

function lrem(ctx: CommandContext): void {
  const { args } = ctx, limit = ctx.wideInteger(2), lists = listsOf(ctx);
  if (Number.isNaN(limit)) return;
  const entry = ctx.lookupWrite(1);
  if (entry === NONE) return ctx.reply.integer(0);
  if (!ctx.isType(entry, TYPE.list)) return;
  const list = listOf(ctx, entry), max = limit === 0 ? Infinity : Math.abs(limit);
  try {
    lists.removeEqual(list, limit >= 0, max, args.bytes, args.offsets[3], args.lengths[3]);
  } catch (error) {
    logPartOf(ctx, list, limit >= 0);
    throw error;
  }
  if (lists.removed > 0) removed(ctx, 1, list, lists.removed, "lrem");
  ctx.reply.integer(lists.removed);
}

/** A compressed node could not be expanded, the arena being full: what was removed before is logged as just that. */
function logPartOf(ctx: CommandContext, list: Address, fromHead: boolean): void {
  const { args } = ctx, count = listsOf(ctx).removed;
  if (count === 0) return;
  removed(ctx, 1, list, count, "lrem");
  ctx.propagation.replace("LREM", args.slice(1), fromHead ? count : -count, args.slice(3));
}

// ---- reading -------------------------------------------------------------------------------------------------------

function llen(ctx: CommandContext): void {
  const entry = ctx.lookupRead(1);
  if (entry === NONE) return ctx.reply.integer(0);
  if (ctx.isType(entry, TYPE.list)) ctx.reply.integer(listsOf(ctx).length(listOf(ctx, entry)));
}

function lindex(ctx: CommandContext): void {
  const entry = ctx.lookupRead(1), lists = listsOf(ctx);
  if (entry === NONE) return ctx.reply.null();
  if (!ctx.isType(entry, TYPE.list)) return;
  const index = ctx.wideInteger(2);
  if (Number.isNaN(index)) return;
  if (lists.cursor.seek(listOf(ctx, entry), index)) replyElement(ctx, lists);
  else ctx.reply.null();
}

function lrange(ctx: CommandContext): void {
  let start = ctx.wideInteger(2);
  if (Number.isNaN(start)) return;
  let end = ctx.wideInteger(3);
  if (Number.isNaN(end)) return;
  const entry = ctx.lookupRead(1);
  if (entry === NONE) return ctx.reply.startArray(0);
  if (!ctx.isType(entry, TYPE.list)) return;
  const list = listOf(ctx, entry), length = listsOf(ctx).length(list);
  if (start < 0) start = Math.max(0, length + start);
  end = Math.min(end < 0 ? length + end : end, length - 1);
  if (start > end) ctx.reply.startArray(0);
  else replyRange(ctx, list, start, end - start + 1);
}

/** What LPOS is asked for. */
interface PositionOptions {
  /** Matches to pass over, and where they are counted from. */
  skip: number;
  fromHead: boolean;
  /** -1: one position, not an array; 0: all. */
  count: number;
  /** Elements to look at; Infinity for all. */
  looks: number;
}

/** Null, with the error replied, when they are wrong. */
function positionOptions(ctx: CommandContext): PositionOptions | null {
  const { args, reply } = ctx, options: PositionOptions = { skip: 0, fromHead: true, count: -1, looks: Infinity };
  for (let i = 3; i < args.count; i += 2) {
    if (i + 1 === args.count) return reply.error(ERROR.syntax), null;
    if (!readPositionOption(ctx, i, options)) return null;
  }
  return options;
}

/** False with the error replied. */

function readPositionOption(ctx: CommandContext, index: number, options: PositionOptions): boolean {
  const { args, reply } = ctx;
  if (args.is(index, RANK)) {
    const rank = ctx.wideInteger(index + 1);
    if (rank === 0) reply.error(RANK_IS_ZERO);
    options.skip = Math.abs(rank) - 1, options.fromHead = rank > 0;
    return rank !== 0 && !Number.isNaN(rank);
  }
  if (args.is(index, COUNT)) {
    const error = "COUNT can't be negative";
    options.count = atLeast(ctx, index + 1, 0, error, error);
    return !Number.isNaN(options.count);
  }
  if (!args.is(index, MAXLEN)) return reply.error(ERROR.syntax), false;
  const error = "MAXLEN can't be negative";
  const looks = atLeast(ctx, index + 1, 0, error, error);
  options.looks = looks || Infinity;
  return !Number.isNaN(looks);
}

function lpos(ctx: CommandContext): void {
  const options = positionOptions(ctx);
  if (options === null) return;
  const { reply } = ctx, entry = ctx.lookupRead(1), isArray = options.count >= 0;
  if (entry === NONE) return isArray ? reply.startArray(0) : reply.null();
  if (!ctx.isType(entry, TYPE.list)) return;
  const mark = isArray ? reply.deferArray() : 0, found = replyPositions(ctx, listOf(ctx, entry), options);
  if (isArray) reply.setDeferredArray(mark, found);
  else if (found === 0) reply.null();
}

/** Replies with the positions; returns how many. */
function replyPositions(ctx: CommandContext, list: Address, options: PositionOptions): number {
  const { args } = ctx, lists = listsOf(ctx), { cursor } = lists, length = lists.length(list);
  const max = options.count === 0 ? Infinity : Math.abs(options.count);
  let skip = options.skip, found = 0;
  cursor.lookFor(args.bytes, args.offsets[2], args.lengths[2]);
  cursor.seekEnd(list, options.fromHead);
  for (let looked = 0; looked < Math.min(options.looks, length) && found < max; looked++) {
    if (cursor.isMatch() && --skip < 0) {
      ctx.reply.integer(options.fromHead ? looked : length - 1 - looked);
      found++;
    }
    if (looked < length - 1) options.fromHead ? cursor.next() : cursor.previous();
  }
  return found;
}

export const listCommands: Handlers = {
  lpush: (ctx) => push(ctx, true, false),
  rpush: (ctx) => push(ctx, false, false),
  lpushx: (ctx) => push(ctx, true, true),
  rpushx: (ctx) => push(ctx, false, true),
  linsert,
  lset,
  lpop: (ctx) => pop(ctx, true),
  rpop: (ctx) => pop(ctx, false),
  lmpop,
  lmove,
  rpoplpush: (ctx) => void move(ctx, false, true),
  ltrim,
  lrem,
  llen,
  lindex,
  lrange,
  lpos,
};
