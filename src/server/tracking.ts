/**
 * CLIENT TRACKING: tells clients that keep copies of keys when those are no longer true.
 *
 *   table:    key -> ids of the clients that read it since it was last told of      (default mode)
 *   prefixes: prefix -> clients that asked for it, keys under it changed in this turn   (BCAST mode)
 *
 * Invariants: a key leaves the table when it is told of, so a client is told once for each time that it read; ids of clients that left
 * stay in the table until then, or until nobody tracks. What its own command invalidates is told to a client behind the reply, never in
 * the middle of it. While nobody tracks, `keyspace.tracker` is null and no write looks here.
 */
import { ascii, rangesEqual } from "../base/bytes.ts";
import { ByteMap } from "../base/byte_map.ts";
import type { Command } from "../commands/registry.ts";
import { getKeys } from "../commands/spec/key_search.ts";
import type { KeyTracker } from "../keyspace/keyspace.ts";
import type { Args } from "../resp/args.ts";
import type { ReplyWriter } from "../resp/reply_writer.ts";
import type { Client } from "./client.ts";
import type { Server } from "./server.ts";

export interface TrackingOptions {
  /** Id of the client that is told instead; 0 for none. */
  readonly redirect: number;
  readonly broadcasts: boolean;
  readonly optIn: boolean;
  readonly optOut: boolean;
  readonly noLoop: boolean;
}

/** What a client that tracks has asked for. */
export interface ClientTracking {
  options: TrackingOptions;
  /** CLIENT CACHING: the next command is the exception that OPTIN or OPTOUT allows. */
  caching: boolean;
  /** The client to redirect to is gone. */
  isRedirectBroken: boolean;
  readonly prefixes: Prefix[];
}

export interface Prefix {
  readonly bytes: Uint8Array;
  readonly clients: Set<Client>;
  readonly changed: ByteMap<ChangedKey>;
}

interface ChangedKey {
  readonly key: Uint8Array;
  /** Who changed it last; null for nobody. */
  by: Client | null;
}

interface TrackedKey {
  readonly key: Uint8Array;
  readonly readers: Set<number>;
}

const INVALIDATE = ascii("$10\r\ninvalidate\r\n");
const REDIRECT_BROKEN = ascii("$21\r\ntracking-redir-broken\r\n");
/** How a subscriber is told that does not speak RESP3. */
const MESSAGE = ascii("$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n");
/** Keys that leave a table which is too large in one turn; so many more in each further turn in which it still is. */
const EVICTIONS_PER_TURN = 100;
const EMPTY = new Uint8Array(0);

export class Tracking implements KeyTracker {
  readonly #server: Server;
  readonly #table: ByteMap<TrackedKey>;
  readonly #prefixes: ByteMap<Prefix>;
  /** What the executing client is told behind its reply: keys, null for all. */
  #pending: (Uint8Array | null)[] = [];
  #turnsOverLimit = 0;
  #hasChangedPrefixes = false;
  clients = 0;
  /** Readers of all keys together. */
  items = 0;

  constructor(server: Server) {
    this.#server = server;
    this.#table = new ByteMap(server.keyspace.hash), this.#prefixes = new ByteMap(server.keyspace.hash);
  }

  get keys(): number {
    return this.#table.size;
  }

  get prefixes(): number {
    return this.#prefixes.size;
  }

  // ---- who tracks ----------------------------------------------------------------------------------------------

  /** Begins, or goes on with other options and further prefixes; no prefix at all is the empty one. */
  enable(client: Client, options: TrackingOptions, prefixes: readonly Uint8Array[]): void {
    const before = client.tracking;
    if (before === null) this.clients++;
    client.tracking = { options, caching: false, isRedirectBroken: false, prefixes: before?.prefixes ?? [] };
    this.#server.keyspace.tracker = this;
    if (!options.broadcasts) return;
    for (const bytes of prefixes.length === 0 ? [EMPTY] : prefixes) this.#addPrefix(client, bytes);
  }

