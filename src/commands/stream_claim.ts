/** What becomes of delivered entries: XACK, XPENDING, XCLAIM, XAUTOCLAIM. */
import { ascii } from "../base/bytes.ts";
import { I64 } from "../base/integer.ts";
import { type Address, NONE } from "../memory/mod.ts";
import { compareIds, newStreamId, setMinId, type StreamId } from "../structures/stream_id.ts";
import { CONSUMER, GROUP, readIdAt } from "../structures/stream_layout.ts";
import type { CommandContext, Handlers } from "./context.ts";
import { ERROR } from "./errors.ts";
import {
  findConsumer,
  findGroup,
  idArgument,
  intervalEnd,
  intervalStart,
  isId,
  openConsumer,
  replyEntryOf,
  replyId,
  shown,
  streamIn,
  streamTools,
} from "./stream_common.ts";
import { type GroupNames, logClaim, logLastId, namesIn } from "./stream_propagation.ts";

const WORD = {
  idle: ascii("IDLE"),
  time: ascii("TIME"),
  retrycount: ascii("RETRYCOUNT"),
  force: ascii("FORCE"),
  justid: ascii("JUSTID"),
  lastid: ascii("LASTID"),
  count: ascii("COUNT"),
};
/** XAUTOCLAIM looks at this many entries for each that it may return. */
const ATTEMPTS_FACTOR = 10;
const AUTOCLAIM_COUNT_DEFAULT = 100;
/** Redis: LONG_MAX / sizeof(streamID), and more ids than it could allocate. */
const AUTOCLAIM_COUNT_MAX = 2 ** 59, AUTOCLAIM_IDS_MAX = 2 ** 42;

const start = newStreamId(), end = newStreamId(), id = newStreamId(), groupLast = newStreamId();
const integer = new I64(), ONE = new I64().setNumber(1);

/** The group of the stream that argument 2 names; NONE, with an error replied if it `isNeeded`, when there is none. */
function groupArgument(ctx: CommandContext, stream: Address, isNeeded: boolean): Address {
  const group = stream === NONE ? NONE : findGroup(ctx, stream, 2);
  if (group === NONE && isNeeded) {
    ctx.reply.errorWithCode(`NOGROUP No such key '${shown(ctx, 1)}' or consumer group '${shown(ctx, 2)}'`);
  }
  return group;
}

function xack(ctx: CommandContext): void {
  const { args, reply } = ctx, groups = streamTools(ctx).streams.groups;
  const stream = streamIn(ctx, ctx.lookupRead(1));
  if (Number.isNaN(stream)) return;
  const group = groupArgument(ctx, stream, false);
  if (group === NONE) return reply.integer(0);
  for (let i = 3; i < args.count; i++) if (!idArgument(ctx, i, id)) return;
  let acknowledged = 0;
  for (let i = 3; i < args.count; i++) {
    idArgument(ctx, i, id);
    if (!groups.findPending(group, id)) continue;
    groups.removePending(group, id);
    acknowledged++;
  }
  ctx.keyspace.dirty += acknowledged;
  reply.integer(acknowledged);
}

// ---- XPENDING --------------------------------------------------------------------------------------------------------

function xpending(ctx: CommandContext): void {
  const { args, reply } = ctx;
  if (args.count !== 3 && (args.count < 6 || args.count > 9)) return reply.error(ERROR.syntax);
  let minIdleMs = 0, at = 3, count = 0;
  if (args.count > 3) {
    if (args.is(3, WORD.idle)) {
      minIdleMs = ctx.wideInteger(4);
      if (Number.isNaN(minIdleMs)) return;
      if (args.count < 8) return reply.error(ERROR.syntax);
      at = 5;
    }
    count = ctx.wideInteger(at + 2);
    if (Number.isNaN(count) || !intervalStart(ctx, at, start) || !intervalEnd(ctx, at + 1, end)) return;
  }
  const stream = streamIn(ctx, ctx.lookupRead(1));
  if (Number.isNaN(stream)) return;
  const group = groupArgument(ctx, stream, true);
  if (group === NONE) return;
  if (args.count === 3) return replyPendingSummary(ctx, group);
  let consumer = NONE;
  if (at + 3 < args.count) {
    consumer = findConsumer(ctx, group, at + 3);
    if (consumer === NONE) return reply.startArray(0);
  }
  replyPending(ctx, group, consumer, minIdleMs, Math.max(0, count));
}

