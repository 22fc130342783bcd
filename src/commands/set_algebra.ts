/** Commands that combine sets: SINTER, SUNION, SDIFF, what stores their results, and SINTERCARD. */
import { TYPE } from "../keyspace/entry.ts";
import { EVENT } from "../keyspace/key_events.ts";
import { SetRef, setsOf, SetWalk } from "../keyspace/values/set_value.ts";
import { NONE } from "../memory/mod.ts";
import type { CommandContext, Handlers } from "./context.ts";
import { ERROR } from "./errors.ts";
import { replyMember, replyMembers, storeSet } from "./set_members.ts";

/** A temporary set of more members than this is freed in slices. */
const DROP_AT_ONCE_MAX = 16384;
/** With more operands than this, looking members up in all of them costs more than making a temporary set. */
const LOOKED_UP_MAX = 8;

/** The sets of the executing command; value NONE where there is no key. Reused. */
const operands: SetRef[] = [];
const walk = new SetWalk();
const result = new SetRef();

/** Opens the sets at `count` keys from argument `first` on; false, with the error replied, when one is of another type. */
function openOperands(ctx: CommandContext, first: number, count: number): boolean {
  const memory = ctx.keyspace.memory;
  while (operands.length < count) operands.push(new SetRef());
  for (let i = 0; i < count; i++) {
    const entry = ctx.lookupRead(first + i);
    if (!ctx.isType(entry, TYPE.set)) return false;
    if (entry === NONE) operands[i].value = NONE;
    else operands[i].open(memory, entry);
  }
  return true;
}

function sizeOf(ctx: CommandContext, operand: SetRef): number {
  return operand.value === NONE ? 0 : setsOf(ctx.keyspace).size(operand);
}

/** Sorts operands [from, count) by size, up or (with sign -1) down. There are few. */
function sortOperands(ctx: CommandContext, from: number, count: number, sign: 1 | -1): void {
  for (let i = from + 1; i < count; i++) {
    const moved = operands[i], size = sizeOf(ctx, moved) * sign;
    let at = i;
    for (; at > from && sizeOf(ctx, operands[at - 1]) * sign > size; at--) operands[at] = operands[at - 1];
    operands[at] = moved;
  }
}

/** Stores `result` at the key of argument 1, or removes that key when it is empty, and replies with the size. */
function storeResult(ctx: CommandContext, event: string): void {
  const keyspace = ctx.keyspace, sets = setsOf(keyspace), size = sets.size(result);
  if (size > 0) {
    storeSet(ctx, 1, result);
    ctx.notify(EVENT.set, event, 1);
    keyspace.dirty++;
  } else {
    sets.drop(result);
    removeTarget(ctx);
  }
  ctx.reply.integer(size);
}

function removeTarget(ctx: CommandContext): void {
  if (ctx.remove(1, ctx.keyspace.lazyOverwrite)) ctx.keyspace.dirty++;
}

function replyResult(ctx: CommandContext): void {
  const { keyspace } = ctx, sets = setsOf(keyspace), size = sets.size(result);
  ctx.reply.startSet(size);
  replyMembers(ctx, result);
  if (size > DROP_AT_ONCE_MAX) keyspace.lazyFree.addValue(sets, result.value, result.encoding);
  else sets.drop(result);
}

/** Makes `result` by `fill`, from an empty set; nothing of it stays when there is no room. */
function makeResult(ctx: CommandContext, count: number, fill: (ctx: CommandContext, count: number) => void): void {
  const sets = setsOf(ctx.keyspace);
  sets.create(result);
  try {
    fill(ctx, count);
  } catch (error) {
    sets.drop(result);
    throw error;
  }
}

function start(ctx: CommandContext, operand: SetRef): void {
  walk.start(ctx.keyspace.memory, operand.value, operand.encoding);
}

/** Whether one of the operands [from, end) has the member where the walk stands. */
function isInAny(ctx: CommandContext, from: number, end: number): boolean {
  const sets = setsOf(ctx.keyspace);
  for (let i = from; i < end; i++) {
    if (operands[i].value !== NONE && sets.hasMember(operands[i], walk.member)) return true;
  }
  return false;
}

