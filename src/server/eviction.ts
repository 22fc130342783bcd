/**
 * maxmemory: makes room before a command that may need it, by the policy's choice among sampled keys, or says that there is none.
 *
 * Samples go through a small pool of the best candidates seen, as in Redis, so that the choice comes close to exact LRU or LFU.
 */
import { idleSeconds, lfuCounter } from "../keyspace/access_clock.ts";
import type { Database } from "../keyspace/database.ts";
import { accessOf, ENTRY, expiresAtMs, keyLength } from "../keyspace/entry.ts";
import { EVENT } from "../keyspace/key_events.ts";
import { type Address, NO_COMMAND, NONE } from "../memory/mod.ts";
import type { Server } from "./server.ts";

interface Candidate {
  readonly db: Database;
  readonly key: Uint8Array;
  /** Higher goes first. */
  readonly score: number;
}

const POOL_SIZE = 16;
const KEYS_BETWEEN_TIME_CHECKS = 16;
const BUDGET_US = 500;

export class Eviction {
  readonly #server: Server;
  #pool: Candidate[] = [];
  #isScheduled = false;

  constructor(server: Server) {
    this.#server = server;
  }

  /** True when memory is within maxmemory, perhaps after evicting; false when it is over and nothing more can go now. */
  makeRoom(): boolean {
    const server = this.#server, limit = server.settings.maxmemoryBytes;
    if (limit === 0 || this.#countedBytes() <= limit) return true;
    // Its master evicts, and what that frees is freed here too.
    if (server.replication.isReplica && server.settings.replicaIgnoreMaxmemory) return true;
    if (server.settings.maxmemoryPolicy === "noeviction" || server.isLoading || server.pause.isActive) {
      return false;
    }
    const untilUs = server.nowUs() + BUDGET_US * (1 + server.settings.maxmemoryEvictionTenacity / 10);
    for (let evicted = 0; this.#countedBytes() > limit; evicted++) {
      if (!this.#evictOne()) return false;
      // Enough for this command: the next one goes on.
      if (evicted % KEYS_BETWEEN_TIME_CHECKS === KEYS_BETWEEN_TIME_CHECKS - 1 && server.nowUs() > untilUs) return true;
    }
    return true;
  }

  /** Evicts in slices between turns, until memory is within maxmemory or nothing more can go: when maxmemory has become less. */
  schedule(): void {
    const server = this.#server;
    if (this.#isScheduled || server.settings.maxmemoryBytes === 0) return;
    this.#isScheduled = true;
    server.clock.setTimer(0, () => {
      this.#isScheduled = false;
      if (server.isStopped) return;
      server.keyspace.nowMs = server.clock.nowMs();
      server.memory.cow.commandId = NO_COMMAND;
      if (this.makeRoom() && !this.leavesRoom(0)) this.schedule();
      server.network.requestTurnEnd();
    });
  }

  /** Whether memory stays within maxmemory when `bytes` more are taken. */
  leavesRoom(bytes: number): boolean {
    const limit = this.#server.settings.maxmemoryBytes;
    return limit === 0 || this.#countedBytes() + bytes <= limit;
  }

  /** Memory that eviction can influence: log buffers are left out, or evicting (which logs DELs) would feed on itself. */
  #countedBytes(): number {
    return this.#server.evictableBytes;
  }

  #evictOne(): boolean {
    const server = this.#server, keyspace = server.keyspace;
    const victim = server.settings.maxmemoryPolicy.endsWith("random") ? this.#randomVictim() : this.#bestVictim();
    if (victim === null) return false;
    const lazy = server.settings.lazyfreeLazyEviction;
    if (!keyspace.remove(victim.db, victim.key, 0, victim.key.length, lazy)) return true;
    server.statistics.evictedKeys++;
    keyspace.tracker?.keyVanished(victim.key, 0, victim.key.length);
    keyspace.notify(EVENT.evicted, "evicted", victim.db, victim.key, 0, victim.key.length);
    server.propagator.also(victim.db.index, [lazy ? "UNLINK" : "DEL", victim.key]);
    server.propagator.endUnit();
    return true;
  }

  #randomVictim(): { db: Database; key: Uint8Array } | null {
    for (const db of this.#shuffled()) {
      const entry = this.#sample(db);
      if (entry !== NONE) return { db, key: this.#keyOf(entry) };
    }
    return null;
  }

  #bestVictim(): Candidate | null {
    for (let round = 0; round < 10; round++) {
      for (const db of this.#server.keyspace.databases) this.#fillPool(db);
      while (this.#pool.length > 0) {
        const best = this.#pool.pop()!, key = best.key;
        if (this.#server.keyspace.dict.find(best.db.dict, key, 0, key.length) !== NONE) return best;
      }
      if (!this.#server.keyspace.databases.some((db) => this.#population(db) > 0)) return null;
    }
    return null;
  }

  #fillPool(db: Database): void {
    const samples = Math.min(this.#server.settings.maxmemorySamples, this.#population(db));
    for (let i = 0; i < samples; i++) {
      const entry = this.#sample(db);
      if (entry === NONE) continue;
      const score = this.#score(entry);
      if (this.#pool.length === POOL_SIZE && score <= this.#pool[0].score) continue;
      const key = this.#keyOf(entry);
      this.#pool.push({ db, key, score });
      this.#pool.sort((a, b) => a.score - b.score);
      if (this.#pool.length > POOL_SIZE) this.#pool.shift();
    }
  }

  #score(entry: Address): number {
    const server = this.#server, memory = server.memory, policy = server.settings.maxmemoryPolicy;
    if (policy === "volatile-ttl") return -expiresAtMs(memory, entry);
    if (server.usesLfu) return 255 - lfuCounter(accessOf(memory, entry), server.keyspace.nowMs, server.lfuDecayMinutes);
    return idleSeconds(accessOf(memory, entry), server.keyspace.nowMs);
  }

  get #volatileOnly(): boolean {
    return this.#server.settings.maxmemoryPolicy.startsWith("volatile");
  }

  #population(db: Database): number {
    return this.#volatileOnly ? db.expiry.count : this.#server.keyspace.size(db);
  }

  #sample(db: Database): Address {
    const below = (n: number) => this.#server.randomness.below(n);
    if (this.#volatileOnly) return db.expiry.count === 0 ? NONE : db.expiry.at(below(db.expiry.count));
    return this.#server.keyspace.dict.randomEntry(db.dict, below);
  }

  #keyOf(entry: Address): Uint8Array {
    const memory = this.#server.memory, key = new Uint8Array(keyLength(memory, entry));
    memory.copyOut(entry, ENTRY.key, key, 0, key.length);
    return key;
  }

  #shuffled(): Database[] {
    const databases = this.#server.keyspace.databases, start = this.#server.randomness.below(databases.length);
    return [...databases.slice(start), ...databases.slice(0, start)];
  }
}
