/** XREAD and XREADGROUP, blocking or not. */
import { ascii, bytesEqual } from "../base/bytes.ts";
import { I64 } from "../base/integer.ts";
import { TYPE, valueOf } from "../keyspace/entry.ts";
import { EVENT } from "../keyspace/key_events.ts";
import { type Address, NONE } from "../memory/mod.ts";
import type { ReplyWriter } from "../resp/reply_writer.ts";
import { compareIds, copyId, incrementId, isMaxId, newStreamId, setMaxId, setMinId } from "../structures/stream_id.ts";
import { estimateEntriesRead, isUnknown, mayLackEntriesFrom } from "../structures/stream_lag.ts";
import { CONSUMER, GROUP, readI64At, readIdAt, STREAM } from "../structures/stream_layout.ts";
import type { BlockRequest } from "./control.ts";
import type { CommandContext, Handlers } from "./context.ts";
import { ERROR } from "./errors.ts";
import {
  CONSUMER_CREATED,
  createConsumer,
  findConsumer,
  findGroup,
  idArgument,
  replyEntry,
  replyEntryOf,
  replyId,
  replyRange,
  shown,
  streamIn,
  streamTools,
} from "./stream_common.ts";
import { areNamesWanted, type GroupNames, logClaim, logLastId, logNewConsumer, namesIn } from "./stream_propagation.ts";

const WORD = {
  block: ascii("BLOCK"),
  count: ascii("COUNT"),
  streams: ascii("STREAMS"),
  group: ascii("GROUP"),
  noack: ascii("NOACK"),
};
const NEWEST = 0x24, NEW = 0x3e;
/** Entries that a client which has waited gets when it named no count. */
const COUNT_AFTER_WAIT = 1000;
const NO_WAIT = -1;
const DOLLAR_IN_GROUP =
  "The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying " +
  "a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set.";

/** The request; one shared instance, filled by `parse`. */
const request = {
  isGroup: false,
  timeoutMs: NO_WAIT,
  countMax: 0,
  noAck: false,
  /** Argument of the group's name, the consumer's being the next; 0 for none. */
  groupIndex: 0,
  /** Argument of the first key; the ids follow the keys. */
  keysAt: 0,
  keys: 0,
};
const after = newStreamId(), lastEntry = newStreamId(), groupLast = newStreamId(), historyId = newStreamId();
const one = new I64().setNumber(1), entriesRead = new I64();

function read(ctx: CommandContext, isGroup: boolean): void {
  // What it changes is logged by other commands.
  ctx.propagation.suppress();
  if (!parse(ctx, isGroup)) return;
  for (let i = 0; i < request.keys; i++) if (!checkKey(ctx, i)) return;
  const reply = ctx.reply, mark = reply.deferArray();
  let served = 0;
  for (let i = 0; i < request.keys; i++) if (serveKey(ctx, i)) served++;
  if (served > 0) {
    if (reply.protocol === 2) reply.setDeferredArray(mark, served);
    else reply.setDeferredMap(mark, served);
  } else if (request.timeoutMs === NO_WAIT || !ctx.client.mayBlock) reply.nullArray();
  else ctx.server.blockClient(waitFor(ctx));
}

// ---- arguments -------------------------------------------------------------------------------------------------------