// ---- intersection --------------------------------------------------------------------------------------------------

/** True when all sets are there, sorted so that the smallest comes first: else the intersection is empty. */
function prepareIntersection(ctx: CommandContext, count: number): boolean {
  for (let i = 0; i < count; i++) if (operands[i].value === NONE) return false;
  sortOperands(ctx, 0, count, 1);
  start(ctx, operands[0]);
  return true;
}

/** Goes on with `walk` to the next member that all sets have; false at the end. */
function nextInAll(ctx: CommandContext, count: number): boolean {
  const sets = setsOf(ctx.keyspace);
  while (walk.next()) {
    let at = 1;
    while (at < count && (operands[at].value === operands[0].value || sets.hasMember(operands[at], walk.member))) at++;
    if (at === count) return true;
  }
  return false;
}

function sinter(ctx: CommandContext): void {
  const count = ctx.args.count - 1, memory = ctx.keyspace.memory, reply = ctx.reply;
  if (!openOperands(ctx, 1, count)) return;
  if (!prepareIntersection(ctx, count)) return reply.startSet(0);
  const mark = reply.deferArray();
  let found = 0;
  for (; nextInAll(ctx, count); found++) replyMember(reply, memory, walk.member);
  reply.setDeferredSet(mark, found);
}

function sinterstore(ctx: CommandContext): void {
  const count = ctx.args.count - 2;
  if (!openOperands(ctx, 2, count)) return;
  if (!prepareIntersection(ctx, count)) {
    removeTarget(ctx);
    return ctx.reply.integer(0);
  }
  makeResult(ctx, count, intersect);
  storeResult(ctx, "sinterstore");
}

function intersect(ctx: CommandContext, count: number): void {
  const sets = setsOf(ctx.keyspace);
  while (nextInAll(ctx, count)) sets.addMember(result, walk.member);
}

function sintercard(ctx: CommandContext): void {
  const count = ctx.wideInteger(1, "numkeys should be greater than 0");
  if (Number.isNaN(count)) return;
  if (count < 1) return ctx.reply.error("numkeys should be greater than 0");
  if (count > ctx.args.count - 2) return ctx.reply.error("Number of keys can't be greater than number of args");
  const limit = parseLimit(ctx, 2 + count);
  if (Number.isNaN(limit) || !openOperands(ctx, 2, count)) return;
  let found = 0;
  if (prepareIntersection(ctx, count)) { while (found < limit && nextInAll(ctx, count)) found++; }
  ctx.reply.integer(found);
}

/** LIMIT as the options from argument `from` on say, Infinity for none; NaN with the error replied. */
function parseLimit(ctx: CommandContext, from: number): number {
  const args = ctx.args, error = "LIMIT can't be negative";
  let limit = 0;
  for (let i = from; i < args.count; i += 2) {
    if (!args.equalsIgnoreCase(i, "limit") || i + 1 === args.count) {
      ctx.reply.error(ERROR.syntax);
      return NaN;
    }
    limit = ctx.wideInteger(i + 1, error);
    if (limit < 0) ctx.reply.error(error);
    if (!(limit >= 0)) return NaN;
  }
  return limit === 0 ? Infinity : limit;
}

// ---- union ---------------------------------------------------------------------------------------------------------

function sunion(ctx: CommandContext): void {
  const count = ctx.args.count - 1;
  if (!openOperands(ctx, 1, count)) return;
  if (count <= LOOKED_UP_MAX) return replyUnion(ctx, count);
  makeResult(ctx, count, unite);
  replyResult(ctx);
}

/** Replies with the largest set, and with those members of each further one that none before it has. */
function replyUnion(ctx: CommandContext, count: number): void {
  const { reply, keyspace } = ctx, mark = reply.deferArray();
  sortOperands(ctx, 0, count, -1);
  let found = 0;
  for (let i = 0; i < count; i++) {
    if (operands[i].value === NONE || isRepeated(i)) continue;
    start(ctx, operands[i]);
    while (walk.next()) {
      if (isInAny(ctx, 0, i)) continue;
      replyMember(reply, keyspace.memory, walk.member);
      found++;
    }
  }
  reply.setDeferredSet(mark, found);
}

