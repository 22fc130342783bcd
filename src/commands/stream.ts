/** Stream commands on entries: XADD, XLEN, XRANGE, XDEL, XTRIM, XSETID. Groups, reading and XINFO have files of their own. */
import { ascii } from "../base/bytes.ts";
import { formatInteger } from "../base/integer.ts";
import { type Address, NONE } from "../memory/mod.ts";
import {
  compareIds,
  copyId,
  formatStreamId,
  incrementId,
  isMaxId,
  isZeroId,
  newStreamId,
  setId,
  setMinId,
  STREAM_ID_TEXT_BYTES_MAX,
  type StreamId,
} from "../structures/stream_id.ts";
import { readIdAt, STREAM, streamLength } from "../structures/stream_layout.ts";
import { EVENT } from "../keyspace/key_events.ts";
import type { CommandContext, Handlers } from "./context.ts";
import { ERROR } from "./errors.ts";
import {
  idArgument,
  intervalEnd,
  intervalStart,
  replyRange,
  storeStream,
  streamIn,
  streamTools,
} from "./stream_common.ts";
import { streamClaimCommands } from "./stream_claim.ts";
import { streamGroupCommands } from "./stream_group.ts";
import { streamInfoCommands } from "./stream_info.ts";
import { streamReadCommands } from "./stream_read.ts";
import { parseTrimOptions, TrimOptions } from "./stream_trim_options.ts";

const COUNT = ascii("COUNT"), ENTRIESADDED = ascii("ENTRIESADDED"), MAXDELETEDID = ascii("MAXDELETEDID");
const EXACTLY = ascii("=");
const TWO_32 = 0x100000000;
const ENTRY_BYTES_MAX = 2 ** 30;

const options = new TrimOptions();
const first = newStreamId(), last = newStreamId();
const text = new Uint8Array(STREAM_ID_TEXT_BYTES_MAX);

// ---- XADD ------------------------------------------------------------------------------------------------------------

function xadd(ctx: CommandContext): void {
  const { args, reply } = ctx;
  if (!parseTrimOptions(ctx, options, true)) return;
  const from = options.idIndex + 1, words = args.count - from;
  if (words < 2 || words % 2 === 1) return reply.error("wrong number of arguments for 'xadd' command");
  if (options.idGiven && options.sequenceGiven && isZeroId(options.id)) {
    return reply.error("The ID specified in XADD must be greater than 0-0");
  }
  const stream = streamIn(ctx, ctx.lookupWrite(1));
  if (Number.isNaN(stream)) return;
  if (stream === NONE && options.noMakeStream) return reply.null();
  const error = chooseId(ctx, stream);
  if (error !== "") return reply.error(error);
  const payloadBytes = wordsBytes(ctx, from);
  if (payloadBytes > ENTRY_BYTES_MAX) return reply.error("Elements are too large to be stored");
  const target = streamTools(ctx).append(stream, options.id, args, from, words / 2, payloadBytes);
  if (stream === NONE) storeStream(ctx, 1, target);
  else ctx.changed(1);
  ctx.keyspace.dirty++;
  const length = formatStreamId(options.id, text, 0);
  reply.bulk(text, 0, length);
  ctx.notify(EVENT.stream, "xadd", 1);
  if (!options.sequenceGiven) ctx.propagation.replaceArgument(options.idIndex, text, length);
  if (options.trims) {
    if (streamTools(ctx).streams.trim(target, options.rule) > 0) ctx.notify(EVENT.stream, "xtrim", 1);
    if (options.rule.approximate) logTrimmedTo(ctx, target);
  }
  if (stream !== NONE) ctx.signalReady(1);
}

/** Makes `options.id` the new entry's; returns why there can be none, or "". */
function chooseId(ctx: CommandContext, stream: Address): string {
  const id = options.id;
  if (stream === NONE) setMinId(last);
  else streamTools(ctx).streams.readLastId(stream, last);
  if (isMaxId(last)) return "The stream has exhausted the last possible ID, unable to add more items";
  if (!options.idGiven) nextId(id, ctx.nowMs);
  else if (!options.sequenceGiven && id[0] === last[0] && id[1] === last[1]) {
    copyId(id, last);
    if ((last[2] & last[3]) === -1) return "Elements are too large to be stored";
    incrementId(id);
  }
  return compareIds(id, last) > 0 ? "" : "The ID specified in XADD is equal or smaller than the target stream top item";
}

/** The clock's id, or the one after the last where that is not behind it. */
function nextId(id: StreamId, nowMs: number): void {
  const high = Math.floor(nowMs / TWO_32), low = nowMs - high * TWO_32;
  if (high > last[0] || (high === last[0] && low > last[1])) setId(id, high, low, 0, 0);
  else incrementId(copyId(id, last));
}

function wordsBytes(ctx: CommandContext, from: number): number {
  let bytes = 0;
  for (let i = from; i < ctx.args.count; i++) bytes += ctx.args.lengths[i];
  return bytes;
}

// ---- XTRIM -----------------------------------------------------------------------------------------------------------

function xtrim(ctx: CommandContext): void {
  if (!parseTrimOptions(ctx, options, false)) return;
  const stream = streamIn(ctx, ctx.lookupWrite(1));
  if (Number.isNaN(stream)) return;
  if (stream === NONE) return ctx.reply.integer(0);
  const deleted = streamTools(ctx).streams.trim(stream, options.rule);
  if (deleted > 0) {
    if (options.rule.approximate) logTrimmedTo(ctx, stream);
    ctx.changed(1);
    ctx.notify(EVENT.stream, "xtrim", 1);
    ctx.keyspace.dirty += deleted;
  }
  ctx.reply.integer(deleted);
}

