/** Commands that combine sorted sets (and sets): ZUNION, ZINTER, ZDIFF, what stores their results, and ZINTERCARD. */
import { ascii } from "../base/bytes.ts";
import { TYPE, typeOf } from "../keyspace/entry.ts";
import type { Keyspace } from "../keyspace/keyspace.ts";
import type { SortedSet } from "../keyspace/values/sorted_set.ts";
import { sortedSetsOf } from "../keyspace/values/sorted_set_value.ts";
import { NONE } from "../memory/mod.ts";
import type { CommandContext, Handlers } from "./context.ts";
import { ERROR } from "./errors.ts";
import { Operand, OperandWalk } from "./sorted_set_operands.ts";
import { doubleArgument, dropSortedSet, replyMembers, storeResult } from "./sorted_set_support.ts";

type Operation = "union" | "inter" | "diff";
type Combine = (old: number, score: number) => number;

interface AlgebraCommand {
  readonly name: string;
  readonly operation: Operation;
  /** Whether argument 1 is the key to store at; else the result is the reply. */
  readonly stores: boolean;
  /** ZINTERCARD: only the number of members. */
  readonly counts: boolean;
}

const WORD = {
  weights: ascii("WEIGHTS"),
  aggregate: ascii("AGGREGATE"),
  withscores: ascii("WITHSCORES"),
  limit: ascii("LIMIT"),
  sum: ascii("SUM"),
  min: ascii("MIN"),
  max: ascii("MAX"),
};

/** Infinities of both signs add up to nothing. */
const sum: Combine = (old, score) => orZero(old + score);
const least: Combine = (old, score) => score < old ? score : old;
const greatest: Combine = (old, score) => score > old ? score : old;

/** The inputs of the executing command, reused. */
const operands: Operand[] = [];
const walk = new OperandWalk();
const options = { combine: sum, withScores: false, limit: 0 };
/** Bytes of the longest member of the result, and of all together. */
let longestBytes = 0, totalBytes = 0;

/** What is no number (an infinite score of no weight) counts as zero. */
function orZero(score: number): number {
  return Number.isNaN(score) ? 0 : score;
}

// ---- arguments -----------------------------------------------------------------------------------------------------

/** Number of keys, whose entries are in `operands` then; 0 with the error replied. */
function parseKeys(ctx: CommandContext, { name, stores }: AlgebraCommand): number {
  const { args, reply, keyspace } = ctx, at = stores ? 2 : 1, count = ctx.wideInteger(at);
  if (Number.isNaN(count)) return 0;
  if (count < 1) reply.error(`at least 1 input key is needed for '${name}' command`);
  else if (count > args.count - at - 1) reply.error(ERROR.syntax);
  if (count < 1 || count > args.count - at - 1) return 0;
  while (operands.length < count) operands.push(new Operand());
  for (let i = 0; i < count; i++) {
    const entry = ctx.lookupRead(at + 1 + i);
    if (entry !== NONE && typeOf(keyspace.memory, entry) !== TYPE.set && !ctx.isType(entry, TYPE.zset)) return 0;
    operands[i].open(keyspace, entry);
  }
  return count;
}

/** Reads the options from argument `from` on; false with the error replied. */
function parseOptions(ctx: CommandContext, command: AlgebraCommand, count: number, from: number): boolean {
  const { args } = ctx, { operation, stores, counts } = command, weighs = operation !== "diff" && !counts;
  options.combine = sum, options.withScores = false, options.limit = 0;
  for (let i = from; i < args.count; i++) {
    const left = args.count - i - 1;
    if (weighs && left >= count && args.is(i, WORD.weights)) {
      if (!parseWeights(ctx, i + 1, count)) return false;
      i += count;
    } else if (weighs && left >= 1 && args.is(i, WORD.aggregate)) {
      if (!parseAggregate(ctx, ++i)) return false;
    } else if (!stores && !counts && args.is(i, WORD.withscores)) options.withScores = true;
    else if (counts && left >= 1 && args.is(i, WORD.limit)) {
      if (!parseLimit(ctx, ++i)) return false;
    } else {
      ctx.reply.error(ERROR.syntax);
      return false;
    }
  }
  return true;
}

function parseWeights(ctx: CommandContext, from: number, count: number): boolean {
  for (let i = 0; i < count; i++) {
    const weight = doubleArgument(ctx, from + i, "weight value is not a float");
    if (Number.isNaN(weight)) return false;
    operands[i].weight = weight;
  }
  return true;
}

function parseAggregate({ args, reply }: CommandContext, index: number): boolean {
  if (args.is(index, WORD.sum)) options.combine = sum;
  else if (args.is(index, WORD.min)) options.combine = least;
  else if (args.is(index, WORD.max)) options.combine = greatest;
  else {
    reply.error(ERROR.syntax);
    return false;
  }
  return true;
}

function parseLimit(ctx: CommandContext, index: number): boolean {
  const error = "LIMIT can't be negative";
  options.limit = ctx.wideInteger(index, error);
  if (options.limit < 0) ctx.reply.error(error);
  return options.limit >= 0;
}

