/** Commands on one set, and SMOVE on two: SADD to SSCAN. What combines sets is in `set_algebra.ts`. */
import { globMatch } from "../base/glob.ts";
import { ENCODING, TYPE } from "../keyspace/entry.ts";
import { EVENT } from "../keyspace/key_events.ts";
import { SetMember, SetRef, setsOf, SetWalk } from "../keyspace/values/set_value.ts";
import { type Address, NONE } from "../memory/mod.ts";
import { intsetCount } from "../structures/intset.ts";
import { MEMBER_BYTES_AT, memberLength } from "../structures/member_dict.ts";
import type { ReplyWriter } from "../resp/reply_writer.ts";
import type { CommandContext, Handlers } from "./context.ts";
import { ERROR } from "./errors.ts";
import { parseCursor, parseScanOptions, type ScanOptions } from "./scan_options.ts";
import { setAlgebraCommands } from "./set_algebra.ts";
import { replyMember, replyMembers, storeSet } from "./set_members.ts";

/** SPOP that leaves less than one in this many makes a new set of those that stay. */
const SPOP_REENCODE_RATIO = 5;
/** SRANDMEMBER of more than one in this many passes over all members; of fewer, it draws until it has enough. */
const SRANDMEMBER_PASS_RATIO = 3;
const SREM = "SREM", DEL = "DEL", SADD = "SADD";

/** The set a command works on, and the one it moves to. */
const set = new SetRef(), other = new SetRef();
const walk = new SetWalk();
const drawn = new SetMember();

/** Opens the set at the key that argument 1 names, for reading. False, with the reply written, when it is none; `empty` replies for no key. */
function openForReading(ctx: CommandContext, empty: (reply: ReplyWriter) => void): boolean {
  return open(ctx, ctx.lookupRead(1), empty);
}

function open(ctx: CommandContext, entry: Address, empty: (reply: ReplyWriter) => void): boolean {
  if (entry === NONE) empty(ctx.reply);
  else if (ctx.isType(entry, TYPE.set)) {
    set.open(ctx.keyspace.memory, entry);
    return true;
  }
  return false;
}

const zero = (reply: ReplyWriter) => reply.integer(0);
const nothing = (reply: ReplyWriter) => reply.null();
const emptySet = (reply: ReplyWriter) => reply.startSet(0);
const emptyArray = (reply: ReplyWriter) => reply.startArray(0);

// ---- SADD, SREM, SMOVE ---------------------------------------------------------------------------------------------

function sadd(ctx: CommandContext): void {
  const entry = ctx.lookupWrite(1);
  if (!ctx.isType(entry, TYPE.set)) return;
  const added = entry === NONE ? addToNew(ctx) : addTo(ctx, entry);
  if (added > 0) ctx.notify(EVENT.set, "sadd", 1);
  ctx.keyspace.dirty += added;
  ctx.reply.integer(added);
}

function addToNew(ctx: CommandContext): number {
  const args = ctx.args, sets = setsOf(ctx.keyspace);
  sets.createFor(set, args.bytes, args.offsets[2], args.lengths[2]);
  let added = 0;
  try {
    for (let i = 2; i < args.count; i++) if (addArgument(ctx, set, i)) added++;
  } catch (error) {
    sets.drop(set);
    throw error;
  }
  storeSet(ctx, 1, set);
  return added;
}

function addTo(ctx: CommandContext, entry: Address): number {
  const count = ctx.args.count;
  set.open(ctx.keyspace.memory, entry);
  let added = 0, at = 2;
  try {
    for (; at < count; at++) if (addArgument(ctx, set, at)) added++;
  } catch (error) {
    storeBack(ctx, entry, added);
    if (added > 0) logAdded(ctx, at), ctx.keyspace.dirty += added;
    throw error;
  }
  storeBack(ctx, entry, added);
  return added;
}

function addArgument(ctx: CommandContext, one: SetRef, index: number): boolean {
  const args = ctx.args, length = args.lengths[index];
  if (!setsOf(ctx.keyspace).add(one, args.bytes, args.offsets[index], length)) return false;
  ctx.keyspace.memory.cow.writtenBytes += length;
  return true;
}

