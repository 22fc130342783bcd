/** The arguments that SCAN, HSCAN, SSCAN and ZSCAN share. */
import type { CommandContext } from "./context.ts";
import { ERROR } from "./errors.ts";

const STAR = 0x2a;
const SCAN_COUNT_DEFAULT = 10;

export interface ScanOptions {
  count: number;
  pattern: Uint8Array | null;
  typeName: string | null;
}

/**
 * The cursor argument, or NaN with the error reply written: what strtoul reads, so with a sign, or nothing at all, too. Ours stay below
 * 2^32; larger ones a client may send end the scan.
 */
export function parseCursor(ctx: CommandContext, index: number): number {
  const parts = /^([+-]?)([0-9]+)$/.exec(ctx.args.latin1(index));
  if (parts === null && ctx.args.lengths[index] === 0) return 0;
  const magnitude = parts === null ? -1n : BigInt(parts[2]);
  if (magnitude < 0n || magnitude > 0xffffffffffffffffn) {
    ctx.reply.error("invalid cursor");
    return NaN;
  }
  return Number((parts![1] === "-" ? -magnitude : magnitude) & 0xffffffffn);
}

/** The options from argument `from` on, or null with the error reply written; TYPE is SCAN's alone. */
export function parseScanOptions(ctx: CommandContext, from: number, allowType: boolean): ScanOptions | null {
  const args = ctx.args, options: ScanOptions = { count: SCAN_COUNT_DEFAULT, pattern: null, typeName: null };
  for (let i = from; i < args.count; i += 2) {
    if (i + 1 >= args.count) return syntaxError(ctx);
    if (args.equalsIgnoreCase(i, "count")) {
      options.count = ctx.integer(i + 1);
      if (Number.isNaN(options.count)) return null;
      if (options.count < 1) return syntaxError(ctx);
    } else if (args.equalsIgnoreCase(i, "match")) {
      const pattern = args.slice(i + 1);
      options.pattern = pattern.length === 1 && pattern[0] === STAR ? null : pattern.slice();
    } else if (allowType && args.equalsIgnoreCase(i, "type")) options.typeName = args.text(i + 1).toLowerCase();
    else return syntaxError(ctx);
  }
  return options;
}

function syntaxError(ctx: CommandContext): null {
  ctx.reply.error(ERROR.syntax);
  return null;
}
