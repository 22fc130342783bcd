/**
 * The process that stands for the running snapshot, as a forked child does in Redis: `ps` shows it under the child's name, and killing it
 * ends the snapshot. It does no work and holds nothing up: without it the snapshot runs just the same.
 */
import type { StandIn } from "../io/process.ts";
import type { Server } from "./server.ts";

/** How Redis's children are called. */
export type SnapshotTitle = "redis-rdb-bgsave" | "redis-rdb-to-slaves" | "redis-aof-rewrite";

export interface SnapshotProcessEvents {
  started(pid: number): void;
  /** The snapshot must be given up. */
  killed(): void;
}

export class SnapshotProcess {
  readonly #server: Server;
  readonly #events: SnapshotProcessEvents;
  #standIn: StandIn | null = null;
  #signal = 0;
  #isMissing = false;

  constructor(server: Server, events: SnapshotProcessEvents) {
    this.#server = server, this.#events = events;
  }

  prepare(): void {
    if (this.#server.settings.snapshotProcess) this.#server.standIns?.prepare();
  }

  start(title: SnapshotTitle): void {
    const { standIns, settings, log } = this.#server;
    this.#signal = 0;
    if (standIns === null || !settings.snapshotProcess || this.#isMissing) return;
    this.#standIn = standIns.start(`${title} ${settings.bind[0] ?? "*"}:${settings.port}`, {
      started: (pid) => this.#events.started(pid),
      killed: (signal) => {
        this.#standIn = null, this.#signal = signal;
        this.#events.killed();
      },
      missing: (reason) => {
        this.#standIn = null, this.#isMissing = true;
        log.verbose(`Snapshots have no process of their own: ${reason}`);
      },
    });
  }

  get isKilled(): boolean {
    return this.#signal !== 0;
  }

  /** The snapshot is over. Returns the signal that ended its process before, or 0. */
  end(): number {
    const signal = this.#signal;
    this.#standIn?.end();
    this.#standIn = null, this.#signal = 0;
    return signal;
  }

  terminate(): void {
    this.#standIn = null;
    this.#server.standIns?.terminate();
  }
}
