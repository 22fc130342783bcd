/**
 * What happens by the clock: expiry, incremental rehash and lazy frees, client timeouts, save points, statistics.
 *
 * Each task has a budget of time per tick, so that no tick stalls the loop whatever the data holds.
 */
import { expiresAtMs } from "../keyspace/entry.ts";
import type { Database } from "../keyspace/database.ts";
import type { TimerId } from "../io/clock.ts";
import { NO_COMMAND } from "../memory/mod.ts";
import type { Server } from "./server.ts";

/** Active expire: keys looked at before the clock is, share of stale keys that is fine, budget in microseconds. */
const EXPIRE_KEYS_PER_LOOP = 20;
const EXPIRE_ACCEPTABLE_STALE_PERCENT = 10;
const EXPIRE_BUDGET_PERCENT = 25;
const EXPIRE_FAST_BUDGET_US = 1000;
const REHASH_BUDGET_US = 1000;
const REHASH_SLOTS_PER_STEP = 100;
const LAZY_FREE_BUDGET_US = 1000;
/** Between two slices, so that commands have most of the time. */
const LAZY_FREE_PAUSE_MS = 1;
const LAZY_FREE_BLOCKS_PER_STEP = 256;
const STALE_FRAMES_PER_TICK = 100_000;
const SAMPLE_EVERY_MS = 100;
/** Somebody watching with INFO is no load. */
const COMMANDS_WHEN_IDLE = 20;
const SPARE_FRAME_BYTES_MIN = 16 << 20;
const DATABASES_PER_CALL = 16;

export class Cron {
  readonly #server: Server;
  #timer: TimerId | null = null;
  #freeTimer: TimerId | null = null;
  #nextDatabase = 0;
  #lastSampleMs = 0;
  #ticks = 0;
  #executedBefore = 0;
  /** DEBUG PAUSE-CRON and DEBUG SET-ACTIVE-EXPIRE. */
  paused = false;
  activeExpire = true;

  constructor(server: Server) {
    this.#server = server;
  }

  start(): void {
    this.#schedule();
  }

