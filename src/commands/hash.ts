/** Hash commands: HSET to HSCAN. `HashValue` knows the encodings; here are arguments, replies and what is logged. */
import { ascii, latin1Decode } from "../base/bytes.ts";
import { incrByFloat } from "../base/double.ts";
import { formatI64, I64, INTEGER_TEXT_BYTES_MAX, parseI64 } from "../base/integer.ts";
import { globMatch } from "../base/glob.ts";
import { ENCODING, TYPE } from "../keyspace/entry.ts";
import type { HashValue } from "../keyspace/values/hash_value.ts";
import { type Address, NONE } from "../memory/mod.ts";
import { EVENT } from "../keyspace/key_events.ts";
import type { CommandContext, Handlers } from "./context.ts";
import { ERROR } from "./errors.ts";
import { parseCursor, parseScanOptions, type ScanOptions } from "./scan_options.ts";

const HSET = ascii("HSET"), WITHVALUES = ascii("WITHVALUES");

function hashes(ctx: CommandContext): HashValue {
  return ctx.keyspace.types[TYPE.hash] as HashValue;
}

/** Opens the hash that argument 1 names, for reading; null when there is none, or, with the error reply written, another type. */
function openForRead(ctx: CommandContext, replyNone: (ctx: CommandContext) => void): HashValue | null {
  const entry = ctx.lookupRead(1);
  if (entry === NONE) {
    replyNone(ctx);
    return null;
  }
  if (!ctx.isType(entry, TYPE.hash)) return null;
  const hash = hashes(ctx);
  hash.open(entry);
  return hash;
}

const replyNull = (ctx: CommandContext): void => ctx.reply.null();
const replyZero = (ctx: CommandContext): void => ctx.reply.integer(0);
const replyEmptyArray = (ctx: CommandContext): void => ctx.reply.startArray(0);
const replyEmptyMap = (ctx: CommandContext): void => ctx.reply.startMap(0);

// ---- writing -------------------------------------------------------------------------------------------------------

/** Stores the open hash at argument 1's key, whose entry was `entry`. */
function store(ctx: CommandContext, hash: HashValue, entry: Address): void {
  const { args, keyspace } = ctx;
  if (entry !== NONE) {
    hash.close(entry);
    return ctx.changed(1);
  }
  keyspace.setValue(ctx.db, args.bytes, args.offsets[1], args.lengths[1], TYPE.hash, hash.encoding, hash.value);
}

/** Sets the field that argument 2 names, in argument 1's hash, open if there is one. */
function setOne(
  ctx: CommandContext,
  entry: Address,
  hash: HashValue,
  value: Uint8Array,
  at: number,
  length: number,
  event: string,
): void {
  const { bytes, offsets, lengths } = ctx.args;
  if (entry === NONE) hash.create(2, lengths[2] + length);
  try {
    hash.set(bytes, offsets[2], lengths[2], value, at, length);
  } catch (error) {
    giveUp(hash, entry);
    throw error;
  }
  store(ctx, hash, entry);
  ctx.notify(EVENT.hash, event, 1);
  ctx.keyspace.dirty++;
}

/** A change did not fit: what was done before it stays, unless the hash is new. */
function giveUp(hash: HashValue, entry: Address): void {
  if (entry === NONE) hash.discard();
  else hash.close(entry);
}

/** HSET and HMSET: returns how many fields are new, or -1 with the error reply written. */
function setPairs(ctx: CommandContext): number {
  const args = ctx.args, count = args.count;
  if (count % 2 === 1) {
    ctx.reply.error(`wrong number of arguments for '${args.text(0).toLowerCase()}' command`);
    return -1;
  }
  const entry = ctx.lookupWrite(1);
  if (!ctx.isType(entry, TYPE.hash)) return -1;
  const hash = hashes(ctx), { bytes, offsets, lengths } = args;
  measure(ctx);
  if (entry === NONE) hash.create(count - 2, totalBytes);
  else hash.open(entry);
  let added = 0, at = 2;
  try {
    // Redis looks at all arguments before it sets the first: one that is too long makes a hash table of them all.
    hash.prepareFor(longestBytes, totalBytes);
    for (; at < count; at += 2) {
      if (hash.set(bytes, offsets[at], lengths[at], bytes, offsets[at + 1], lengths[at + 1])) added++;
    }
  } catch (error) {
    giveUp(hash, entry);
    if (entry !== NONE && at > 2) logPairs(ctx, at);
    throw error;
  }
  store(ctx, hash, entry);
  ctx.notify(EVENT.hash, "hset", 1);
  ctx.keyspace.dirty += (count - 2) / 2;
  return added;
}

/** Of the fields and values in the request: the longest one, and all together. */
let longestBytes = 0, totalBytes = 0;

