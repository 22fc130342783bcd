/**
 * SETBIT, GETBIT, BITCOUNT, BITPOS: strings as arrays of bits, the first bit being the highest of the first byte. What is beyond a
 * string's end reads as zero bits. Values are read where they are; a write grows the string to the byte it needs and no further.
 */
import { ascii, EMPTY_BYTES } from "../base/bytes.ts";
import { countBits, countWordBits, findBit, firstBit } from "../base/bits.ts";
import { parseSafeInteger } from "../base/integer.ts";
import { type Address, NONE } from "../memory/mod.ts";
import { EVENT } from "../keyspace/key_events.ts";
import type { CommandContext, Handlers } from "./context.ts";
import { ERROR } from "./errors.ts";
import { StringRun } from "./string_run.ts";

const OFFSET_ERROR = "bit offset is not an integer or out of range";
const BIT_ERROR = "bit is not an integer or out of range";
const BIT = ascii("BIT"), BYTE = ascii("BYTE");
const HASH = 0x23;

const run = new StringRun();

/**
 * The bit offset argument, or NaN with the error replied. With `fieldBits` above 0, "#n" stands for n fields of so many bits.
 * A log may hold what a smaller proto-max-bulk-len would not let in now.
 */
export function bitOffset(ctx: CommandContext, index: number, fieldBits = 0): number {
  const { bytes, offsets, lengths } = ctx.args, at = offsets[index], length = lengths[index];
  const counted = fieldBits > 0 && length > 0 && bytes[at] === HASH;
  const offset = counted ? parseSafeInteger(bytes, at + 1, length - 1) * fieldBits : ctx.args.safeInteger(index);
  if (offset >= 0 && (ctx.server.mustObey || Math.floor(offset / 8) < ctx.server.bulkBytesMax)) return offset;
  ctx.reply.error(OFFSET_ERROR);
  return NaN;
}

/**
 * Makes argument 1's string raw and at least so long, zero bytes added: what a write of bits starts with. `entry` is what the last
 * lookup of the key returned; the key is created when that is NONE. Returns the entry, which may have moved.
 */
export function makeWritable(ctx: CommandContext, entry: Address, lengthBytes: number): Address {
  const { keyspace, db, args } = ctx, key = args.bytes, keyAt = args.offsets[1], keyLength = args.lengths[1];
  const grows = ctx.stringLength(entry) < lengthBytes;
  const raw = entry === NONE ? NONE : keyspace.toRaw(db, entry, key, keyAt, keyLength);
  if (!grows) return raw;
  keyspace.writeRange(db, key, keyAt, keyLength, lengthBytes, EMPTY_BYTES, 0, 0);
  return ctx.lookupEvenExpired(1);
}

function setbit(ctx: CommandContext): void {
  const offset = bitOffset(ctx, 2);
  if (Number.isNaN(offset)) return;
  const on = ctx.args.safeInteger(3);
  if (on !== 0 && on !== 1) return ctx.reply.error(BIT_ERROR);
  const entry = ctx.lookupWrite(1), byte = Math.floor(offset / 8), mask = 0x80 >>> (offset % 8);
  if (!ctx.isString(entry)) return;
  const grown = ctx.stringLength(entry) <= byte, { memory, place } = ctx.keyspace;
  place.locate(memory, makeWritable(ctx, entry, byte + 1));
  const old = memory.u8(place.block, place.offsetBytes + byte), was = (old & mask) !== 0 ? 1 : 0;
  if (was !== on) {
    memory.setU8(place.block, place.offsetBytes + byte, old ^ mask);
    memory.cow.writtenBytes++;
    if (!grown) ctx.changed(1);
  }
  if (grown || was !== on) {
    ctx.notify(EVENT.string, "setbit", 1);
    ctx.keyspace.dirty++;
  }
  ctx.reply.integer(was);
}

function getbit(ctx: CommandContext): void {
  const offset = bitOffset(ctx, 2);
  if (Number.isNaN(offset)) return;
  const entry = ctx.lookupRead(1);
  if (!ctx.isString(entry)) return;
  run.locate(ctx.keyspace, entry);
  ctx.reply.integer((run.byteAt(Math.floor(offset / 8)) & (0x80 >>> (offset % 8))) !== 0 ? 1 : 0);
}

// ---- ranges ----------------------------------------------------------------------------------------------------------

/**
 * Bytes [start, end] of `run`, empty when start > end, and which bits of the first and last byte are outside of the range: one shared
 * instance.
 */
const range = { start: 0, end: 0, before: 0, after: 0 };