function parse(ctx: CommandContext, isGroup: boolean): boolean {
  const { args, reply } = ctx;
  request.isGroup = isGroup, request.timeoutMs = NO_WAIT, request.countMax = 0, request.noAck = false;
  request.groupIndex = request.keysAt = request.keys = 0;
  for (let i = 1; i < args.count && request.keysAt === 0; i++) {
    const more = args.count - i - 1;
    if (more >= 1 && args.is(i, WORD.block)) {
      if (!parseTimeout(ctx, ++i)) return false;
    } else if (more >= 1 && args.is(i, WORD.count)) {
      request.countMax = Math.max(0, ctx.wideInteger(++i));
      if (Number.isNaN(request.countMax)) return false;
    } else if (more >= 1 && args.is(i, WORD.streams)) {
      request.keysAt = i + 1, request.keys = more / 2;
      if (more % 2 !== 0) {
        return refuse(reply, "Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.");
      }
    } else if (more >= 2 && args.is(i, WORD.group)) {
      if (!isGroup) {
        return refuse(reply, "The GROUP option is only supported by XREADGROUP. You called XREAD instead.");
      }
      request.groupIndex = i + 1, i += 2;
    } else if (args.is(i, WORD.noack)) {
      if (!isGroup) {
        return refuse(reply, "The NOACK option is only supported by XREADGROUP. You called XREAD instead.");
      }
      request.noAck = true;
    } else return refuse(reply, ERROR.syntax);
  }
  if (request.keysAt === 0) return refuse(reply, ERROR.syntax);
  if (isGroup && request.groupIndex === 0) return refuse(reply, "Missing GROUP option for XREADGROUP");
  return true;
}

function parseTimeout(ctx: CommandContext, index: number): boolean {
  request.timeoutMs = ctx.wideInteger(index, "timeout is not an integer or out of range");
  if (Number.isNaN(request.timeoutMs)) return false;
  return request.timeoutMs >= 0 || refuse(ctx.reply, "timeout is negative");
}

function refuse(reply: ReplyWriter, error: string): false {
  reply.error(error);
  return false;
}

/** Checks key, group and id number `i`; false with the error replied. */
function checkKey(ctx: CommandContext, i: number): boolean {
  const reply = ctx.reply, keyIndex = request.keysAt + i, idIndex = keyIndex + request.keys;
  const stream = streamIn(ctx, ctx.lookupRead(keyIndex));
  if (Number.isNaN(stream)) return false;
  if (request.isGroup && (stream === NONE || findGroup(ctx, stream, request.groupIndex) === NONE)) {
    reply.errorWithCode(
      `NOGROUP No such key '${shown(ctx, keyIndex)}' or consumer group '${shown(ctx, request.groupIndex)}' ` +
        "in XREADGROUP with GROUP option",
    );
    return false;
  }
  if (isSign(ctx, idIndex, NEWEST)) return !request.isGroup || refuse(reply, DOLLAR_IN_GROUP);
  if (isSign(ctx, idIndex, NEW)) {
    return request.isGroup ||
      refuse(
        reply,
        "The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
      );
  }
  return idArgument(ctx, idIndex, after);
}

function isSign(ctx: CommandContext, index: number, sign: number): boolean {
  return ctx.args.lengths[index] === 1 && ctx.args.bytes[ctx.args.offsets[index]] === sign;
}

/** Makes `after` the id that entries of key number `i` must be above; the largest id stands for ">". */
function readAfter(ctx: CommandContext, i: number, stream: Address): void {
  const idIndex = request.keysAt + request.keys + i;
  if (isSign(ctx, idIndex, NEW)) setMaxId(after);
  else if (!isSign(ctx, idIndex, NEWEST)) idArgument(ctx, idIndex, after);
  else if (stream === NONE) setMinId(after);
  else readIdAt(ctx.keyspace.memory, stream, STREAM.lastId, after);
}

// ---- serving ---------------------------------------------------------------------------------------------------------

/** Replies with what key number `i` has; false when that is nothing. */
function serveKey(ctx: CommandContext, i: number): boolean {
  const keyIndex = request.keysAt + i, entry = ctx.lookupRead(keyIndex);
  if (entry === NONE) return false;
  const stream = valueOf(ctx.keyspace.memory, entry);
  readAfter(ctx, i, stream);
  if (!request.isGroup) {
    if (!isBehind(ctx, stream)) return false;
    replyKeyArgument(ctx, keyIndex);
    incrementId(after);
    replyRange(ctx, stream, after, null, request.countMax, false);
    return true;
  }
  const group = findGroup(ctx, stream, request.groupIndex), isHistory = !isMaxId(after);
  if (!isHistory) {
    readIdAt(ctx.keyspace.memory, group, GROUP.lastId, after);
    if (!isBehind(ctx, stream)) return false;
  }
  replyKeyArgument(ctx, keyIndex);
  const { groupIndex, countMax, noAck } = request;
  serveGroup(ctx, stream, group, namesIn(ctx, keyIndex, groupIndex), groupIndex, countMax, noAck, isHistory);
  return true;
}

