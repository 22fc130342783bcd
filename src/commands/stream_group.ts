/** XGROUP: groups and consumers come and go. */
import { ascii } from "../base/bytes.ts";
import { ENCODING } from "../keyspace/entry.ts";
import { EVENT } from "../keyspace/key_events.ts";
import { type Address, NONE, OutOfArenaError } from "../memory/mod.ts";
import { newStreamId, setMinId, type StreamId } from "../structures/stream_id.ts";
import { readIdAt, STREAM } from "../structures/stream_layout.ts";
import type { CommandContext, Handlers } from "./context.ts";
import { ERROR } from "./errors.ts";
import {
  anyIdArgument,
  CONSUMER_CREATED,
  createConsumer,
  findConsumer,
  findGroup,
  idArgument,
  shown,
  storeStream,
  streamIn,
  streamTools,
} from "./stream_common.ts";

const MKSTREAM = ascii("MKSTREAM"), ENTRIESREAD = ascii("ENTRIESREAD");
const NEWEST = 0x24;
/** Groups of more blocks are freed in slices. */
const EAGER_BLOCKS_MAX = 1024;
const KEY_NEEDED = "The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the " +
  "MKSTREAM option to create an empty stream automatically.";

const id = newStreamId();
/** Set by `parseOptions`; the entries read are in `ctx.b`. */
let makeStream = false;

/** Reads the options from argument 5 on; false with the error replied. */
function parseOptions(ctx: CommandContext, isCreate: boolean): boolean {
  const args = ctx.args;
  makeStream = false;
  ctx.b.setNumber(-1);
  for (let i = 5; i < args.count; i++) {
    if (isCreate && args.is(i, MKSTREAM)) makeStream = true;
    else if (args.is(i, ENTRIESREAD) && i + 1 < args.count) {
      if (!args.i64(++i, ctx.b)) {
        ctx.reply.error(ERROR.notInteger);
        return false;
      }
      if (ctx.b.isNegative() && ctx.b.toNumber() !== -1) {
        ctx.reply.error("value for ENTRIESREAD must be positive or -1");
        return false;
      }
    } else return wrongArguments(ctx);
  }
  return true;
}

export function wrongArguments(ctx: CommandContext): false {
  const name = shown(ctx, 0).toUpperCase(), subcommand = shown(ctx, 1).slice(0, 128);
  ctx.reply.error(`unknown subcommand or wrong number of arguments for '${subcommand}'. Try ${name} HELP.`);
  return false;
}

/** The stream at the key; NaN with the error replied when there is none, or no stream. */
function existingStream(ctx: CommandContext): Address {
  const stream = streamIn(ctx, ctx.lookupWrite(2));
  if (stream !== NONE) return stream;
  ctx.reply.error(KEY_NEEDED);
  return NaN as Address;
}

/** The group of a stream; NONE with the error replied when there is none. */
function existingGroup(ctx: CommandContext, stream: Address): Address {
  const group = findGroup(ctx, stream, 3);
  if (group === NONE) {
    ctx.reply.errorWithCode(`NOGROUP No such consumer group '${shown(ctx, 3)}' for key name '${shown(ctx, 2)}'`);
  }
  return group;
}

function isNewest(ctx: CommandContext): boolean {
  return ctx.args.lengths[4] === 1 && ctx.args.bytes[ctx.args.offsets[4]] === NEWEST;
}

function readLastId(ctx: CommandContext, stream: Address): StreamId {
  return stream === NONE ? setMinId(id) : readIdAt(ctx.keyspace.memory, stream, STREAM.lastId, id);
}

function create(ctx: CommandContext): void {
  const args = ctx.args;
  if (!parseOptions(ctx, true)) return;
  const stream = makeStream ? streamIn(ctx, ctx.lookupWrite(2)) : existingStream(ctx);
  if (Number.isNaN(stream)) return;
  if (args.count > 8) return void wrongArguments(ctx);
  if (isNewest(ctx)) readLastId(ctx, stream);
  else if (!idArgument(ctx, 4, id)) return;
  if (stream === NONE) createWithStream(ctx);
  else {
    if (findGroup(ctx, stream, 3) !== NONE) {
      return ctx.reply.errorWithCode("BUSYGROUP Consumer Group name already exists");
    }
    createGroup(ctx, stream);
  }
  ctx.notify(EVENT.stream, "xgroup-create", 2);
  ctx.keyspace.dirty++;
  ctx.reply.ok();
}

