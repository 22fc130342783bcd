/** String commands: SET to LCS. Values live in the entry or in a block of their own; `keyspace` decides which. */
import { ascii } from "../base/bytes.ts";
import { incrByFloat } from "../base/double.ts";
import { I64, parseI64 } from "../base/integer.ts";
import { ENCODING, encodingOf } from "../keyspace/entry.ts";
import { EVENT } from "../keyspace/key_events.ts";
import { KEEP_EXPIRY } from "../keyspace/keyspace.ts";
import { type Address, NONE } from "../memory/mod.ts";
import type { CommandContext, Handlers } from "./context.ts";
import { ERROR } from "./errors.ts";
import { expiryMs } from "./expire_time.ts";
import { longestCommonSubsequence } from "./lcs.ts";

const WORD = {
  nx: ascii("NX"),
  xx: ascii("XX"),
  get: ascii("GET"),
  ex: ascii("EX"),
  px: ascii("PX"),
  exat: ascii("EXAT"),
  pxat: ascii("PXAT"),
  keepttl: ascii("KEEPTTL"),
  persist: ascii("PERSIST"),
};
const SET = ascii("SET"), MSET = ascii("MSET"), PXAT = ascii("PXAT"), KEEPTTL = ascii("KEEPTTL");

/** Options of SET and GETEX; one shared instance, filled by `parseOptions`, and `expiresAtMs` by `readExpiry`. */
const options = {
  nx: false,
  xx: false,
  get: false,
  keepTtl: false,
  persist: false,
  /** The argument that is a time; 0 for none. */
  expiryArgument: 0,
  perUnit: 1,
  relative: false,
  expiresAtMs: -1,
};

/** Reads the options from argument `from` on; false with the error reply written. */
function parseOptions(ctx: CommandContext, from: number, command: "set" | "getex"): boolean {
  const args = ctx.args, isSet = command === "set";
  options.nx =
    options.xx =
    options.get =
    options.keepTtl =
    options.persist =
      false;
  options.expiryArgument = 0;
  for (let i = from; i < args.count; i++) {
    const hasNext = i + 1 < args.count, noTime = options.expiryArgument === 0;
    const mayHaveTime = hasNext && noTime && !options.keepTtl && !options.persist;
    if (isSet && args.is(i, WORD.nx) && !options.xx) options.nx = true;
    else if (isSet && args.is(i, WORD.xx) && !options.nx) options.xx = true;
    else if (isSet && args.is(i, WORD.get)) options.get = true;
    else if (isSet && args.is(i, WORD.keepttl) && noTime) options.keepTtl = true;
    else if (!isSet && args.is(i, WORD.persist) && noTime) options.persist = true;
    else if (mayHaveTime && args.is(i, WORD.ex)) setTime(++i, 1000, true);
    else if (mayHaveTime && args.is(i, WORD.px)) setTime(++i, 1, true);
    else if (mayHaveTime && args.is(i, WORD.exat)) setTime(++i, 1000, false);
    else if (mayHaveTime && args.is(i, WORD.pxat)) setTime(++i, 1, false);
    else {
      ctx.reply.error(ERROR.syntax);
      return false;
    }
  }
  return true;
}

function setTime(argument: number, perUnit: number, relative: boolean): void {
  options.expiryArgument = argument, options.perUnit = perUnit, options.relative = relative;
}

/** Reads the time that the options name, if any; false with the error reply written. */
function readExpiry(ctx: CommandContext, command: "set" | "getex"): boolean {
  const { expiryArgument, perUnit, relative } = options;
  options.expiresAtMs = -1;
  if (expiryArgument === 0) return true;
  options.expiresAtMs = expiryMs(ctx, expiryArgument, perUnit, relative ? ctx.nowMs : 0, command);
  return !Number.isNaN(options.expiresAtMs);
}