/** There was no room for argument `end`: what comes before it has been added, and the log must have it. */
function logAdded(ctx: CommandContext, end: number): void {
  const parts: Uint8Array[] = [];
  for (let i = 1; i < end; i++) parts.push(ctx.args.slice(i));
  ctx.propagation.replace(SADD, ...parts);
}

/** Writes the set at hand back to its entry, the key of argument 1, after `changes` members came or went. */
function storeBack(ctx: CommandContext, entry: Address, changes: number): void {
  ctx.keyspace.updateValue(entry, set.encoding, set.value);
  if (changes > 0) ctx.changed(1);
}

/** The same after members went: a set without any is no key. */
function storeRest(ctx: CommandContext, entry: Address, removed: number, event: string): void {
  ctx.keyspace.updateValue(entry, set.encoding, set.value);
  if (removed === 0) return;
  ctx.notify(EVENT.set, event, 1);
  if (setsOf(ctx.keyspace).size(set) === 0) ctx.remove(1, false);
  else ctx.changed(1);
}

function srem(ctx: CommandContext): void {
  const args = ctx.args, sets = setsOf(ctx.keyspace), entry = ctx.lookupWrite(1);
  if (!open(ctx, entry, zero)) return;
  let removed = 0;
  for (let i = 2; i < args.count; i++) {
    if (!sets.remove(set, args.bytes, args.offsets[i], args.lengths[i])) continue;
    removed++;
    if (sets.size(set) === 0) break;
  }
  storeRest(ctx, entry, removed, "srem");
  ctx.keyspace.dirty += removed;
  ctx.reply.integer(removed);
}

function smove(ctx: CommandContext): void {
  const args = ctx.args, keyspace = ctx.keyspace, sets = setsOf(keyspace);
  const source = ctx.lookupWrite(1), target = ctx.lookupWrite(2), at = args.offsets[3], length = args.lengths[3];
  if (!open(ctx, source, zero) || !ctx.isType(target, TYPE.set)) return;
  const isMember = sets.has(set, args.bytes, at, length);
  if (!isMember || source === target) return ctx.reply.integer(isMember ? 1 : 0);
  // It is added first: that may find no room, and then nothing has changed.
  const isNew = addToTarget(ctx, target);
  sets.remove(set, args.bytes, at, length);
  storeRest(ctx, source, 1, "srem");
  if (isNew) ctx.notify(EVENT.set, "sadd", 2);
  keyspace.dirty += isNew ? 2 : 1;
  ctx.reply.integer(1);
}

/** Adds argument 3 to the set at the key of argument 2; false when it was there. */
function addToTarget(ctx: CommandContext, target: Address): boolean {
  const { args, keyspace } = ctx, sets = setsOf(keyspace);
  if (target === NONE) {
    sets.createFor(other, args.bytes, args.offsets[3], args.lengths[3]);
    try {
      addArgument(ctx, other, 3);
    } catch (error) {
      sets.drop(other);
      throw error;
    }
    storeSet(ctx, 2, other);
    return true;
  }
  const isNew = addArgument(ctx, other.open(keyspace.memory, target), 3);
  keyspace.updateValue(target, other.encoding, other.value);
  if (isNew) ctx.changed(2);
  return isNew;
}

// ---- reading -------------------------------------------------------------------------------------------------------

function sismember(ctx: CommandContext): void {
  if (openForReading(ctx, zero)) ctx.reply.integer(hasArgument(ctx, 2) ? 1 : 0);
}

function hasArgument(ctx: CommandContext, index: number): boolean {
  const args = ctx.args;
  return setsOf(ctx.keyspace).has(set, args.bytes, args.offsets[index], args.lengths[index]);
}

function smismember(ctx: CommandContext): void {
  const entry = ctx.lookupRead(1), count = ctx.args.count;
  if (!ctx.isType(entry, TYPE.set)) return;
  if (entry !== NONE) set.open(ctx.keyspace.memory, entry);
  ctx.reply.startArray(count - 2);
  for (let i = 2; i < count; i++) ctx.reply.integer(entry !== NONE && hasArgument(ctx, i) ? 1 : 0);
}

