/** Seeded bugs of loading: what a start accepts, repairs and removes, and when. */
import { crc32 } from "../../../../src/base/crc32.ts";
import { latin1Decode } from "../../../../src/base/bytes.ts";
import {
  type FileHandle,
  type FileStatus,
  type OpenMode,
  readWhole,
  type Storage,
} from "../../../../src/io/storage.ts";
import { crcOfSeal, Seal, SEAL_BYTES, SealChain } from "../../../../src/persistence/aof/aof_seal.ts";
import { LoadFailedError } from "../../../../src/server/loading.ts";
import type { Persistence } from "../../../../src/server/persistence.ts";
import type { Server } from "../../../../src/mod.ts";
import { type AofRecord, onlyRecords, recordAt, recordsOf, sealsIn } from "./aof_text.ts";
import { unit, type Workload } from "../workload.ts";
import { type Mutant, scenarioOf } from "./mutant.ts";
import { isIncrement, PatchedStorage } from "./patched_storage.ts";

/** Increments read otherwise than they are: what a loader that is wrong would make of them. */
class RewrittenReads extends PatchedStorage {
  readonly #rewrite: (bytes: Uint8Array) => Uint8Array;
  readonly #read = new Map<FileHandle, Uint8Array>();

  constructor(inner: Storage, rewrite: (bytes: Uint8Array) => Uint8Array) {
    super(inner);
    this.#rewrite = rewrite;
  }

  override open(path: string, mode: OpenMode): FileHandle {
    const file = super.open(path, mode);
    if (mode === "read" && isIncrement(path)) this.#read.set(file, this.#rewrite(readWhole(this.inner, path)));
    return file;
  }

  override read(file: FileHandle, offsetBytes: number, into: Uint8Array): number {
    const bytes = this.#read.get(file);
    if (bytes === undefined) return super.read(file, offsetBytes, into);
    const piece = bytes.subarray(offsetBytes, offsetBytes + into.length);
    into.set(piece);
    return piece.length;
  }

  override size(file: FileHandle): number {
    return this.#read.get(file)?.length ?? super.size(file);
  }

  override stat(path: string): FileStatus | null {
    const status = super.stat(path);
    if (status === null || !isIncrement(path)) return status;
    return { ...status, sizeBytes: this.#rewrite(readWhole(this.inner, path)).length };
  }

  override close(file: FileHandle): void {
    this.#read.delete(file);
    super.close(file);
  }
}

function zeroTailIsFatal({ loading, aof }: Persistence, { storage }: Server): void {
  const open = loading.openAof.bind(loading);
  loading.openAof = (manifest, inSlices) => {
    for (const { name } of manifest.increments) {
      const path = `${aof.directory}/${name}`, bytes = storage.exists(path) ? readWhole(storage, path) : null;
      if (bytes?.at(-1) === 0) throw new LoadFailedError(`Bad file format reading the append only file ${name}`);
    }
    return open(manifest, inSlices);
  };
}

function withoutBadRecords(bytes: Uint8Array): Uint8Array {
  const text = latin1Decode(bytes), records: AofRecord[] = [];
  /** Where the transaction that is open begins. */
  let openAt = -1;
  for (let at = 0; at < text.length;) {
    const one = recordAt(text, at), command = one?.command ?? "";
    at = one?.end ?? at + 1;
    const isMisplaced = command === (openAt >= 0 ? "MULTI" : "EXEC");
    if (one === null || command === "" || isMisplaced) continue;
    if (command === "MULTI") openAt = records.length;
    else if (command === "EXEC") openAt = -1;
    records.push(one);
  }
  return onlyRecords(bytes, openAt >= 0 ? records.slice(0, openAt) : records);
}

/** Commands of a transaction run one by one as they come. */
function withoutTransactions(bytes: Uint8Array): Uint8Array {
  const { records } = recordsOf(latin1Decode(bytes));
  return onlyRecords(bytes, records.filter(({ command }) => !["", "MULTI", "EXEC"].includes(command)));
}

/** A block is taken for sound when it is sound in itself: what its seal says of its place in the file counts for nothing. */
function withBlocksInAnyPlace(bytes: Uint8Array): Uint8Array {
  const chained = bytes.slice(), seal = new Seal();
  let chain: SealChain | null = null, start = 0;
  for (const at of sealsIn(latin1Decode(bytes))) {
    if (!seal.read(bytes, at) || seal.lengthBytes !== at - start) continue;
    const crc = crc32(bytes, start, at);
    if (crcOfSeal(crc, bytes, at) !== seal.crc) break;
    chain ??= new SealChain(seal.fileId);
    chain.sealCounted(crc, at - start, seal.syncedBytes, chained, at);
    start = at + SEAL_BYTES;
  }
  return chained;
}

/** Cuts what is torn before it is known whether the file may be cut (G3). */
function truncatesFirst(persistence: Persistence, { storage }: Server): void {
  const { loading, aof } = persistence, open = loading.openAof.bind(loading);
  loading.openAof = (manifest, inSlices) => {
    const load = open(manifest, inSlices), step = load.step.bind(load);
    load.step = (budgetBytes) => {
      try {
        return step(budgetBytes);
      } catch (error) {
        for (const { name } of manifest.increments) cutAtRecord(storage, `${aof.directory}/${name}`);
        throw error;
      }
    };
    return load;
  };
}

function cutAtRecord(storage: Storage, path: string): void {
  const bytes = readWhole(storage, path), { end } = recordsOf(latin1Decode(bytes));
  if (end === bytes.length) return;
  const file = storage.open(path, "update");
  storage.truncate(file, end);
  storage.sync(file);
  storage.close(file);
}

/** A start syncs no increment, and no copy of one: only what is appended later is. */
class SkipsSyncOfRepair extends PatchedStorage {
  #isStarting = true;

