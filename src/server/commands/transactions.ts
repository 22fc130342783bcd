/** MULTI, EXEC, DISCARD, WATCH, UNWATCH. */
import type { CommandContext, Handlers } from "../../commands/context.ts";
import { ERROR } from "../../commands/errors.ts";
import { NONE } from "../../memory/mod.ts";
import type { Client } from "../client.ts";
import type { Server } from "../server.ts";

export function transactionCommands(server: Server): Handlers {
  const clientOf = (ctx: CommandContext) => ctx.client as Client;

  function multi(ctx: CommandContext): void {
    const client = clientOf(ctx);
    if (client.queue !== null) return ctx.reply.error("MULTI calls can not be nested");
    client.queue = [];
    ctx.reply.ok();
  }

  function discard(ctx: CommandContext): void {
    const client = clientOf(ctx);
    if (client.queue === null) return ctx.reply.error("DISCARD without MULTI");
    client.discardQueue();
    server.unwatchAll(client);
    ctx.reply.ok();
  }

  function exec(ctx: CommandContext): void {
    const client = clientOf(ctx);
    if (client.queue === null) return ctx.reply.error("EXEC without MULTI");
    const failed = client.watchFailed || hasExpiredWatch(client), refused = client.queueRefused;
    server.unwatchAll(client);
    if (refused) ctx.reply.errorWithCode(ERROR.execAbort);
    else if (failed) ctx.reply.nullArray();
    else {
      ctx.reply.startArray(client.queue.length);
      server.dispatcher.callQueued(client);
    }
    client.discardQueue();
  }

  function watch(ctx: CommandContext): void {
    const client = clientOf(ctx), args = ctx.args;
    if (client.queue !== null) return ctx.reply.error("WATCH inside MULTI is not allowed");
    if (client.watchFailed) return ctx.reply.ok();
    for (let i = 1; i < args.count; i++) watchKey(client, ctx, i);
    ctx.reply.ok();
  }

  function watchKey(client: Client, ctx: CommandContext, index: number): void {
    const key = ctx.args.latin1(index), db = ctx.db;
    if (client.watched.some((one) => one.db === db && one.key === key)) return;
    const entry = ctx.lookupEvenExpired(index);
    client.watched.push({ db, key, expired: entry !== NONE && server.keyspace.isExpired(entry) });
    let listeners = db.watched.get(key);
    if (listeners === undefined) db.watched.set(key, listeners = new Set());
    listeners.add(client);
    server.keyspace.watchedKeys++;
  }

  /** A watched key that has expired since fails the transaction; one that had expired before, and is still there, does not. */
  function hasExpiredWatch(client: Client): boolean {
    const keyspace = server.keyspace;
    return client.watched.some(({ db, key, expired }) => {
      if (expired) return false;
      const bytes = Uint8Array.from(key, (c) => c.charCodeAt(0));
      const entry = keyspace.dict.find(db.dict, bytes, 0, bytes.length);
      return entry !== NONE && keyspace.isExpired(entry);
    });
  }

  function unwatch(ctx: CommandContext): void {
    const client = clientOf(ctx);
    server.unwatchAll(client);
    if (client.queue === null) client.watchFailed = false;
    ctx.reply.ok();
  }

  return { multi, discard, exec, watch, unwatch };
}