function set(ctx: CommandContext): void {
  if (ctx.args.count === 3) {
    ctx.setString(1, 2);
    ctx.notify(EVENT.string, "set", 1);
    ctx.keyspace.dirty++;
    return ctx.reply.ok();
  }
  if (parseOptions(ctx, 3, "set") && readExpiry(ctx, "set")) setGeneric(ctx, 2);
}

function setGeneric(ctx: CommandContext, value: number): void {
  const { nx, xx, get, keepTtl, expiresAtMs } = options;
  if (get) {
    const old = ctx.lookupRead(1);
    if (!ctx.isString(old)) return;
    ctx.replyString(old);
  }
  const exists = nx || xx ? ctx.lookupQuiet(1) !== NONE : false;
  if ((nx && exists) || (xx && !exists)) {
    if (!get) ctx.reply.null();
    return;
  }
  storeWithExpiry(ctx, value, keepTtl, expiresAtMs);
  if (!get) ctx.reply.ok();
}

/** Stores argument `value` at argument 1's key and logs SET with an absolute time. */
function storeWithExpiry(ctx: CommandContext, value: number, keepTtl: boolean, expiresAtMs: number): void {
  ctx.setString(1, value, keepTtl ? KEEP_EXPIRY : expiresAtMs);
  ctx.notify(EVENT.string, "set", 1);
  if (expiresAtMs >= 0) ctx.notify(EVENT.generic, "expire", 1);
  ctx.keyspace.dirty++;
  if (expiresAtMs >= 0) {
    ctx.propagation.replace(SET, ctx.args.slice(1), ctx.args.slice(value), PXAT, expiresAtMs);
  } else if (ctx.args.count > 3) {
    if (keepTtl) ctx.propagation.replace(SET, ctx.args.slice(1), ctx.args.slice(value), KEEPTTL);
    else ctx.propagation.replace(SET, ctx.args.slice(1), ctx.args.slice(value));
  }
}

function setWithUnit(ctx: CommandContext, perUnit: number, command: string): void {
  const atMs = expiryMs(ctx, 2, perUnit, ctx.nowMs, command);
  if (Number.isNaN(atMs)) return;
  storeWithExpiry(ctx, 3, false, atMs);
  ctx.reply.ok();
}

function setnx(ctx: CommandContext): void {
  if (ctx.lookupWrite(1) !== NONE) return ctx.reply.integer(0);
  ctx.setString(1, 2);
  ctx.notify(EVENT.string, "set", 1);
  ctx.keyspace.dirty++;
  ctx.reply.integer(1);
}

function get(ctx: CommandContext): void {
  const entry = ctx.lookupRead(1);
  if (ctx.isString(entry)) ctx.replyString(entry);
}

function getex(ctx: CommandContext): void {
  if (!parseOptions(ctx, 2, "getex")) return;
  const entry = ctx.lookupRead(1);
  if (!ctx.isString(entry)) return;
  if (entry === NONE) return ctx.reply.null();
  if (!readExpiry(ctx, "getex")) return;
  ctx.replyString(entry);
  const { persist, expiresAtMs } = options;
  if (expiresAtMs >= 0 && expiresAtMs <= ctx.nowMs && !ctx.server.keepsPast) {
    ctx.remove(1, ctx.server.lazyExpire);
    ctx.keyspace.dirty++;
    ctx.propagation.replace(ctx.server.lazyExpire ? "UNLINK" : "DEL", ctx.args.slice(1));
  } else if (expiresAtMs >= 0) {
    ctx.keyspace.setExpiry(ctx.db, ctx.lookupQuiet(1), expiresAtMs);
    ctx.changed(1);
    ctx.notify(EVENT.generic, "expire", 1);
    ctx.keyspace.dirty++;
    ctx.propagation.replace("PEXPIREAT", ctx.args.slice(1), expiresAtMs);
  } else if (persist && ctx.hasExpiry(entry)) {
    ctx.keyspace.removeExpiry(ctx.db, ctx.lookupQuiet(1));
    ctx.changed(1);
    ctx.notify(EVENT.generic, "persist", 1);
    ctx.keyspace.dirty++;
    ctx.propagation.replace("PERSIST", ctx.args.slice(1));
  }
}