function createGroup(ctx: CommandContext, stream: Address): void {
  const args = ctx.args;
  streamTools(ctx).streams.groups.create(stream, args.bytes, args.offsets[3], args.lengths[3], id, ctx.b);
}

/** A new stream with the group in it. */
function createWithStream(ctx: CommandContext): void {
  const tools = streamTools(ctx), stream = tools.streams.create();
  try {
    findGroup(ctx, stream, 3);
    createGroup(ctx, stream);
  } catch (error) {
    if (error instanceof OutOfArenaError) tools.free(stream);
    throw error;
  }
  storeStream(ctx, 2, stream);
}

function setId(ctx: CommandContext): void {
  if (!parseOptions(ctx, false)) return;
  const stream = existingStream(ctx);
  if (Number.isNaN(stream)) return;
  const group = existingGroup(ctx, stream);
  if (group === NONE) return;
  if (ctx.args.count !== 5 && ctx.args.count !== 7) return void wrongArguments(ctx);
  if (isNewest(ctx)) readLastId(ctx, stream);
  else if (!anyIdArgument(ctx, 4, id, false)) return;
  const groups = streamTools(ctx).streams.groups;
  groups.setLastId(group, id), groups.setEntriesRead(group, ctx.b);
  ctx.notify(EVENT.stream, "xgroup-setid", 2);
  ctx.keyspace.dirty++;
  ctx.reply.ok();
}

function destroy(ctx: CommandContext): void {
  const stream = existingStream(ctx);
  if (Number.isNaN(stream)) return;
  const group = findGroup(ctx, stream, 3);
  if (group === NONE) return ctx.reply.integer(0);
  const tools = streamTools(ctx), groups = tools.streams.groups;
  groups.detach(stream);
  if (!groups.freeSomeOfGroup(group, EAGER_BLOCKS_MAX)) {
    ctx.keyspace.lazyFree.addValue(tools.detachedGroup, group, ENCODING.stream);
  }
  ctx.notify(EVENT.stream, "xgroup-destroy", 2);
  ctx.keyspace.dirty++;
  ctx.reply.integer(1);
  // Who waits on behalf of the group is told.
  ctx.signalReady(2);
}

function createConsumerCommand(ctx: CommandContext): void {
  const group = groupOfConsumer(ctx);
  if (group === NONE) return;
  if (findConsumer(ctx, group, 4) !== NONE) return ctx.reply.integer(0);
  createConsumer(ctx, group, 4);
  ctx.notify(EVENT.stream, CONSUMER_CREATED, 2);
  ctx.reply.integer(1);
}

function deleteConsumer(ctx: CommandContext): void {
  const group = groupOfConsumer(ctx);
  if (group === NONE) return;
  const groups = streamTools(ctx).streams.groups, consumer = findConsumer(ctx, group, 4);
  if (consumer === NONE) return ctx.reply.integer(0);
  const pending = groups.ownCount(consumer);
  groups.removeConsumer(group, consumer);
  ctx.notify(EVENT.stream, "xgroup-delconsumer", 2);
  ctx.keyspace.dirty++;
  ctx.reply.integer(pending);
}

/** The group that a consumer's command names; NONE with the error replied. */
function groupOfConsumer(ctx: CommandContext): Address {
  const stream = existingStream(ctx);
  return Number.isNaN(stream) ? NONE : existingGroup(ctx, stream);
}

export const streamGroupCommands: Handlers = {
  "xgroup|create": create,
  "xgroup|setid": setId,
  "xgroup|destroy": destroy,
  "xgroup|createconsumer": createConsumerCommand,
  "xgroup|delconsumer": deleteConsumer,
};
