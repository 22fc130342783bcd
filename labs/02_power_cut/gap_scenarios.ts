/** The gaps of Redis that the lab shows, each as a schedule: `durability.md`'s G1 to G6. */
import { type Fault, type FaultSource } from "../../src/mod.ts";
import type { Example } from "./gaps.ts";

export type Step =
  /** Commands of one client in one turn. */
  | { readonly do: "write"; readonly commands: readonly (readonly string[])[] }
  /** Time passes, with a tick of the server's cron every 100 ms. */
  | { readonly do: "time"; readonly ms: number }
  | { readonly do: "rewrite" }
  /** The child that rewrites runs to its end. */
  | { readonly do: "child" }
  | { readonly do: "waitaof" }
  | { readonly do: "fault"; readonly faults: () => FaultSource }
  /** Other files leave this much room on the disk. */
  | { readonly do: "room"; readonly bytes: number };

export interface Scenario {
  readonly gap: string;
  readonly title: string;
  readonly schedule: string;
  /** The functions of Redis whose order matters, and what it does. */
  readonly redis: string;
  readonly ours: string;
  readonly steps: readonly Step[];
  /** Whether a start shows this gap. */
  readonly shows: (example: Example) => boolean;
  /** Version whose order it is. */
  readonly version: string;
}

/** More than a page of the file: a power cut may leave the first page and not the second. */
const VALUE_BYTES = 5000;

function set(key: string): Step {
  return { do: "write", commands: [["SET", key, key.repeat(VALUE_BYTES)]] };
}

const REWRITE: Step = { do: "rewrite" }, CHILD: Step = { do: "child" }, SECOND: Step = { do: "time", ms: 1100 };
/** Long enough for `everysec` to vouch for what came before. */
const LONG: Step = { do: "time", ms: 3000 };

/** The sync of a file hangs. */
function slowSync(name: string, ms: number): FaultSource {
  return {
    next: ({ operation, path }) => operation === "sync" && path.endsWith(name) ? { kind: "hang", ms } : null,
  };
}

/** EIO on the directory sync that follows the rename of the manifest. */
function failingDirectorySync(): FaultSource {
  let isArmed = false;
  return {
    next: ({ operation, path }): Fault | null => {
      if (operation === "rename" && path.endsWith(".manifest")) isArmed = true;
      if (!isArmed || operation !== "syncDirectory") return null;
      isArmed = false;
      return { kind: "error", code: "EIO" };
    },
  };
}

const FREE_BYTES = 1 << 20;

