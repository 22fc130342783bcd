/** The timeout argument of commands that wait. */
import type { CommandContext } from "./context.ts";

/** What strtold reads, but for hexadecimal: nobody writes a timeout in it. */
const FLOAT = /^[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|inf|infinity)$/i;

/** Argument `index` in seconds, as whole milliseconds; 0 waits for ever. NaN, with the error replied, when it is none. */
export function blockTimeoutMs(ctx: CommandContext, index: number): number {
  const text = ctx.args.latin1(index);
  if (!FLOAT.test(text)) return failed(ctx, "timeout is not a float or out of range");
  const timeoutMs = Math.ceil(Number(text) * 1000);
  // An infinite number (or what is beyond a C long long) is negative once Redis has converted it.
  return timeoutMs >= 0 && timeoutMs < 2 ** 63 ? timeoutMs : failed(ctx, "timeout is negative");
}

function failed(ctx: CommandContext, error: string): number {
  ctx.reply.error(error);
  return NaN;
}
