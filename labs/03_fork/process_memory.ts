/** What the kernel says of a process's memory: proc(5), /proc/<pid>/smaps_rollup, and its children. */
import { readFileSync } from "node:fs";

export interface ProcessMemory {
  /** Pages in memory that no other process shares and that differ from their file, or have none. */
  readonly privateDirtyBytes: number;
  /** Part of the memory that is in huge pages: one store there copies 2 MiB, not 4 KiB. */
  readonly hugeBytes: number;
}

export function memoryOf(pid: number): ProcessMemory {
  return parseRollup(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"));
}

export function parseRollup(text: string): ProcessMemory {
  const bytes = (name: string) => Number(new RegExp(`^${name}: +(\\d+) kB$`, "m").exec(text)![1]) * 1024;
  return { privateDirtyBytes: bytes("Private_Dirty"), hugeBytes: bytes("AnonHugePages") };
}

/** The first child of a process, or null. */
export function childOf(pid: number): number | null {
  const [first] = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ");
  return first === "" ? null : Number(first);
}

/** `always`, `madvise` or `never`; null where the kernel does not say. */
export function hugePagePolicy(): string | null {
  try {
    return /\[(\w+)\]/.exec(readFileSync("/sys/kernel/mm/transparent_hugepage/enabled", "utf8"))?.[1] ?? null;
  } catch {
    return null;
  }
}