function replyPendingSummary(ctx: CommandContext, group: Address): void {
  const reply = ctx.reply, tools = streamTools(ctx), groups = tools.streams.groups;
  reply.startArray(4);
  reply.integer(groups.pendingCount(group));
  const cursor = tools.pending.open(group, GROUP.pending);
  if (!cursor.seekFirst()) {
    reply.null(), reply.null();
    return reply.nullArray();
  }
  cursor.readKey(id), replyId(reply, id);
  cursor.seekLast();
  cursor.readKey(id), replyId(reply, id);
  const consumers = tools.consumers.open(group, GROUP.consumers), mark = reply.deferArray();
  let count = 0;
  for (let one = consumers.next(); one !== NONE; one = consumers.next()) {
    const own = groups.ownCount(one);
    if (own === 0) continue;
    reply.startArray(2);
    replyName(ctx, one);
    reply.bulkInteger(integer.setNumber(own));
    count++;
  }
  reply.setDeferredArray(mark, count);
}

export function replyName(ctx: CommandContext, consumer: Address): void {
  const memory = ctx.keyspace.memory;
  ctx.reply.bulkFrom(memory, consumer, CONSUMER.name, memory.u32(consumer, CONSUMER.nameLength));
}

/** Replies with the pending entries from `start` to `end`, of one consumer or (NONE) of all. */
function replyPending(
  ctx: CommandContext,
  group: Address,
  consumer: Address,
  minIdleMs: number,
  countMax: number,
): void {
  const { reply, nowMs } = ctx, tools = streamTools(ctx), groups = tools.streams.groups, mark = reply.deferArray();
  const cursor = consumer === NONE
    ? tools.pending.open(group, GROUP.pending)
    : tools.own.open(consumer, CONSUMER.pending);
  let count = 0;
  for (let more = countMax > 0 && cursor.seekCeiling(start); more && count < countMax; more = cursor.next()) {
    cursor.readKey(id);
    if (compareIds(id, end) > 0) break;
    groups.findPending(group, id);
    const idleMs = nowMs - groups.deliveredMs;
    if (minIdleMs !== 0 && idleMs < minIdleMs) continue;
    reply.startArray(4);
    replyId(reply, id);
    replyName(ctx, groups.consumer);
    reply.integer(Math.max(0, idleMs));
    reply.i64(groups.readDeliveries(integer));
    count++;
  }
  reply.setDeferredArray(mark, count);
}

// ---- XCLAIM ----------------------------------------------------------------------------------------------------------

/** How entries are claimed; one shared instance. */
const claim = {
  minIdleMs: 0,
  deliveredMs: 0,
  /** Deliveries to set, when not negative. */
  deliveries: new I64(),
  force: false,
  justId: false,
  /** The consumer, once there is something to claim. */
  consumer: NONE as Address,
};

