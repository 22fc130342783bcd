/**
 * How the server ends: everything is made durable, then it stops; or it says why not, and goes on.
 *
 * SHUTDOWN saves on this thread, while everybody waits. A signal lets the child save, with all clients held, so that the next signal is
 * heard: a second SIGINT stops at once, and the unfinished file is removed. Before either, replicas that are behind are waited for, for
 * shutdown-timeout, with writes held.
 */
import type { Client } from "./client.ts";
import type { Wait } from "./blocking.ts";
import { REPLICA_STATE_NAMES } from "./replication/replica_link.ts";
import type { Server } from "./server.ts";

export interface ShutdownOptions {
  /** Null: save if there are save points. */
  readonly save: boolean | null;
  readonly now: boolean;
  readonly force: boolean;
}

/** Of a wait for no key. */
const NO_KEY_TYPE = -2;
/** Longer than any save; clients are held until it is over. */
const HELD_MS = 2 ** 45;
const FAILED = "Errors trying to SHUTDOWN. Check logs.";
const LOG_NOT_SYNCED = "the append only file cannot be synced";

export class Shutdown {
  readonly #server: Server;
  #requested: ShutdownOptions | null = null;
  #isSaving = false;
  /** Replicas are being waited for. */
  #waiting: { readonly options: ShutdownOptions; readonly bySignal: boolean; readonly dueMs: number } | null = null;
  /** Clients that asked for it meanwhile. */
  #held: Wait[] = [];

  constructor(server: Server) {
    this.#server = server;
  }

  /** For how long replicas are waited for at most; null when they are not. */
  get inMs(): number | null {
    return this.#waiting === null ? null : Math.max(0, this.#waiting.dueMs - this.#server.nowMs());
  }