function getdel(ctx: CommandContext): void {
  const entry = ctx.lookupRead(1);
  if (!ctx.isString(entry)) return;
  ctx.replyString(entry);
  if (entry === NONE) return;
  ctx.remove(1, ctx.server.lazyUserDelete);
  ctx.keyspace.dirty++;
  ctx.propagation.replace(ctx.server.lazyUserDelete ? "UNLINK" : "DEL", ctx.args.slice(1));
}

function getset(ctx: CommandContext): void {
  const entry = ctx.lookupRead(1);
  if (!ctx.isString(entry)) return;
  ctx.replyString(entry);
  ctx.setString(1, 2);
  ctx.notify(EVENT.string, "set", 1);
  ctx.keyspace.dirty++;
  ctx.propagation.replace(SET, ctx.args.slice(1), ctx.args.slice(2));
}

function mget(ctx: CommandContext): void {
  const count = ctx.args.count;
  ctx.reply.startArray(count - 1);
  for (let i = 1; i < count; i++) {
    ctx.warm(i, 1, 1);
    const entry = ctx.lookupRead(i);
    if (entry === NONE || !ctx.holdsString(entry)) ctx.reply.null();
    else ctx.replyString(entry);
  }
}

function mset(ctx: CommandContext): void {
  if (checkPairs(ctx)) setPairs(ctx), ctx.reply.ok();
}

function msetnx(ctx: CommandContext): void {
  if (!checkPairs(ctx)) return;
  for (let i = 1; i < ctx.args.count; i += 2) if (ctx.lookupWrite(i) !== NONE) return ctx.reply.integer(0);
  setPairs(ctx);
  ctx.reply.integer(1);
}

function checkPairs(ctx: CommandContext): boolean {
  if (ctx.args.count % 2 === 1) return true;
  ctx.reply.error(`wrong number of arguments for '${ctx.args.text(0).toLowerCase()}' command`);
  return false;
}

function setPairs(ctx: CommandContext): void {
  const count = ctx.args.count;
  let at = 1;
  try {
    for (; at < count; at += 2) {
      ctx.warm(at, 1, 2);
      ctx.setString(at, at + 1);
      ctx.notify(EVENT.string, "set", at);
    }
  } catch (error) {
    logPairs(ctx, at);
    throw error;
  }
  ctx.keyspace.dirty += (count - 1) / 2;
}

/** There was no room for the pair at argument `end`: those before it are set, and the log must have them. */
function logPairs(ctx: CommandContext, end: number): void {
  if (end === 1) return;
  const parts: Uint8Array[] = [];
  for (let i = 1; i < end; i++) parts.push(ctx.args.slice(i));
  ctx.keyspace.dirty += (end - 1) / 2;
  ctx.propagation.replace(MSET, ...parts);
}

function append(ctx: CommandContext): void {
  writeInto(ctx, -1, 2);
}

function setrange(ctx: CommandContext): void {
  const offset = ctx.wideInteger(2);
  if (Number.isNaN(offset)) return;
  if (offset < 0) return ctx.reply.error("offset is out of range");
  writeInto(ctx, offset, 3);
}

/** Writes argument `value` at an offset of argument 1's string, or at its end (`offset` -1), and replies with the new length. */
function writeInto(ctx: CommandContext, offset: number, value: number): void {
  const args = ctx.args, keyspace = ctx.keyspace;
  const entry = ctx.lookupWrite(1), valueLength = args.lengths[value];
  if (!ctx.isString(entry)) return;
  const isRange = offset >= 0, oldLength = ctx.stringLength(entry);
  if (isRange && valueLength === 0) return ctx.reply.integer(oldLength);
  const at = isRange ? offset : oldLength;
  if (at + valueLength > ctx.server.bulkBytesMax) return ctx.reply.error(ERROR.stringTooLong);
  const key = args.bytes, keyAt = args.offsets[1], keyLength = args.lengths[1];
  let length = at + valueLength;
  if (entry === NONE && !isRange) ctx.setString(1, value);
  else {
    if (entry !== NONE) keyspace.toRaw(ctx.db, entry, key, keyAt, keyLength);
    length = keyspace.writeRange(ctx.db, key, keyAt, keyLength, at, args.bytes, args.offsets[value], valueLength);
  }
  ctx.notify(EVENT.string, isRange ? "setrange" : "append", 1);
  keyspace.dirty++;
  ctx.reply.integer(length);
}

