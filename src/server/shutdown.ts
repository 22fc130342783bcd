/**
 * How the server ends: everything is made durable, then it stops; or it says why not, and goes on.
 *
 * SHUTDOWN saves on this thread, while everybody waits. A signal lets the child save, with all clients held, so that the next signal is
 * heard: a second SIGINT stops at once, and the unfinished file is removed.
 */
import type { Server } from "./server.ts";

export interface ShutdownOptions {
  /** Null: save if there are save points. */
  readonly save: boolean | null;
  readonly now: boolean;
  readonly force: boolean;
}

/** Longer than any save; clients are held until it is over. */
const HELD_MS = 2 ** 45;
const LOG_NOT_SYNCED = "the append only file cannot be synced";

export class Shutdown {
  readonly #server: Server;
  #requested: ShutdownOptions | null = null;
  #isSaving = false;
  /** SHUTDOWN never waits here: there are no replicas to wait for. */
  readonly inMs: number | null = null;

  constructor(server: Server) {
    this.#server = server;
  }

  /** SHUTDOWN. Null when the server stops; else why it goes on. */
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
    if (this.#requested === null) return false;
    this.#requested = null;
    this.#server.log.notice("Shutdown manually aborted.");
    return true;
  }

  cron(): void {
    const options = this.#requested, server = this.#server;
    if (options === null || this.#isSaving) return;
    this.#requested = null;
    // A data set that is being loaded is on disk already.
    if (server.isLoading) return server.stop(0);
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
    persistence.callOffChild();
    let isDurable = true;
    if (aof.state !== "off") {
      log.notice("Calling fsync() on the AOF file.");
      if (!aof.finish()) {
        log.warning(`Error syncing the append only file: ${aof.writeError ?? "a first rewrite has not finished"}`);
        if (aof.state === "on" && !options.force) return null;
        isDurable = false;
      }
    }
    if (this.#wantsSave(options)) log.notice("Saving the final RDB snapshot before exiting.");
    return isDurable;
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
    this.#server.log.warning("Errors trying to shut down the server. Check the logs for more information.");
  }
}
