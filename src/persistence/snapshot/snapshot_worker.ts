/**
 * The snapshot Worker: the child of our fork. Waits for a job, writes the frozen image, answers, and drops every reference to the
 * shared memory, so that frame segments go back to the operating system.
 */
import { FaultLayer, threadHost } from "../../io/disk_faults/fault_layer.ts";
import { DiskStorage } from "../../io/disk_storage.ts";
import { process } from "../../io/process.ts";
import { workerScope } from "../../io/worker_thread.ts";
import { FrozenMemory } from "../../memory/mod.ts";
import { crcOfStart } from "../rdb/rdb_reader.ts";
import {
  ControlBlockHost,
  runSnapshotJob,
  type SnapshotJob,
  type SnapshotResult,
  type SumJob,
  type SumResult,
} from "./snapshot_job.ts";

const scope = workerScope();
const storage = new DiskStorage();
const faultLayer = new FaultLayer(storage, threadHost((fault) => scope.post({ fault })));

/** A plan of faults that the server follows holds here too. */
function runWithFaults(job: SnapshotJob): SnapshotResult {
  if (!job.faults) return run(job);
  faultLayer.follow(job.faults);
  try {
    return run(job);
  } finally {
    faultLayer.leave();
  }
}

function run(job: SnapshotJob): SnapshotResult {
  const image = job.image!;
  const memory = new FrozenMemory(image);
  const steps = runSnapshotJob(job, memory, storage, new ControlBlockHost(image.control, () => memory.checkUsable()));
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** What cannot be read here, the loader reads itself, and says so. */
function sum({ sumOf, lengthBytes }: SumJob): SumResult {
  try {
    const file = storage.open(sumOf, "read");
    try {
      return crcOfStart((offset, into) => storage.read(file, offset, into), lengthBytes);
    } finally {
      storage.close(file);
    }
  } catch {
    return { low: NaN, high: NaN };
  }
}

scope.onMessage((received) => {
  const message = received as SnapshotJob | SumJob;
  if ("sumOf" in message) {
    const { low, high } = sum(message);
    return scope.post({ low, high });
  }
  scope.post(runWithFaults(message));
  // The image's buffers must not live on in garbage: this thread has time. Later, as the message still refers to them here.
  setTimeout(() => process.collectGarbage(), 0);
});
scope.post("ready");
