/**
 * BITFIELD and BITFIELD_RO: integers of any width at any bit of a string. The arguments are read twice: first all of them are checked,
 * so that an error changes nothing, then the operations run one after the other. The string is grown once, to the farthest bit written.
 */
import { ascii } from "../base/bytes.ts";
import { addToField, OVERFLOW, readField, WINDOW_BYTES, writeField } from "../base/bit_field.ts";
import { I64, parseSafeInteger } from "../base/integer.ts";
import type { Address } from "../memory/mod.ts";
import { bitOffset, makeWritable } from "./bitmap.ts";
import { EVENT } from "../keyspace/key_events.ts";
import type { CommandContext, Handlers } from "./context.ts";
import { ERROR } from "./errors.ts";
import { StringRun } from "./string_run.ts";

const WORD = {
  get: ascii("GET"),
  set: ascii("SET"),
  incrby: ascii("INCRBY"),
  overflow: ascii("OVERFLOW"),
  wrap: ascii("WRAP"),
  sat: ascii("SAT"),
  fail: ascii("FAIL"),
};
const TYPE_ERROR = "Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.";
const LOWER_I = 0x69, LOWER_U = 0x75;
const OPERATION = { get: 0, set: 1, incrby: 2, overflow: 3 } as const;
/** Where the argument after an operation is; by OPERATION. */
const OPERATION_ARGS = [3, 4, 4, 2];
const FIRST_OPERATION = 2;

/** The operation that was read last. `overflow` holds for all that follow. */
const operation = {
  kind: 0,
  signed: false,
  bits: 0,
  offset: 0,
  operand: new I64(),
  overflow: OVERFLOW.wrap as number,
};
const zero = new I64(), value = new I64(), before = new I64();
const window = new Uint8Array(WINDOW_BYTES);
const run = new StringRun();

// ---- reading the arguments ---------------------------------------------------------------------------------------------

/** Reads the operation at argument `at`; returns where the next one is, or -1 with the error replied. */
function readOperation(ctx: CommandContext, at: number): number {
  const { args, reply } = ctx, kind = kindAt(ctx, at);
  if (kind < 0) {
    reply.error(ERROR.syntax);
    return -1;
  }
  operation.kind = kind;
  const next = at + OPERATION_ARGS[kind];
  if (kind === OPERATION.overflow) return readOverflow(ctx, at + 1) ? next : -1;
  if (!readType(ctx, at + 1)) return -1;
  operation.offset = bitOffset(ctx, at + 2, operation.bits);
  if (Number.isNaN(operation.offset)) return -1;
  if (kind === OPERATION.get || args.i64(at + 3, operation.operand)) return next;
  reply.error(ERROR.notInteger);
  return -1;
}

/** The kind of operation that starts at an argument; -1 when none does, or too few arguments are left for it. */
function kindAt(ctx: CommandContext, at: number): number {
  const { args } = ctx;
  const kind = args.is(at, WORD.get)
    ? OPERATION.get
    : args.is(at, WORD.set)
    ? OPERATION.set
    : args.is(at, WORD.incrby)
    ? OPERATION.incrby
    : args.is(at, WORD.overflow)
    ? OPERATION.overflow
    : -1;
  return kind >= 0 && at + OPERATION_ARGS[kind] <= args.count ? kind : -1;
}

function readOverflow(ctx: CommandContext, at: number): boolean {
  const { args } = ctx;
  if (args.is(at, WORD.wrap)) operation.overflow = OVERFLOW.wrap;
  else if (args.is(at, WORD.sat)) operation.overflow = OVERFLOW.saturate;
  else if (args.is(at, WORD.fail)) operation.overflow = OVERFLOW.fail;
  else {
    ctx.reply.error("Invalid OVERFLOW type specified");
    return false;
  }
  return true;
}

/** Reads "i5" or "u63". */
function readType(ctx: CommandContext, index: number): boolean {
  const { bytes, offsets, lengths } = ctx.args, at = offsets[index], length = lengths[index];
  const sign = length > 0 ? bytes[at] : 0, bits = parseSafeInteger(bytes, at + 1, length - 1);
  operation.signed = sign === LOWER_I, operation.bits = bits;
  if ((sign === LOWER_I || sign === LOWER_U) && bits >= 1 && bits <= (sign === LOWER_I ? 64 : 63)) return true;
  ctx.reply.error(TYPE_ERROR);
  return false;
}