function xclaim(ctx: CommandContext): void {
  const { args, reply } = ctx, streams = streamTools(ctx).streams;
  const stream = streamIn(ctx, ctx.lookupRead(1));
  if (Number.isNaN(stream)) return;
  const group = groupArgument(ctx, stream, true);
  if (group === NONE) return;
  claim.minIdleMs = Math.max(0, ctx.wideInteger(4, "Invalid min-idle-time argument for XCLAIM"));
  if (Number.isNaN(claim.minIdleMs)) return;
  let idsEnd = 5;
  while (idsEnd < args.count && isId(ctx, idsEnd, id)) idsEnd++;
  setMinId(end);
  if (!parseClaimOptions(ctx, idsEnd)) return;
  ctx.propagation.suppress();
  let isLastIdToLog = compareIds(end, readIdAt(ctx.keyspace.memory, group, GROUP.lastId, groupLast)) > 0;
  if (isLastIdToLog) streams.groups.setLastId(group, end);
  const names = namesIn(ctx, 1, 2), mark = reply.deferArray();
  let count = 0;
  for (let i = 5; i < idsEnd; i++) {
    isId(ctx, i, id);
    if (!streams.has(stream, id)) {
      if (dropPending(ctx, names, group)) isLastIdToLog = false;
    } else if (claimEntry(ctx, names, group, 3)) {
      replyClaimed(ctx, stream);
      count++, isLastIdToLog = false;
    }
  }
  if (isLastIdToLog) logLastId(ctx, names, group), ctx.keyspace.dirty++;
  reply.setDeferredArray(mark, count);
}

/** Reads the options of XCLAIM; the id of LASTID goes to `end`. */
function parseClaimOptions(ctx: CommandContext, from: number): boolean {
  const args = ctx.args;
  claim.force = claim.justId = false, claim.deliveredMs = ctx.nowMs, claim.consumer = NONE;
  claim.deliveries.setNumber(-1);
  for (let i = from; i < args.count; i++) {
    const hasMore = i + 1 < args.count;
    if (args.is(i, WORD.force)) claim.force = true;
    else if (args.is(i, WORD.justid)) claim.justId = true;
    else if (hasMore && args.is(i, WORD.idle)) {
      claim.deliveredMs = ctx.nowMs - ctx.wideInteger(++i, "Invalid IDLE option argument for XCLAIM");
    } else if (hasMore && args.is(i, WORD.time)) {
      claim.deliveredMs = ctx.wideInteger(++i, "Invalid TIME option argument for XCLAIM");
    } else if (hasMore && args.is(i, WORD.retrycount)) {
      if (!args.i64(++i, claim.deliveries)) {
        ctx.reply.error("Invalid RETRYCOUNT option argument for XCLAIM");
        return false;
      }
    } else if (hasMore && args.is(i, WORD.lastid)) {
      if (!idArgument(ctx, ++i, end)) return false;
    } else {
      ctx.reply.error(`Unrecognized XCLAIM option '${shown(ctx, i)}'`);
      return false;
    }
    if (Number.isNaN(claim.deliveredMs)) return false;
  }
  // Clients compute times from clocks of their own: what makes no sense is now.
  if (claim.deliveredMs < 0 || claim.deliveredMs > ctx.nowMs) claim.deliveredMs = ctx.nowMs;
  return true;
}

/** The entry `id` is gone from the stream: it is no longer pending either. False when it was not. */
function dropPending(ctx: CommandContext, names: GroupNames | null, group: Address): boolean {
  const groups = streamTools(ctx).streams.groups;
  if (!groups.findPending(group, id)) return false;
  logClaim(ctx, names, group, id);
  groups.removePending(group, id);
  ctx.keyspace.dirty++;
  return true;
}

/** Makes `id` pending with the consumer that argument `consumerIndex` names, if it is pending for long enough, or by force. */
function claimEntry(ctx: CommandContext, names: GroupNames | null, group: Address, consumerIndex: number): boolean {
  const groups = streamTools(ctx).streams.groups, isPending = groups.findPending(group, id);
  if (!isPending && !claim.force) return false;
  if (isPending && claim.minIdleMs !== 0 && ctx.nowMs - groups.deliveredMs < claim.minIdleMs) return false;
  if (claim.consumer === NONE) claim.consumer = openConsumer(ctx, group, consumerIndex);
  if (groups.assign(group, claim.consumer, id)) groups.setDeliveries(ONE);
  groups.setDeliveredMs(claim.deliveredMs);
  if (!claim.deliveries.isNegative()) groups.setDeliveries(claim.deliveries);
  else if (!claim.justId) groups.addDelivery();
  logClaim(ctx, names, group, id);
  ctx.keyspace.dirty++;
  return true;
}