/** Reads the unit argument; true for BIT, false for BYTE, null with the error replied. */
function unitIsBit(ctx: CommandContext, index: number): boolean | null {
  if (ctx.args.is(index, BIT)) return true;
  if (ctx.args.is(index, BYTE)) return false;
  ctx.reply.error(ERROR.syntax);
  return null;
}

/** Sets the range from indexes that count bytes or bits of `run`, from the end when negative. */
function setRange(start: number, end: number, inBits: boolean): void {
  const total = inBits ? run.length * 8 : run.length;
  const first = Math.max(0, start < 0 ? start + total : start);
  const last = Math.min(total - 1, Math.max(0, end < 0 ? end + total : end));
  range.start = first, range.end = last, range.before = range.after = 0;
  if (!inBits || first > last) return;
  range.start = Math.floor(first / 8), range.end = Math.floor(last / 8);
  range.before = (0xff00 >>> (first % 8)) & 0xff, range.after = 0x7f >>> (last % 8);
}

function bitcount(ctx: CommandContext): void {
  const { args, reply } = ctx, entry = ctx.lookupRead(1);
  if (entry === NONE) return reply.integer(0);
  if (!ctx.isString(entry)) return;
  run.locate(ctx.keyspace, entry);
  if (args.count === 2) return reply.integer(countBits(run.bytes, run.words, run.at, run.length));
  if (args.count !== 4 && args.count !== 5) return reply.error(ERROR.syntax);
  const start = ctx.wideInteger(2);
  if (Number.isNaN(start)) return;
  const end = ctx.wideInteger(3);
  if (Number.isNaN(end)) return;
  if (start < 0 && end < 0 && start > end) return reply.integer(0);
  const inBits = args.count === 5 ? unitIsBit(ctx, 4) : false;
  if (inBits === null) return;
  setRange(start, end, inBits);
  reply.integer(range.start > range.end ? 0 : countRange());
}

/** Bits set in the range, which is not empty. */
function countRange(): number {
  const whole = countBits(run.bytes, run.words, run.at + range.start, range.end - range.start + 1);
  return whole - countWordBits(run.byteAt(range.start) & range.before) -
    countWordBits(run.byteAt(range.end) & range.after);
}

function bitpos(ctx: CommandContext): void {
  const { args, reply } = ctx, bit = ctx.wideInteger(2);
  if (Number.isNaN(bit)) return;
  if (bit !== 0 && bit !== 1) return reply.error("The bit argument must be 1 or 0.");
  const entry = ctx.lookupRead(1);
  if (entry === NONE) return reply.integer(bit === 1 ? -1 : 0);
  if (!ctx.isString(entry)) return;
  run.locate(ctx.keyspace, entry);
  if (args.count > 6) return reply.error(ERROR.syntax);
  const start = args.count > 3 ? ctx.wideInteger(3) : 0;
  if (Number.isNaN(start)) return;
  const inBits = args.count === 6 ? unitIsBit(ctx, 5) : false;
  if (inBits === null) return;
  const endGiven = args.count > 4, end = endGiven ? ctx.wideInteger(4) : run.length - 1;
  if (Number.isNaN(end)) return;
  setRange(start, end, inBits);
  if (range.start > range.end) return reply.integer(-1);
  const found = findInRange(bit);
  // Without an end the string is followed by zeros, so to speak.
  reply.integer(found >= 0 || bit === 1 || endGiven ? found : (range.end + 1) * 8);
}

/** The first such bit of the range, which is not empty; -1 when there is none. */
function findInRange(bit: number): number {
  const { start, end, before, after } = range, last = end === start ? before | after : after;
  if (start < end && before !== 0) {
    const first = withoutBits(run.byteAt(start), before, bit);
    if (hasBit(first, bit)) return start * 8 + firstBit(first, bit);
  }
  const from = start < end && before !== 0 ? start + 1 : start, to = last !== 0 ? end : end + 1;
  const middle = findBit(run.bytes, run.words, run.at + from, to - from, bit);
  if (middle >= 0) return from * 8 + middle;
  const edge = withoutBits(run.byteAt(end), last, bit);
  return last !== 0 && hasBit(edge, bit) ? end * 8 + firstBit(edge, bit) : -1;
}

/** The byte with the bits of the mask made ones that are not looked for. */
function withoutBits(byte: number, mask: number, bit: number): number {
  return bit === 1 ? byte & ~mask : byte | mask;
}

function hasBit(byte: number, bit: number): boolean {
  return byte !== (bit === 1 ? 0 : 0xff);
}

export const bitmapCommands: Handlers = { setbit, getbit, bitcount, bitpos };
