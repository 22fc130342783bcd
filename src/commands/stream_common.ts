/** What the stream commands share: finding streams and groups, reading ids, replying with entries. */
import { latin1Decode } from "../base/bytes.ts";
import { ENCODING, TYPE, valueOf } from "../keyspace/entry.ts";
import { EVENT } from "../keyspace/key_events.ts";
import type { StreamValue } from "../keyspace/values/stream_value.ts";
import { type Address, NONE } from "../memory/mod.ts";
import type { ReplyWriter } from "../resp/reply_writer.ts";
import type { StreamEntries } from "../structures/stream_entries.ts";
import {
  decrementId,
  formatStreamId,
  ID_TEXT,
  incrementId,
  parseStreamId,
  STREAM_ID_TEXT_BYTES_MAX,
  type StreamId,
} from "../structures/stream_id.ts";
import type { CommandContext } from "./context.ts";

const INVALID_ID = "Invalid stream ID specified as stream command argument";
const OPEN_INTERVAL = 0x28;
const text = new Uint8Array(STREAM_ID_TEXT_BYTES_MAX);

export function streamTools(ctx: CommandContext): StreamValue {
  return ctx.keyspace.types[TYPE.stream] as StreamValue;
}

/** The stream of an entry that was looked up; NONE when there is no entry, and NaN with the error replied when it holds no stream. */
export function streamIn(ctx: CommandContext, entry: Address): Address {
  if (entry === NONE) return NONE;
  return ctx.isType(entry, TYPE.stream) ? valueOf(ctx.keyspace.memory, entry) : NaN as Address;
}

/** Gives a key that is free a stream that no key has. */
export function storeStream(ctx: CommandContext, index: number, stream: Address): void {
  const args = ctx.args;
  ctx.keyspace.setValue(
    ctx.db,
    args.bytes,
    args.offsets[index],
    args.lengths[index],
    TYPE.stream,
    ENCODING.stream,
    stream,
  );
}

export function findGroup(ctx: CommandContext, stream: Address, index: number): Address {
  const args = ctx.args;
  return streamTools(ctx).streams.groups.find(stream, args.bytes, args.offsets[index], args.lengths[index]);
}

export function findConsumer(ctx: CommandContext, group: Address, index: number): Address {
  const args = ctx.args;
  return streamTools(ctx).streams.groups.findConsumer(group, args.bytes, args.offsets[index], args.lengths[index]);
}

/** The consumer that the argument names, seen now; a new one of argument 1's stream when there is none, which counts as a change. */
export function openConsumer(ctx: CommandContext, group: Address, index: number): Address {
  const found = findConsumer(ctx, group, index);
  if (found === NONE) {
    const consumer = createConsumer(ctx, group, index);
    ctx.notify(EVENT.stream, CONSUMER_CREATED, 1);
    return consumer;
  }
  streamTools(ctx).streams.groups.setSeen(found, ctx.nowMs);
  return found;
}

/** The event of the stream that the caller of `createConsumer` tells of. */
export const CONSUMER_CREATED = "xgroup-createconsumer";

/** A consumer whose name `findConsumer` has just missed. */
export function createConsumer(ctx: CommandContext, group: Address, index: number): Address {
  const args = ctx.args, groups = streamTools(ctx).streams.groups;
  const consumer = groups.createConsumer(group, args.bytes, args.offsets[index], args.lengths[index], ctx.nowMs);
  ctx.keyspace.dirty++;
  return consumer;
}

/** An argument for an error text: one character a byte, up to a zero byte, as C prints it. */
export function shown(ctx: CommandContext, index: number): string {
  const bytes = ctx.args.slice(index), end = bytes.indexOf(0);
  return latin1Decode(bytes, 0, end < 0 ? bytes.length : end);
}

// ---- ids -------------------------------------------------------------------------------------------------------------

/** Reads an id that is neither "-" nor "+"; false with the error replied. */
export function idArgument(ctx: CommandContext, index: number, into: StreamId): boolean {
  if (isId(ctx, index, into)) return true;
  ctx.reply.error(INVALID_ID);
  return false;
}

/** The same without a reply. */
export function isId(ctx: CommandContext, index: number, into: StreamId): boolean {
  const args = ctx.args;
  return parseStreamId(args.bytes, args.offsets[index], args.lengths[index], into, false, true, false) ===
    ID_TEXT.whole;
}

