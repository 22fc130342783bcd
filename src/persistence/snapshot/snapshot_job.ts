/**
 * What the snapshot child does: write a frozen data set to a temporary file and sync it. The same code runs in the Worker, on the main
 * thread for SAVE, and step by step in a simulation. The main thread renames the file: a file that was renamed is a finished one.
 */
import type { ActiveFaults } from "../../io/disk_faults/faulty_storage.ts";
import type { FileHandle, Storage } from "../../io/storage.ts";
import { StorageError, writeFully } from "../../io/storage.ts";
import type { MemoryReader, SnapshotImage } from "../../memory/mod.ts";
import { CONTROL } from "../../memory/mod.ts";
import { SealedFile, writeAofCommands } from "../aof/aof_base_writer.ts";
import { type SaveOptions, saveRdb } from "../rdb/rdb_saver.ts";
import { RdbWriter } from "../rdb/rdb_writer.ts";

export interface SnapshotJob extends SaveOptions {
  readonly kind: "rdb" | "commands";
  /** Where to write; created anew. */
  readonly path: string;
  /** Null when the memory is read live: SAVE. */
  readonly image: SnapshotImage | null;
  readonly compress: boolean;
  readonly checksum: boolean;
  /** The id that the seals of a base of commands hold; null when it has none. */
  readonly fileId: number | null;
  /** rdb-key-save-delay: microseconds to wait after each key; negative: keys per microsecond. For tests. */
  readonly keyDelayUs: number;
  /** The plan that the disk of the server follows, for a thread that has a disk of its own. */
  readonly faults?: ActiveFaults | null;
}

export type SnapshotResult =
  | { readonly ok: true; readonly writtenBytes: number; readonly keys: number }
  /** `signal`: what ended the process that stands for the snapshot, and so the snapshot. */
  | { readonly ok: false; readonly error: string; readonly aborted: boolean; readonly signal?: number };

/** The other thing that a snapshot thread does: the CRC-64 of the first bytes of a file that is being loaded. */
export interface SumJob {
  readonly sumOf: string;
  readonly lengthBytes: number;
}

/** Two halves; NaN when the file could not be read. */
export interface SumResult {
  readonly low: number;
  readonly high: number;
}

/** How a job waits and notices that it is no longer wanted. */
export interface JobHost {
  /** Called after each key, before the delay. */
  keyWritten(): void;
  /** Sleeps; wakes early when the job is cancelled. */
  sleepUs(microseconds: number): void;
  /** @throws {SnapshotAbortedError} */
  checkUsable(): void;
}

/** Writes, syncs and closes the file; yields now and then. On failure the file is removed. */
export function* runSnapshotJob(
  job: SnapshotJob,
  memory: MemoryReader,
  storage: Storage,
  host: JobHost,
): Generator<void, SnapshotResult> {
  let file: FileHandle | null = null;
  try {
    file = storage.open(job.path, "create");
    const opened = file, sealed = job.fileId === null ? null : new SealedFile(storage, file, job.fileId);
    const write = (bytes: Uint8Array, start: number, end: number) =>
      sealed === null ? writeFully(storage, opened, bytes, start, end) : sealed.write(bytes, start, end);
    const writer = new RdbWriter(write, job.compress, job.checksum);
    let keys = 0;
    const onKey = () => {
      keys++;
      host.keyWritten();
      delay(job.keyDelayUs, keys, host);
    };
    const steps = job.kind === "rdb"
      ? saveRdb(writer, memory, job, onKey)
      : writeAofCommands(writer, memory, job, sealed, onKey);
    for (const _ of steps) {
      host.checkUsable();
      yield;
    }
    if (job.kind === "rdb") writer.finish();
    host.checkUsable();
    storage.sync(file);
    const writtenBytes = storage.size(file);
    storage.close(file);
    return { ok: true, writtenBytes, keys };
  } catch (error) {
    if (file !== null) discard(storage, file, job.path);
    const aborted = error instanceof Error && error.name === "SnapshotAbortedError";
    return { ok: false, error: error instanceof Error ? error.message : String(error), aborted };
  }
}

function delay(keyDelayUs: number, keys: number, host: JobHost): void {
  if (keyDelayUs > 0) host.sleepUs(keyDelayUs);
  else if (keyDelayUs < 0 && keys % -keyDelayUs === 0) host.sleepUs(1);
}

/** What cannot be removed now is a temporary file that the next start removes. */
function discard(storage: Storage, file: FileHandle, path: string): void {
  for (const step of [() => storage.close(file), () => storage.remove(path)]) {
    try {
      step();
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
    }
  }
}

/** The host of a job in a Worker: progress and cancellation through the control block that the main thread shares. */
export class ControlBlockHost implements JobHost {
  readonly #control: Int32Array;
  readonly #check: () => void;

  constructor(control: SharedArrayBuffer, check: () => void) {
    this.#control = new Int32Array(control), this.#check = check;
  }

  keyWritten(): void {
    this.#control[CONTROL.keysProcessed]++;
  }

  sleepUs(microseconds: number): void {
    Atomics.wait(this.#control, CONTROL.cancel, 0, microseconds / 1000);
    this.#check();
  }

  checkUsable(): void {
    this.#check();
  }
}