  override write(file: FileHandle, bytes: Uint8Array, startBytes: number, endBytes: number): number {
    if (isIncrement(file.path) && !file.path.includes("/temp-")) this.#isStarting = false;
    return super.write(file, bytes, startBytes, endBytes);
  }

  override sync(file: FileHandle): void {
    if (!this.#isStarting || !isIncrement(file.path)) super.sync(file);
  }
}

function removesOrphansFirst(persistence: Persistence, { storage }: Server): void {
  const start = persistence.start.bind(persistence), { directory } = persistence.aof;
  persistence.start = () => {
    for (const folder of ["/", directory]) {
      if (!storage.exists(folder)) continue;
      for (const name of storage.list(folder)) if (name.startsWith("temp-")) storage.remove(`${folder}/${name}`);
    }
    return start();
  };
}

/** The second and third block are equally long, and not the same. */
const EQUAL_BLOCKS: Workload = { name: "equal blocks", mode: "aof", steps: [unit(0), unit(1), unit(6)] };

export const LOADING_MUTANTS: readonly Mutant[] = [
  {
    number: 14,
    what: "a tail of zeros is fatal",
    invariants: ["I7", "I8"],
    mutation: { patch: zeroTailIsFatal },
    scenarios: [scenarioOf("writes", "everysec", "ext4")],
  },
  {
    number: 15,
    what: "the loader skips a bad record and goes on",
    invariants: ["I1"],
    mutation: { storage: (disk) => new RewrittenReads(disk, withoutBadRecords) },
    scenarios: [scenarioOf("writes", "everysec")],
    options: { holes: true },
  },
  {
    number: 16,
    what: "a torn file is cut before the verdict",
    invariants: ["I8"],
    mutation: { patch: truncatesFirst },
    scenarios: [scenarioOf("a rewrite", "always")],
    options: { damageEvery: 1 },
  },
  {
    number: 17,
    what: "a repaired tail is not synced before more is appended",
    invariants: ["I8"],
    mutation: { storage: (disk) => new SkipsSyncOfRepair(disk) },
    scenarios: [scenarioOf("writes", "always")],
    options: { depthMax: 2 },
  },
  {
    number: 18,
    what: "a transaction without its end is applied",
    invariants: ["I1"],
    mutation: { storage: (disk) => new RewrittenReads(disk, withoutTransactions) },
    scenarios: [scenarioOf("writes", "everysec")],
  },
  {
    number: 20,
    what: "a checksum without sequence and file id accepts a stale block",
    invariants: ["I12"],
    mutation: { storage: (disk) => new RewrittenReads(disk, withBlocksInAnyPlace) },
    scenarios: [{ ...scenarioOf("writes", "always", "ext4"), workload: EQUAL_BLOCKS }],
    options: { damageEvery: 1 },
  },
  {
    number: 24,
    what: "orphans are removed before validation",
    invariants: ["I13"],
    mutation: { patch: removesOrphansFirst },
    scenarios: [scenarioOf("a rewrite", "always", "ext4")],
    options: { damageEvery: 1 },
  },
];