// ---- combining -----------------------------------------------------------------------------------------------------

function combine(ctx: CommandContext, command: AlgebraCommand): void {
  const count = parseKeys(ctx, command);
  if (count === 0 || !parseOptions(ctx, command, count, (command.stores ? 3 : 2) + count)) return;
  if (command.operation !== "diff") sortOperands(count);
  if (command.counts) return ctx.reply.integer(countCommon(ctx, count));
  const { set } = sortedSetsOf(ctx.keyspace);
  makeResult(ctx, command.operation, count, set);
  if (!command.stores) return replyResult(ctx, set);
  shrink(set);
  storeResult(ctx, 1, set, command.name);
}

/** Smallest first. There are few. */
function sortOperands(count: number): void {
  for (let i = 1; i < count; i++) {
    const moved = operands[i];
    let at = i;
    for (; at > 0 && operands[at - 1].size > moved.size; at--) operands[at] = operands[at - 1];
    operands[at] = moved;
  }
}

/** Opens the result in `set`; nothing of it stays when there is no room. */
function makeResult(ctx: CommandContext, operation: Operation, count: number, set: SortedSet): void {
  longestBytes = totalBytes = 0;
  set.createLarge(operation === "union" ? operands[count - 1].size : 0);
  try {
    if (operation === "union") unite(ctx, count, set);
    else if (operation === "inter") intersect(ctx, count, set);
    else subtract(ctx, count, set);
  } catch (error) {
    set.discard();
    throw error;
  }
}

function unite({ keyspace }: CommandContext, count: number, set: SortedSet): void {
  for (let i = 0; i < count; i++) {
    const { weight } = operands[i];
    walk.start(keyspace, operands[i]);
    while (walk.next()) {
      const score = orZero(weight * walk.score);
      if (set.accumulate(score, walk.bytes, walk.at, walk.length, options.combine)) measure();
    }
  }
  set.finishSums();
}

function intersect({ keyspace }: CommandContext, count: number, set: SortedSet): void {
  set.startFilling(false);
  walk.start(keyspace, operands[0]);
  while (walk.next()) {
    let score = orZero(operands[0].weight * walk.score), i = 1;
    for (; i < count; i++) {
      const other = scoreIn(keyspace, operands[i]);
      if (Number.isNaN(other)) break;
      score = options.combine(score, other * operands[i].weight);
    }
    if (i === count) addWalked(set, score);
  }
  set.finish();
}

/** The score of the member where the walk stands, or NaN. The walked one itself is not asked: to look up in a dict would move its slots. */
function scoreIn(keyspace: Keyspace, operand: Operand): number {
  if (operand.entry === operands[0].entry) return walk.score;
  return operand.scoreOf(keyspace, walk.bytes, walk.at, walk.length);
}

function subtract({ keyspace }: CommandContext, count: number, set: SortedSet): void {
  set.startFilling(false);
  walk.start(keyspace, operands[0]);
  while (walk.next()) if (inHowMany(keyspace, count, true) === 0) addWalked(set, walk.score);
  set.finish();
}

/** How many of the operands but the first have the member where the walk stands; stops at the first that has (or has not) it. */
function inHowMany(keyspace: Keyspace, count: number, stopsWhenFound: boolean): number {
  let found = 0;
  for (let i = 1; i < count; i++) {
    const isThere = !Number.isNaN(scoreIn(keyspace, operands[i]));
    if (isThere) found++;
    if (isThere === stopsWhenFound) break;
  }
  return found;
}

function addWalked(set: SortedSet, score: number): void {
  set.append(score, walk.bytes, walk.at, walk.length);
  measure();
}

function measure(): void {
  longestBytes = Math.max(longestBytes, walk.length), totalBytes += walk.length;
}

/** Members that all operands have, up to the limit. */
function countCommon({ keyspace }: CommandContext, count: number): number {
  let common = 0;
  walk.start(keyspace, operands[0]);
  while (walk.next()) {
    if (inHowMany(keyspace, count, false) < count - 1) continue;
    common++;
    if (common === options.limit) break;
  }
  return common;
}

/** A result that no key keeps; it stays large, and is freed at the end. */
function replyResult(ctx: CommandContext, set: SortedSet): void {
  replyMembers(ctx.reply, set, 0, set.size, false, options.withScores);
  dropSortedSet(ctx, set);
}

function shrink(set: SortedSet): void {
  try {
    set.shrinkToListpack(longestBytes, totalBytes);
  } catch (error) {
    set.discard();
    throw error;
  }
}

function command(name: string, operation: Operation): (ctx: CommandContext) => void {
  const one = { name, operation, stores: name.endsWith("store"), counts: name === "zintercard" };
  return (ctx) => combine(ctx, one);
}

export const sortedSetAlgebraCommands: Handlers = {
  zunion: command("zunion", "union"),
  zunionstore: command("zunionstore", "union"),
  zinter: command("zinter", "inter"),
  zinterstore: command("zinterstore", "inter"),
  zintercard: command("zintercard", "inter"),
  zdiff: command("zdiff", "diff"),
  zdiffstore: command("zdiffstore", "diff"),
};
