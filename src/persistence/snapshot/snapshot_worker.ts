/**
 * The snapshot Worker: the child of our fork. Waits for a job, writes the frozen image, answers, and drops every reference to the
 * shared memory, so that frame segments go back to the operating system.
 */
import { DiskStorage } from "../../io/disk_storage.ts";
import { process } from "../../io/process.ts";
import { workerScope } from "../../io/worker_thread.ts";
import { FrozenMemory } from "../../memory/mod.ts";
import { ControlBlockHost, runSnapshotJob, type SnapshotJob, type SnapshotResult } from "./snapshot_job.ts";

const scope = workerScope();
const storage = new DiskStorage();

function run(job: SnapshotJob): SnapshotResult {
  const image = job.image!;
  const memory = new FrozenMemory(image);
  const steps = runSnapshotJob(job, memory, storage, new ControlBlockHost(image.control, () => memory.checkUsable()));
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

scope.onMessage((message) => {
  scope.post(run(message as SnapshotJob));
  // The image's buffers must not live on in garbage: this thread has time. Later, as the message still refers to them here.
  setTimeout(() => process.collectGarbage(), 0);
});
scope.post("ready");
