/** Which fault each operation can meet: what the plan draws from, and what the coverage table must not leave empty. */
import type { Fault } from "../../../src/io/simulated_disk/mod.ts";
import type { StorageOperation } from "../../../src/io/storage.ts";

/** Columns of the table of faults. */
export const COLUMNS = ["EIO", "ENOSPC", "EINTR", "short", "hang", "writeback"] as const;
export type Column = (typeof COLUMNS)[number];

const EIO: Fault = { kind: "error", code: "EIO" }, ENOSPC: Fault = { kind: "error", code: "ENOSPC" };
const HANGS: readonly Fault[] = [{ kind: "hang", ms: 1000 }, { kind: "hang", ms: 5000 }];

const POSSIBLE: Readonly<Partial<Record<StorageOperation, readonly Fault[]>>> = {
  open: [EIO, ENOSPC],
  write: [
    EIO,
    ENOSPC,
    { kind: "error", code: "EINTR" },
    { kind: "short", bytes: 40 },
    { kind: "part", bytes: 7, code: "ENOSPC" },
    { kind: "writeback", code: "EIO" },
  ],
  sync: [EIO, ENOSPC, ...HANGS],
  syncDirectory: [EIO, ENOSPC, ...HANGS],
  truncate: [EIO, ENOSPC],
  rename: [EIO, ENOSPC],
  link: [EIO, ENOSPC],
  remove: [EIO, ENOSPC],
  makeDirectory: [EIO, ENOSPC],
  read: [EIO],
};

/** Rows of the table. */
export const OPERATIONS: readonly StorageOperation[] = Object.keys(POSSIBLE) as StorageOperation[];

export function faultsOf(operation: string): readonly Fault[] {
  return POSSIBLE[operation as StorageOperation] ?? [];
}

export function columnOf(fault: Fault): Column | null {
  switch (fault.kind) {
    case "error":
      return COLUMNS.find((column) => column === fault.code) ?? null;
    case "short":
    case "part":
      return "short";
    case "hang":
      return "hang";
    case "writeback":
      return "writeback";
    default:
      return null;
  }
}

export function isPossible(operation: string, column: Column): boolean {
  return faultsOf(operation).some((fault) => columnOf(fault) === column);
}

/** After these nothing that is not durable can be trusted, and a start may refuse. */
export function isSyncFault(operation: string, fault: Fault | null): boolean {
  return operation === "sync" || operation === "syncDirectory" || fault?.kind === "writeback";
}
