/**
 * A real redis-server, forked by BGSAVE, and what the kernel copies for a write trace while the child lives. The child is stopped (SIGSTOP) as
 * soon as it is there and goes on when the trace is over: it lives long enough whatever the machine does, and every page that becomes private
 * between the two readings was made so by the parent's writes.
 */
import type { Reply } from "../../src/mod.ts";
import { childOf, memoryOf } from "./process_memory.ts";
import { classesIn, KERNEL_PAGE_BYTES, keyName, type SizeClass, type WriteCommand } from "./redis_layout.ts";
import { loadedValue, writeWords } from "./tracked_memory.ts";
import type { Connection } from "./wire.ts";
import type { WriteTrace } from "./write_trace.ts";

/** What BGSAVE's copy-on-write cost, in pages of 4 KiB. */
export interface KernelCopies {
  /** Pages of the parent that were shared before the trace and private after it. */
  readonly parentPages: number;
  /** The same of the child: originals that the parent has left to it. */
  readonly childPages: number;
  /** Pages that the child held alone before the trace: what fork() and both processes' first steps made private. */
  readonly childPagesBefore: number;
  /** `rdb_last_cow_size`. */
  readonly reportedPages: number;
  readonly hugeBytes: number;
}

const PIPELINE = 64, POLL_MS = 20, SETTLE_MS = 150;
/** rdb-key-save-delay: a sleep of a microsecond (some 50 really) at one in so many keys, so that no save is over before it is stopped. */
const SLEEP_ONE_IN = -8;

export const FORK_DIRECTIVES = {
  save: "",
  appendonly: "no",
  "disable-thp": "yes",
  "enable-debug-command": "local",
  "rdb-key-save-delay": String(SLEEP_ONE_IN),
} as const;

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

export class ForkedRedis {
  readonly #pid: number;
  readonly #connection: Connection;
  readonly #valueBytes: number;

  constructor(pid: number, connection: Connection, valueBytes: number) {
    this.#pid = pid, this.#connection = connection, this.#valueBytes = valueBytes;
  }

  /** Loads the keys in order, and waits until no table is growing: a fork holds that back, and the trace would go on with it. */
  async load(keys: number, onProgress: (share: number) => void): Promise<void> {
    const value = loadedValue(this.#valueBytes);
    for (let first = 0; first < keys; first += PIPELINE) {
      const count = Math.min(PIPELINE, keys - first);
      await this.#connection.askAll(Array.from({ length: count }, (_, i) => ["SET", keyName(first + i), value]));
      onProgress(first / keys);
    }
    while (String(await this.#connection.ask("DEBUG", "HTSTATS", 0)).includes("rehashing")) await pause(POLL_MS);
  }

  /** jemalloc's size classes as this Redis has them; none when it uses another allocator. */
  async sizeClasses(): Promise<SizeClass[]> {
    if (!String(await this.#connection.ask("INFO", "memory")).includes("mem_allocator:jemalloc")) return [];
    return classesIn(String(await this.#connection.ask("MEMORY", "MALLOC-STATS")));
  }

  async copies(command: WriteCommand, trace: WriteTrace): Promise<KernelCopies> {
    const child = await this.#fork();
    Deno.kill(child, "SIGSTOP");
    try {
      await pause(SETTLE_MS);
      const parentBefore = memoryOf(this.#pid), childBefore = memoryOf(child);
      await this.#write(command, trace);
      const parentAfter = memoryOf(this.#pid), childAfter = memoryOf(child);
      Deno.kill(child, "SIGCONT");
      await this.#untilSaved();
      const pages = (bytes: number) => bytes / KERNEL_PAGE_BYTES;
      return {
        parentPages: pages(parentAfter.privateDirtyBytes - parentBefore.privateDirtyBytes),
        childPages: pages(childAfter.privateDirtyBytes - childBefore.privateDirtyBytes),
        childPagesBefore: pages(childBefore.privateDirtyBytes),
        reportedPages: pages(await this.#number("persistence", "rdb_last_cow_size")),
        hugeBytes: parentAfter.hugeBytes,
      };
    } catch (error) {
      Deno.kill(child, "SIGKILL");
      throw error;
    }
  }

  async #fork(): Promise<number> {
    await this.#connection.ask("BGSAVE");
    const child = childOf(this.#pid);
    if (child === null) throw new Error("the save was over before its child could be stopped: load more keys (--keys)");
    return child;
  }

  async #write(command: WriteCommand, trace: WriteTrace): Promise<void> {
    for (let first = 0; first < trace.keys.length; first += PIPELINE) {
      const keys = [...trace.keys.subarray(first, first + PIPELINE)];
      await this.#connection.askAll(keys.map((key, i) => writeWords(command, key, first + i, this.#valueBytes)));
    }
  }

  async #untilSaved(): Promise<void> {
    while (await this.#number("persistence", "rdb_bgsave_in_progress") === 1) await pause(POLL_MS);
    const info = await this.#connection.ask("INFO", "persistence");
    if (!String(info).includes("rdb_last_bgsave_status:ok")) throw new Error("redis-server's save failed");
  }

  async #number(section: string, field: string): Promise<number> {
    return infoNumber(await this.#connection.ask("INFO", section), field);
  }
}

/** A number in an INFO reply. */
export function infoNumber(info: Reply, field: string): number {
  return Number(new RegExp(`^${field}:(\\d+)`, "m").exec(String(info))?.[1]);
}
