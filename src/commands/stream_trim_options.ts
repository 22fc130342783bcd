/** The options of XADD and XTRIM before the id: what to trim, how, and whether to create the stream. */
import { ascii } from "../base/bytes.ts";
import { ID_TEXT, newStreamId, type StreamId } from "../structures/stream_id.ts";
import { TrimRule } from "../structures/stream.ts";
import type { CommandContext } from "./context.ts";
import { ERROR } from "./errors.ts";
import { idArgument, newIdArgument } from "./stream_common.ts";

const WORD = { maxlen: ascii("MAXLEN"), minid: ascii("MINID"), limit: ascii("LIMIT"), nomkstream: ascii("NOMKSTREAM") };
const STAR = 0x2a, NEARLY = 0x7e, EXACTLY = 0x3d;
const LIMIT_DEFAULT = 10_000, LIMIT_MAX = 1_000_000, LIMIT_NODES = 100;

/** One shared instance, filled by `parseTrimOptions`. */
export class TrimOptions {
  readonly rule: TrimRule = new TrimRule();
  trims = false;
  /** Argument that holds the length or id to trim to; the one before is "~" when the rule is approximate. */
  thresholdIndex = 0;
  noMakeStream = false;
  /** XADD's id: argument, whether it is more than "*", and whether it has a sequence. */
  idIndex = 0;
  readonly id: StreamId = newStreamId();
  idGiven = false;
  sequenceGiven = false;
  limitGiven = false;

  reset(): void {
    this.trims =
      this.noMakeStream =
      this.idGiven =
      this.sequenceGiven =
      this.limitGiven =
        false;
    this.rule.byId = this.rule.approximate = false, this.rule.limit = 0;
  }
}

/** Reads the options from argument 2 on, for XADD up to the id; false with the error replied. */
export function parseTrimOptions(ctx: CommandContext, options: TrimOptions, isAdd: boolean): boolean {
  const args = ctx.args, rule = options.rule;
  options.reset();
  let index = 2;
  for (; index < args.count; index++) {
    const hasMore = index + 1 < args.count;
    if (isAdd && isByte(ctx, index, STAR)) break;
    if (hasMore && (args.is(index, WORD.maxlen) || args.is(index, WORD.minid))) {
      index = parseThreshold(ctx, options, index, args.is(index, WORD.minid));
      if (index < 0) return false;
    } else if (hasMore && args.is(index, WORD.limit)) {
      rule.limit = ctx.wideInteger(++index);
      if (Number.isNaN(rule.limit)) return false;
      if (rule.limit < 0) return refuse(ctx, "The LIMIT argument must be >= 0.");
      options.limitGiven = true;
    } else if (isAdd && args.is(index, WORD.nomkstream)) options.noMakeStream = true;
    else if (!isAdd) return refuse(ctx, ERROR.syntax);
    else {
      const kind = newIdArgument(ctx, index, options.id);
      if (kind === ID_TEXT.invalid) return false;
      options.idGiven = true, options.sequenceGiven = kind === ID_TEXT.whole;
      break;
    }
  }
  options.idIndex = index;
  return checkLimit(ctx, options, isAdd);
}

/** MAXLEN or MINID; returns the threshold's argument, or -1 with the error replied. */
function parseThreshold(ctx: CommandContext, options: TrimOptions, at: number, byId: boolean): number {
  const args = ctx.args, rule = options.rule;
  if (options.trims) {
    refuse(ctx, "syntax error, MAXLEN and MINID options at the same time are not compatible");
    return -1;
  }
  let index = at + 1;
  rule.approximate = false;
  if (index + 1 < args.count && (isByte(ctx, index, NEARLY) || isByte(ctx, index, EXACTLY))) {
    rule.approximate = isByte(ctx, index, NEARLY);
    index++;
  }
  if (byId) {
    if (!idArgument(ctx, index, rule.idMin)) return -1;
  } else {
    rule.lengthMax = ctx.wideInteger(index);
    if (Number.isNaN(rule.lengthMax)) return -1;
    if (rule.lengthMax < 0) {
      refuse(ctx, "The MAXLEN argument must be >= 0.");
      return -1;
    }
  }
  rule.byId = byId, options.trims = true, options.thresholdIndex = index;
  return index;
}

function checkLimit(ctx: CommandContext, options: TrimOptions, isAdd: boolean): boolean {
  const rule = options.rule;
  if (!options.trims && rule.limit !== 0) {
    return refuse(ctx, "syntax error, LIMIT cannot be used without specifying a trimming strategy");
  }
  if (!options.trims && !isAdd) {
    return refuse(ctx, "syntax error, XTRIM must be called with a trimming strategy");
  }
  // What the log holds was limited when it was written.
  if (ctx.server.mustObey) rule.limit = 0;
  else if (options.limitGiven) {
    if (!rule.approximate) {
      return refuse(ctx, "syntax error, LIMIT cannot be used without the special ~ option");
    }
  } else rule.limit = rule.approximate ? defaultLimit(ctx.keyspace.limits.streamNodeEntriesMax) : 0;
  return true;
}

/** As much as a hundred nodes hold. */
function defaultLimit(nodeEntriesMax: number): number {
  return nodeEntriesMax <= 0 ? LIMIT_DEFAULT : Math.min(LIMIT_NODES * nodeEntriesMax, LIMIT_MAX);
}

function isByte(ctx: CommandContext, index: number, byte: number): boolean {
  return ctx.args.lengths[index] === 1 && ctx.args.bytes[ctx.args.offsets[index]] === byte;
}

function refuse(ctx: CommandContext, error: string): false {
  ctx.reply.error(error);
  return false;
}