function replyClaimed(ctx: CommandContext, stream: Address): void {
  if (claim.justId) replyId(ctx.reply, id);
  else replyEntryOf(ctx, stream, id);
}

// ---- XAUTOCLAIM ------------------------------------------------------------------------------------------------------

/** Ids that were claimed and ids whose entries are gone, four words each; given back when large. */
class IdList {
  #words = new Uint32Array(256);
  count = 0;

  push(id: StreamId): void {
    if (this.count * 4 === this.#words.length) {
      const larger = new Uint32Array(this.#words.length * 2);
      larger.set(this.#words);
      this.#words = larger;
    }
    this.#words.set(id, 4 * this.count++);
  }

  read(index: number, into: StreamId): StreamId {
    for (let word = 0; word < 4; word++) into[word] = this.#words[4 * index + word];
    return into;
  }

  clear(): void {
    this.count = 0;
    if (this.#words.length > 4096) this.#words = new Uint32Array(256);
  }
}

const claimed = new IdList(), gone = new IdList();

function xautoclaim(ctx: CommandContext): void {
  const { args, reply } = ctx;
  const entry = ctx.lookupRead(1);
  claim.minIdleMs = Math.max(0, ctx.wideInteger(4, "Invalid min-idle-time argument for XAUTOCLAIM"));
  if (Number.isNaN(claim.minIdleMs) || !intervalStart(ctx, 5, start)) return;
  claim.force = claim.justId = false, claim.deliveredMs = ctx.nowMs, claim.consumer = NONE;
  claim.deliveries.setNumber(-1);
  let countMax = AUTOCLAIM_COUNT_DEFAULT;
  for (let i = 6; i < args.count; i++) {
    if (args.is(i, WORD.justid)) claim.justId = true;
    else if (args.is(i, WORD.count) && i + 1 < args.count) {
      countMax = ctx.wideInteger(++i, "COUNT must be > 0");
      if (Number.isNaN(countMax)) return;
      if (countMax < 1 || countMax > AUTOCLAIM_COUNT_MAX) return reply.error("COUNT must be > 0");
    } else return reply.error(ERROR.syntax);
  }
  const stream = streamIn(ctx, entry);
  if (Number.isNaN(stream)) return;
  const group = groupArgument(ctx, stream, true);
  if (group === NONE) return;
  if (countMax > AUTOCLAIM_IDS_MAX) {
    return reply.error("Insufficient memory, failed allocating transient memory, COUNT too high.");
  }
  ctx.propagation.suppress();
  claimFrom(ctx, stream, group, countMax);
  reply.startArray(3);
  replyId(reply, start);
  reply.startArray(claimed.count);
  for (let i = 0; i < claimed.count; i++) claimed.read(i, id), replyClaimed(ctx, stream);
  reply.startArray(gone.count);
  for (let i = 0; i < gone.count; i++) replyId(reply, gone.read(i, id));
  claimed.clear(), gone.clear();
}

/** Claims from `start` on, which becomes the id to go on from, or 0-0 at the end. */
function claimFrom(ctx: CommandContext, stream: Address, group: Address, countMax: number): void {
  const tools = streamTools(ctx), names = namesIn(ctx, 1, 2);
  const cursor = tools.pending.open(group, GROUP.pending);
  let more = cursor.seekCeiling(start);
  for (let left = countMax, attempts = countMax * ATTEMPTS_FACTOR; more && left > 0 && attempts > 0; attempts--) {
    cursor.readKey(id);
    if (!tools.streams.has(stream, id)) {
      dropPending(ctx, names, group);
      gone.push(id), left--;
      more = tools.pending.open(group, GROUP.pending).seekCeiling(id);
      continue;
    }
    if (claimEntry(ctx, names, group, 3)) claimed.push(id), left--;
    more = cursor.next();
  }
  if (more) cursor.readKey(start);
  else setMinId(start);
}

export const streamClaimCommands: Handlers = { xack, xpending, xclaim, xautoclaim };
