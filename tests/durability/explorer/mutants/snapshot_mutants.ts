/** Seeded bugs of saves and rewrites: where the cut is, and when a save counts as done. */
import { InlineSnapshotChild } from "../../../../src/persistence/snapshot/inline_child.ts";
import {
  runSnapshotJob,
  type SnapshotJob,
  type SnapshotResult,
} from "../../../../src/persistence/snapshot/snapshot_job.ts";
import type { Persistence } from "../../../../src/server/persistence.ts";
import type { Server, Storage } from "../../../../src/mod.ts";
import { type Mutant, scenarioOf } from "./mutant.ts";
import { PatchedStorage } from "./patched_storage.ts";

/** The memory is frozen one command after the switch of increments. */
function cutsLate({ aof }: Persistence): void {
  const append = aof.append.bind(aof), begin = aof.beginRewrite.bind(aof);
  let late: (() => void) | null = null;
  aof.beginRewrite = (freeze, failed) => begin(() => void (late = freeze), failed);
  aof.append = (db, bytes, start, end) => {
    append(db, bytes, start, end);
    const freeze = late;
    late = null;
    freeze?.();
  };
}

/** A child that sees what was written since the freeze: no before-image was kept of any page. */
class SeesLiveMemory extends InlineSnapshotChild {
  readonly #disk: Storage;
  readonly #server: Server;
  #steps: Generator<void, SnapshotResult> | null = null;
  #onDone: (result: SnapshotResult) => void = () => {};

  constructor(storage: Storage, server: Server) {
    super(storage);
    this.#disk = storage, this.#server = server;
  }

  override start(job: SnapshotJob, onDone: (result: SnapshotResult) => void): void {
    const host = { keyWritten: () => {}, sleepUs: () => {}, checkUsable: () => {} };
    this.#steps = runSnapshotJob(job, this.#server.memory, this.#disk, host);
    this.#onDone = onDone;
  }

  override step(): boolean {
    const step = this.#steps?.next();
    if (step?.done !== true) return step !== undefined;
    this.#steps = null;
    this.#onDone(step.value);
    return false;
  }

  override cancel(): void {
    this.terminate();
  }

  override terminate(): void {
    this.#steps = null;
  }
}

/** The sync of the directory that holds the dump comes when the save has been reported. */
class ReportsBeforeDirectorySync extends PatchedStorage {
  #isRenamed = false;

  override rename(from: string, to: string): void {
    super.rename(from, to);
    this.#isRenamed = to.endsWith("/dump.rdb");
  }

  override syncDirectory(path: string): void {
    if (!this.#isRenamed) return super.syncDirectory(path);
    this.#isRenamed = false;
    queueMicrotask(() => super.syncDirectory(path));
  }
}

export const SNAPSHOT_MUTANTS: readonly Mutant[] = [
  {
    number: 19,
    what: "the cut is not at the switch of increments",
    invariants: ["I1", "I5"],
    mutation: { patch: cutsLate },
    scenarios: [scenarioOf("a rewrite", "always", "ext4")],
  },
  {
    number: 19,
    what: "no before-image is kept of what is written during a save",
    invariants: ["I1", "I5"],
    mutation: { child: (storage, server) => new SeesLiveMemory(storage, server) },
    scenarios: [scenarioOf("background saves", "no", "ext4")],
  },
  {
    number: 21,
    what: "LASTSAVE moves before the directory sync",
    invariants: ["I5"],
    mutation: { storage: (disk) => new ReportsBeforeDirectorySync(disk) },
    scenarios: [scenarioOf("saves", "no")],
  },
];
