/**
 * One running MIGRATE: keys are sent to another server with RESTORE, and those it has taken are removed here.
 *
 *   held client -> link -> AUTH, SELECT, RESTORE … -> replies -> DEL (one unit of the log) -> the client's reply
 *
 * Redis stands still meanwhile; this server goes on, and only the client that asked waits. So another client may write a key that is
 * under way. Such a key is not removed: its write would be lost. The client is told, and may migrate it again with REPLACE.
 * Invariants: a key is removed only after the target has acknowledged it and only if nobody wrote it since it was sent; the keys are
 * removed even when the client is gone by then, as nobody else would.
 */
import { ascii, latin1Decode } from "../base/bytes.ts";
import type { Database, Replacement, WatchListener } from "../keyspace/database.ts";
import { expiresAtMs } from "../keyspace/entry.ts";
import { EVENT } from "../keyspace/key_events.ts";
import { NONE } from "../memory/mod.ts";
import { encodeCommand } from "../resp/encode_command.ts";
import type { ReplyWriter } from "../resp/reply_writer.ts";
import type { Client } from "./client.ts";
import { LinkError, type MigrateLink, NO_DATABASE } from "./migrate_link.ts";
import type { Server } from "./server.ts";

export interface MigrateRequest {
  readonly host: string;
  readonly port: number;
  readonly targetDb: number;
  readonly timeoutMs: number;
  readonly copy: boolean;
  readonly replace: boolean;
  /** Password, or user name and password; empty for none. */
  readonly auth: readonly Uint8Array[];
  readonly db: Database;
  readonly keys: readonly Uint8Array[];
}

/** A key that was sent. */
class SentKey implements WatchListener {
  readonly key: Uint8Array;
  /** Nobody has written it since. */
  isUnchanged = true;
  acknowledged = false;

  constructor(key: Uint8Array) {
    this.key = key;
  }

  watchedKeyChanged(): void {
    this.isUnchanged = false;
  }

  watchedKeyReplaced(_db: Database, _key: string, existed: boolean, replacement: Replacement): void {
    if (existed || replacement !== "none") this.isUnchanged = false;
  }
}

export class Migration {
  readonly #server: Server;
  readonly #client: Client;
  readonly #request: MigrateRequest;
  #sent: SentKey[] = [];
  #targetError = "";

  constructor(server: Server, client: Client, request: MigrateRequest) {
    this.#server = server, this.#client = client, this.#request = request;
  }

  /** Holds the client, and lets it go on with its reply when all is done. */
  async run(): Promise<void> {
    const client = this.#client;
    client.postponed = true;
    client.connection.pauseReading();
    let failure = await this.#attempt();
    // A connection that was kept may be dead: one more try, when nothing can have been taken.
    const mayRetry = failure !== null && !failure.timedOut && failure.phase !== "connecting" && !this.#server.isStopped;
    if (mayRetry && this.#targetError === "" && !this.#sent.some((sent) => sent.acknowledged)) {
      this.#unwatch();
      failure = await this.#attempt();
    }
    if (!this.#server.isStopped) this.#finish(failure);
  }

  async #attempt(): Promise<LinkError | null> {
    const { host, port, timeoutMs } = this.#request, { migrateLinks } = this.#server;
    let link: MigrateLink | null = null;
    try {
      link = await migrateLinks.open(host, port, timeoutMs);
      await this.#transfer(link);
      return null;
    } catch (error) {
      if (!(error instanceof LinkError)) throw error;
      return error;
    } finally {
      if (link !== null) migrateLinks.release(link);
    }
  }

