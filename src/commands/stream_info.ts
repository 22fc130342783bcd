/** XINFO: what is known of a stream, its groups and their consumers. */
import { ascii } from "../base/bytes.ts";
import { I64 } from "../base/integer.ts";
import { type Address, NONE } from "../memory/mod.ts";
import type { TreeCursor } from "../structures/ordered_tree.ts";
import { newStreamId } from "../structures/stream_id.ts";
import { isUnknown, readLag } from "../structures/stream_lag.ts";
import { CONSUMER, GROUP, readI64At, readIdAt, STREAM, streamLength } from "../structures/stream_layout.ts";
import { radixTreeNodes } from "../structures/stream_radix_nodes.ts";
import type { CommandContext, Handlers } from "./context.ts";
import { ERROR } from "./errors.ts";
import { replyName } from "./stream_claim.ts";
import { findGroup, replyEntry, replyId, replyRange, shown, streamIn, streamTools } from "./stream_common.ts";
import { wrongArguments } from "./stream_group.ts";

const FULL = ascii("FULL"), COUNT = ascii("COUNT");
const COUNT_DEFAULT = 10;

const id = newStreamId();
const integer = new I64();

/** The stream at the key; NaN with the error replied when there is none, or no stream. */
function streamArgument(ctx: CommandContext): Address {
  const stream = streamIn(ctx, ctx.lookupRead(2));
  if (stream !== NONE) return stream;
  ctx.reply.error(ERROR.noSuchKey);
  return NaN as Address;
}

function replyIdAt(ctx: CommandContext, name: string, block: Address, offsetBytes: number): void {
  ctx.reply.text(name);
  replyId(ctx.reply, readIdAt(ctx.keyspace.memory, block, offsetBytes, id));
}

function replyNumber(ctx: CommandContext, name: string, value: number): void {
  ctx.reply.text(name);
  ctx.reply.integer(value);
}

function replyI64At(ctx: CommandContext, name: string, block: Address, offsetBytes: number): void {
  ctx.reply.text(name);
  ctx.reply.i64(readI64At(ctx.keyspace.memory, block, offsetBytes, integer));
}

// ---- STREAM ----------------------------------------------------------------------------------------------------------

function infoStream(ctx: CommandContext): void {
  const { args, reply } = ctx, memory = ctx.keyspace.memory, streams = streamTools(ctx).streams;
  const stream = streamArgument(ctx);
  if (Number.isNaN(stream)) return;
  const isFull = args.count > 3;
  let count = COUNT_DEFAULT;
  if (isFull) {
    if ((args.count !== 4 && args.count !== 6) || !args.is(3, FULL)) return void wrongArguments(ctx);
    if (args.count === 6) {
      if (!args.is(4, COUNT)) return void wrongArguments(ctx);
      count = ctx.wideInteger(5);
      if (Number.isNaN(count)) return;
      if (count < 0) count = COUNT_DEFAULT;
    }
  }
  reply.startMap(isFull ? 9 : 10);
  replyNumber(ctx, "length", streamLength(memory, stream));
  replyNumber(ctx, "radix-tree-keys", streams.nodeCount(stream));
  replyNumber(ctx, "radix-tree-nodes", radixTreeNodes(streamTools(ctx).entries.cursor.open(stream, STREAM.nodes)));
  replyIdAt(ctx, "last-generated-id", stream, STREAM.lastId);
  replyIdAt(ctx, "max-deleted-entry-id", stream, STREAM.maxDeletedId);
  replyI64At(ctx, "entries-added", stream, STREAM.added);
  replyIdAt(ctx, "recorded-first-entry-id", stream, STREAM.firstId);
  if (isFull) return infoFull(ctx, stream, count);
  replyNumber(ctx, "groups", streams.groups.groupCount(stream));
  replyEdge(ctx, "first-entry", stream, false);
  replyEdge(ctx, "last-entry", stream, true);
}

function replyEdge(ctx: CommandContext, name: string, stream: Address, isLast: boolean): void {
  const reply = ctx.reply, entries = streamTools(ctx).entries.open(stream, null, null, isLast);
  reply.text(name);
  if (entries.next()) replyEntry(reply, entries);
  else reply.null();
}

function infoFull(ctx: CommandContext, stream: Address, count: number): void {
  const reply = ctx.reply, tools = streamTools(ctx);
  reply.text("entries");
  replyRange(ctx, stream, null, null, count, false);
  reply.text("groups");
  reply.startArray(tools.streams.groups.groupCount(stream));
  const groups = tools.groups.open(stream, STREAM.groups);
  for (let group = groups.next(); group !== NONE; group = groups.next()) replyFullGroup(ctx, stream, group, count);
}