  /** SHUTDOWN. When replicas have to be waited for, the client is held until the server stops, or learns why it does not. */
  byCommand(client: Client, options: ShutdownOptions): void {
    if (this.#waiting === null && !this.#waitsForReplicas(options, false)) {
      // Without an error there is no reply: the connection closes when the server stops.
      if (this.now(options) !== null) client.reply.error(FAILED);
      return;
    }
    this.#server.blockClient({
      keys: [],
      type: NO_KEY_TYPE,
      timeoutMs: 0,
      serve: () => false,
      timedOut: (reply) => reply.error(FAILED),
    });
    this.#held.push(client.waiting!);
  }

  /** Begins to wait for replicas that are behind; false when there are none. */
  #waitsForReplicas(options: ShutdownOptions, bySignal: boolean): boolean {
    const server = this.#server, { replicas } = server.replication, { shutdownTimeoutSeconds } = server.settings;
    if (options.now || shutdownTimeoutSeconds === 0 || replicas.areInStep) return false;
    this.#waiting = { options, bySignal, dueMs: server.nowMs() + shutdownTimeoutSeconds * 1000 };
    replicas.acknowledgements.ask();
    server.pause.start(HELD_MS, false);
    server.log.notice("Waiting for replicas before shutting down.");
    return true;
  }

  /** The replicas have come up, or the time is over. */
  #endWaiting({ options, bySignal }: { options: ShutdownOptions; bySignal: boolean }): void {
    this.#waiting = null;
    this.#server.pause.end();
    if (bySignal) return this.#carryOut(options);
    this.#warn(this.now(options));
  }

  /** Who was held learns that the server goes on. */
  #releaseHeld(): void {
    for (const wait of this.#held.splice(0)) {
      if (wait.client.waiting === wait) this.#server.blocking.finish(wait, (reply) => reply.error(FAILED));
    }
  }

  /** Stops on this thread. Null when the server stops; else why it goes on. */
  now(options: ShutdownOptions): string | null {
    const server = this.#server, isDurable = this.#begin(options);
    if (isDurable === null) return LOG_NOT_SYNCED;
    return this.#end(options, isDurable, this.#wantsSave(options) ? server.persistence.save() : null);
  }

  /** A signal asked for it: the next tick carries it out, and SHUTDOWN ABORT can still call it off. */
  request(signal: string, options: ShutdownOptions): void {
    const { log } = this.#server;
    if (signal === "SIGINT" && (this.#requested !== null || this.#isSaving)) {
      log.warning("You insist... exiting now.");
      return this.#leave(1);
    }
    log.warning(`Received ${signal} scheduling shutdown...`);
    this.#requested = options;
  }

  abort(): boolean {
    if (this.#requested === null && this.#waiting === null) return false;
    if (this.#waiting !== null) this.#server.pause.end();
    this.#requested = this.#waiting = null;
    this.#releaseHeld();
    this.#server.log.notice("Shutdown manually aborted.");
    return true;
  }

  cron(): void {
    const options = this.#requested, server = this.#server, waiting = this.#waiting;
    if (waiting !== null && (server.replication.replicas.areInStep || server.nowMs() >= waiting.dueMs)) {
      return this.#endWaiting(waiting);
    }
    if (options === null || this.#isSaving || waiting !== null) return;
    this.#requested = null;
    // A data set that is being loaded is on disk already.
    if (server.isLoading) return server.stop(0);
    if (!this.#waitsForReplicas(options, true)) this.#carryOut(options);
  }

  #carryOut(options: ShutdownOptions): void {
    const server = this.#server;
    if (this.#wantsSave(options) && !server.persistence.isChildActive) this.#saveInChild(options);
    else this.#warn(this.now(options));
  }

  #wantsSave(options: ShutdownOptions): boolean {
    return options.save ?? this.#server.settings.savePoints.length > 0;
  }

  /** Ends what is under way, and syncs the log: whether that worked, or null when it must not go on without. */
  #begin(options: ShutdownOptions): boolean | null {
    const { log, persistence } = this.#server, { aof } = persistence;
    log.warning("User requested shutdown...");
    this.#logReplicas();
    if (aof.state === "waiting" && persistence.isChildActive) {
      log.warning(options.force ? "Writing initial AOF. Exit anyway." : "Writing initial AOF, can't exit");
      if (!options.force) return null;
    }
    persistence.callOffChild();
    let isDurable = true;
    if (aof.state !== "off") {
      log.notice("Calling fsync() on the AOF file.");
      if (!aof.finish()) {
        log.warning(`Error syncing the append only file: ${aof.writeError ?? "a first rewrite has not finished"}`);
        // Writes are refused from here on, those that come with the same request included.
        this.#server.updateGates();
        if (aof.state === "on" && !options.force) return null;
        isDurable = false;
      }
    }
    if (this.#wantsSave(options)) log.notice("Saving the final RDB snapshot before exiting.");
    return isDurable;
  }

  #logReplicas(): void {
    const server = this.#server, { replicas, stream } = server.replication, nowMs = server.nowMs();
    let inStep = 0;
    for (const link of replicas.all) {
      if (link.ackOffset === stream.offset) inStep++;
      else {
        const lagSeconds = link.state === "online" ? Math.floor((nowMs - link.ackMs) / 1000) : 0;
        server.log.warning(
          `Lagging replica ${link.name} reported offset ${
            stream.offset - link.ackOffset
          } behind master, lag=${lagSeconds}, ` +
            `state=${REPLICA_STATE_NAMES[link.state]}.`,
        );
      }
    }
    const { size } = replicas.all;
    if (size > 0) server.log.notice(`${inStep} of ${size} replicas are in sync when shutting down.`);
  }

  #saveInChild(options: ShutdownOptions): void {
    const { pause, persistence } = this.#server, isDurable = this.#begin(options);
    if (isDurable === null) return this.#warn(LOG_NOT_SYNCED);
    this.#isSaving = true;
    pause.start(HELD_MS, true);
    persistence.saveInChild((error) => {
      this.#isSaving = false;
      const failure = this.#end(options, isDurable, error);
      if (failure === null) return;
      pause.end();
      this.#warn(failure);
    });
  }

  /** The save is over, or was not wanted (`saveError` null). Null when the server stops. */
  #end(options: ShutdownOptions, isDurable: boolean, saveError: string | null): string | null {
    if (saveError !== null) {
      this.#server.log.warning("Error trying to save the DB, can't exit.");
      if (!options.force) return saveError;
    }
    this.#leave(isDurable && saveError === null ? 0 : 1);
    return null;
  }

  #leave(code: number): void {
    const server = this.#server;
    if (server.settings.pidfile !== "") this.#removePidFile();
    server.persistence.abandonChild();
    server.log.warning("Redis is now ready to exit, bye bye...");
    server.stop(code);
  }

  #removePidFile(): void {
    this.#server.log.notice("Removing the pid file.");
    try {
      this.#server.storage.remove(this.#server.settings.pidfile);
    } catch {
      // It was never written, or somebody removed it.
    }
  }

  #warn(failure: string | null): void {
    if (failure === null) return;
    this.#releaseHeld();
    this.#server.log.warning("Errors trying to shut down the server. Check the logs for more information.");
  }
}
