/**
 * PFADD, PFCOUNT, PFMERGE, PFDEBUG, PFSELFTEST: strings in HyperLogLog format (`base/hyperloglog.ts`).
 *
 * Dense values, which are large, are read and changed where they are; sparse ones, which every change moves about, are changed in a
 * buffer and stored whole. PFCOUNT of one key writes the cardinality into the value, as Redis does, so it is a change and is logged.
 */
import { ascii } from "../base/bytes.ts";
import {
  CACHE_AT,
  CACHE_BYTES,
  CACHE_STATE_AT,
  cacheIsValid,
  denseByte,
  denseGet,
  estimate,
  estimateRegisters,
  hasHighPart,
  HEADER_BYTES,
  isDense,
  isHyperLogLog,
  isLongZeros,
  isValueRun,
  mergeInto,
  observe,
  observedRegister,
  observedValue,
  opcodeBytes,
  REGISTERS,
  runLength,
  runValue,
  voidCacheByte,
  withHighPart,
  withLowPart,
} from "../base/hyperloglog.ts";
import { HyperLogLogBuffer, SET } from "../base/hyperloglog_buffer.ts";
import { hyperLogLogFault } from "../base/hyperloglog_self_check.ts";
import { I64 } from "../base/integer.ts";
import { Prng } from "../base/prng.ts";
import { ENCODING, encodingOf } from "../keyspace/entry.ts";
import { type Address, NONE } from "../memory/mod.ts";
import { EVENT } from "../keyspace/key_events.ts";
import type { CommandContext, Handlers } from "./context.ts";
import { StringRun } from "./string_run.ts";

const NOT_HYPERLOGLOG = "WRONGTYPE Key is not a valid HyperLogLog string value.";
const CORRUPT = "INVALIDOBJ Corrupted HLL object detected";
const FIRST_ELEMENT = 2, FIRST_SOURCE = 2;

const run = new StringRun();
const buffer = new HyperLogLogBuffer();
const registers = new Uint8Array(REGISTERS);
const cardinality = new I64();
const cache = new Uint8Array(CACHE_BYTES);

/** Goes to an entry's value with `run`; false, with the error replied, when it is no HyperLogLog. */
function locate(ctx: CommandContext, entry: Address): boolean {
  if (!ctx.isString(entry)) return false;
  run.locate(ctx.keyspace, entry);
  const spelt = encodingOf(ctx.keyspace.memory, entry) === ENCODING.int;
  if (!spelt && isHyperLogLog(run.bytes, run.at, run.length)) return true;
  ctx.reply.errorWithCode(NOT_HYPERLOGLOG);
  return false;
}

/** Makes the value of argument `index` raw, which Redis does before it may write to it; returns the entry. */
function makeRaw(ctx: CommandContext, index: number, entry: Address): Address {
  const args = ctx.args;
  return ctx.keyspace.toRaw(ctx.db, entry, args.bytes, args.offsets[index], args.lengths[index]);
}

/** Stores the buffer at argument `index`'s key. */
function storeBuffer(ctx: CommandContext, index: number): void {
  const { args, keyspace } = ctx;
  keyspace.rewriteRaw(ctx.db, args.bytes, args.offsets[index], args.lengths[index], buffer.bytes, buffer.length);
}

function corrupt(ctx: CommandContext): void {
  ctx.reply.errorWithCode(CORRUPT);
}

// ---- PFADD -------------------------------------------------------------------------------------------------------------

function pfadd(ctx: CommandContext): void {
  const entry = ctx.lookupWrite(1);
  if (entry === NONE) {
    buffer.clear();
    return addToBuffer(ctx, 1);
  }
  if (!locate(ctx, entry)) return;
  const raw = makeRaw(ctx, 1, entry);
  if (isDense(run.bytes, run.at)) return addInPlace(ctx, raw);
  if (!buffer.load(run.bytes, run.at, run.length)) return corrupt(ctx);
  addToBuffer(ctx, 0);
}

