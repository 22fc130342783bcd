/**
 * Clients that wait for keys: BLPOP, BLMOVE, BZPOPMIN, XREAD BLOCK and their like.
 *
 *   database -> key -> queue of waits, oldest first          each wait -> its queues, its place among the deadlines
 *
 * A command (or a transaction, as a whole) that makes keys ready only notes them; once it has been logged, `serveReady` serves the keys in
 * the order in which they became ready, the clients of each in the order in which they came, as long as there is something to give. What
 * that makes ready is served next, and so on. What is done for one client is a unit of the log of its own.
 * Invariants: a client waits in one place at most (`client.waiting`); a queue that nobody waits in is in no map; a client whose wait has
 * ended runs its further requests at the end of the turn, never inside the command that ended it.
 */
import { latin1Decode } from "../base/bytes.ts";
import { type Due, DueHeap } from "../base/heap.ts";
import type { BlockRequest } from "../commands/control.ts";
import { ERROR } from "../commands/errors.ts";
import type { Command } from "../commands/registry.ts";
import type { TimerId } from "../io/clock.ts";
import type { Database } from "../keyspace/database.ts";
import { typeOf } from "../keyspace/entry.ts";
import type { KeyWaits } from "../keyspace/keyspace.ts";
import { NONE, OutOfArenaError } from "../memory/mod.ts";
import { Args } from "../resp/args.ts";
import type { ReplyWriter } from "../resp/reply_writer.ts";
import { type Client, REPLY_MODE } from "./client.ts";
import type { Server } from "./server.ts";

/** The longest time a timer can be set for. */
const TIMER_MS_MAX = 2 ** 31 - 1;
const NO_TYPE = -1;

/** Those who wait for one key. */
interface KeyQueue {
  readonly db: Database;
  readonly name: string;
  readonly key: Uint8Array;
  /** In order of arrival. */
  readonly waits: Set<Wait>;
  /** Waits that want to be told that the key is gone. */
  endingWithKey: number;
  /** Noted to be served. */
  isReady: boolean;
}

/** One client's wait, with a copy of its request. */
export interface Wait extends Due {
  readonly client: Client;
  readonly db: Database;
  readonly command: Command;
  readonly args: Args;
  readonly request: BlockRequest;
  readonly queues: KeyQueue[];
}

export class Blocking implements KeyWaits {
  readonly #server: Server;
  /** By number of the database, then by key as latin1 text. */
  readonly #queues: Map<string, KeyQueue>[];
  #ready: KeyQueue[] = [];
  readonly #released: Client[] = [];
  readonly #deadlines = new DueHeap<Wait>();
  #timer: TimerId | null = null;
  #timerDueMs = 0;
  #nextNumber = 0;
  waitingClients = 0;

  constructor(server: Server) {
    this.#server = server;
    this.#queues = server.keyspace.databases.map(() => new Map());
    server.keyspace.waits = this;
  }

  get hasReady(): boolean {
    return this.#ready.length > 0;
  }

  /** Clients whose wait ends by itself. */
  get deadlines(): number {
    return this.#deadlines.size;
  }

  // ---- waiting -------------------------------------------------------------------------------------------------

  /** The client whose command is running waits. */
  block(client: Client, command: Command, args: Args, request: BlockRequest): void {
    const { keyspace } = this.#server, db = client.db, own = new Args();
    own.copyFrom(args);
    const wait: Wait = {
      client,
      db,
      command,
      args: own,
      request,
      queues: [],
      dueMs: keyspace.nowMs + request.timeoutMs,
      number: this.#nextNumber++,
      heapPlace: -1,
    };
    for (const key of request.keys) this.#enqueue(wait, key);
    keyspace.waitedKeys += wait.queues.length;
    client.waiting = wait;
    this.waitingClients++;
    if (request.timeoutMs === 0) return;
    this.#deadlines.add(wait);
    this.#setTimer();
  }

