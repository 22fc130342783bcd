/** Commands on keys whatever they hold: DEL to SCAN, RENAME, COPY, OBJECT, DUMP and RESTORE. */
import { ascii, bytesEqual } from "../base/bytes.ts";
import { globMatch } from "../base/glob.ts";
import { idleSeconds, lfuCounter, lfuStamp, lruStamp } from "../keyspace/access_clock.ts";
import type { Database } from "../keyspace/database.ts";
import {
  accessOf,
  ENCODING,
  ENCODING_NAMES,
  encodingOf,
  ENTRY,
  EXPIRES_AT_MS_MAX,
  expiresAtMs,
  keyLength,
  TYPE_NAMES,
  typeOf,
} from "../keyspace/entry.ts";
import { EVENT } from "../keyspace/key_events.ts";
import { type Address, NONE } from "../memory/mod.ts";
import { forEachEntry } from "../structures/dict.ts";
import type { CommandContext, Handlers } from "./context.ts";
import { ERROR } from "./errors.ts";
import { parseCursor, parseScanOptions } from "./scan_options.ts";

const STAR = 0x2a;
const ABSTTL = ascii("ABSTTL");

function deleteKeys(ctx: CommandContext, lazy: boolean): void {
  let removed = 0;
  for (let i = 1; i < ctx.args.count; i++) {
    ctx.warm(i, 1, 1);
    if (ctx.remove(i, lazy)) removed++;
  }
  ctx.keyspace.dirty += removed;
  ctx.reply.integer(removed);
}

function countKeys(ctx: CommandContext, touch: boolean): void {
  let found = 0;
  for (let i = 1; i < ctx.args.count; i++) {
    ctx.warm(i, 1, 1);
    if ((touch ? ctx.lookupRead(i) : ctx.lookupReadNoTouch(i)) !== NONE) found++;
  }
  ctx.reply.integer(found);
}

function type(ctx: CommandContext): void {
  const entry = ctx.lookupReadNoTouch(1);
  ctx.reply.status(entry === NONE ? "none" : TYPE_NAMES[typeOf(ctx.keyspace.memory, entry)]);
}

function randomkey(ctx: CommandContext): void {
  const entry = ctx.keyspace.randomEntry(ctx.db);
  if (entry === NONE) return ctx.reply.null();
  replyKey(ctx, entry);
}

function replyKey(ctx: CommandContext, entry: Address): void {
  const memory = ctx.keyspace.memory;
  ctx.reply.bulkFrom(memory, entry, ENTRY.key, keyLength(memory, entry));
}

/** Whether an entry's key matches a glob pattern. */
function matches(ctx: CommandContext, pattern: Uint8Array, entry: Address): boolean {
  const length = ctx.keyspace.copyKey(entry);
  return globMatch(pattern, 0, pattern.length, ctx.keyspace.keyScratch, 0, length, false);
}

function keys(ctx: CommandContext): void {
  const pattern = ctx.args.slice(1).slice();
  const all = pattern.length === 1 && pattern[0] === STAR;
  const mark = ctx.reply.deferArray();
  let count = 0;
  forEachEntry(ctx.keyspace.memory, ctx.db.dict, (entry) => {
    if ((!all && !matches(ctx, pattern, entry)) || ctx.keyspace.isExpired(entry)) return;
    replyKey(ctx, entry);
    count++;
  });
  ctx.reply.setDeferredArray(mark, count);
}

// ---- SCAN ----------------------------------------------------------------------------------------------------------

function scan(ctx: CommandContext): void {
  let cursor = parseCursor(ctx, 1);
  if (Number.isNaN(cursor)) return;
  const options = parseScanOptions(ctx, 2, true);
  if (options === null) return;
  const found: Address[] = [];
  let iterations = options.count * 10;
  do cursor = ctx.keyspace.dict.scan(ctx.db.dict, cursor, (entry) => void found.push(entry)); while (
    cursor !== 0 && iterations-- > 0 && found.length < options.count
  );
  // Keys are written before expired ones are removed: removing moves no other entry.
  const keyspace = ctx.keyspace, memory = keyspace.memory, expired: Address[] = [];
  ctx.reply.startArray(2);
  ctx.reply.text(String(cursor));
  const mark = ctx.reply.deferArray();
  let count = 0;
  for (const entry of found) {
    if (options.pattern !== null && !matches(ctx, options.pattern, entry)) continue;
    if (keyspace.isExpired(entry)) {
      expired.push(entry);
      continue;
    }
    if (options.typeName !== null && TYPE_NAMES[typeOf(memory, entry)] !== options.typeName) continue;
    replyKey(ctx, entry);
    count++;
  }
  ctx.reply.setDeferredArray(mark, count);
  if (!keyspace.expiryPaused) { for (const entry of expired) keyspace.expireEntry(ctx.db, entry); }
}