/** What was trimmed nearly is logged as trimmed exactly to what is left. */
function logTrimmedTo(ctx: CommandContext, stream: Address): void {
  const propagation = ctx.propagation, streams = streamTools(ctx).streams;
  if (!propagation.isWanted) return;
  propagation.replaceArgument(options.thresholdIndex - 1, EXACTLY, 1);
  let length: number;
  if (!options.rule.byId) length = formatInteger(streamLength(ctx.keyspace.memory, stream), text, 0);
  else {
    if (!streams.readFirstNodeId(stream, first)) first.fill(0xffffffff);
    length = formatStreamId(first, text, 0);
  }
  propagation.replaceArgument(options.thresholdIndex, text, length);
}

// ---- the rest --------------------------------------------------------------------------------------------------------

function xrange(ctx: CommandContext, reverse: boolean): void {
  const { args, reply } = ctx;
  if (!intervalStart(ctx, reverse ? 3 : 2, first) || !intervalEnd(ctx, reverse ? 2 : 3, last)) return;
  let count = -1;
  for (let i = 4; i < args.count; i += 2) {
    if (!args.is(i, COUNT) || i + 1 === args.count) return reply.error(ERROR.syntax);
    count = ctx.wideInteger(i + 1);
    if (Number.isNaN(count)) return;
    if (count < 0) count = 0;
  }
  const stream = streamIn(ctx, ctx.lookupRead(1));
  if (Number.isNaN(stream)) return;
  if (stream === NONE) return reply.startArray(0);
  if (count === 0) return reply.nullArray();
  replyRange(ctx, stream, first, last, count < 0 ? 0 : count, reverse);
}

function xlen(ctx: CommandContext): void {
  const stream = streamIn(ctx, ctx.lookupRead(1));
  if (Number.isNaN(stream)) return;
  ctx.reply.integer(stream === NONE ? 0 : streamLength(ctx.keyspace.memory, stream));
}

function xdel(ctx: CommandContext): void {
  const { args, reply } = ctx, memory = ctx.keyspace.memory, streams = streamTools(ctx).streams;
  const stream = streamIn(ctx, ctx.lookupWrite(1));
  if (Number.isNaN(stream)) return;
  if (stream === NONE) return reply.integer(0);
  for (let i = 2; i < args.count; i++) if (!idArgument(ctx, i, last)) return;
  let deleted = 0, deletedFirst = false;
  for (let i = 2; i < args.count; i++) {
    idArgument(ctx, i, last);
    if (!streams.delete(stream, last)) continue;
    deleted++;
    if (compareIds(last, readIdAt(memory, stream, STREAM.firstId, first)) === 0) deletedFirst = true;
    if (compareIds(last, readIdAt(memory, stream, STREAM.maxDeletedId, first)) > 0) {
      streams.setMaxDeletedId(stream, last);
    }
  }
  if (deleted > 0) {
    if (deletedFirst || streamLength(memory, stream) === 0) streams.updateFirstId(stream);
    ctx.changed(1);
    ctx.notify(EVENT.stream, "xdel", 1);
    ctx.keyspace.dirty += deleted;
  }
  reply.integer(deleted);
}

function xsetid(ctx: CommandContext): void {
  const { args, reply } = ctx, id = first, deletedId = setMinId(last), streams = streamTools(ctx).streams;
  if (!idArgument(ctx, 2, id)) return;
  let added = -1;
  for (let i = 3; i < args.count; i += 2) {
    const hasMore = i + 1 < args.count;
    if (hasMore && args.is(i, ENTRIESADDED)) {
      if (!args.i64(i + 1, ctx.b)) return reply.error(ERROR.notInteger);
      if (ctx.b.isNegative()) return reply.error("entries_added must be positive");
      added = ctx.b.toNumber();
    } else if (hasMore && args.is(i, MAXDELETEDID)) {
      if (!idArgument(ctx, i + 1, deletedId)) return;
      if (compareIds(id, deletedId) < 0) {
        return reply.error("The ID specified in XSETID is smaller than the provided max_deleted_entry_id");
      }
    } else return reply.error(ERROR.syntax);
  }
  const stream = streamIn(ctx, ctx.lookupWrite(1));
  if (Number.isNaN(stream)) return;
  if (stream === NONE) return reply.error(ERROR.noSuchKey);
  if (streams.readLastEntryId(stream, options.id)) {
    if (compareIds(id, options.id) < 0) {
      return reply.error("The ID specified in XSETID is smaller than the target stream top item");
    }
    if (added >= 0 && added < streamLength(ctx.keyspace.memory, stream)) {
      return reply.error("The entries_added specified in XSETID is smaller than the target stream length");
    }
  }
  streams.setLastId(stream, id);
  if (added >= 0) streams.setAdded(stream, ctx.b);
  if (!isZeroId(deletedId)) streams.setMaxDeletedId(stream, deletedId);
  ctx.notify(EVENT.stream, "xsetid", 1);
  ctx.keyspace.dirty++;
  reply.ok();
}

export const streamCommands: Handlers = {
  xadd,
  xlen,
  xrange: (ctx) => xrange(ctx, false),
  xrevrange: (ctx) => xrange(ctx, true),
  xdel,
  xtrim,
  xsetid,
  ...streamReadCommands,
  ...streamGroupCommands,
  ...streamClaimCommands,
  ...streamInfoCommands,
};
