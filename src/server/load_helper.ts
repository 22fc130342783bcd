/** The main thread's end of `first_touch_worker.ts`: tells it how far the data reaches while a file is loaded. */
import { startWorker, type WorkerHandle } from "../io/worker_thread.ts";
import { FINISHED } from "../memory/first_touch.ts";
import { type LiveMemory, UNIT_BYTES } from "../memory/mod.ts";

/** Starts the thread, or does without: loading works the same. */
export type TouchThread = (onError: (text: string) => void) => WorkerHandle;

export const startTouchThread: TouchThread = (onError) =>
  startWorker(new URL("./first_touch_worker.ts", import.meta.url), () => {}, onError);

export class LoadHelper {
  readonly #memory: LiveMemory;
  readonly #control = new Int32Array(new SharedArrayBuffer(4));
  readonly #worker: WorkerHandle;
  #segmentsSent = 0;

  constructor(memory: LiveMemory, start: TouchThread, onError: (text: string) => void) {
    this.#memory = memory;
    this.#worker = start(onError);
    this.#worker.post(this.#control.buffer);
    this.advance();
  }

  /** Called now and then while the data grows. */
  advance(): void {
    for (let next; (next = this.#memory.segment(this.#segmentsSent)) !== null; this.#segmentsSent++) {
      this.#worker.post(next);
    }
    Atomics.store(this.#control, 0, Math.floor(this.#memory.dataBytes / UNIT_BYTES));
    Atomics.notify(this.#control, 0);
  }

  end(): void {
    Atomics.store(this.#control, 0, FINISHED);
    Atomics.notify(this.#control, 0);
    this.#worker.terminate();
  }
}