// ---- RENAME, MOVE, COPY --------------------------------------------------------------------------------------------

function keyOf(ctx: CommandContext, index: number): { bytes: Uint8Array; offset: number; length: number } {
  const args = ctx.args;
  return { bytes: args.bytes, offset: args.offsets[index], length: args.lengths[index] };
}

function rename(ctx: CommandContext, onlyIfFree: boolean): void {
  const same = bytesEqual(ctx.args.slice(1), ctx.args.slice(2));
  if (ctx.lookupWrite(1) === NONE) return ctx.reply.error(ERROR.noSuchKey);
  if (same) return onlyIfFree ? ctx.reply.integer(0) : ctx.reply.ok();
  if (onlyIfFree && ctx.lookupWrite(2) !== NONE) return ctx.reply.integer(0);
  ctx.keyspace.moveValue(ctx.db, keyOf(ctx, 1), ctx.db, keyOf(ctx, 2));
  ctx.notify(EVENT.generic, "rename_from", 1);
  ctx.notify(EVENT.generic, "rename_to", 2);
  ctx.keyspace.dirty++;
  if (onlyIfFree) ctx.reply.integer(1);
  else ctx.reply.ok();
}

/** The database an argument names, or null with the error reply written. */
export function databaseArgument(
  ctx: CommandContext,
  index: number,
  rangeError: string = ERROR.dbIndexOutOfRange,
): Database | null {
  const number = ctx.wideInteger(index);
  if (Number.isNaN(number)) return null;
  if (number !== (number | 0)) return refuse(ctx, ERROR.notInt32);
  const db = ctx.keyspace.databases[number];
  if (db === undefined) ctx.reply.error(rangeError);
  return db ?? null;
}

function move(ctx: CommandContext): void {
  const target = databaseArgument(ctx, 2);
  if (target === null) return;
  if (target === ctx.db) return ctx.reply.error(ERROR.sameObject);
  const key = keyOf(ctx, 1);
  if (ctx.lookupWrite(1) === NONE) return ctx.reply.integer(0);
  if (ctx.keyspace.lookupWrite(target, key.bytes, key.offset, key.length) !== NONE) return ctx.reply.integer(0);
  ctx.keyspace.moveValue(ctx.db, key, target, key);
  ctx.notify(EVENT.generic, "move_from", 1);
  ctx.keyspace.notify(EVENT.generic, "move_to", target, key.bytes, key.offset, key.length);
  ctx.keyspace.dirty++;
  ctx.reply.integer(1);
}

function copy(ctx: CommandContext): void {
  const args = ctx.args;
  let target: Database | null = ctx.db, replace = false;
  for (let i = 3; i < args.count; i++) {
    if (args.equalsIgnoreCase(i, "replace")) replace = true;
    else if (args.equalsIgnoreCase(i, "db") && i + 1 < args.count) {
      target = databaseArgument(ctx, ++i);
      if (target === null) return;
    } else return ctx.reply.error(ERROR.syntax);
  }
  if (target === ctx.db && bytesEqual(args.slice(1), args.slice(2))) return ctx.reply.error(ERROR.sameObject);
  if (ctx.lookupRead(1) === NONE) return ctx.reply.integer(0);
  const key = keyOf(ctx, 2);
  const old = ctx.keyspace.lookupWrite(target, key.bytes, key.offset, key.length);
  if (old !== NONE && !replace) return ctx.reply.integer(0);
  ctx.keyspace.copyValue(ctx.lookupQuiet(1), target, key.bytes, key.offset, key.length);
  ctx.keyspace.notify(EVENT.generic, "copy_to", target, key.bytes, key.offset, key.length);
  ctx.keyspace.dirty++;
  ctx.reply.integer(1);
}

