/** Expiry arguments: relative or absolute, seconds or milliseconds, to Unix ms; with Redis's checks. */
import type { CommandContext } from "./context.ts";

const I64_MAX = 2 ** 63;

/**
 * Absolute expiry in Unix ms from an argument, or NaN with the error reply written.
 * @param perUnit 1000 for seconds, 1 for milliseconds
 * @param baseMs 0 for absolute times, now for relative ones
 */
export function expiryMs(ctx: CommandContext, index: number, perUnit: number, baseMs: number, command: string): number {
  const value = ctx.wideInteger(index);
  if (Number.isNaN(value)) return NaN;
  const atMs = value * perUnit + baseMs;
  if (value > 0 && value * perUnit < I64_MAX && atMs < I64_MAX) return atMs;
  ctx.reply.error(`invalid expire time in '${command}' command`);
  return NaN;
}

/** The same for EXPIRE and its family, where zero and negative times mean "now" and only overflow is an error. */
export function expiryMsAllowingPast(
  ctx: CommandContext,
  index: number,
  perUnit: number,
  baseMs: number,
  command: string,
): number {
  const value = ctx.wideInteger(index);
  if (Number.isNaN(value)) return NaN;
  const scaled = value * perUnit, atMs = scaled + baseMs;
  if (scaled < I64_MAX && scaled > -I64_MAX && atMs < I64_MAX) return atMs;
  ctx.reply.error(`invalid expire time in '${command}' command`);
  return NaN;
}