/** Whether an operand is the same set as one before it. */
function isRepeated(index: number): boolean {
  for (let i = 0; i < index; i++) if (operands[i].value === operands[index].value) return true;
  return false;
}

function sunionstore(ctx: CommandContext): void {
  const count = ctx.args.count - 2;
  if (!openOperands(ctx, 2, count)) return;
  makeResult(ctx, count, unite);
  storeResult(ctx, "sunionstore");
}

function unite(ctx: CommandContext, count: number): void {
  for (let i = 0; i < count; i++) if (operands[i].value !== NONE) addAll(ctx, operands[i]);
}

function addAll(ctx: CommandContext, operand: SetRef): void {
  const sets = setsOf(ctx.keyspace);
  start(ctx, operand);
  while (walk.next()) sets.addMember(result, walk.member);
}

// ---- difference ----------------------------------------------------------------------------------------------------

function sdiff(ctx: CommandContext): void {
  const count = ctx.args.count - 1;
  if (!openOperands(ctx, 1, count)) return;
  if (isDifferenceEmpty(count)) return ctx.reply.startSet(0);
  if (count <= LOOKED_UP_MAX || looksUp(ctx, count)) return replyDifference(ctx, count);
  makeResult(ctx, count, subtract);
  replyResult(ctx);
}

function sdiffstore(ctx: CommandContext): void {
  const count = ctx.args.count - 2;
  if (!openOperands(ctx, 2, count)) return;
  makeResult(ctx, count, subtract);
  storeResult(ctx, "sdiffstore");
}

/** Nothing is left when the first set is not there, or is subtracted from itself. */
function isDifferenceEmpty(count: number): boolean {
  const first = operands[0].value;
  for (let i = 1; i < count; i++) if (operands[i].value === first) return true;
  return first === NONE;
}

/** Whether it pays to look each member up in the other sets rather than to remove theirs. */
function looksUp(ctx: CommandContext, count: number): boolean {
  const size = sizeOf(ctx, operands[0]);
  let lookups = 0, removals = 0;
  for (let i = 0; i < count; i++) {
    if (operands[i].value !== NONE) lookups += size, removals += sizeOf(ctx, operands[i]);
  }
  // Looking up is the cheaper step, so it may be done twice as often: Redis's rule.
  return lookups / 2 <= removals;
}

function replyDifference(ctx: CommandContext, count: number): void {
  const { reply, keyspace } = ctx, mark = reply.deferArray();
  let found = 0;
  startDifference(ctx, count);
  while (walk.next()) {
    if (isInAny(ctx, 1, count)) continue;
    replyMember(reply, keyspace.memory, walk.member);
    found++;
  }
  reply.setDeferredSet(mark, found);
}

/** Starts to walk the first set, with the others sorted so that the largest, which has a member most likely, is looked at first. */
function startDifference(ctx: CommandContext, count: number): void {
  sortOperands(ctx, 1, count, -1);
  start(ctx, operands[0]);
}

function subtract(ctx: CommandContext, count: number): void {
  if (isDifferenceEmpty(count)) return;
  if (looksUp(ctx, count)) keepWhatNoneHas(ctx, count);
  else removeWhatOthersHave(ctx, count);
}

/** Adds each member of the first set that no other one has. */
function keepWhatNoneHas(ctx: CommandContext, count: number): void {
  const sets = setsOf(ctx.keyspace);
  startDifference(ctx, count);
  while (walk.next()) if (!isInAny(ctx, 1, count)) sets.addMember(result, walk.member);
}

/** Adds the first set, and removes the members of all others. */
function removeWhatOthersHave(ctx: CommandContext, count: number): void {
  const sets = setsOf(ctx.keyspace);
  addAll(ctx, operands[0]);
  for (let i = 1; i < count && sets.size(result) > 0; i++) {
    if (operands[i].value === NONE) continue;
    start(ctx, operands[i]);
    while (walk.next()) sets.removeMember(result, walk.member);
  }
}

export const setAlgebraCommands: Handlers = {
  sinter,
  sinterstore,
  sintercard,
  sunion,
  sunionstore,
  sdiff,
  sdiffstore,
};
