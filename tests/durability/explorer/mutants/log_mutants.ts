/** Seeded bugs of the log: what is written, synced and acknowledged in which order, and what happens to errors. */
import { type FileHandle, type OpenMode, StorageError } from "../../../../src/io/storage.ts";
import { type FaultRule } from "../../../../src/io/simulated_disk/mod.ts";
import type { Persistence } from "../../../../src/server/persistence.ts";
import type { AofLog } from "../../../../src/persistence/aof/aof_log.ts";
import { type Mutant, scenarioOf } from "./mutant.ts";
import { isIncrement, PatchedStorage } from "./patched_storage.ts";

const FIRST_INCREMENT = "appendonly.aof.1.incr.aof";

function onIncrement(operation: "write" | "sync", fault: FaultRule["fault"], nth = 0, isSticky = false): FaultRule {
  return { operation, path: FIRST_INCREMENT, fault, nth, isSticky };
}

/** Replies go out, then the log is written and synced. */
function repliesFirst(persistence: Persistence): void {
  const flush = persistence.beforeReplies.bind(persistence);
  persistence.beforeReplies = () => {
    queueMicrotask(flush);
    return true;
  };
  releasesAlways(persistence.aof);
}

function releasesAlways(aof: AofLog): void {
  Object.defineProperty(aof, "releasedBytes", { get: () => Infinity });
}

/** What a sync will cover counts when it begins (G6). */
function countsAtScheduling({ aof }: Persistence): void {
  let scheduled = -1;
  Object.defineProperty(aof, "durableBytes", {
    get: () => scheduled = Math.max(scheduled, aof.syncInFlight ? aof.writtenBytes : aof.syncedBytes),
  });
}

/** After a rotation the increment that was open before is synced on. */
class SyncsOldIncrement extends PatchedStorage {
  #first: FileHandle | null = null;

  override open(path: string, mode: OpenMode): FileHandle {
    const file = super.open(path, mode);
    if (isIncrement(path) && (mode === "create" || mode === "append")) this.#first ??= file;
    return file;
  }

  override sync(file: FileHandle): void {
    super.sync(isIncrement(file.path) && this.#first !== null ? this.#first : file);
  }

  override closeInBackground(file: FileHandle): Promise<void> {
    return file === this.#first ? Promise.resolve() : super.closeInBackground(file);
  }
}

class TrustsSecondSync extends PatchedStorage {
  override sync(file: FileHandle): void {
    try {
      super.sync(file);
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      super.sync(file);
    }
  }
}

class ResumesAtWrongOffset extends PatchedStorage {
  #skipped = 0;

  override write(file: FileHandle, bytes: Uint8Array, startBytes: number, endBytes: number): number {
    const skipped = Math.min(this.#skipped, endBytes - startBytes - 1);
    const written = super.write(file, bytes, startBytes + skipped, endBytes);
    // Counted twice: what was written, and then where to go on from.
    this.#skipped = startBytes + skipped + written < endBytes ? written : 0;
    return skipped + written;
  }
}

class DropsBufferAtInterrupt extends PatchedStorage {
  override write(file: FileHandle, bytes: Uint8Array, startBytes: number, endBytes: number): number {
    try {
      return super.write(file, bytes, startBytes, endBytes);
    } catch (error) {
      if (error instanceof StorageError && error.code === "EINTR") return endBytes - startBytes;
      throw error;
    }
  }
}

/** A write failed, and a rewrite begins: what could not be written is in the new base, and is put into the new increment too (G5). */
function flushesFailedBuffer({ aof }: Persistence): void {
  const append = aof.append.bind(aof), begin = aof.beginRewrite.bind(aof);
  let unwritten: { db: number; bytes: Uint8Array; end: number }[] = [];
  aof.append = (db, bytes, start, end) => {
    append(db, bytes, start, end);
    unwritten = unwritten.filter((one) => one.end > aof.writtenBytes);
    unwritten.push({ db, bytes: bytes.slice(start, end), end: aof.appendedBytes });
  };
  aof.beginRewrite = (freeze, failed) => {
    if (aof.writeError === null) return begin(freeze, failed);
    const again = unwritten.filter((one) => one.end > aof.writtenBytes);
    aof.needsFreshGeneration = true;
    begin(freeze, failed);
    for (const { db, bytes } of again) append(db, bytes, 0, bytes.length);
  };
}

export const LOG_MUTANTS: readonly Mutant[] = [
  {
    number: 4,
    what: "replies go out before the sync",
    invariants: ["I2"],
    mutation: { patch: repliesFirst },
    scenarios: [scenarioOf("writes", "always")],
  },
  {
    number: 5,
    what: "after a rotation the wrong file is synced",
    invariants: ["I2"],
    mutation: { storage: (disk) => new SyncsOldIncrement(disk) },
    scenarios: [scenarioOf("a rewrite", "always")],
  },
  {
    number: 9,
    what: "a failed sync is tried again, and its success trusted",
    invariants: ["I9"],
    mutation: { storage: (disk) => new TrustsSecondSync(disk) },
    scenarios: [scenarioOf("writes", "always", "ext4", [onIncrement("sync", { kind: "error", code: "EIO" })])],
  },
  {
    number: 10,
    what: "WAITAOF counts a sync that has only begun",
    invariants: ["I10"],
    mutation: { patch: countsAtScheduling },
    scenarios: [scenarioOf("writes", "everysec", "ext4", [onIncrement("sync", { kind: "hang", ms: 1000 })])],
  },
  {
    number: 11,
    what: "a buffer that could not be written goes into the next increment",
    invariants: ["I1"],
    mutation: { patch: flushesFailedBuffer },
    scenarios: [
      scenarioOf("a rewrite", "everysec", "ext4", [
        onIncrement("write", { kind: "error", code: "ENOSPC" }, 1, true),
      ]),
    ],
  },
  {
    number: 12,
    what: "a short write is resumed at the wrong offset",
    invariants: ["I1"],
    mutation: { storage: (disk) => new ResumesAtWrongOffset(disk) },
    scenarios: [scenarioOf("writes", "always", "ext4", [onIncrement("write", { kind: "short", bytes: 7 })])],
  },
  {
    number: 13,
    what: "an interrupted write drops the buffer",
    invariants: ["I2"],
    mutation: { storage: (disk) => new DropsBufferAtInterrupt(disk) },
    scenarios: [scenarioOf("writes", "always", "ext4", [onIncrement("write", { kind: "error", code: "EINTR" })])],
  },
  {
    number: 22,
    what: "replies go out while a sync hangs",
    invariants: ["I3"],
    mutation: { patch: ({ aof }) => releasesAlways(aof) },
    scenarios: [
      scenarioOf("writes", "everysec", "ext4", [onIncrement("sync", { kind: "hang", ms: 5000 })]),
    ],
  },
];