  #enqueue(wait: Wait, key: Uint8Array): void {
    const name = latin1Decode(key), queues = this.#queues[wait.db.index];
    let queue = queues.get(name);
    if (queue === undefined) {
      queue = { db: wait.db, name, key, waits: new Set(), endingWithKey: 0, isReady: false };
      queues.set(name, queue);
    }
    // A key that is named twice is waited for once.
    if (queue.waits.has(wait)) return;
    queue.waits.add(wait);
    if (wait.request.keyGone !== undefined) queue.endingWithKey++;
    wait.queues.push(queue);
  }

  /** The wait is over, one way or another. */
  #end(wait: Wait): void {
    const server = this.#server;
    for (const queue of wait.queues) {
      queue.waits.delete(wait);
      if (wait.request.keyGone !== undefined) queue.endingWithKey--;
      if (queue.waits.size === 0) this.#queues[queue.db.index].delete(queue.name);
    }
    server.keyspace.waitedKeys -= wait.queues.length;
    this.#deadlines.remove(wait);
    wait.client.waiting = null;
    this.waitingClients--;
  }

  /** Ends a wait whose reply has been written. */
  #release(wait: Wait): void {
    const server = this.#server, client = wait.client;
    this.#end(wait);
    this.#released.push(client);
    server.queueFlush(client);
    server.network.requestTurnEnd();
  }

  /** The client is gone, or will be once what it has been replied is sent. */
  forget(client: Client): void {
    if (client.waiting !== null) this.#end(client.waiting);
  }

  /** CLIENT UNBLOCK: as if the time were over, or with an error. False when the client does not wait. */
  unblock(client: Client, withError: boolean): boolean {
    const wait = client.waiting;
    if (wait === null) return false;
    this.#reply(wait, () => {
      if (withError) client.reply.errorWithCode(ERROR.unblocked);
      else wait.request.timedOut(client.reply);
    });
    if (!withError) wait.command.statistics.failedCalls++;
    this.#release(wait);
    return true;
  }

  /** Ends a wait for something else than a key. */
  finish(wait: Wait, write: (reply: ReplyWriter) => void): void {
    this.#reply(wait, () => write(wait.client.reply));
    this.#release(wait);
  }

  /** Ends all waits with an error, and the connections after it. */
  endAll(error: string): void {
    for (const client of [...this.#server.clients.values()]) {
      const { waiting } = client;
      if (waiting === null) continue;
      this.finish(waiting, (reply) => reply.errorWithCode(error));
      client.closeAfterReply = true;
    }
  }

  /** Runs what clients sent while they waited: between turns, never inside the command that ended the wait. */
  resumeReleased(): void {
    for (let client = this.#released.shift(); client !== undefined; client = this.#released.shift()) {
      if (!client.closed && client.parser.isMidRequest) this.#server.processInput(client);
    }
  }

  // ---- deadlines -----------------------------------------------------------------------------------------------

  #setTimer(): void {
    const first = this.#deadlines.first, { clock } = this.#server;
    if (first === undefined || (this.#timer !== null && this.#timerDueMs <= first.dueMs)) return;
    if (this.#timer !== null) clock.clearTimer(this.#timer);
    this.#timerDueMs = first.dueMs;
    const delayMs = Math.max(0, Math.min(first.dueMs - clock.nowMs(), TIMER_MS_MAX));
    this.#timer = clock.setTimer(delayMs, () => this.#endDue());
  }

  stop(): void {
    if (this.#timer !== null) this.#server.clock.clearTimer(this.#timer);
    this.#timer = null;
  }

  #endDue(): void {
    this.#timer = null;
    const nowMs = this.#server.clock.nowMs();
    for (let wait = this.#deadlines.first; wait !== undefined && wait.dueMs <= nowMs; wait = this.#deadlines.first) {
      const { client, request } = wait;
      this.#reply(wait, () => request.timedOut(client.reply));
      this.#release(wait);
    }
    this.#setTimer();
  }

  // ---- ready keys ----------------------------------------------------------------------------------------------

  keyTouched(db: Database, key: Uint8Array, keyBytes: number, length: number): void {
    const queues = this.#queues[db.index];
    if (queues.size === 0) return;
    const queue = queues.get(latin1Decode(key, keyBytes, keyBytes + length));
    if (queue !== undefined) this.#note(queue);
  }

  databaseReplaced(db: Database): void {
    const { dict } = this.#server.keyspace;
    for (const queue of this.#queues[db.index].values()) {
      // Keys that have expired too: they are removed, and that is logged, when it is their turn, not inside the command that is running.
      const isThere = dict.find(db.dict, queue.key, 0, queue.key.length) !== NONE;
      if (isThere || queue.endingWithKey > 0) this.#note(queue);
    }
  }

  #note(queue: KeyQueue): void {
    if (queue.isReady) return;
    queue.isReady = true;
    this.#ready.push(queue);
  }

  /** Serves all who can be served now. */
  serveReady(): void {
    const server = this.#server, executing = server.currentClient;
    server.dispatcher.endBatch();
    while (this.#ready.length > 0) {
      const ready = this.#ready;
      this.#ready = [];
      for (const queue of ready) {
        queue.isReady = false;
        server.keyspace.nowMs = server.commandTimeMs(server.nowUs());
        this.#serveKey(queue);
        // What the look-up found to have expired.
        server.propagator.endUnit();
      }
    }
    server.currentClient = executing;
  }

  #serveKey(queue: KeyQueue): void {
    let type = this.#typeNow(queue);
    for (const wait of queue.waits) {
      const { request } = wait;
      if (type === request.type) {
        if (this.#serve(wait, queue.key)) type = this.#typeNow(queue);
      } else if (request.keyGone !== undefined) {
        this.#reply(wait, () => request.keyGone!(wait.client.reply));
        this.#release(wait);
      } else if (type === NO_TYPE && queue.endingWithKey === 0) return;
    }
  }

  #typeNow({ db, key }: KeyQueue): number {
    const { keyspace } = this.#server, entry = keyspace.lookupQuiet(db, key, 0, key.length);
    return entry === NONE ? NO_TYPE : typeOf(keyspace.memory, entry);
  }

  /** Lets a wait's command take what there is; false when there is nothing for it. */
  #serve(wait: Wait, key: Uint8Array): boolean {
    const server = this.#server, { client, request, args, command } = wait, ctx = server.context;
    ctx.client = server.currentClient = client, ctx.reply = client.reply, ctx.db = wait.db, ctx.args = args;
    server.keyspace.memory.cow.commandId = command.id;
    server.propagator.beginCommand(wait.db.index);
    const startUs = server.nowUs();
    if (!this.#reply(wait, () => this.#serveOrFail(request, key))) return false;
    if (server.propagator.endUnit()) server.logged(client);
    server.tracking.tellPending(client);
    const microseconds = server.nowUs() - startUs;
    command.statistics.microseconds += microseconds;
    server.commandTimed(command, microseconds);
    server.commandRan(client, command, args, microseconds);
    this.#release(wait);
    return true;
  }

  /** A command for which the arena has no room has changed nothing; its client is told so. */
  #serveOrFail(request: BlockRequest, key: Uint8Array): boolean {
    const ctx = this.#server.context, start = ctx.reply.length;
    try {
      return request.serve(ctx, key);
    } catch (error) {
      if (!(error instanceof OutOfArenaError)) throw error;
      ctx.reply.truncate(start);
      ctx.reply.error(ERROR.arenaFull);
      return true;
    }
  }

  /** Has a reply written: counts errors, and takes it back where CLIENT REPLY says so. */
  #reply<T>(wait: Wait, write: () => T): T {
    const server = this.#server, { client, command } = wait, start = client.reply.length, errors = client.reply.errors;
    const result = write();
    if (client.reply.errors !== errors) {
      command.statistics.failedCalls++;
      server.errorReplied(client.reply.lastError);
    }
    if (client.replyMode !== REPLY_MODE.on && client.reply.length > start) {
      server.dispatcher.applyReplyMode(client, start);
    }
    return result;
  }
}