// ---- OBJECT --------------------------------------------------------------------------------------------------------

function inspected(ctx: CommandContext): Address {
  const entry = ctx.lookupInspected(2);
  if (entry === NONE) ctx.reply.null();
  return entry;
}

const POLICY_CHANGE =
  "Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.";

function objectIdletime(ctx: CommandContext): void {
  const entry = inspected(ctx);
  if (entry === NONE) return;
  if (ctx.server.usesLfu) {
    return ctx.reply.error(`An LFU maxmemory policy is selected, idle time not tracked. ${POLICY_CHANGE}`);
  }
  ctx.reply.integer(idleSeconds(accessOf(ctx.keyspace.memory, entry), ctx.nowMs));
}

function objectFreq(ctx: CommandContext): void {
  const entry = inspected(ctx);
  if (entry === NONE) return;
  if (!ctx.server.usesLfu) {
    return ctx.reply.error(`An LFU maxmemory policy is not selected, access frequency not tracked. ${POLICY_CHANGE}`);
  }
  ctx.reply.integer(lfuCounter(accessOf(ctx.keyspace.memory, entry), ctx.nowMs, ctx.server.lfuDecayMinutes));
}

function objectEncoding(ctx: CommandContext): void {
  const entry = inspected(ctx);
  if (entry !== NONE) ctx.reply.text(ENCODING_NAMES[encodingOf(ctx.keyspace.memory, entry)]);
}

/** Integers below this are shared in Redis, where their count reads as the largest int; ours are inline, and read the same. */
const SHARED_INTEGERS = 10000;
const SHARED_REFERENCES = 0x7fffffff;

function objectRefcount(ctx: CommandContext): void {
  const entry = inspected(ctx);
  if (entry === NONE) return;
  let shared = false;
  if (ctx.server.sharesIntegers && encodingOf(ctx.keyspace.memory, entry) === ENCODING.int) {
    ctx.keyspace.readInteger(entry, ctx.a);
    shared = ctx.a.hi === 0 && ctx.a.lo < SHARED_INTEGERS;
  }
  ctx.reply.integer(shared ? SHARED_REFERENCES : 1);
}

// ---- DUMP and RESTORE ----------------------------------------------------------------------------------------------

function dump(ctx: CommandContext): void {
  const entry = ctx.lookupRead(1);
  if (entry === NONE) return ctx.reply.null();
  ctx.reply.bytes(ctx.server.dumpPayload(entry));
}

interface RestoreOptions {
  replace: boolean;
  absolute: boolean;
  idle: number;
  frequency: number;
}

function parseRestoreOptions(ctx: CommandContext): RestoreOptions | null {
  const args = ctx.args, options: RestoreOptions = { replace: false, absolute: false, idle: -1, frequency: -1 };
  for (let i = 4; i < args.count; i++) {
    const hasNext = i + 1 < args.count;
    if (args.equalsIgnoreCase(i, "replace")) options.replace = true;
    else if (args.equalsIgnoreCase(i, "absttl")) options.absolute = true;
    else if (args.equalsIgnoreCase(i, "idletime") && hasNext && options.frequency < 0) {
      options.idle = ctx.wideInteger(++i);
      if (Number.isNaN(options.idle)) return null;
      if (options.idle < 0) return refuse(ctx, "Invalid IDLETIME value, must be >= 0");
    } else if (args.equalsIgnoreCase(i, "freq") && hasNext && options.idle < 0) {
      options.frequency = ctx.wideInteger(++i);
      if (Number.isNaN(options.frequency)) return null;
      if (options.frequency < 0 || options.frequency > 255) {
        return refuse(ctx, "Invalid FREQ value, must be >= 0 and <= 255");
      }
    } else return refuse(ctx, ERROR.syntax);
  }
  return options;
}

function refuse(ctx: CommandContext, error: string): null {
  ctx.reply.error(error);
  return null;
}

