/**
 * The main thread's side of the child. One job at a time; the thread is started ahead of time, so that starting a job is a message.
 */
import { startWorker, type WorkerHandle } from "../../io/worker_thread.ts";
import { CONTROL } from "../../memory/mod.ts";
import type { SnapshotJob, SnapshotResult } from "./snapshot_job.ts";

export interface SnapshotChild {
  /** Starts the thread, unless it runs already. */
  prepare(): void;
  start(job: SnapshotJob, onDone: (result: SnapshotResult) => void): void;
  /** Asks the running job to stop; it still reports. */
  cancel(): void;
  terminate(): void;
}

export class WorkerSnapshotChild implements SnapshotChild {
  #worker: WorkerHandle | null = null;
  #onDone: ((result: SnapshotResult) => void) | null = null;
  #control: Int32Array | null = null;

  prepare(): void {
    this.#worker ??= startWorker(
      new URL("./snapshot_worker.ts", import.meta.url),
      (message) => message === "ready" || this.#done(message as SnapshotResult),
      (text) => this.#failed(text),
    );
  }

  start(job: SnapshotJob, onDone: (result: SnapshotResult) => void): void {
    this.prepare();
    this.#onDone = onDone;
    this.#control = new Int32Array(job.image!.control);
    this.#worker!.post(job);
  }

  cancel(): void {
    if (this.#control === null) return;
    Atomics.store(this.#control, CONTROL.cancel, 1);
    Atomics.notify(this.#control, CONTROL.cancel);
  }

  terminate(): void {
    this.#worker?.terminate();
    this.#worker = null, this.#onDone = null, this.#control = null;
  }

  #done(result: SnapshotResult): void {
    const onDone = this.#onDone;
    this.#onDone = null, this.#control = null;
    onDone?.(result);
  }

  #failed(text: string): void {
    this.#worker = null;
    this.#done({ ok: false, error: `the snapshot thread failed: ${text}`, aborted: false });
  }
}