/** Adds the elements to the buffer and stores it when something has changed; `changes` has happened before. */
function addToBuffer(ctx: CommandContext, changes: number): void {
  const { args, keyspace } = ctx, sparseBytesMax = keyspace.limits.hllSparseBytesMax;
  let updated = changes;
  for (let i = FIRST_ELEMENT; i < args.count; i++) {
    const observed = observe(args.bytes, args.offsets[i], args.lengths[i]);
    const outcome = buffer.raise(observedRegister(observed), observedValue(observed), sparseBytesMax);
    if (outcome === SET.corrupt) return corrupt(ctx);
    updated += outcome;
  }
  if (updated > 0) {
    buffer.voidCache();
    storeBuffer(ctx, 1);
    ctx.notify(EVENT.string, "pfadd", 1);
    keyspace.dirty += updated;
  }
  ctx.reply.integer(updated > 0 ? 1 : 0);
}

/** Adds the elements to the dense value that `run` is at. */
function addInPlace(ctx: CommandContext, entry: Address): void {
  const { args, keyspace } = ctx, { memory, place } = keyspace;
  place.locate(memory, entry);
  let updated = 0;
  for (let i = FIRST_ELEMENT; i < args.count; i++) {
    const observed = observe(args.bytes, args.offsets[i], args.lengths[i]);
    const register = observedRegister(observed), value = observedValue(observed);
    if (value <= denseGet(run.bytes, run.at, register)) continue;
    updated++;
    setInPlace(ctx, register, value);
  }
  if (updated > 0) {
    const at = place.offsetBytes + CACHE_STATE_AT;
    memory.setU8(place.block, at, voidCacheByte(memory.u8(place.block, at)));
    memory.cow.writtenBytes += updated;
    ctx.changed(1);
    ctx.notify(EVENT.string, "pfadd", 1);
    keyspace.dirty += updated;
  }
  ctx.reply.integer(updated > 0 ? 1 : 0);
}

/** Sets a register of the dense value that the keyspace's place is at. */
function setInPlace(ctx: CommandContext, register: number, value: number): void {
  const { memory, place } = ctx.keyspace, at = place.offsetBytes + HEADER_BYTES + denseByte(register);
  memory.setU8(place.block, at, withLowPart(memory.u8(place.block, at), register, value));
  if (!hasHighPart(register)) return;
  memory.setU8(place.block, at + 1, withHighPart(memory.u8(place.block, at + 1), register, value));
}

// ---- PFCOUNT, PFMERGE ----------------------------------------------------------------------------------------------------

function pfcount(ctx: CommandContext): void {
  if (ctx.args.count > 2) return countUnion(ctx);
  const entry = ctx.lookupRead(1);
  if (entry === NONE) return ctx.reply.integer(0);
  if (!locate(ctx, entry)) return;
  const raw = makeRaw(ctx, 1, entry);
  if (cacheIsValid(run.bytes, run.at)) cardinality.readLittleEndian(run.bytes, run.at + CACHE_AT);
  else if (estimate(run.bytes, run.at, run.length, cardinality)) storeCardinality(ctx, raw);
  else return corrupt(ctx);
  ctx.reply.i64(cardinality);
}

function storeCardinality(ctx: CommandContext, entry: Address): void {
  const { memory, place } = ctx.keyspace;
  cardinality.writeLittleEndian(cache, 0);
  place.locate(memory, entry);
  memory.copyIn(place.block, place.offsetBytes + CACHE_AT, cache, 0, CACHE_BYTES);
  memory.cow.writtenBytes += CACHE_BYTES;
  ctx.changed(1);
  ctx.keyspace.dirty++;
}

function countUnion(ctx: CommandContext): void {
  if (mergeKeys(ctx) === MERGED.failed) return;
  estimateRegisters(registers, cardinality);
  ctx.reply.i64(cardinality);
}

const MERGED = { failed: 0, sparse: 1, dense: 2 } as const;

/** Merges all keys of the request into `registers`. Tells whether one was dense; or fails, with the error replied. */
function mergeKeys(ctx: CommandContext): number {
  let merged: number = MERGED.sparse;
  registers.fill(0);
  for (let i = 1; i < ctx.args.count; i++) {
    const entry = ctx.lookupRead(i);
    if (entry === NONE) continue;
    if (!locate(ctx, entry)) return MERGED.failed;
    if (isDense(run.bytes, run.at)) merged = MERGED.dense;
    if (mergeInto(registers, run.bytes, run.at, run.length)) continue;
    corrupt(ctx);
    return MERGED.failed;
  }
  return merged;
}

