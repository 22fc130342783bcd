/**
 * The snapshot child without a thread: for in-process servers that own their disk and their time. The job runs on the frozen image, a
 * step whenever `step` is called, so its interleaving with writes is whoever calls it's choice.
 */
import type { Storage } from "../../io/storage.ts";
import { CONTROL, FrozenMemory } from "../../memory/mod.ts";
import type { SnapshotChild } from "./snapshot_child.ts";
import { ControlBlockHost, runSnapshotJob, type SnapshotJob, type SnapshotResult } from "./snapshot_job.ts";

export class InlineSnapshotChild implements SnapshotChild {
  readonly #storage: Storage;
  #steps: Generator<void, SnapshotResult> | null = null;
  #onDone: ((result: SnapshotResult) => void) | null = null;
  #control: Int32Array | null = null;

  constructor(storage: Storage) {
    this.#storage = storage;
  }

  prepare(): void {}

  start(job: SnapshotJob, onDone: (result: SnapshotResult) => void): void {
    const image = job.image!, memory = new FrozenMemory(image);
    this.#control = new Int32Array(image.control);
    this.#steps = runSnapshotJob(
      job,
      memory,
      this.#storage,
      new ControlBlockHost(image.control, () => memory.checkUsable()),
    );
    this.#onDone = onDone;
  }

  sumFile(): null {
    return null;
  }

  /** Advances a running job; false when none runs. */
  step(): boolean {
    const steps = this.#steps;
    if (steps === null) return false;
    const step = steps.next();
    if (step.done !== true) return true;
    const onDone = this.#onDone;
    this.#steps = this.#onDone = this.#control = null;
    onDone?.(step.value);
    return false;
  }

  cancel(): void {
    if (this.#control !== null) Atomics.store(this.#control, CONTROL.cancel, 1);
  }

  terminate(): void {
    this.#steps = this.#onDone = this.#control = null;
  }
}