function measure(ctx: CommandContext): void {
  const { lengths, count } = ctx.args;
  longestBytes = totalBytes = 0;
  for (let i = 2; i < count; i++) {
    const length = lengths[i];
    if (length > longestBytes) longestBytes = length;
    totalBytes += length;
  }
}

/** There was no room for the pair at argument `end`: those before it are set, and the log must have them. */
function logPairs(ctx: CommandContext, end: number): void {
  const parts: Uint8Array[] = [];
  for (let i = 1; i < end; i++) parts.push(ctx.args.slice(i));
  ctx.changed(1);
  ctx.keyspace.dirty += (end - 2) / 2;
  ctx.propagation.replace(HSET, ...parts);
}

function hset(ctx: CommandContext): void {
  const added = setPairs(ctx);
  if (added >= 0) ctx.reply.integer(added);
}

function hmset(ctx: CommandContext): void {
  if (setPairs(ctx) >= 0) ctx.reply.ok();
}

function hsetnx(ctx: CommandContext): void {
  const args = ctx.args, entry = ctx.lookupWrite(1);
  if (!ctx.isType(entry, TYPE.hash)) return;
  const hash = hashes(ctx);
  if (entry !== NONE) {
    hash.open(entry);
    if (hash.get(args.bytes, args.offsets[2], args.lengths[2])) return ctx.reply.integer(0);
  }
  setOne(ctx, entry, hash, args.bytes, args.offsets[3], args.lengths[3], "hset");
  ctx.reply.integer(1);
}

function hdel(ctx: CommandContext): void {
  const args = ctx.args, entry = ctx.lookupWrite(1);
  if (entry === NONE) return ctx.reply.integer(0);
  if (!ctx.isType(entry, TYPE.hash)) return;
  const hash = hashes(ctx);
  hash.open(entry);
  let removed = 0, left = hash.size;
  for (let i = 2; i < args.count && left > 0; i++) {
    if (hash.remove(args.bytes, args.offsets[i], args.lengths[i])) removed++, left--;
  }
  if (removed > 0) {
    hash.close(entry);
    ctx.notify(EVENT.hash, "hdel", 1);
    if (left === 0) ctx.remove(1, false);
    else ctx.changed(1);
    ctx.keyspace.dirty += removed;
  }
  ctx.reply.integer(removed);
}

// ---- counters ------------------------------------------------------------------------------------------------------

const increment = new I64();
const current = new I64();
const digits = new Uint8Array(INTEGER_TEXT_BYTES_MAX);

/** Opens the hash for a counter and reads the field that argument 2 names; whether there is such a field. */
function readCounter(ctx: CommandContext, hash: HashValue, entry: Address): boolean {
  if (entry === NONE) return false;
  hash.open(entry);
  return hash.get(ctx.args.bytes, ctx.args.offsets[2], ctx.args.lengths[2]);
}

function hincrby(ctx: CommandContext): void {
  if (!ctx.args.i64(3, increment)) return ctx.reply.error(ERROR.notInteger);
  const entry = ctx.lookupWrite(1), hash = hashes(ctx);
  if (!ctx.isType(entry, TYPE.hash)) return;
  if (!readCounter(ctx, hash, entry)) current.set(0, 0);
  else if (!parseI64(hash.bytes, hash.start, hash.length, current)) {
    return ctx.reply.error("hash value is not an integer");
  }
  if (!current.add(increment)) return ctx.reply.error(ERROR.overflow);
  setOne(ctx, entry, hash, digits, 0, formatI64(current, digits, 0), "hincrby");
  ctx.reply.i64(current);
}

function hincrbyfloat(ctx: CommandContext): void {
  const amount = ctx.args.latin1(3), parsed = incrByFloat("0", amount).kind;
  if (parsed === "invalid") return ctx.reply.error(ERROR.notFloat);
  if (parsed === "not-finite") return ctx.reply.error("value is NaN or Infinity");
  const entry = ctx.lookupWrite(1), hash = hashes(ctx);
  if (!ctx.isType(entry, TYPE.hash)) return;
  const isThere = readCounter(ctx, hash, entry);
  const old = isThere ? latin1Decode(hash.bytes, hash.start, hash.start + hash.length) : "0";
  const sum = incrByFloat(old, amount);
  if (sum.kind === "invalid") return ctx.reply.error("hash value is not a float");
  if (sum.kind === "not-finite") return ctx.reply.error("increment would produce NaN or Infinity");
  const text = ascii(sum.text);
  setOne(ctx, entry, hash, text, 0, text.length, "hincrbyfloat");
  ctx.reply.bytes(text);
  // The result, not the sum: another machine's floating point must not matter when the log is replayed.
  ctx.propagation.replace(HSET, ctx.args.slice(1), ctx.args.slice(2), text);
}

// ---- reading -------------------------------------------------------------------------------------------------------

