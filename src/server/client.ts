/**
 * A connected client: its query buffer, its reply buffer and what it has asked for.
 *
 * Invariants: replies are handed to the connection only by `flush`, which only the end of a turn calls, after the log was flushed;
 * at most one write is in flight; a client that is closing executes nothing more.
 */
import type { ClientSession } from "../commands/control.ts";
import type { Command } from "../commands/registry.ts";
import type { Wait } from "./blocking.ts";
import type { Connection, ConnectionSink } from "../io/network.ts";
import type { Database, Replacement, WatchListener } from "../keyspace/database.ts";
import { Args } from "../resp/args.ts";
import { ReplyWriter } from "../resp/reply_writer.ts";
import { RequestParser } from "../resp/request_parser.ts";
import type { Subscriptions } from "./pubsub.ts";
import type { ClientTracking } from "./tracking.ts";

/** A command queued by MULTI, with its own copy of the arguments. */
export interface QueuedCommand {
  readonly command: Command;
  readonly args: Args;
}

export interface WatchedKey {
  readonly db: Database;
  /** The key's bytes as latin1 text. */
  readonly key: string;
  /** It had expired already when WATCH named it. */
  expired: boolean;
}

/** What a client needs of the server. */
export interface ClientHost {
  processInput(client: Client): void;
  clientClosed(client: Client): void;
  /** The peer sends nothing more: the client waits for nothing any longer. */
  stopWaiting(client: Client): void;
  /** The client has replies to send at the end of the turn. */
  queueFlush(client: Client): void;
  /** The client's buffers have changed. */
  countMemory(client: Client): void;
  nowMs(): number;
}

/** What a client is sent besides replies: a replica's file and stream. */
export interface OutputFeed {
  /** The next bytes, which stay as they are until they are sent; null when there are none now. */
  take(): Uint8Array | null;
  /** `take` would give some. */
  readonly hasMore: boolean;
  /** Bytes in memory that wait to be sent. */
  readonly pendingBytes: number;
}

/** What the objects of a client take besides its buffers, and one watched key or subscription; roughly. */
const CLIENT_BYTES = 2048, WATCHED_KEY_BYTES = 64, SUBSCRIPTION_BYTES = 64;

export const REPLY_MODE = { on: 0, off: 1, skipNext: 2, skip: 3 } as const;

export class Client implements ConnectionSink, ClientSession, WatchListener {
  readonly id: number;
  readonly connection: Connection;
  readonly parser: RequestParser = new RequestParser();
  readonly reply: ReplyWriter = new ReplyWriter();
  readonly createdMs: number;
  lastInteractionMs: number;
  db: Database;
  name = "";
  authenticated = false;
  /** Commands since MULTI; null outside. */
  queue: QueuedCommand[] | null = null;
  queueBytes = 0;
  /** A queued command was refused: EXEC will abort. */
  queueRefused = false;
  /** A watched key changed: EXEC will reply null. */
  watchFailed = false;
  watched: WatchedKey[] = [];
  replyMode: number = REPLY_MODE.on;
  /** Out-of-band parts of what its running command has written, as starts and ends: CLIENT REPLY OFF keeps them. */
  readonly keptReplies: number[] = [];
  isMonitor = false;
  /** What it listens to; null for nothing. */
  subscriptions: Subscriptions | null = null;
  isSubscriber = false;
  /** CLIENT TRACKING; null while it is off. */
  tracking: ClientTracking | null = null;
  /** It was told something out of band in this turn, which may report what others wrote. */
  isTold = false;
  /** It is a replica of this server, or applies what this server's master sends. */
  isReplica = false;
  isMaster = false;
  feed: OutputFeed | null = null;
  noEvict = false;
  lastCommand: Command | null = null;
  /** The parsed request waits for the end of CLIENT PAUSE or for memory; nothing is parsed meanwhile. */
  postponed = false;
  /** What it waits for; requests are read meanwhile, but not parsed. */
  waiting: Wait | null = null;
  /** Close once what is written so far is sent. */
  closeAfterReply = false;
  closed = false;
  flushQueued = false;
  /** Position in the log after this client's last write: its replies wait until the log vouches for it. */
  logPosition = 0;
  /** Offset of the replication stream after its last write. */
  streamOffset = 0;
  writing = false;
  /** `memoryBytes` when it was counted last. */
  countedBytes = 0;
  /** Its requests have taken long: they go on once others had their turn, and nothing is read meanwhile. */
  givesWay = false;
  /** Since when unsent replies are beyond the soft limit; 0 when they are not. */
  overSoftSinceMs = 0;
  /** When the peak of its replies was reset. */
  replyPeakSinceMs: number;
  #inFlight: Uint8Array | null = null;
  readonly #host: ClientHost;