function pfmerge(ctx: CommandContext): void {
  const merged = mergeKeys(ctx);
  if (merged === MERGED.failed) return;
  const entry = ctx.lookupWrite(1);
  buffer.clear();
  if (entry !== NONE) run.locate(ctx.keyspace, entry), buffer.load(run.bytes, run.at, run.length);
  if (merged === MERGED.dense) buffer.toDense();
  for (let i = 0; i < REGISTERS; i++) {
    if (registers[i] > 0) buffer.raise(i, registers[i], ctx.keyspace.limits.hllSparseBytesMax);
  }
  buffer.voidCache();
  storeBuffer(ctx, FIRST_SOURCE - 1);
  ctx.notify(EVENT.string, "pfadd", FIRST_SOURCE - 1);
  ctx.keyspace.dirty++;
  ctx.reply.ok();
}

// ---- debugging -----------------------------------------------------------------------------------------------------------

const WORD = {
  getreg: ascii("GETREG"),
  decode: ascii("DECODE"),
  encoding: ascii("ENCODING"),
  todense: ascii("TODENSE"),
};

function pfdebug(ctx: CommandContext): void {
  const { args, reply } = ctx;
  const entry = ctx.lookupWrite(2);
  if (entry === NONE) return reply.error("The specified key does not exist");
  if (!locate(ctx, entry)) return;
  makeRaw(ctx, 2, entry);
  const known = args.is(1, WORD.getreg) || args.is(1, WORD.decode) || args.is(1, WORD.encoding) ||
    args.is(1, WORD.todense);
  if (!known) return reply.error(`Unknown PFDEBUG subcommand '${args.text(1)}'`);
  if (args.count !== 3) return reply.error(`Wrong number of arguments for the '${args.text(1)}' subcommand`);
  if (args.is(1, WORD.getreg)) replyRegisters(ctx);
  else if (args.is(1, WORD.decode)) replyDecoded(ctx);
  else if (args.is(1, WORD.encoding)) reply.status(isDense(run.bytes, run.at) ? "dense" : "sparse");
  else makeDense(ctx);
}

/** Stores the value that `run` is at as a dense one; false, with the error replied, when it is corrupt. */
function convert(ctx: CommandContext): boolean {
  if (!buffer.load(run.bytes, run.at, run.length) || !buffer.toDense()) {
    corrupt(ctx);
    return false;
  }
  storeBuffer(ctx, 2);
  ctx.keyspace.dirty++;
  return true;
}

function makeDense(ctx: CommandContext): void {
  if (isDense(run.bytes, run.at)) ctx.reply.integer(0);
  else if (convert(ctx)) ctx.reply.integer(1);
}

function replyRegisters(ctx: CommandContext): void {
  if (!isDense(run.bytes, run.at)) {
    if (!convert(ctx)) return;
    run.locate(ctx.keyspace, ctx.lookupEvenExpired(2));
  }
  ctx.reply.startArray(REGISTERS);
  for (let i = 0; i < REGISTERS; i++) ctx.reply.integer(denseGet(run.bytes, run.at, i));
}

/** The runs of a sparse value: "z:3" short and "Z:300" long ones of zeros, "v:2,1" one register of 2. */
function replyDecoded(ctx: CommandContext): void {
  const { bytes, at, length } = run, words: string[] = [];
  if (isDense(bytes, at)) return ctx.reply.error("HLL encoding is not sparse");
  for (let i = at + HEADER_BYTES, end = at + length; i < end; i += opcodeBytes(bytes[i])) {
    const registers = runLength(bytes, i, end);
    if (isValueRun(bytes[i])) words.push(`v:${runValue(bytes[i])},${registers}`);
    else words.push(`${isLongZeros(bytes[i]) ? "Z" : "z"}:${registers}`);
  }
  ctx.reply.text(words.join(" "));
}

function pfselftest(ctx: CommandContext): void {
  const { keyspace, reply } = ctx;
  const fault = hyperLogLogFault(new Prng(keyspace.random(2 ** 32)), keyspace.limits.hllSparseBytesMax);
  if (fault === null) reply.ok();
  else reply.errorWithCode(`TESTFAILED ${fault}`);
}

export const hyperloglogCommands: Handlers = { pfadd, pfcount, pfmerge, pfdebug, pfselftest };