function hget(ctx: CommandContext): void {
  const args = ctx.args, hash = openForRead(ctx, replyNull);
  if (hash !== null) replyValue(ctx, hash, args.offsets[2], args.lengths[2]);
}

/** Replies with the value of the field that stands at `offset` in the request. */
function replyValue(ctx: CommandContext, hash: HashValue, offset: number, length: number): void {
  if (hash.get(ctx.args.bytes, offset, length)) ctx.reply.bulk(hash.bytes, hash.start, hash.length);
  else ctx.reply.null();
}

function hmget(ctx: CommandContext): void {
  const { args, reply } = ctx, entry = ctx.lookupRead(1), count = args.count;
  if (!ctx.isType(entry, TYPE.hash)) return;
  const hash = hashes(ctx);
  if (entry !== NONE) hash.open(entry);
  reply.startArray(count - 2);
  for (let i = 2; i < count; i++) {
    if (entry === NONE) reply.null();
    else replyValue(ctx, hash, args.offsets[i], args.lengths[i]);
  }
}

function hstrlen(ctx: CommandContext): void {
  const args = ctx.args, hash = openForRead(ctx, replyZero);
  if (hash === null) return;
  const isThere = hash.get(args.bytes, args.offsets[2], args.lengths[2]);
  ctx.reply.integer(isThere ? hash.length : 0);
}

function hexists(ctx: CommandContext): void {
  const args = ctx.args, hash = openForRead(ctx, replyZero);
  if (hash !== null) ctx.reply.integer(hash.get(args.bytes, args.offsets[2], args.lengths[2]) ? 1 : 0);
}

function hlen(ctx: CommandContext): void {
  const hash = openForRead(ctx, replyZero);
  if (hash !== null) ctx.reply.integer(hash.size);
}

function hgetall(ctx: CommandContext): void {
  const hash = openForRead(ctx, replyEmptyMap);
  if (hash === null) return;
  ctx.reply.startMap(hash.size);
  replyAll(ctx, hash, true, true);
}

function hkeys(ctx: CommandContext): void {
  const hash = openForRead(ctx, replyEmptyArray);
  if (hash === null) return;
  ctx.reply.startArray(hash.size);
  replyAll(ctx, hash, true, false);
}

function hvals(ctx: CommandContext): void {
  const hash = openForRead(ctx, replyEmptyArray);
  if (hash === null) return;
  ctx.reply.startArray(hash.size);
  replyAll(ctx, hash, false, true);
}

function replyAll(ctx: CommandContext, hash: HashValue, fields: boolean, values: boolean): void {
  for (hash.rewind(); hash.next();) replyHere(ctx, hash, fields, values);
}

/** Replies with where the hash stands. */
function replyHere(ctx: CommandContext, hash: HashValue, field: boolean, value: boolean): void {
  if (field) hash.readField(), ctx.reply.bulk(hash.bytes, hash.start, hash.length);
  if (value) hash.readValue(), ctx.reply.bulk(hash.bytes, hash.start, hash.length);
}

// ---- HSCAN ---------------------------------------------------------------------------------------------------------

function hscan(ctx: CommandContext): void {
  const cursor = parseCursor(ctx, 2);
  if (Number.isNaN(cursor)) return;
  const hash = openForRead(ctx, replyEmptyScan);
  if (hash === null) return;
  const options = parseScanOptions(ctx, 3, false);
  if (options === null) return;
  if (hash.encoding === ENCODING.hashtable) return scanTable(ctx, hash, cursor, options);
  ctx.reply.startArray(2);
  ctx.reply.text("0");
  const mark = ctx.reply.deferArray();
  let replied = 0;
  for (hash.rewind(); hash.next();) replied += replyIfMatching(ctx, hash, options.pattern);
  ctx.reply.setDeferredArray(mark, replied);
}

function replyEmptyScan(ctx: CommandContext): void {
  ctx.reply.startArray(2);
  ctx.reply.text("0");
  ctx.reply.startArray(0);
}

/** The places come first, as the cursor stands before what it leads to in the reply. */
function scanTable(ctx: CommandContext, hash: HashValue, start: number, options: ScanOptions): void {
  const places: number[] = [], collect = (place: number): void => void places.push(place);
  let cursor = start, iterations = options.count * 20;
  do cursor = hash.scan(cursor, collect); while (
    cursor !== 0 && iterations-- > 0 && places.length < options.count
  );
  ctx.reply.startArray(2);
  ctx.reply.text(String(cursor));
  const mark = ctx.reply.deferArray();
  let replied = 0;
  for (const place of places) hash.jump(place), replied += replyIfMatching(ctx, hash, options.pattern);
  ctx.reply.setDeferredArray(mark, replied);
}