function getrange(ctx: CommandContext): void {
  let start = ctx.wideInteger(2);
  if (Number.isNaN(start)) return;
  let end = ctx.wideInteger(3);
  if (Number.isNaN(end)) return;
  const entry = ctx.lookupRead(1);
  if (!ctx.isString(entry)) return;
  const length = ctx.stringLength(entry);
  if (start < 0 && end < 0 && start > end) return ctx.reply.bulk(ctx.args.bytes, 0, 0);
  if (start < 0) start = Math.max(0, length + start);
  if (end < 0) end = Math.max(0, length + end);
  end = Math.min(end, length - 1);
  if (start > end || length === 0) return ctx.reply.bulk(ctx.args.bytes, 0, 0);
  const memory = ctx.keyspace.memory, place = ctx.keyspace.place;
  if (encodingOf(memory, entry) === ENCODING.int) return ctx.reply.bulk(ctx.stringBytes(entry), start, end - start + 1);
  place.locate(memory, entry);
  ctx.reply.bulkFrom(memory, place.block, place.offsetBytes + start, end - start + 1);
}

function strlen(ctx: CommandContext): void {
  const entry = ctx.lookupRead(1);
  if (ctx.isString(entry)) ctx.reply.integer(ctx.stringLength(entry));
}

// ---- counters ------------------------------------------------------------------------------------------------------

const increment = new I64();
const current = new I64();
const text = new Uint8Array(32);

/** Adds `increment` to argument 1's integer. */
function incrementBy(ctx: CommandContext): void {
  const keyspace = ctx.keyspace, args = ctx.args;
  const entry = ctx.lookupWrite(1);
  if (!ctx.isString(entry)) return;
  if (!readCounter(ctx, entry)) return ctx.reply.error(ERROR.notInteger);
  if (!current.add(increment)) return ctx.reply.error(ERROR.overflow);
  keyspace.setInteger(ctx.db, entry, args.bytes, args.offsets[1], args.lengths[1], current.hi, current.lo);
  ctx.notify(EVENT.string, "incrby", 1);
  keyspace.dirty++;
  ctx.reply.i64(current);
}

function readCounter(ctx: CommandContext, entry: Address): boolean {
  const keyspace = ctx.keyspace, memory = keyspace.memory;
  if (entry === NONE) {
    current.set(0, 0);
    return true;
  }
  if (encodingOf(memory, entry) === ENCODING.int) {
    keyspace.readInteger(entry, current);
    return true;
  }
  const place = keyspace.place;
  place.locate(memory, entry);
  if (place.lengthBytes === 0 || place.lengthBytes > 20) return false;
  memory.copyOut(place.block, place.offsetBytes, text, 0, place.lengthBytes);
  return parseI64(text, 0, place.lengthBytes, current);
}

function incr(ctx: CommandContext): void {
  increment.set(0, 1);
  incrementBy(ctx);
}

function decr(ctx: CommandContext): void {
  increment.set(-1, 0xffffffff);
  incrementBy(ctx);
}

function incrby(ctx: CommandContext): void {
  if (!ctx.args.i64(2, increment)) return ctx.reply.error(ERROR.notInteger);
  incrementBy(ctx);
}

function decrby(ctx: CommandContext): void {
  if (!ctx.args.i64(2, increment)) return ctx.reply.error(ERROR.notInteger);
  if (increment.hi === (0x80000000 | 0) && increment.lo === 0) return ctx.reply.error("decrement would overflow");
  increment.negate();
  incrementBy(ctx);
}