/** Reads an id of which the sequence may be "*"; answers as `parseStreamId`, with the error replied when it is invalid. */
export function newIdArgument(ctx: CommandContext, index: number, into: StreamId): number {
  const args = ctx.args;
  const kind = parseStreamId(args.bytes, args.offsets[index], args.lengths[index], into, false, true, true);
  if (kind === ID_TEXT.invalid) ctx.reply.error(INVALID_ID);
  return kind;
}

/** Reads an id, "-" and "+" included; false with the error replied. */
export function anyIdArgument(ctx: CommandContext, index: number, into: StreamId, completeWithMax: boolean): boolean {
  const args = ctx.args;
  const kind = parseStreamId(args.bytes, args.offsets[index], args.lengths[index], into, completeWithMax, false, false);
  if (kind !== ID_TEXT.invalid) return true;
  ctx.reply.error(INVALID_ID);
  return false;
}

/** Reads where an interval starts, the first id in it: "(id" is the one after; false with the error replied. */
export function intervalStart(ctx: CommandContext, index: number, into: StreamId): boolean {
  if (!isOpenInterval(ctx, index)) return anyIdArgument(ctx, index, into, false);
  if (!exclusiveId(ctx, index, into, false)) return false;
  if (incrementId(into)) return true;
  ctx.reply.error("invalid start ID for the interval");
  return false;
}

export function intervalEnd(ctx: CommandContext, index: number, into: StreamId): boolean {
  if (!isOpenInterval(ctx, index)) return anyIdArgument(ctx, index, into, true);
  if (!exclusiveId(ctx, index, into, true)) return false;
  if (decrementId(into)) return true;
  ctx.reply.error("invalid end ID for the interval");
  return false;
}

function isOpenInterval(ctx: CommandContext, index: number): boolean {
  return ctx.args.lengths[index] > 1 && ctx.args.bytes[ctx.args.offsets[index]] === OPEN_INTERVAL;
}

function exclusiveId(ctx: CommandContext, index: number, into: StreamId, completeWithMax: boolean): boolean {
  const { bytes, offsets, lengths } = ctx.args;
  const kind = parseStreamId(bytes, offsets[index] + 1, lengths[index] - 1, into, completeWithMax, true, false);
  if (kind !== ID_TEXT.invalid) return true;
  ctx.reply.error(INVALID_ID);
  return false;
}

/** The id's text, in bytes of its own: for what is logged. */
export function idText(id: StreamId): Uint8Array {
  return text.slice(0, formatStreamId(id, text, 0));
}

// ---- replies ---------------------------------------------------------------------------------------------------------

export function replyId(reply: ReplyWriter, id: StreamId): void {
  reply.bulk(text, 0, formatStreamId(id, text, 0));
}

/** Replies with the entry that `entries` has come to: id, and fields and values. */
export function replyEntry(reply: ReplyWriter, entries: StreamEntries): void {
  const { field, value, fieldCount } = entries;
  reply.startArray(2);
  replyId(reply, entries.id);
  reply.startArray(2 * fieldCount);
  for (let left = fieldCount; left > 0; left--) {
    entries.nextField();
    reply.bulk(field.text(entries.bytes), field.start, field.length);
    reply.bulk(value.text(entries.bytes), value.start, value.length);
  }
}

/** Replies with the entries from `start` to `end` (null: all), `countMax` at most unless that is 0. */
export function replyRange(
  ctx: CommandContext,
  stream: Address,
  start: StreamId | null,
  end: StreamId | null,
  countMax: number,
  reverse: boolean,
): void {
  const reply = ctx.reply,
    entries = streamTools(ctx).entries.open(stream, start, end, reverse),
    mark = reply.deferArray();
  let count = 0;
  while (entries.next()) {
    replyEntry(reply, entries);
    if (++count === countMax) break;
  }
  reply.setDeferredArray(mark, count);
}

/** Replies with the entry of this id; false, and no reply, when there is none. */
export function replyEntryOf(ctx: CommandContext, stream: Address, id: StreamId): boolean {
  const entries = streamTools(ctx).entries.open(stream, id, id, false);
  if (!entries.next()) return false;
  replyEntry(ctx.reply, entries);
  return true;
}
