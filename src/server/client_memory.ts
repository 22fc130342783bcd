/**
 * What the buffers of clients take, and what happens when that is too much: output buffer limits, and maxmemory-clients.
 *
 * The sum of all clients is kept up to date as their buffers change, so that looking at it costs nothing. A client over its output
 * limit is closed before anything of the turn is sent; clients are evicted after that, the largest first.
 */
import type { Client } from "./client.ts";
import type { OutputBufferLimit } from "./config/settings.ts";
import type { Server } from "./server.ts";

/** maxmemory-clients counts as at least this, so that a client can always be talked to. */
const EVICTION_BYTES_MIN = 128 * 1024;

export class ClientMemory {
  readonly #server: Server;
  /** Of all clients together. */
  bytes = 0;
  /** Clients together may take less than this; Infinity when maxmemory-clients is 0. */
  #limitBytes = Infinity;
  #soleFailureLogged = false;

  constructor(server: Server) {
    this.#server = server;
  }

  settingsChanged(): void {
    this.#limitBytes = this.#limitFromSettings();
    for (const client of this.#server.clients.values()) this.limitOutput(client);
  }

  #limitFromSettings(): number {
    const { maxmemoryClients, maxmemoryBytes } = this.#server.settings;
    if (maxmemoryClients === 0) return Infinity;
    const share = maxmemoryBytes === 0 ? Infinity : Math.floor((maxmemoryBytes * -maxmemoryClients) / 100);
    return Math.max(EVICTION_BYTES_MIN, maxmemoryClients > 0 ? maxmemoryClients : share);
  }

  /** Tells a client's writer where to stop. */
  limitOutput(client: Client): void {
    client.reply.overflowBytesMax = client.isMaster ? 0 : this.#limitOf(client).hardBytes;
  }

  /** A limit below the backlog's size would only make replicas come back to ask for what is there. */
  #limitOf(client: Client): OutputBufferLimit {
    const { normal, replica, pubsub } = this.#server.settings.clientOutputBufferLimits;
    if (!client.isReplica) return client.isSubscriber ? pubsub : normal;
    const { hardBytes } = replica, { backlogBytesMax } = this.#server.replication.stream;
    return hardBytes === 0 || hardBytes >= backlogBytesMax ? replica : { ...replica, hardBytes: backlogBytesMax };
  }

  /** A client's buffers may have changed. */
  count(client: Client): void {
    const bytes = client.closed ? 0 : client.memoryBytes;
    this.bytes += bytes - client.countedBytes;
    client.countedBytes = bytes;
  }

  get isLimited(): boolean {
    return this.#limitBytes !== Infinity;
  }

  // ---- output limits -------------------------------------------------------------------------------------------

  /** Closes a client whose unsent replies are more than they may be; true when it is closed. */
  enforceOutput(client: Client, nowMs: number): boolean {
    if (client.isMaster) return client.closed;
    const { reply } = client, limit = this.#limitOf(client);
    const bytes = client.overflowBytes, isSoft = limit.softBytes > 0 && bytes >= limit.softBytes;
    if (!isSoft) client.overSoftSinceMs = 0;
    else if (client.overSoftSinceMs === 0) client.overSoftSinceMs = nowMs;
    const isOver = reply.overrun || (limit.hardBytes > 0 && bytes >= limit.hardBytes) ||
      (isSoft && nowMs - client.overSoftSinceMs > limit.softSeconds * 1000);
    if (!isOver || client.closed) return client.closed;
    const { log } = this.#server, text = this.#server.describe(client);
    log.warning(`Client ${text} scheduled to be closed ASAP for overcoming of output buffer limits.`);
    client.close();
    return true;
  }

  // ---- eviction of clients -------------------------------------------------------------------------------------

  get isOverLimit(): boolean {
    return this.bytes >= this.#limitBytes;
  }

  /** Closes clients, the largest first, until the rest is within maxmemory-clients. */
  evict(): void {
    while (this.isOverLimit) {
      const victim = this.#largest();
      if (victim === null) return this.#nobodyLeft();
      const { log, statistics } = this.#server;
      log.notice(`Evicting client: ${this.#server.describe(victim)}`);
      statistics.evictedClients++;
      victim.close();
    }
    this.#soleFailureLogged = false;
  }

  #largest(): Client | null {
    let largest: Client | null = null;
    for (const client of this.#server.clients.values()) {
      const isMeant = !client.noEvict && !client.isReplica && !client.isMaster;
      if (isMeant && (largest === null || client.countedBytes > largest.countedBytes)) largest = client;
    }
    return largest;
  }

  #nobodyLeft(): void {
    if (!this.#soleFailureLogged) {
      this.#server.log.warning("Over client maxmemory after evicting all evictable clients");
    }
    this.#soleFailureLogged = true;
  }
}
