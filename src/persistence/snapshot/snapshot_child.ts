/**
 * The main thread's side of the child. One job at a time; the thread is started ahead of time, so that starting a job is a message.
 */
import { Crc64 } from "../../base/crc64.ts";
import { startWorker, type WorkerHandle } from "../../io/worker_thread.ts";
import { CONTROL } from "../../memory/mod.ts";
import type { FileSum } from "../rdb/rdb_reader.ts";
import type { SnapshotJob, SnapshotResult, SumJob, SumResult } from "./snapshot_job.ts";

/** A line about a fault of the disk comes while a job runs, the others at its end. */
type Received = "ready" | { readonly fault: string } | SnapshotResult | SumResult;

export interface SnapshotChild {
  /** Starts the thread, unless it runs already. */
  prepare(): void;
  /** `onFault` gets a line for each fault that `job.faults` made. */
  start(job: SnapshotJob, onDone: (result: SnapshotResult) => void, onFault: (text: string) => void): void;
  /** Computes the CRC of a file's start, while no job runs; null where there is no thread for that. */
  sumFile(path: string, lengthBytes: number): FileSum | null;
  /** Asks the running job to stop; it still reports. */
  cancel(): void;
  terminate(): void;
}

export class WorkerSnapshotChild implements SnapshotChild {
  #worker: WorkerHandle | null = null;
  #onDone: ((result: SnapshotResult) => void) | null = null;
  #onFault: (text: string) => void = () => {};
  #control: Int32Array | null = null;
  #sum: FileSum | null = null;

  prepare(): void {
    this.#worker ??= startWorker(
      new URL("./snapshot_worker.ts", import.meta.url),
      (message) => this.#received(message as Received),
      (text) => this.#failed(text),
    );
  }

  start(job: SnapshotJob, onDone: (result: SnapshotResult) => void, onFault: (text: string) => void): void {
    this.prepare();
    this.#onDone = onDone, this.#onFault = onFault;
    this.#control = new Int32Array(job.image!.control);
    this.#worker!.post(job);
  }

  sumFile(path: string, lengthBytes: number): FileSum {
    this.prepare();
    this.#sum = { lengthBytes, crc: null };
    const job: SumJob = { sumOf: path, lengthBytes };
    this.#worker!.post(job);
    return this.#sum;
  }

  cancel(): void {
    if (this.#control === null) return;
    Atomics.store(this.#control, CONTROL.cancel, 1);
    Atomics.notify(this.#control, CONTROL.cancel);
  }

  terminate(): void {
    this.#worker?.terminate();
    this.#summed(null);
    this.#worker = null, this.#onDone = null, this.#control = null;
  }

  #received(message: Received): void {
    if (message === "ready") return;
    if ("fault" in message) this.#onFault(message.fault);
    else if ("low" in message) this.#summed(message);
    else this.#done(message);
  }

  #summed(result: SumResult | null): void {
    if (this.#sum === null) return;
    if (result === null || Number.isNaN(result.low)) this.#sum.crc = "failed";
    else {
      const crc = this.#sum.crc = new Crc64();
      crc.low = result.low, crc.high = result.high;
    }
    this.#sum = null;
  }

  #done(result: SnapshotResult): void {
    const onDone = this.#onDone;
    this.#onDone = null, this.#control = null;
    onDone?.(result);
  }

  #failed(text: string): void {
    this.#worker = null;
    this.#summed(null);
    this.#done({ ok: false, error: `the snapshot thread failed: ${text}`, aborted: false });
  }
}