function scard(ctx: CommandContext): void {
  if (openForReading(ctx, zero)) ctx.reply.integer(setsOf(ctx.keyspace).size(set));
}

function smembers(ctx: CommandContext): void {
  if (!openForReading(ctx, emptySet)) return;
  ctx.reply.startSet(setsOf(ctx.keyspace).size(set));
  replyMembers(ctx, set);
}

function sscan(ctx: CommandContext): void {
  const cursor = parseCursor(ctx, 2);
  if (Number.isNaN(cursor) || !openForReading(ctx, emptyScan)) return;
  const options = parseScanOptions(ctx, 3, false);
  if (options === null) return;
  if (set.encoding === ENCODING.intset) scanIntset(ctx, options);
  else scanTable(ctx, cursor, options);
}

function emptyScan(reply: ReplyWriter): void {
  reply.startArray(2);
  reply.text("0");
  reply.startArray(0);
}

/** An intset is small: one call returns all of it. */
function scanIntset(ctx: CommandContext, options: ScanOptions): void {
  const { reply, keyspace } = ctx, pattern = options.pattern;
  reply.startArray(2);
  reply.text("0");
  const mark = reply.deferArray();
  let count = 0;
  walk.start(keyspace.memory, set.value, set.encoding);
  while (walk.next()) {
    if (pattern !== null && !matches(pattern, setsOf(keyspace).textOf(walk.member))) continue;
    reply.bulkInteger(walk.member.integer);
    count++;
  }
  reply.setDeferredArray(mark, count);
}

function matches(pattern: Uint8Array, bytes: Uint8Array): boolean {
  return globMatch(pattern, 0, pattern.length, bytes, 0, bytes.length, false);
}

function scanTable(ctx: CommandContext, from: number, options: ScanOptions): void {
  const { reply, keyspace } = ctx, memory = keyspace.memory, { dict } = setsOf(keyspace).members;
  const found: Address[] = [], { pattern } = options;
  let iterations = options.count * 10, cursor = from;
  do cursor = dict.scan(set.value, cursor, (entry) => void found.push(entry)); while (
    cursor !== 0 && iterations-- > 0 && found.length < options.count
  );
  reply.startArray(2);
  reply.text(String(cursor));
  const mark = reply.deferArray();
  let count = 0;
  for (const entry of found) {
    const start = memory.placeOf(entry) + MEMBER_BYTES_AT, length = memberLength(memory, entry);
    if (pattern !== null && !globMatch(pattern, 0, pattern.length, memory.bytesOf(entry), start, length, false)) {
      continue;
    }
    reply.bulkFrom(memory, entry, MEMBER_BYTES_AT, length);
    count++;
  }
  reply.setDeferredArray(mark, count);
}

// ---- SPOP ----------------------------------------------------------------------------------------------------------

function spop(ctx: CommandContext): void {
  if (ctx.args.count > 3) return ctx.reply.error(ERROR.syntax);
  if (ctx.args.count === 3) return spopCount(ctx);
  const entry = ctx.lookupWrite(1);
  if (!open(ctx, entry, nothing)) return;
  popOne(ctx);
  storeRest(ctx, entry, 1, "spop");
  ctx.keyspace.dirty++;
}

/** Takes a member at random out of the set at hand, replies with it and logs that it was removed. */
function popOne(ctx: CommandContext): void {
  const keyspace = ctx.keyspace, sets = setsOf(keyspace);
  sets.draw(set, drawn);
  replyMember(ctx.reply, keyspace.memory, drawn);
  if (ctx.propagation.isWanted) ctx.propagation.replace(SREM, ctx.args.slice(1), sets.textOf(drawn));
  sets.removeMember(set, drawn);
}