export const SCENARIOS: readonly Scenario[] = [
  {
    gap: "G1",
    title: "A tail of zeros is a format error",
    schedule:
      "everysec; a write is not synced yet when the power goes, and the file system has committed the size of the file, not its data",
    redis:
      "loadSingleAppendOnlyFile: a byte that is not “*” is “Bad file format”, and aof-load-truncated, meant for short files, does not help",
    ours: "an unsynced tail that ends in zeros is a torn one: it is cut, nothing in it was vouched for",
    version: "7.0.15",
    steps: [set("a"), LONG, set("b"), set("c")],
    shows: ({ verdict, secondVerdict }) => verdict === "refused" && secondVerdict === "refused",
  },
  {
    gap: "G2",
    title: "The successor is named before the increment is synced",
    schedule: "everysec; two writes are not synced yet when BGREWRITEAOF starts; the power goes while the child works",
    redis:
      "openNewIncrAofForAppend: persistAofManifest makes the manifest with increment 2 durable, and only then aof_background_fsync_and_close hands increment 1 to a thread. " +
      "What is torn in between is not the last file any more, and loadAppendOnlyFiles refuses",
    ours: "increment 1 is synced before a manifest names increment 2",
    version: "7.0.15",
    steps: [set("a"), LONG, set("b"), set("c"), REWRITE, set("d")],
    shows: ({ verdict, secondVerdict }) => verdict === "refused" && secondVerdict === "refused",
  },
  {
    gap: "G3",
    title: "Truncated before the verdict: the second start has a hole",
    schedule:
      "as G2, and the sync of increment 1 takes long; increment 2 is synced by the next second's sync; then the power goes",
    redis:
      "loadSingleAppendOnlyFile truncates increment 1 on disk and returns AOF_TRUNCATED; then loadAppendOnlyFiles sees that it is not the last one and exits. " +
      "The next start (a supervisor's, say) finds a file that ends well, and loads increment 2 behind the hole",
    ours:
      "nothing on disk is changed before the verdict over all files; and increment 2 does not exist before increment 1 is synced",
    version: "7.0.15",
    steps: [
      set("a"),
      LONG,
      set("b"),
      set("c"),
      { do: "fault", faults: () => slowSync("appendonly.aof.1.incr.aof", 5000) },
      REWRITE,
      set("d"),
      SECOND,
    ],
    shows: ({ verdict, secondVerdict }) => verdict === "refused" && secondVerdict === "wrong",
  },
  {
    gap: "G4",
    title: "A failed directory sync deletes the base that the manifest names",
    schedule:
      "everysec; a rewrite ends; the directory sync after the rename of its manifest fails with EIO; later the process is killed, or the power goes",
    redis:
      "backgroundRewriteDoneHandler takes C_ERR of persistAofManifest for “not in force” and unlinks the new base (bg_unlink), but the rename has happened: the manifest that a start reads names it",
    ours:
      "after the rename either manifest may be in force: the files of both stay, and the log goes on in the increment that both name last",
    version: "7.0.15",
    steps: [
      set("a"),
      LONG,
      REWRITE,
      set("b"),
      { do: "fault", faults: failingDirectorySync },
      CHILD,
      LONG,
    ],
    shows: ({ verdict, form }) => verdict === "refused" && form === "kill -9",
  },
  {
    gap: "G5",
    title: "A buffer that could not be written is applied twice",
    schedule: "everysec; the disk is full when an INCR is to be logged; BGREWRITEAOF; then there is room again",
    redis:
      "flushAppendOnlyFile keeps aof_buf and the reply goes out; rewriteAppendOnlyFileBackground flushes (fails again), switches to increment 2 and forks: the base has the effect, " +
      "and the next flush writes the buffer to increment 2, which is loaded after that base",
    ours: "while the log cannot be written no rewrite starts, and the reply waits for the log",
    version: "7.0.15",
    steps: [
      { do: "write", commands: [["INCR", "n"]] },
      LONG,
      { do: "room", bytes: 300 },
      { do: "write", commands: [["INCR", "n"], ["SET", "x", "x".repeat(500)]] },
      REWRITE,
      { do: "room", bytes: FREE_BYTES },
      CHILD,
      LONG,
    ],
    shows: ({ verdict, form }) => verdict === "wrong" && form === "kill -9",
  },
  {
    gap: "G6",
    title: "WAITAOF replies before any sync",
    schedule:
      "everysec; a write is synced; another one follows, then WAITAOF 1 0; the power goes before the next second's sync",
    redis:
      "flushAppendOnlyFile with an empty buffer and less than a second since the last fsync takes the branch for “all is synced” and sets fsynced_reploff_pending to master_repl_offset; " +
      "beforeSleep copies it, and WAITAOF replies 1 (since #12622, corrected by #13793)",
    ours: "a position counts as synced when the sync that covers it has finished",
    version: "7.4",
    steps: [set("a"), SECOND, set("b"), { do: "waitaof" }, { do: "time", ms: 200 }],
    shows: ({ verdict }) => verdict === "lost",
  },
  {
    gap: "G8",
    title: "Nothing notices that a value is zeros",
    schedule: "as G1; the size that was committed ends where a command ends",
    redis:
      "loadSingleAppendOnlyFile reads as many bytes as the length says and does not look at the two behind them: a value that the disk does not have is loaded as zeros",
    ours: "what was not synced counts only as far as it is whole",
    version: "7.0.15",
    steps: [set("a"), LONG, set("b"), set("c")],
    shows: ({ verdict, first }) =>
      verdict === "wrong" && [...first.data.values()].some((value) => value.includes("\0")),
  },
];