  stop(): void {
    if (this.#timer !== null) this.#server.clock.clearTimer(this.#timer);
    if (this.#freeTimer !== null) this.#server.clock.clearTimer(this.#freeTimer);
    this.#timer = this.#freeTimer = null;
  }

  /** One tick; simulations call it themselves. */
  tick(): void {
    const server = this.#server, nowMs = server.clock.nowMs();
    this.#ticks++;
    server.keyspace.nowMs = nowMs;
    server.memory.cow.commandId = NO_COMMAND;
    if (!this.paused) this.#tickTasks(nowMs);
    server.network.requestTurnEnd();
  }

  #tickTasks(nowMs: number): void {
    const server = this.#server;
    server.memory.wipeStaleFrames(STALE_FRAMES_PER_TICK);
    if (server.memory.cow.live) server.memory.cow.sample(nowMs, server.memory.dataBytes + server.memory.frameBytes);
    if (nowMs - this.#lastSampleMs >= SAMPLE_EVERY_MS) this.#sample(nowMs);
    if (!server.isLoading) {
      if (this.activeExpire && server.mayExpire) this.#expire(nowMs);
      if (this.activeExpire && server.replication.isReplica) server.replication.localExpiries.tick();
      this.#resizeDatabases();
    }
    server.clientCron.tick(nowMs);
    if (this.#ticks % server.settings.hz === 0) this.#everySecond(nowMs);
    server.shutdown.cron();
    server.persistence.cron(nowMs);
    this.scheduleLazyFree();
  }

  /** Frees what UNLINK and FLUSHALL ASYNC left, in slices, between turns. */
  scheduleLazyFree(): void {
    const server = this.#server;
    if (this.#freeTimer !== null || server.keyspace.lazyFree.isIdle) return;
    this.#freeTimer = server.clock.setTimer(LAZY_FREE_PAUSE_MS, () => {
      this.#freeTimer = null;
      server.memory.cow.commandId = NO_COMMAND;
      const untilUs = server.nowUs() + LAZY_FREE_BUDGET_US;
      let done = false;
      do done = server.keyspace.lazyFree.step(LAZY_FREE_BLOCKS_PER_STEP); while (!done && server.nowUs() < untilUs);
      if (!done) this.scheduleLazyFree();
    });
  }

  #schedule(): void {
    const server = this.#server;
    this.#timer = server.clock.setTimer(Math.max(1, Math.floor(1000 / server.settings.hz)), () => {
      if (server.isStopped) return;
      this.tick();
      this.#schedule();
    });
  }

  #sample(nowMs: number): void {
    const server = this.#server, statistics = server.statistics;
    this.#lastSampleMs = nowMs;
    statistics.operations.sample(server.dispatcher.executedCommands, nowMs);
    statistics.input.sample(statistics.inputBytes, nowMs);
    statistics.output.sample(statistics.outputBytes, nowMs);
    statistics.replicationInput.sample(statistics.replicationInputBytes, nowMs);
    statistics.replicationOutput.sample(statistics.replicationOutputBytes, nowMs);
    const used = server.usedMemoryBytes;
    if (used > statistics.peakMemoryBytes) statistics.peakMemoryBytes = used, statistics.peakMemoryMs = nowMs;
  }

  #everySecond(nowMs: number): void {
    this.#releaseFramesWhenIdle();
    this.#server.migrateLinks.closeIdle(nowMs);
    this.#server.replication.everySecond(nowMs);
  }

  /** Gives the last snapshot's frames back to the operating system in a second without commands, as collecting takes milliseconds. */
  #releaseFramesWhenIdle(): void {
    const server = this.#server, executed = server.dispatcher.executedCommands;
    const isIdle = executed - this.#executedBefore <= COMMANDS_WHEN_IDLE;
    this.#executedBefore = executed;
    if (!isIdle || server.memory.spareFrameBytes < SPARE_FRAME_BYTES_MIN || server.persistence.isChildActive) return;
    server.memory.releaseSpareFrames();
    server.system.collectGarbage();
  }

  // ---- expiry --------------------------------------------------------------------------------------------------

  #expire(nowMs: number): void {
    const server = this.#server, effort = server.settings.activeExpireEffort - 1;
    const budgetPercent = EXPIRE_BUDGET_PERCENT + 2 * effort;
    const budgetUs = Math.max(EXPIRE_FAST_BUDGET_US, (budgetPercent * 10_000) / server.settings.hz);
    const startUs = server.nowUs(), untilUs = startUs + budgetUs;
    let checked = 0, expired = 0;
    for (let i = 0; i < Math.min(DATABASES_PER_CALL, server.keyspace.databases.length); i++) {
      const db = server.keyspace.databases[this.#nextDatabase++ % server.keyspace.databases.length];
      if (db.expiry.count === 0) continue;
      const result = this.#expireIn(db, nowMs, untilUs, effort);
      checked += result.checked, expired += result.expired;
      if (server.nowUs() > untilUs) {
        server.statistics.expireCyclesTimeLimited++;
        break;
      }
    }
    const usedUs = server.nowUs() - startUs;
    server.statistics.activeExpireUs += usedUs;
    server.latency.add("expire-cycle", usedUs / 1000, nowMs);
    const stale = checked > 0 ? (expired / checked) * 100 : 0;
    server.statistics.expiredStalePercentage = stale * 0.05 + server.statistics.expiredStalePercentage * 0.95;
    if (expired > 0) server.propagator.endUnit();
  }

  /** Walks the index of keys that expire, from where the last call stopped, while enough of them have expired. */
  #expireIn(db: Database, nowMs: number, untilUs: number, effort: number): { checked: number; expired: number } {
    const server = this.#server, keyspace = server.keyspace, index = db.expiry;
    const perLoop = EXPIRE_KEYS_PER_LOOP + (EXPIRE_KEYS_PER_LOOP / 4) * effort;
    let checked = 0, expired = 0, ttlSum = 0, ttlCount = 0;
    while (index.count > 0) {
      const before = expired, loop = Math.min(perLoop, index.count);
      for (let i = 0; i < loop && index.count > 0; i++) {
        if (index.cursor >= index.count) index.cursor = 0;
        const entry = index.at(index.cursor), leftMs = expiresAtMs(keyspace.memory, entry) - nowMs;
        checked++;
        if (leftMs < 0) {
          // The last entry of the index moves here, so the cursor stays.
          keyspace.expireEntry(db, entry);
          // Each expired key is a unit of its own: a long cycle is not one transaction.
          server.propagator.endUnit();
          expired++;
        } else index.cursor++, ttlSum += leftMs, ttlCount++;
      }
      if ((expired - before) * 100 <= loop * (EXPIRE_ACCEPTABLE_STALE_PERCENT - effort) || server.nowUs() > untilUs) {
        break;
      }
    }
    if (ttlCount > 0) {
      const average = ttlSum / ttlCount;
      index.averageTtlMs = index.averageTtlMs === 0 ? average : index.averageTtlMs * 0.98 + average * 0.02;
    }
    return { checked, expired };
  }

  #resizeDatabases(): void {
    const server = this.#server, dict = server.keyspace.dict;
    if (server.memory.snapshotLive) return;
    const untilUs = server.nowUs() + REHASH_BUDGET_US;
    for (const db of server.keyspace.databases) {
      dict.shrinkIfSparse(db.dict);
      if (!server.settings.activeRehashing) continue;
      while (dict.isRehashing(db.dict) && server.nowUs() < untilUs) {
        if (!dict.rehash(db.dict, REHASH_SLOTS_PER_STEP)) break;
      }
    }
  }
}
