/** Commands on the whole dataset and on the server's life: DBSIZE, FLUSHALL, SWAPDB, TIME, SAVE, BGSAVE, SHUTDOWN, … */
import type { CommandContext, Handlers } from "../../commands/context.ts";
import { ERROR } from "../../commands/errors.ts";
import type { Client } from "../client.ts";
import { REDIS_VERSION, type Server } from "../server.ts";

interface ShutdownRequest {
  /** Null leaves it to the save points. */
  save: boolean | null;
  now: boolean;
  force: boolean;
  abort: boolean;
}

export function serverCommands(server: Server): Handlers {
  const { keyspace } = server;

  function dbsize(ctx: CommandContext): void {
    ctx.reply.integer(keyspace.size(ctx.db));
  }

  // ---- FLUSHDB, FLUSHALL, SWAPDB -------------------------------------------------------------------------------

  /** Whether to free in the background, or null with the error replied. */
  function flushMode(ctx: CommandContext): boolean | null {
    const { args } = ctx;
    if (args.count === 1) return server.settings.lazyfreeLazyUserFlush;
    if (args.count === 2 && args.equalsIgnoreCase(1, "sync")) return false;
    if (args.count === 2 && args.equalsIgnoreCase(1, "async")) return true;
    ctx.reply.error(ERROR.syntax);
    return null;
  }

  function flushdb(ctx: CommandContext): void {
    const inBackground = flushMode(ctx);
    if (inBackground === null) return;
    keyspace.dirty += keyspace.empty(ctx.db, inBackground);
    finishFlush(ctx, inBackground);
  }

  /**
   * A save of the old data that is under way is given up, and the RDB file made as empty as the memory, as in Redis; but inside a
   * transaction afterwards, as a file must not hold half of one.
   */
  function flushall(ctx: CommandContext): void {
    const inBackground = flushMode(ctx);
    if (inBackground === null) return;
    for (const db of keyspace.databases) keyspace.dirty += keyspace.empty(db, inBackground);
    server.persistence.cancelSave();
    if (server.settings.savePoints.length > 0) {
      if (server.dispatcher.isInTransaction) server.persistence.startBackgroundSave(true);
      else server.persistence.save();
    }
    finishFlush(ctx, inBackground);
  }

  /** Logged even when nothing was there: replaying it must be the same. */
  function finishFlush(ctx: CommandContext, inBackground: boolean): void {
    ctx.propagation.force();
    server.tracking.flushed();
    if (inBackground) server.cron.scheduleLazyFree();
    ctx.reply.ok();
  }

  function swapdb(ctx: CommandContext): void {
    const first = ctx.integer(1, "invalid first DB index");
    if (Number.isNaN(first)) return;
    const second = ctx.integer(2, "invalid second DB index");
    if (Number.isNaN(second)) return;
    const a = keyspace.databases[first], b = keyspace.databases[second];
    if (a === undefined || b === undefined) return ctx.reply.error(ERROR.dbIndexOutOfRange);
    if (a !== b) keyspace.swap(a, b);
    keyspace.dirty++;
    ctx.reply.ok();
  }

  // ---- time ----------------------------------------------------------------------------------------------------

  function time(ctx: CommandContext): void {
    const now = server.unixTime.now(), seconds = Math.floor(now / 1e6);
    ctx.reply.startArray(2);
    ctx.reply.text(String(seconds));
    ctx.reply.text(String(now - seconds * 1e6));
  }

  function lastsave(ctx: CommandContext): void {
    ctx.reply.integer(Math.floor(server.persistence.lastSaveMs / 1000));
  }

  // ---- persistence ---------------------------------------------------------------------------------------------

  function save(ctx: CommandContext): void {
    const error = server.persistence.save();
    if (error === null) ctx.reply.ok();
    else ctx.reply.error(error);
  }

  function bgsave(ctx: CommandContext): void {
    const { args } = ctx;
    const asked = args.count === 2 && args.equalsIgnoreCase(1, "schedule");
    if (args.count > 1 && !asked) return ctx.reply.error(ERROR.syntax);
    replyStarted(ctx, server.persistence.startBackgroundSave(asked || isInExec(ctx)));
  }

  function bgrewriteaof(ctx: CommandContext): void {
    replyStarted(ctx, server.persistence.startRewrite());
  }

  function replyStarted(ctx: CommandContext, outcome: { status: string } | { error: string }): void {
    if ("status" in outcome) ctx.reply.status(outcome.status);
    else ctx.reply.error(outcome.error);
  }

  function shutdown(ctx: CommandContext): void {
    const request = shutdownRequest(ctx);
    if (request === null) return ctx.reply.error(ERROR.syntax);
    if (request.abort) {
      if (server.shutdown.abort()) ctx.reply.ok();
      else ctx.reply.error("No shutdown in progress.");
      return;
    }
    server.shutdown.byCommand(ctx.client as Client, request);
  }

  function lolwut(ctx: CommandContext): void {
    const { args } = ctx;
    if (args.count >= 3 && args.equalsIgnoreCase(1, "version") && Number.isNaN(ctx.integer(2))) return;
    ctx.reply.verbatim(`After each write, the page as it was before.\nRedis ver. ${REDIS_VERSION}\n`);
  }

  return {
    dbsize,
    flushdb,
    flushall,
    swapdb,
    time,
    lastsave,
    save,
    bgsave,
    bgrewriteaof,
    shutdown,
    lolwut,
  };
}

/** Whether the command is one of a transaction's. */
function isInExec(ctx: CommandContext): boolean {
  return (ctx.client as Client).queue !== null;
}

/** What SHUTDOWN's options ask for, or null when they contradict each other or are unknown. */
function shutdownRequest({ args }: CommandContext): ShutdownRequest | null {
  const request: ShutdownRequest = { save: null, now: false, force: false, abort: false };
  for (let i = 1; i < args.count; i++) {
    const option = args.latin1(i).toLowerCase();
    if (option === "save" || option === "nosave") {
      if (request.save === (option !== "save")) return null;
      request.save = option === "save";
    } else if (option === "now" || option === "force" || option === "abort") request[option] = true;
    else return null;
  }
  const combined = request.save !== null || request.now || request.force;
  return request.abort && combined ? null : request;
}