/** What the first reading finds. */
const plan = { operations: 0, writes: false, lengthBytes: 0 };

/** Checks all arguments; false with the error replied. */
function readPlan(ctx: CommandContext): boolean {
  plan.operations = 0, plan.writes = false, plan.lengthBytes = 0;
  for (let at = FIRST_OPERATION; at < ctx.args.count;) {
    at = readOperation(ctx, at);
    if (at < 0) return false;
    if (operation.kind === OPERATION.overflow) continue;
    plan.operations++;
    if (operation.kind === OPERATION.get) continue;
    plan.writes = true;
    plan.lengthBytes = Math.max(plan.lengthBytes, Math.floor((operation.offset + operation.bits - 1) / 8) + 1);
  }
  return true;
}

// ---- running the operations ----------------------------------------------------------------------------------------------

function bitfield(ctx: CommandContext): void {
  if (!readPlan(ctx)) return;
  if (!plan.writes) return readAll(ctx);
  const found = ctx.lookupWrite(1);
  if (!ctx.isString(found)) return;
  const grown = ctx.stringLength(found) < plan.lengthBytes;
  const changes = runAll(ctx, makeWritable(ctx, found, plan.lengthBytes), grown);
  if (changes > 0) ctx.changed(1), ctx.notify(EVENT.string, "setbit", 1);
  // Redis does not log a key that it has made longer when every write then failed; the file would then hold another one.
  ctx.keyspace.dirty += changes === 0 && grown ? 1 : changes;
}

function bitfieldRo(ctx: CommandContext): void {
  if (!readPlan(ctx)) return;
  if (plan.writes) return ctx.reply.error("BITFIELD_RO only supports the GET subcommand");
  readAll(ctx);
}

function readAll(ctx: CommandContext): void {
  const entry = ctx.lookupRead(1);
  if (ctx.isString(entry)) runAll(ctx, entry, false);
}

/** Runs the operations on a string that is long enough; returns how many changed it (with `grown`, how many wrote). */
function runAll(ctx: CommandContext, entry: Address, grown: boolean): number {
  let changes = 0;
  ctx.reply.startArray(plan.operations);
  operation.overflow = OVERFLOW.wrap;
  run.locate(ctx.keyspace, entry);
  for (let at = FIRST_OPERATION; at < ctx.args.count;) {
    at = readOperation(ctx, at);
    if (operation.kind === OPERATION.overflow) continue;
    openWindow();
    readField(window, operation.offset % 8, operation.bits, operation.signed, before);
    if (operation.kind === OPERATION.get) ctx.reply.i64(before);
    else if (runWrite(ctx, entry) && (grown || before.compare(value) !== 0)) changes++;
  }
  return changes;
}

/** Runs SET or INCRBY on the field whose value is in `before`; false when it must not overflow but would. */
function runWrite(ctx: CommandContext, entry: Address): boolean {
  const { kind, operand, bits, signed, overflow, offset } = operation, adds = kind === OPERATION.incrby;
  value.copyFrom(adds ? before : operand);
  if (addToField(value, adds ? operand : zero, bits, signed, overflow) && overflow === OVERFLOW.fail) {
    ctx.reply.null();
    return false;
  }
  ctx.reply.i64(adds ? value : before);
  writeField(window, offset % 8, bits, value);
  closeWindow(ctx, entry);
  return true;
}

/** Brings the bytes of the operation's field to the window; those beyond the end are zero. */
function openWindow(): void {
  const from = Math.floor(operation.offset / 8);
  for (let i = 0; i < WINDOW_BYTES; i++) window[i] = run.byteAt(from + i);
}

/** Stores the bytes of the field. */
function closeWindow(ctx: CommandContext, entry: Address): void {
  const { memory, place } = ctx.keyspace, from = Math.floor(operation.offset / 8);
  const bytes = Math.floor((operation.offset % 8 + operation.bits - 1) / 8) + 1;
  place.locate(memory, entry);
  memory.copyIn(place.block, place.offsetBytes + from, window, 0, bytes);
  memory.cow.writtenBytes += bytes;
}

export const bitfieldCommands: Handlers = { bitfield, bitfield_ro: bitfieldRo };