function incrbyfloat(ctx: CommandContext): void {
  const entry = ctx.lookupWrite(1);
  if (!ctx.isString(entry)) return;
  const old = entry === NONE ? "0" : latin1(ctx.stringBytes(entry));
  const result = incrByFloat(old, ctx.args.latin1(2));
  if (result.kind === "invalid") return ctx.reply.error(ERROR.notFloat);
  if (result.kind === "not-finite") return ctx.reply.error("increment would produce NaN or Infinity");
  const value = ascii(result.text), args = ctx.args;
  ctx.keyspace.setText(ctx.db, args.bytes, args.offsets[1], args.lengths[1], value, value.length);
  ctx.notify(EVENT.string, "incrbyfloat", 1);
  ctx.keyspace.dirty++;
  ctx.reply.bytes(value);
  ctx.propagation.replace(SET, args.slice(1), value, KEEPTTL);
}

function latin1(bytes: Uint8Array): string {
  let result = "";
  for (const byte of bytes) result += String.fromCharCode(byte);
  return result;
}

// ---- LCS -----------------------------------------------------------------------------------------------------------

function lcs(ctx: CommandContext): void {
  const args = ctx.args, reply = ctx.reply;
  let wantLength = false, wantIndex = false, withMatchLength = false, minMatch = 0;
  const first = ctx.lookupRead(1);
  if (first !== NONE && !ctx.holdsString(first)) return notStrings(ctx);
  const a = ctx.stringBytes(first);
  const second = ctx.lookupRead(2);
  if (second !== NONE && !ctx.holdsString(second)) return notStrings(ctx);
  const b = ctx.stringBytes(second);
  for (let i = 3; i < args.count; i++) {
    if (args.equalsIgnoreCase(i, "idx")) wantIndex = true;
    else if (args.equalsIgnoreCase(i, "len")) wantLength = true;
    else if (args.equalsIgnoreCase(i, "withmatchlen")) withMatchLength = true;
    else if (args.equalsIgnoreCase(i, "minmatchlen") && i + 1 < args.count) {
      minMatch = ctx.wideInteger(++i);
      if (Number.isNaN(minMatch)) return;
      if (minMatch < 0) minMatch = 0;
    } else return reply.error(ERROR.syntax);
  }
  if (wantIndex && wantLength) {
    return reply.error("If you want both the length and indexes, please just use IDX.");
  }
  const cells = (a.length + 1) * (b.length + 1);
  if (cells * 4 > ctx.server.bulkBytesMax) {
    return reply.error("Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");
  }
  const found = longestCommonSubsequence(a, b, wantIndex, minMatch);
  if (wantLength) return reply.integer(found.length);
  if (!wantIndex) return reply.bytes(found.bytes);
  reply.startMap(2);
  reply.text("matches");
  reply.startArray(found.ranges.length);
  for (const range of found.ranges) {
    reply.startArray(withMatchLength ? 3 : 2);
    reply.startArray(2), reply.integer(range.aStart), reply.integer(range.aEnd);
    reply.startArray(2), reply.integer(range.bStart), reply.integer(range.bEnd);
    if (withMatchLength) reply.integer(range.aEnd - range.aStart + 1);
  }
  reply.text("len");
  reply.integer(found.length);
}

function notStrings(ctx: CommandContext): void {
  ctx.reply.error("The specified keys must contain string values");
}

export const stringCommands: Handlers = {
  set,
  setnx,
  setex: (ctx) => setWithUnit(ctx, 1000, "setex"),
  psetex: (ctx) => setWithUnit(ctx, 1, "psetex"),
  get,
  getex,
  getdel,
  getset,
  mget,
  mset,
  msetnx,
  append,
  setrange,
  getrange,
  substr: getrange,
  strlen,
  incr,
  decr,
  incrby,
  decrby,
  incrbyfloat,
  lcs,
};
