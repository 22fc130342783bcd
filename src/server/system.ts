/** What the server needs to know of the machine and process it runs in. */
import type { SnapshotChild } from "../persistence/snapshot/snapshot_child.ts";

export interface HostSystem {
  readonly pid: number;
  readonly physicalMemoryBytes: number;
  residentBytes(): number;
  /** Makes memory that nobody refers to go back to the operating system; takes some milliseconds. */
  collectGarbage(): void;
  /** Processor time of this process so far, seconds. */
  cpuSeconds(): { user: number; system: number };
  /** "Linux 6.1.0 x86_64". */
  readonly osText: string;
  readonly executable: string;
  readonly configFile: string;
}

/** Makes the thread, or its stand-in, that writes snapshots. */
export type SnapshotSpawner = () => SnapshotChild;