/** Whether the stream has an entry above `after`. */
function isBehind(ctx: CommandContext, stream: Address): boolean {
  return streamTools(ctx).streams.readLastEntryId(stream, lastEntry) && compareIds(lastEntry, after) > 0;
}

function replyKeyArgument(ctx: CommandContext, index: number): void {
  const { args, reply } = ctx;
  if (reply.protocol === 2) reply.startArray(2);
  reply.bulk(args.bytes, args.offsets[index], args.lengths[index]);
}

/** Gives the consumer the entries above `after`: its own pending ones, or new ones. */
function serveGroup(
  ctx: CommandContext,
  stream: Address,
  group: Address,
  names: GroupNames | null,
  groupIndex: number,
  countMax: number,
  noAck: boolean,
  isHistory: boolean,
): void {
  let consumer = findConsumer(ctx, group, groupIndex + 1);
  ctx.keyspace.dirty++;
  if (consumer !== NONE) streamTools(ctx).streams.groups.setSeen(consumer, ctx.nowMs);
  else {
    consumer = createConsumer(ctx, group, groupIndex + 1);
    if (names !== null) {
      ctx.keyspace.notify(EVENT.stream, CONSUMER_CREATED, ctx.db, names.key, 0, names.key.length);
    }
    if (noAck) logNewConsumer(ctx, names, consumer);
  }
  incrementId(after);
  if (isHistory) replyHistory(ctx, stream, group, consumer, countMax);
  else deliver(ctx, stream, group, consumer, names, countMax, noAck);
}

/** Replies with the consumer's pending entries from `after` on, which counts as another delivery. */
function replyHistory(ctx: CommandContext, stream: Address, group: Address, consumer: Address, countMax: number): void {
  const reply = ctx.reply, tools = streamTools(ctx), groups = tools.streams.groups, mark = reply.deferArray();
  const cursor = tools.own.open(consumer, CONSUMER.pending);
  let count = 0;
  for (let more = cursor.seekCeiling(after); more; more = cursor.next()) {
    cursor.readKey(historyId);
    if (replyEntryOf(ctx, stream, historyId)) {
      groups.findPending(group, historyId);
      groups.setDeliveredMs(ctx.nowMs), groups.addDelivery();
    } else {
      reply.startArray(2);
      replyId(reply, historyId);
      reply.nullArray();
    }
    if (++count === countMax) break;
  }
  reply.setDeferredArray(mark, count);
}

/** Replies with the entries from `after` on, makes them pending unless `noAck`, and moves the group along. */
function deliver(
  ctx: CommandContext,
  stream: Address,
  group: Address,
  consumer: Address,
  names: GroupNames | null,
  countMax: number,
  noAck: boolean,
): void {
  const reply = ctx.reply, tools = streamTools(ctx), groups = tools.streams.groups, mark = reply.deferArray();
  const entries = tools.entries.open(stream, after, null, false);
  let count = 0, hasMoved = false;
  while (entries.next()) {
    if (!noAck) {
      groups.assign(group, consumer, entries.id);
      groups.setDeliveredMs(ctx.nowMs), groups.setDeliveries(one);
    }
    if (moveGroup(ctx, stream, group)) hasMoved = true;
    replyEntry(reply, entries);
    if (!noAck) logClaim(ctx, names, group, entries.id);
    if (++count === countMax) break;
  }
  if (noAck && hasMoved) logLastId(ctx, names, group);
  reply.setDeferredArray(mark, count);
}