  #addPrefix(client: Client, bytes: Uint8Array): void {
    let prefix = this.#prefixes.get(bytes, 0, bytes.length);
    if (prefix === undefined) {
      prefix = { bytes: bytes.slice(), clients: new Set(), changed: new ByteMap(this.#server.keyspace.hash) };
      this.#prefixes.set(prefix.bytes, prefix);
    }
    if (prefix.clients.has(client)) return;
    prefix.clients.add(client);
    client.tracking!.prefixes.push(prefix);
  }

  disable(client: Client): void {
    const { tracking } = client;
    if (tracking === null) return;
    for (const { bytes, clients } of tracking.prefixes) {
      clients.delete(client);
      if (clients.size === 0) this.#prefixes.delete(bytes, 0, bytes.length);
    }
    client.tracking = null;
    if (client === this.#server.currentClient) this.#pending = [];
    if (--this.clients > 0) return;
    this.#server.keyspace.tracker = null;
    this.#table.clear();
    this.items = 0;
  }

  // ---- reading -------------------------------------------------------------------------------------------------

  /** A client that tracks has run a command that reads. */
  remember(client: Client, command: Command, args: Args): void {
    const { options: { broadcasts, optIn, optOut }, caching } = client.tracking!;
    if (broadcasts || (optIn && !caching) || (optOut && caching)) return;
    for (const { index } of getKeys(command.facts, args)) {
      const at = args.offsets[index], length = args.lengths[index];
      let tracked = this.#table.get(args.bytes, at, length);
      if (tracked === undefined) {
        tracked = { key: args.bytes.slice(at, at + length), readers: new Set() };
        this.#table.set(tracked.key, tracked);
      }
      this.items -= tracked.readers.size;
      tracked.readers.add(client.id);
      this.items += tracked.readers.size;
    }
  }

  /** A client that tracks has run a command, or a transaction as a whole, and has its reply. */
  commandDone(client: Client, command: Command): void {
    const { tracking } = client;
    if (client.queue === null && !command.fullName.startsWith("client|")) tracking!.caching = false;
    this.tellPending(client);
  }

  // ---- changes -------------------------------------------------------------------------------------------------

  keyChanged(key: Uint8Array, keyBytes: number, length: number): void {
    if (this.#prefixes.size > 0) this.#noteForPrefixes(key, keyBytes, length, this.#server.currentClient);
    this.#invalidate(key, keyBytes, length);
  }

  keyVanished(key: Uint8Array, keyBytes: number, length: number): void {
    if (this.#prefixes.size > 0) this.#noteForPrefixes(key, keyBytes, length, null);
    this.#invalidate(key, keyBytes, length);
  }

  #noteForPrefixes(key: Uint8Array, keyBytes: number, length: number, by: Client | null): void {
    for (const { bytes, changed } of this.#prefixes.values()) {
      if (bytes.length > length || !rangesEqual(bytes, 0, key, keyBytes, bytes.length)) continue;
      const noted = changed.get(key, keyBytes, length);
      if (noted !== undefined) noted.by = by;
      else {
        const own = key.slice(keyBytes, keyBytes + length);
        changed.set(own, { key: own, by });
      }
      this.#hasChangedPrefixes = true;
    }
  }

  /** Tells the readers of a key, which leaves the table. */
  #invalidate(key: Uint8Array, keyBytes: number, length: number): void {
    const tracked = this.#table.get(key, keyBytes, length);
    if (tracked === undefined) return;
    this.#table.delete(key, keyBytes, length);
    this.items -= tracked.readers.size;
    const { clients, currentClient } = this.#server;
    for (const id of tracked.readers) {
      const client = clients.get(id), options = client?.tracking?.options;
      // Since it read the key, it may have begun to broadcast.
      if (client === undefined || options === undefined || options.broadcasts) continue;
      if (client !== currentClient) this.#tellKey(client, tracked.key);
      else if (!options.noLoop) this.#pending.push(tracked.key);
    }
  }

  /** FLUSHALL, FLUSHDB: whatever anybody keeps is no longer true. */
  flushed(): void {
    if (this.clients === 0) return;
    this.#table.clear();
    this.items = 0;
    for (const client of this.#server.clients.values()) {
      if (client.tracking === null) continue;
      if (client === this.#server.currentClient) this.#pending.push(null);
      else this.#tellAll(client);
    }
  }

  // ---- telling -------------------------------------------------------------------------------------------------

  /** Tells the client that has been executing what its own command invalidated. */
  tellPending(client: Client): void {
    if (this.#pending.length === 0) return;
    for (const key of this.#pending) {
      if (client.tracking === null) break;
      if (key === null) this.#tellAll(client);
      else this.#tellKey(client, key);
    }
    this.#pending = [];
  }

  /** The end of a turn: tells who broadcasts, and forgets keys when there are too many. */
  turnEnds(): void {
    if (this.#hasChangedPrefixes) this.#broadcast();
    if (this.clients > 0) this.#limitTable();
  }

  #broadcast(): void {
    this.#hasChangedPrefixes = false;
    for (const { clients, changed } of this.#prefixes.values()) {
      if (changed.size === 0) continue;
      const all = [...changed.values()];
      for (const client of clients) {
        const told = client.tracking!.options.noLoop ? all.filter(({ by }) => by !== client) : all;
        if (told.length > 0) this.#tellKeys(client, told);
      }
      changed.clear();
    }
  }

  #limitTable(): void {
    const limit = this.#server.settings.trackingTableKeysMax;
    if (limit === 0 || this.keys <= limit) {
      this.#turnsOverLimit = 0;
      return;
    }
    let left = EVICTIONS_PER_TURN * ++this.#turnsOverLimit;
    for (const { key } of this.#table.values()) {
      this.#invalidate(key, 0, key.length);
      if (--left === 0 || this.keys <= limit) return;
    }
  }

  #tellKey(client: Client, key: Uint8Array): void {
    const target = this.#begin(client);
    if (target === null) return;
    target.reply.startArray(1);
    target.reply.bytes(key);
    this.#server.pubsub.end(target);
  }

  #tellKeys(client: Client, keys: readonly ChangedKey[]): void {
    const target = this.#begin(client);
    if (target === null) return;
    target.reply.startArray(keys.length);
    for (const { key } of keys) target.reply.bytes(key);
    this.#server.pubsub.end(target);
  }

  #tellAll(client: Client): void {
    const target = this.#begin(client);
    if (target === null) return;
    target.reply.null();
    this.#server.pubsub.end(target);
  }

  /** Begins an invalidation for a client, or for the one that it redirects to; null when there is no way to tell it. */
  #begin(client: Client): Client | null {
    const { pubsub, clients } = this.#server, { redirect } = client.tracking!.options;
    const target = redirect === 0 ? client : clients.get(redirect);
    if (target === undefined) return this.#redirectIsBroken(client, redirect);
    const isMessage = target.reply.protocol === 2;
    if (isMessage && (redirect === 0 || !target.isSubscriber)) return null;
    const reply = pubsub.begin(target);
    if (reply === null) return null;
    reply.startPush(isMessage ? 3 : 2);
    reply.raw(isMessage ? MESSAGE : INVALIDATE);
    return target;
  }

  #redirectIsBroken(client: Client, redirect: number): null {
    const { pubsub } = this.#server;
    client.tracking!.isRedirectBroken = true;
    const reply: ReplyWriter | null = client.reply.protocol === 2 ? null : pubsub.begin(client);
    if (reply === null) return null;
    reply.startPush(2);
    reply.raw(REDIRECT_BROKEN);
    reply.integer(redirect);
    pubsub.end(client);
    return null;
  }
}