function replyFullGroup(ctx: CommandContext, stream: Address, group: Address, count: number): void {
  const reply = ctx.reply, tools = streamTools(ctx), groups = tools.streams.groups;
  reply.startMap(7);
  replyGroupName(ctx, group);
  replyIdAt(ctx, "last-delivered-id", group, GROUP.lastId);
  replyProgress(ctx, stream, group);
  replyNumber(ctx, "pel-count", groups.pendingCount(group));
  reply.text("pending");
  replyCursor(ctx, tools.pending.open(group, GROUP.pending), group, count, true);
  reply.text("consumers");
  reply.startArray(groups.consumerCount(group));
  const consumers = tools.consumers.open(group, GROUP.consumers);
  for (let one = consumers.next(); one !== NONE; one = consumers.next()) {
    reply.startMap(4);
    reply.text("name");
    replyName(ctx, one);
    replyI64At(ctx, "seen-time", one, CONSUMER.seen);
    replyNumber(ctx, "pel-count", groups.ownCount(one));
    reply.text("pending");
    replyCursor(ctx, tools.own.open(one, CONSUMER.pending), group, count, false);
  }
}

/** Replies with pending entries, all of a group or those of one consumer, `countMax` at most unless that is 0. */
function replyCursor(
  ctx: CommandContext,
  cursor: TreeCursor,
  group: Address,
  countMax: number,
  withConsumer: boolean,
): void {
  const reply = ctx.reply, groups = streamTools(ctx).streams.groups, mark = reply.deferArray();
  let count = 0;
  for (let more = cursor.seekFirst(); more && (countMax === 0 || count < countMax); more = cursor.next()) {
    cursor.readKey(id);
    groups.findPending(group, id);
    reply.startArray(withConsumer ? 4 : 3);
    replyId(reply, id);
    if (withConsumer) replyName(ctx, groups.consumer);
    reply.i64(groups.readDelivered(integer));
    reply.i64(groups.readDeliveries(integer));
    count++;
  }
  reply.setDeferredArray(mark, count);
}

// ---- GROUPS, CONSUMERS -----------------------------------------------------------------------------------------------

function replyGroupName(ctx: CommandContext, group: Address): void {
  const memory = ctx.keyspace.memory;
  ctx.reply.text("name");
  ctx.reply.bulkFrom(memory, group, GROUP.name, memory.u32(group, GROUP.nameLength));
}

/** How far the group has read, and how much is left. */
function replyProgress(ctx: CommandContext, stream: Address, group: Address): void {
  const reply = ctx.reply, memory = ctx.keyspace.memory;
  reply.text("entries-read");
  if (isUnknown(readI64At(memory, group, GROUP.entriesRead, integer))) reply.null();
  else reply.i64(integer);
  reply.text("lag");
  if (readLag(memory, stream, group, integer)) reply.i64(integer);
  else reply.null();
}

function infoGroups(ctx: CommandContext): void {
  const reply = ctx.reply, tools = streamTools(ctx), groups = tools.streams.groups, stream = streamArgument(ctx);
  if (Number.isNaN(stream)) return;
  reply.startArray(groups.groupCount(stream));
  const cursor = tools.groups.open(stream, STREAM.groups);
  for (let group = cursor.next(); group !== NONE; group = cursor.next()) {
    reply.startMap(6);
    replyGroupName(ctx, group);
    replyNumber(ctx, "consumers", groups.consumerCount(group));
    replyNumber(ctx, "pending", groups.pendingCount(group));
    replyIdAt(ctx, "last-delivered-id", group, GROUP.lastId);
    replyProgress(ctx, stream, group);
  }
}

function infoConsumers(ctx: CommandContext): void {
  const { reply, nowMs } = ctx, memory = ctx.keyspace.memory, tools = streamTools(ctx), stream = streamArgument(ctx);
  if (Number.isNaN(stream)) return;
  const group = findGroup(ctx, stream, 3);
  if (group === NONE) {
    return reply.errorWithCode(`NOGROUP No such consumer group '${shown(ctx, 3)}' for key name '${shown(ctx, 2)}'`);
  }
  reply.startArray(tools.streams.groups.consumerCount(group));
  const cursor = tools.consumers.open(group, GROUP.consumers);
  for (let one = cursor.next(); one !== NONE; one = cursor.next()) {
    reply.startMap(3);
    reply.text("name");
    replyName(ctx, one);
    replyNumber(ctx, "pending", tools.streams.groups.ownCount(one));
    replyNumber(ctx, "idle", Math.max(0, nowMs - readI64At(memory, one, CONSUMER.seen, integer).toNumber()));
  }
}

export const streamInfoCommands: Handlers = {
  "xinfo|stream": infoStream,
  "xinfo|groups": infoGroups,
  "xinfo|consumers": infoConsumers,
};