function spopCount(ctx: CommandContext): void {
  const error = ERROR.notPositive, count = ctx.wideInteger(2, error);
  if (Number.isNaN(count)) return;
  if (count < 0) return ctx.reply.error(error);
  const entry = ctx.lookupWrite(1), keyspace = ctx.keyspace;
  if (!open(ctx, entry, emptySet)) return;
  if (count === 0) return ctx.reply.startSet(0);
  const size = setsOf(keyspace).size(set);
  keyspace.dirty += Math.min(count, size);
  if (count >= size) return popAll(ctx, size);
  ctx.reply.startSet(count);
  for (let i = 0; i < count; i++) popOne(ctx);
  if ((size - count) * SPOP_REENCODE_RATIO <= count) setsOf(keyspace).reencode(set);
  storeRest(ctx, entry, count, "spop");
}

function popAll(ctx: CommandContext, size: number): void {
  ctx.reply.startSet(size);
  replyMembers(ctx, set);
  ctx.propagation.replace(DEL, ctx.args.slice(1));
  ctx.notify(EVENT.set, "spop", 1);
  ctx.remove(1, ctx.keyspace.lazyOverwrite);
}

// ---- SRANDMEMBER ---------------------------------------------------------------------------------------------------

function srandmember(ctx: CommandContext): void {
  if (ctx.args.count > 3) return ctx.reply.error(ERROR.syntax);
  if (ctx.args.count === 3) return srandmemberCount(ctx);
  if (openForReading(ctx, nothing)) replyDrawn(ctx);
}

function replyDrawn(ctx: CommandContext): void {
  setsOf(ctx.keyspace).draw(set, drawn);
  replyMember(ctx.reply, ctx.keyspace.memory, drawn);
}

function srandmemberCount(ctx: CommandContext): void {
  const count = ctx.wideInteger(2);
  if (Number.isNaN(count)) return;
  if (ctx.args.i64(2, ctx.a) && ctx.a.isMin()) return ctx.reply.error(COUNT_OUT_OF_RANGE);
  if (!ctx.mayDraw(-count)) return ctx.reply.error("value is out of range");
  if (!openForReading(ctx, emptyArray)) return;
  const size = setsOf(ctx.keyspace).size(set), reply = ctx.reply;
  if (count < 0 || count === 1) {
    reply.startArray(Math.abs(count));
    for (let i = Math.abs(count); i > 0 && !reply.overrun; i--) replyDrawn(ctx);
    return;
  }
  reply.startArray(Math.min(count, size));
  if (count >= size) replyMembers(ctx, set);
  else if (count * SRANDMEMBER_PASS_RATIO > size) replyInPass(ctx, count, size);
  else replyDistinct(ctx, count);
}

const COUNT_OUT_OF_RANGE = "value is out of range, value must between -9223372036854775807 and 9223372036854775807";

/** Replies with `count` of `size` members, passing over all once: each is taken with the chance that what is wanted has in what is left. */
function replyInPass(ctx: CommandContext, count: number, size: number): void {
  const memory = ctx.keyspace.memory, random = ctx.keyspace.random;
  let wanted = count, left = size;
  walk.start(memory, set.value, set.encoding);
  while (wanted > 0 && walk.next()) {
    if (random(left--) >= wanted) continue;
    replyMember(ctx.reply, memory, walk.member);
    wanted--;
  }
}

/** Replies with `count` different members of many, drawing until there are enough. */
function replyDistinct(ctx: CommandContext, count: number): void {
  const { memory, random } = ctx.keyspace, sets = setsOf(ctx.keyspace), isInteger = set.encoding === ENCODING.intset;
  const seen = new Set<number>(), integers = isInteger ? intsetCount(memory, set.value) : 0;
  while (seen.size < count) {
    const before = seen.size;
    if (isInteger) seen.add(sets.readAt(set, random(integers), drawn));
    else sets.draw(set, drawn), seen.add(drawn.entry);
    if (seen.size > before) replyMember(ctx.reply, memory, drawn);
  }
}

export const setCommands: Handlers = {
  sadd,
  srem,
  smove,
  sismember,
  smismember,
  scard,
  smembers,
  sscan,
  spop,
  srandmember,
  ...setAlgebraCommands,
};
