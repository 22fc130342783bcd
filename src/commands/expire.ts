/** EXPIRE and its family. Every form is logged as PEXPIREAT, so that a replay does not depend on when it happens. */
import { expiresAtMs } from "../keyspace/entry.ts";
import { EVENT } from "../keyspace/key_events.ts";
import { NONE } from "../memory/mod.ts";
import type { CommandContext, Handlers } from "./context.ts";
import { expiryMsAllowingPast } from "./expire_time.ts";

interface Conditions {
  nx: boolean;
  xx: boolean;
  gt: boolean;
  lt: boolean;
}

function parseConditions(ctx: CommandContext): Conditions | null {
  const args = ctx.args, conditions: Conditions = { nx: false, xx: false, gt: false, lt: false };
  for (let i = 3; i < args.count; i++) {
    const option = args.text(i).toLowerCase();
    if (option !== "nx" && option !== "xx" && option !== "gt" && option !== "lt") {
      ctx.reply.error(`Unsupported option ${args.text(i)}`);
      return null;
    }
    conditions[option] = true;
  }
  const { nx, xx, gt, lt } = conditions;
  if (nx && (xx || gt || lt)) ctx.reply.error("NX and XX, GT or LT options at the same time are not compatible");
  else if (gt && lt) ctx.reply.error("GT and LT options at the same time are not compatible");
  else return conditions;
  return null;
}

/** Whether the new time may replace the current one (-1: none, which counts as infinite). */
function allowed({ nx, xx, gt, lt }: Conditions, currentMs: number, atMs: number): boolean {
  if (nx && currentMs !== -1) return false;
  if (xx && currentMs === -1) return false;
  if (gt && (currentMs === -1 || atMs <= currentMs)) return false;
  return !(lt && currentMs !== -1 && atMs >= currentMs);
}

function expire(ctx: CommandContext, perUnit: number, relative: boolean, command: string): void {
  const conditions = parseConditions(ctx);
  if (conditions === null) return;
  const atMs = expiryMsAllowingPast(ctx, 2, perUnit, relative ? ctx.nowMs : 0, command);
  if (Number.isNaN(atMs)) return;
  const entry = ctx.lookupWrite(1), keyspace = ctx.keyspace;
  if (entry === NONE || !allowed(conditions, expiresAtMs(keyspace.memory, entry), atMs)) return ctx.reply.integer(0);
  if (atMs <= ctx.nowMs && !ctx.server.keepsPast) {
    ctx.remove(1, ctx.server.lazyExpire);
    ctx.propagation.replace(ctx.server.lazyExpire ? "UNLINK" : "DEL", ctx.args.slice(1));
  } else {
    keyspace.setExpiry(ctx.db, entry, Math.max(0, atMs));
    ctx.changed(1);
    ctx.notify(EVENT.generic, "expire", 1);
    ctx.propagation.replace("PEXPIREAT", ctx.args.slice(1), atMs);
  }
  keyspace.dirty++;
  ctx.reply.integer(1);
}

function persist(ctx: CommandContext): void {
  const entry = ctx.lookupWrite(1);
  if (entry === NONE || !ctx.hasExpiry(entry)) return ctx.reply.integer(0);
  ctx.keyspace.removeExpiry(ctx.db, entry);
  ctx.changed(1);
  ctx.notify(EVENT.generic, "persist", 1);
  ctx.keyspace.dirty++;
  ctx.reply.integer(1);
}

export const expireCommands: Handlers = {
  expire: (ctx) => expire(ctx, 1000, true, "expire"),
  pexpire: (ctx) => expire(ctx, 1, true, "pexpire"),
  expireat: (ctx) => expire(ctx, 1000, false, "expireat"),
  pexpireat: (ctx) => expire(ctx, 1, false, "pexpireat"),
  persist,
};