function restore(ctx: CommandContext): void {
  const options = parseRestoreOptions(ctx);
  if (options === null) return;
  if (!options.replace && ctx.lookupWrite(1) !== NONE) return ctx.reply.errorWithCode(ERROR.busyKey);
  const ttl = ctx.wideInteger(2);
  if (Number.isNaN(ttl)) return;
  if (ttl < 0) return ctx.reply.error("Invalid TTL value, must be >= 0");
  const payload = ctx.args.slice(3);
  const refusal = ctx.server.checkPayload(payload);
  if (refusal !== null) return ctx.reply.error(refusal);
  const atMs = ttl === 0 ? -1 : Math.min(options.absolute ? ttl : ttl + ctx.nowMs, EXPIRES_AT_MS_MAX);
  if (atMs >= 0 && atMs <= ctx.nowMs && !ctx.server.keepsPast) {
    if (options.replace && ctx.remove(1, false)) {
      ctx.keyspace.dirty++;
      ctx.propagation.replace("DEL", ctx.args.slice(1));
    }
    return ctx.reply.ok();
  }
  const key = keyOf(ctx, 1);
  const damage = ctx.server.restorePayload(payload, ctx.db, key.bytes, key.offset, key.length, atMs);
  if (damage !== null) return ctx.reply.error(damage);
  const entry = ctx.lookupEvenExpired(1);
  if (options.frequency >= 0 && ctx.server.usesLfu) {
    ctx.keyspace.setAccess(entry, lfuStamp(options.frequency, ctx.nowMs));
  }
  if (options.idle >= 0 && !ctx.server.usesLfu) {
    ctx.keyspace.setAccess(entry, lruStamp(Math.max(0, ctx.nowMs - options.idle * 1000)));
  }
  ctx.notify(EVENT.new, "new", 1);
  ctx.notify(EVENT.generic, "restore", 1);
  ctx.keyspace.dirty++;
  if (atMs >= 0 && !options.absolute) propagateAbsolute(ctx, atMs);
  ctx.reply.ok();
}

function propagateAbsolute(ctx: CommandContext, atMs: number): void {
  const parts: (Uint8Array | number)[] = [];
  for (let i = 0; i < ctx.args.count; i++) parts.push(i === 2 ? atMs : ctx.args.slice(i));
  ctx.propagation.replace(...parts, ABSTTL);
}

/** Seconds or milliseconds that a key has left, or its absolute time; -1 without expiry, -2 without key. */
export function timeToLive(ctx: CommandContext, perUnit: number, absolute: boolean): void {
  const entry = ctx.lookupReadNoTouch(1);
  if (entry === NONE) return ctx.reply.integer(-2);
  const atMs = expiresAtMs(ctx.keyspace.memory, entry);
  if (atMs < 0) return ctx.reply.integer(-1);
  const value = absolute ? atMs : Math.max(0, atMs - ctx.nowMs);
  replyWide(ctx, perUnit === 1 ? value : Math.floor((value + 500) / 1000));
}

/** Replies with an integer that may be beyond 2^53. */
function replyWide(ctx: CommandContext, value: number): void {
  const high = Math.floor(value / 2 ** 32);
  ctx.reply.i64(ctx.a.set(high, value - high * 2 ** 32));
}

export const genericCommands: Handlers = {
  del: (ctx) => deleteKeys(ctx, ctx.server.lazyUserDelete),
  unlink: (ctx) => deleteKeys(ctx, true),
  exists: (ctx) => countKeys(ctx, false),
  touch: (ctx) => countKeys(ctx, true),
  type,
  randomkey,
  keys,
  scan,
  rename: (ctx) => rename(ctx, false),
  renamenx: (ctx) => rename(ctx, true),
  move,
  copy,
  "object|encoding": objectEncoding,
  "object|idletime": objectIdletime,
  "object|freq": objectFreq,
  "object|refcount": objectRefcount,
  dump,
  restore,
  ttl: (ctx) => timeToLive(ctx, 1000, false),
  pttl: (ctx) => timeToLive(ctx, 1, false),
  expiretime: (ctx) => timeToLive(ctx, 1000, true),
  pexpiretime: (ctx) => timeToLive(ctx, 1, true),
};
