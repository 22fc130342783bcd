/** Expiry arguments: relative or absolute, seconds or milliseconds, to Unix ms; with Redis's checks. */
import { I64 } from "../base/integer.ts";
import { EXPIRES_AT_MS_MAX } from "../keyspace/entry.ts";
import type { CommandContext } from "./context.ts";
import { ERROR } from "./errors.ts";

/** How many seconds a 64-bit number of milliseconds can hold. */
const SECONDS_MAX = new I64().set(0x20c49b, 0xa5e353f7);
const I64_END = 2 ** 63;

/**
 * Absolute expiry in Unix ms from an argument, or NaN with the error reply written.
 * @param perUnit 1000 for seconds, 1 for milliseconds
 * @param baseMs 0 for absolute times, now for relative ones
 */
export function expiryMs(ctx: CommandContext, index: number, perUnit: number, baseMs: number, command: string): number {
  const atMs = expiryMsAllowingPast(ctx, index, perUnit, baseMs, command);
  return Number.isNaN(atMs) || ctx.a.toNumber() > 0 ? atMs : refuse(ctx, command);
}

/**
 * The same for EXPIRE and its family, where zero and negative times mean "now" and only overflow is an error. The argument is left in
 * `ctx.a`.
 */
export function expiryMsAllowingPast(
  ctx: CommandContext,
  index: number,
  perUnit: number,
  baseMs: number,
  command: string,
): number {
  if (!ctx.args.i64(index, ctx.a)) {
    ctx.reply.error(ERROR.notInteger);
    return NaN;
  }
  if (perUnit === 1000 && exceedsSeconds(ctx.a, ctx.b)) return refuse(ctx, command);
  const atMs = ctx.a.toNumber() * perUnit + baseMs;
  if (baseMs > 0 && atMs >= I64_END) return refuse(ctx, command);
  return Math.min(atMs, EXPIRES_AT_MS_MAX);
}

function exceedsSeconds(value: I64, scratch: I64): boolean {
  if (!value.isNegative()) return value.compare(SECONDS_MAX) > 0;
  return !scratch.copyFrom(value).negate() || scratch.compare(SECONDS_MAX) > 0;
}

function refuse(ctx: CommandContext, command: string): number {
  ctx.reply.error(`invalid expire time in '${command}' command`);
  return NaN;
}