/** The group has read up to the entry that is delivered; false when it had before. */
function moveGroup(ctx: CommandContext, stream: Address, group: Address): boolean {
  const memory = ctx.keyspace.memory, { entries, streams } = streamTools(ctx), id = entries.id;
  if (compareIds(id, readIdAt(memory, group, GROUP.lastId, groupLast)) <= 0) return false;
  readI64At(memory, group, GROUP.entriesRead, entriesRead);
  if (!isUnknown(entriesRead) && !mayLackEntriesFrom(memory, stream, id)) entriesRead.add(one);
  else estimateEntriesRead(memory, stream, id, entriesRead);
  streams.groups.setEntriesRead(group, entriesRead);
  streams.groups.setLastId(group, id);
  return true;
}

// ---- waiting ---------------------------------------------------------------------------------------------------------

function waitFor(ctx: CommandContext): BlockRequest {
  const { isGroup, groupIndex, noAck, keysAt, keys: keyCount, timeoutMs } = request;
  const countMax = request.countMax === 0 ? COUNT_AFTER_WAIT : request.countMax;
  const keys: Uint8Array[] = [], ids = new Uint32Array(4 * keyCount);
  for (let i = 0; i < keyCount; i++) {
    const entry = ctx.lookupQuiet(keysAt + i);
    keys.push(ctx.args.slice(keysAt + i).slice());
    readAfter(ctx, i, entry === NONE ? NONE : valueOf(ctx.keyspace.memory, entry));
    ids.set(after, 4 * i);
  }
  const wait: BlockRequest = {
    keys,
    type: TYPE.stream,
    timeoutMs,
    timedOut: (reply) => reply.nullArray(),
    serve: (ctx, key) => {
      ctx.propagation.suppress();
      const stream = valueOf(ctx.keyspace.memory, ctx.keyspace.lookupQuiet(ctx.db, key, 0, key.length));
      if (isGroup) return serveGroupWait(ctx, stream, key, groupIndex, countMax, noAck);
      // A key that is named twice is waited for from the first of its ids.
      const i = keys.findIndex((one) => bytesEqual(one, key));
      copyId(after, ids.subarray(4 * i, 4 * i + 4));
      return serveWait(ctx, stream, key, countMax);
    },
  };
  if (!isGroup) return wait;
  return { ...wait, keyGone: (reply) => reply.errorWithCode("UNBLOCKED the stream key no longer exists") };
}

function serveWait(ctx: CommandContext, stream: Address, key: Uint8Array, countMax: number): boolean {
  if (compareIds(readIdAt(ctx.keyspace.memory, stream, STREAM.lastId, lastEntry), after) <= 0) return false;
  replyOnlyKey(ctx.reply, key);
  incrementId(after);
  replyRange(ctx, stream, after, null, countMax, false);
  return true;
}

function serveGroupWait(
  ctx: CommandContext,
  stream: Address,
  key: Uint8Array,
  groupIndex: number,
  countMax: number,
  noAck: boolean,
): boolean {
  const group = findGroup(ctx, stream, groupIndex), memory = ctx.keyspace.memory;
  if (group === NONE) {
    ctx.reply.errorWithCode("NOGROUP the consumer group this client was blocked on no longer exists");
    return true;
  }
  readIdAt(memory, group, GROUP.lastId, after);
  if (compareIds(readIdAt(memory, stream, STREAM.lastId, lastEntry), after) <= 0) return false;
  replyOnlyKey(ctx.reply, key);
  const names = areNamesWanted(ctx) ? { key, group: ctx.args.slice(groupIndex) } : null;
  serveGroup(ctx, stream, group, names, groupIndex, countMax, noAck, false);
  return true;
}

function replyOnlyKey(reply: ReplyWriter, key: Uint8Array): void {
  if (reply.protocol === 2) reply.startArray(1), reply.startArray(2);
  else reply.startMap(1);
  reply.bytes(key);
}

export const streamReadCommands: Handlers = {
  xread: (ctx) => read(ctx, false),
  xreadgroup: (ctx) => read(ctx, true),
};
