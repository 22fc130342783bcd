/** The timeout argument of commands that wait. */
import { parseDouble } from "../base/strtod.ts";
import type { CommandContext } from "./context.ts";

/** Argument `index` in seconds, as whole milliseconds; 0 waits for ever. NaN, with the error replied, when it is none. */
export function blockTimeoutMs(ctx: CommandContext, index: number): number {
  const { args } = ctx, seconds = parseDouble(args.bytes, args.offsets[index], args.lengths[index]);
  if (Number.isNaN(seconds)) return failed(ctx, "timeout is not a float or out of range");
  const timeoutMs = Math.ceil(seconds * 1000);
  // An infinite number (or what is beyond a C long long) is negative once Redis has converted it.
  return timeoutMs >= 0 && timeoutMs < 2 ** 63 ? timeoutMs : failed(ctx, "timeout is negative");
}

function failed(ctx: CommandContext, error: string): number {
  ctx.reply.error(error);
  return NaN;
}