  async #transfer(link: MigrateLink): Promise<void> {
    const { auth, targetDb, timeoutMs } = this.#request, words: Uint8Array[] = [];
    const replies: (SentKey | null)[] = [];
    if (auth.length > 0) words.push(encodeCommand(["AUTH", ...auth])), replies.push(null);
    if (link.selectedDb !== targetDb) words.push(encodeCommand(["SELECT", targetDb])), replies.push(null);
    this.#restoreCommands(words);
    replies.push(...this.#sent);
    // What happens between here and the replies is unknown until they are read.
    link.selectedDb = NO_DATABASE;
    await link.write(concatenated(words), timeoutMs);
    let preludeFailed = false;
    for (const sent of replies) {
      const reply = await link.line(timeoutMs), isError = reply.startsWith("-");
      if (isError && this.#targetError === "") this.#targetError = reply.slice(1);
      if (sent === null) preludeFailed ||= isError;
      else sent.acknowledged = !isError && !preludeFailed;
    }
    if (this.#targetError === "") link.selectedDb = targetDb;
  }

  /** The keys as they are now. */
  #restoreCommands(words: Uint8Array[]): void {
    const { keyspace, memory, persistence, propagator, clock } = this.#server, { db, keys, replace } = this.#request;
    const nowMs = keyspace.nowMs = clock.nowMs();
    for (const key of keys) {
      const entry = keyspace.lookupQuiet(db, key, 0, key.length);
      if (entry === NONE) continue;
      const atMs = expiresAtMs(memory, entry), ttl = atMs < 0 ? 0 : Math.max(1, atMs - nowMs);
      const payload = persistence.dumpPayload(entry), options = replace ? ["REPLACE"] : [];
      words.push(encodeCommand(["RESTORE", key, ttl, payload, ...options]));
      this.#watch(new SentKey(key));
    }
    // What the look-ups found to have expired.
    propagator.endUnit();
  }

  #watch(sent: SentKey): void {
    const { db } = this.#request, key = latin1Decode(sent.key);
    let listeners = db.watched.get(key);
    if (listeners === undefined) db.watched.set(key, listeners = new Set());
    listeners.add(sent);
    this.#server.keyspace.watchedKeys++;
    this.#sent.push(sent);
  }

  #unwatch(): void {
    const { db } = this.#request, { keyspace } = this.#server;
    for (const sent of this.#sent) {
      const key = latin1Decode(sent.key), listeners = db.watched.get(key)!;
      listeners.delete(sent);
      keyspace.watchedKeys--;
      if (listeners.size === 0) db.watched.delete(key);
    }
    this.#sent = [];
  }

  // ---- the end -------------------------------------------------------------------------------------------------

  #finish(failure: LinkError | null): void {
    const server = this.#server, client = this.#client, { db, copy } = this.#request;
    const sent = this.#sent;
    this.#unwatch();
    server.dispatcher.endBatch();
    server.keyspace.nowMs = server.commandTimeMs(server.nowUs());
    const kept = copy ? null : this.#removeAcknowledged(db, sent);
    if (!client.closed) {
      const errors = client.reply.errors;
      this.#reply(client.reply, failure, kept);
      if (client.reply.errors !== errors) server.errorReplied(client.reply.lastError);
      server.queueFlush(client);
    }
    if (server.blocking.hasReady) server.blocking.serveReady();
    this.#resume();
    server.network.requestTurnEnd();
  }

  /** Returns an acknowledged key that was not removed, as it has been written since; null when there is none. */
  #removeAcknowledged(db: Database, sentKeys: readonly SentKey[]): Uint8Array | null {
    const { keyspace, propagator, memory } = this.#server, removed: Uint8Array[] = [];
    let kept: Uint8Array | null = null;
    memory.cow.commandId = this.#server.table.named("migrate")!.id;
    propagator.beginCommand(db.index);
    for (const { key, acknowledged, isUnchanged } of sentKeys) {
      if (!acknowledged) continue;
      if (isUnchanged) {
        if (!keyspace.remove(db, key, 0, key.length, false)) continue;
        removed.push(key);
        keyspace.notify(EVENT.generic, "del", db, key, 0, key.length);
      } else if (keyspace.lookupQuiet(db, key, 0, key.length) !== NONE) kept ??= key;
    }
    if (removed.length > 0) {
      keyspace.dirty += removed.length;
      propagator.also(db.index, [ascii("DEL"), ...removed]);
    }
    if (propagator.endUnit()) this.#server.logged(this.#client);
    return kept;
  }

  #reply(reply: ReplyWriter, failure: LinkError | null, kept: Uint8Array | null): void {
    if (this.#targetError !== "") reply.error(`Target instance replied with error: ${this.#targetError}`);
    else if (failure?.phase === "connecting") {
      reply.errorWithCode("IOERR error or timeout connecting to the client");
    } else if (failure !== null) {
      reply.errorWithCode(`IOERR error or timeout ${failure.phase} to target instance`);
    } else if (kept !== null) {
      const key = latin1Decode(kept);
      reply.error(
        `Key '${key}' was written while it was migrated: it stays here, and the target has what it was before`,
      );
    } else reply.ok();
  }

  /** The client's next requests run between turns. */
  #resume(): void {
    const server = this.#server, client = this.#client;
    if (client.closed) return;
    client.postponed = false;
    client.connection.resumeReading();
    server.processInput(client);
  }
}

function concatenated(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) whole.set(part, at), at += part.length;
  return whole;
}
