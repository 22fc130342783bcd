/** SETBIT and GETBIT: strings as arrays of bits, the first bit being the highest of the first byte. */
import { ENCODING, encodingOf } from "../keyspace/entry.ts";
import { NONE } from "../memory/mod.ts";
import type { CommandContext, Handlers } from "./context.ts";

const OFFSET_ERROR = "bit offset is not an integer or out of range";
const BIT_ERROR = "bit is not an integer or out of range";
const BITS_MAX = 2 ** 32;
const byte = new Uint8Array(1);

/** The bit offset argument, or NaN with the error replied. */
function bitOffset(ctx: CommandContext, index: number): number {
  const offset = ctx.args.safeInteger(index);
  if (offset >= 0 && offset < BITS_MAX && offset / 8 < ctx.server.bulkBytesMax) return offset;
  ctx.reply.error(OFFSET_ERROR);
  return NaN;
}

function setbit(ctx: CommandContext): void {
  const offset = bitOffset(ctx, 2);
  if (Number.isNaN(offset)) return;
  const on = ctx.args.safeInteger(3);
  if (on !== 0 && on !== 1) return ctx.reply.error(BIT_ERROR);
  const entry = ctx.lookupWrite(1), at = Math.floor(offset / 8), mask = 0x80 >>> (offset % 8);
  if (!ctx.isString(entry)) return;
  const { args, keyspace, db } = ctx, key = args.bytes, keyAt = args.offsets[1], keyLength = args.lengths[1];
  const old = byteAt(ctx, entry, at);
  if (entry !== NONE && encodingOf(keyspace.memory, entry) === ENCODING.int) {
    const digits = ctx.stringBytes(entry);
    keyspace.setRaw(db, key, keyAt, keyLength, digits, digits.length);
  }
  byte[0] = on === 1 ? old | mask : old & ~mask;
  keyspace.writeRange(db, key, keyAt, keyLength, at, byte, 0, 1);
  keyspace.dirty++;
  ctx.reply.integer((old & mask) !== 0 ? 1 : 0);
}

function getbit(ctx: CommandContext): void {
  const offset = bitOffset(ctx, 2);
  if (Number.isNaN(offset)) return;
  const entry = ctx.lookupRead(1);
  if (!ctx.isString(entry)) return;
  const value = byteAt(ctx, entry, Math.floor(offset / 8));
  ctx.reply.integer((value & (0x80 >>> (offset % 8))) !== 0 ? 1 : 0);
}

/** A byte of a string value; 0 beyond its end. */
function byteAt(ctx: CommandContext, entry: ReturnType<CommandContext["lookupRead"]>, at: number): number {
  if (entry === NONE) return 0;
  const { memory, place } = ctx.keyspace;
  if (encodingOf(memory, entry) === ENCODING.int) return ctx.stringBytes(entry)[at] ?? 0;
  place.locate(memory, entry);
  return at < place.lengthBytes ? memory.u8(place.block, place.offsetBytes + at) : 0;
}

export const bitmapCommands: Handlers = { setbit, getbit };
