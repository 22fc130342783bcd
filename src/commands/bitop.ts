/**
 * BITOP: strings combined bit by bit. The result is made a piece at a time, in a buffer that stays in the processor's cache, and goes
 * from there to the block that becomes the value; the sources are read where they are. They count as filled with zero bytes to the
 * length of the longest. When there is no room for the result nothing has changed.
 */
import { ascii } from "../base/bytes.ts";
import { RAW_HEADER_BYTES } from "../keyspace/entry.ts";
import { EVENT } from "../keyspace/key_events.ts";
import { NO_EXPIRY } from "../keyspace/keyspace.ts";
import type { CommandContext, Handlers } from "./context.ts";
import { ERROR } from "./errors.ts";
import { StringRun } from "./string_run.ts";

const OPERATION = { none: -1, and: 0, or: 1, xor: 2, not: 3 } as const;
const NAMES = [ascii("AND"), ascii("OR"), ascii("XOR"), ascii("NOT")];
const PIECE_BYTES = 16 * 1024;
const FIRST_SOURCE = 3;

const piece = new Uint8Array(PIECE_BYTES);
const pieceWords = new Uint32Array(piece.buffer);
/** The sources of the command; runs are reused. */
const sources: StringRun[] = [];

function operationOf(ctx: CommandContext): number {
  for (let i = 0; i < NAMES.length; i++) if (ctx.args.is(1, NAMES[i])) return i;
  return OPERATION.none;
}

function bitop(ctx: CommandContext): void {
  const operation = operationOf(ctx), count = ctx.args.count - FIRST_SOURCE;
  if (operation === OPERATION.none) return ctx.reply.error(ERROR.syntax);
  if (operation === OPERATION.not && count !== 1) {
    return ctx.reply.error("BITOP NOT must be called with a single source key.");
  }
  const length = locateSources(ctx, count);
  if (length < 0) return;
  if (length > 0) {
    store(ctx, operation, count, length);
    ctx.notify(EVENT.string, "set", 2);
    ctx.keyspace.dirty++;
  } else if (ctx.remove(2, ctx.keyspace.lazyOverwrite)) ctx.keyspace.dirty++;
  ctx.reply.integer(length);
}

/** Finds the sources; returns the length of the longest, or -1 with the error replied. */
function locateSources(ctx: CommandContext, count: number): number {
  let longest = 0;
  for (let i = 0; i < count; i++) {
    const entry = ctx.lookupRead(FIRST_SOURCE + i);
    if (!ctx.isString(entry)) return -1;
    if (i === sources.length) sources.push(new StringRun());
    sources[i].locate(ctx.keyspace, entry);
    longest = Math.max(longest, sources[i].length);
  }
  return longest;
}

/** Makes the result and sets the destination to it. */
function store(ctx: CommandContext, operation: number, count: number, length: number): void {
  const { keyspace, db, args } = ctx, key = args.bytes, keyAt = args.offsets[2], keyLength = args.lengths[2];
  if (length <= PIECE_BYTES) {
    combine(operation, count, 0, length);
    return keyspace.setRaw(db, key, keyAt, keyLength, piece, length, NO_EXPIRY);
  }
  const block = keyspace.newRawBlock(length);
  for (let start = 0; start < length; start += PIECE_BYTES) {
    const size = Math.min(PIECE_BYTES, length - start);
    combine(operation, count, start, size);
    keyspace.memory.copyIn(block, RAW_HEADER_BYTES + start, piece, 0, size);
  }
  keyspace.setRawBlock(db, key, keyAt, keyLength, block, NO_EXPIRY);
}

/** Makes the `size` bytes of the result from offset `start` on in `piece`. */
function combine(operation: number, count: number, start: number, size: number): void {
  const first = sources[0], from = first.at + start, available = Math.min(size, Math.max(0, first.length - start));
  piece.set(first.bytes.subarray(from, from + available));
  if (available < size) piece.fill(0, available, size);
  if (operation === OPERATION.not) return invert(size);
  for (let i = 1; i < count; i++) combineWith(operation, sources[i], start, size);
}

function invert(size: number): void {
  for (let i = 0, words = (size + 3) >>> 2; i < words; i++) pieceWords[i] = ~pieceWords[i];
}

function combineWith(operation: number, source: StringRun, start: number, size: number): void {
  const from = source.at + start, available = Math.min(size, Math.max(0, source.length - start));
  const words = (from & 3) === 0 ? available >>> 2 : 0;
  combineWords(operation, source.words, from >>> 2, words);
  for (let i = words * 4; i < available; i++) piece[i] = combined(operation, piece[i], source.bytes[from + i]);
  if (operation === OPERATION.and && available < size) piece.fill(0, available, size);
}

function combined(operation: number, a: number, b: number): number {
  return operation === OPERATION.and ? a & b : operation === OPERATION.or ? a | b : a ^ b;
}

/** The same for whole words, with the choice outside of the loop. */
function combineWords(operation: number, words: Uint32Array, from: number, count: number): void {
  if (operation === OPERATION.and) { for (let i = 0; i < count; i++) pieceWords[i] &= words[from + i]; }
  else if (operation === OPERATION.or) { for (let i = 0; i < count; i++) pieceWords[i] |= words[from + i]; }
  else for (let i = 0; i < count; i++) pieceWords[i] ^= words[from + i];
}

export const bitopCommands: Handlers = { bitop };