/** Replies with field and value where the hash stands, if the field matches; returns how many elements that is. */
function replyIfMatching(ctx: CommandContext, hash: HashValue, pattern: Uint8Array | null): number {
  if (pattern !== null) {
    hash.readField();
    if (!globMatch(pattern, 0, pattern.length, hash.bytes, hash.start, hash.length, false)) return 0;
  }
  replyHere(ctx, hash, true, true);
  return 2;
}

// ---- HRANDFIELD ----------------------------------------------------------------------------------------------------

function hrandfield(ctx: CommandContext): void {
  const args = ctx.args;
  if (args.count > 2) return randomFields(ctx);
  const hash = openForRead(ctx, replyNull);
  if (hash === null) return;
  hash.random();
  replyHere(ctx, hash, true, false);
}

/** HRANDFIELD key count [WITHVALUES]: that many different fields, or, with a negative count, that many draws. */
function randomFields(ctx: CommandContext): void {
  const { args, reply } = ctx;
  if (!args.i64(2, ctx.a)) return reply.error(ERROR.notInteger);
  if (ctx.a.isMin()) {
    return reply.error("value is out of range, value must between -9223372036854775807 and 9223372036854775807");
  }
  const withValues = args.count === 4 && args.is(3, WITHVALUES);
  if (args.count > 3 && !withValues) return reply.error(ERROR.syntax);
  const count = ctx.a.toNumber();
  if ((withValues && isBeyondHalf(ctx.a)) || !ctx.mayDraw(-count)) return reply.error("value is out of range");
  const hash = openForRead(ctx, replyEmptyArray);
  if (hash === null) return;
  if (count < 0) drawFields(ctx, hash, -count, withValues);
  else chooseFields(ctx, hash, Math.min(count, hash.size), withValues);
}

/** Beyond half of what 64 bits hold, either way. */
function isBeyondHalf({ hi, lo }: I64): boolean {
  return hi >= 0x40000000 || hi < -0x40000000 || (hi === -0x40000000 && lo === 0);
}

/** RESP3 has pairs, RESP2 a flat list. */
function startFields(ctx: CommandContext, count: number, withValues: boolean): void {
  ctx.reply.startArray(withValues && ctx.reply.protocol === 2 ? count * 2 : count);
}

function replyField(ctx: CommandContext, hash: HashValue, withValues: boolean): void {
  if (withValues && ctx.reply.protocol > 2) ctx.reply.startArray(2);
  replyHere(ctx, hash, true, withValues);
}

/** `count` independent draws. */
function drawFields(ctx: CommandContext, hash: HashValue, count: number, withValues: boolean): void {
  startFields(ctx, count, withValues);
  if (hash.encoding === ENCODING.listpack) return drawFromListpack(ctx, hash, count, withValues);
  for (let i = 0; i < count && !ctx.reply.overrun; i++) {
    hash.random();
    replyField(ctx, hash, withValues);
  }
}

/** A listpack is walked once: a walk a draw would be slow. */
function drawFromListpack(ctx: CommandContext, hash: HashValue, count: number, withValues: boolean): void {
  if (count === 1) hash.random(), replyField(ctx, hash, withValues);
  if (count === 1) return;
  const size = hash.size, places = new Uint32Array(size);
  hash.rewind();
  for (let i = 0; i < size; i++) hash.next(), places[i] = hash.place;
  for (let i = 0; i < count && !ctx.reply.overrun; i++) {
    hash.jump(places[ctx.keyspace.random(size)]);
    replyField(ctx, hash, withValues);
  }
}

/** How much larger than `count` a hash table must be to draw until enough different fields came, rather than to walk it. */
const DRAW_RATIO = 3;

/** `count` different fields, every choice as likely as any other. */
function chooseFields(ctx: CommandContext, hash: HashValue, count: number, withValues: boolean): void {
  const size = hash.size;
  startFields(ctx, count, withValues);
  if (hash.encoding === ENCODING.hashtable && count * DRAW_RATIO <= size) {
    return chooseByDrawing(ctx, hash, count, withValues);
  }
  let wanted = count;
  hash.rewind();
  // Each is taken with the chance that what is wanted has in what is left.
  for (let left = size; wanted > 0; left--) {
    hash.next();
    if (ctx.keyspace.random(left) >= wanted) continue;
    replyField(ctx, hash, withValues);
    wanted--;
  }
}

function chooseByDrawing(ctx: CommandContext, hash: HashValue, count: number, withValues: boolean): void {
  const chosen = new Set<number>();
  while (chosen.size < count) {
    hash.random();
    if (chosen.has(hash.place)) continue;
    chosen.add(hash.place);
    replyField(ctx, hash, withValues);
  }
}

export const hashCommands: Handlers = {
  hset,
  hmset,
  hsetnx,
  hdel,
  hincrby,
  hincrbyfloat,
  hget,
  hmget,
  hstrlen,
  hexists,
  hlen,
  hgetall,
  hkeys,
  hvals,
  hscan,
  hrandfield,
};