  constructor(id: number, connection: Connection, db: Database, host: ClientHost) {
    this.id = id, this.connection = connection, this.db = db, this.#host = host;
    this.createdMs = this.lastInteractionMs = this.replyPeakSinceMs = host.nowMs();
  }

  /** A client of no connection runs what a log says: nothing there can wait. */
  get mayBlock(): boolean {
    return this.queue === null && this.id !== 0 && !this.isMaster;
  }

  get isClosing(): boolean {
    return this.closed || this.closeAfterReply || this.reply.overrun;
  }

  // ---- ConnectionSink ------------------------------------------------------------------------------------------

  readBuffer(minBytes: number): Uint8Array {
    return this.parser.room(minBytes);
  }

  onData(length: number): void {
    this.parser.received(length);
    this.#host.processInput(this);
  }

  /** A peer that only stopped sending still gets its replies; one that is gone gets nothing. */
  onClosed(reason: string | null): void {
    this.#host.stopWaiting(this);
    if (reason === null && !this.closed && !this.closeAfterReply && (this.reply.length > 0 || this.writing)) {
      this.closeAfterReply = true;
      return this.#host.queueFlush(this);
    }
    this.close();
  }

  onWriteDone(): void {
    this.writing = false;
    if (this.#inFlight !== null) this.reply.reuse(this.#inFlight);
    this.#inFlight = null;
    this.#host.countMemory(this);
    if (this.closed) return;
    const hasMore = this.reply.length > 0 || this.feed?.hasMore === true;
    if (hasMore || this.closeAfterReply) this.#host.queueFlush(this);
  }

  // ---- WatchListener -------------------------------------------------------------------------------------------

  watchedKeyChanged(db: Database, key: string, exists: boolean): void {
    const watched = this.#watchedKey(db, key);
    // A key that had expired when it was watched was as good as gone: removing it is no change.
    if (watched.expired && !exists) watched.expired = false;
    else this.watchFailed = true;
  }

  watchedKeyReplaced(db: Database, key: string, existed: boolean, replacement: Replacement): void {
    const watched = this.#watchedKey(db, key);
    if (watched.expired) {
      if (replacement === "none") watched.expired = false;
      else if (replacement === "live") this.watchFailed = true;
    } else if (!existed && replacement === "expired") watched.expired = true;
    else if (existed || replacement !== "none") this.watchFailed = true;
  }

  #watchedKey(db: Database, key: string): WatchedKey {
    return this.watched.find((one) => one.db === db && one.key === key)!;
  }

  // ---- output --------------------------------------------------------------------------------------------------

  /** Hands the replies written so far to the connection. */
  flush(): void {
    if (this.closed || this.writing) return;
    const length = this.reply.length;
    if (length > 0) {
      this.#inFlight = this.reply.take();
      this.writing = true;
      this.connection.write(this.#inFlight, length);
      this.#host.countMemory(this);
    } else if (this.feed !== null) this.#sendFeed(this.feed);
    if (this.closeAfterReply) this.#finish();
  }

  #sendFeed(feed: OutputFeed): void {
    const bytes = feed.take();
    if (bytes === null || this.closed) return;
    this.writing = true;
    this.connection.write(bytes, bytes.length);
  }

  /** Closes at once; what is unsent is lost. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.connection.close();
    this.#host.clientClosed(this);
  }

  #finish(): void {
    this.closed = true;
    this.connection.closeAfterWrite();
    this.#host.clientClosed(this);
  }

  /** What waits to be sent, beyond what every client may have. */
  get overflowBytes(): number {
    return this.reply.overflowBytes + (this.feed === null ? 0 : this.feed.pendingBytes);
  }

  /** Bytes that buffers of this client take. */
  get memoryBytes(): number {
    return CLIENT_BYTES + this.parser.buffer.length + this.reply.memoryBytes + this.queueBytes +
      this.watched.length * WATCHED_KEY_BYTES + this.subscribedTo * SUBSCRIPTION_BYTES;
  }

  /** Channels, patterns and shard channels together. */
  get subscribedTo(): number {
    const mine = this.subscriptions;
    return mine === null ? 0 : mine[0].size + mine[1].size + mine[2].size;
  }

  /** Takes back what was written since `start`, but for what is out of band. */
  dropReplies(start: number): void {
    const { reply, keptReplies } = this;
    let at = Math.min(start, reply.length);
    for (let i = 0; i < keptReplies.length; i += 2) {
      reply.buffer.copyWithin(at, keptReplies[i], keptReplies[i + 1]);
      at += keptReplies[i + 1] - keptReplies[i];
    }
    reply.truncate(at);
    keptReplies.length = 0;
  }

  /** Leaves MULTI: the queue is dropped, and refusals are forgotten. */
  discardQueue(): void {
    this.queue = null;
    this.queueBytes = 0;
    this.queueRefused = this.watchFailed = false;
  }
}
