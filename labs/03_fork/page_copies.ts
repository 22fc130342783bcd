/**
 * Page copies of the same write traces, four times: by a formula, by this server's tracker on Redis's layout, by the kernel under a real Redis,
 * and by this server in its own layout. Everything that is predicted is predicted before Redis forks.
 */
import { existsSync } from "node:fs";
import { startRedis } from "../kit/redis_process.ts";
import type { Progress } from "../kit/terminal.ts";
import type { Options } from "./options.ts";
import { FORK_DIRECTIVES, ForkedRedis, type KernelCopies } from "./redis_fork.ts";
import {
  type PagesByStructure,
  pagesStored,
  RedisHeap,
  redisLayout,
  type SizeClass,
  standardClasses,
  type Structure,
  type WriteCommand,
} from "./redis_layout.ts";
import { type OwnCopies, TrackedKeys, TrackedRedisHeap } from "./tracked_memory.ts";
import { Connection } from "./wire.ts";
import { type WriteTrace, writeTrace } from "./write_trace.ts";

/** What one trace cost, in pages of 4 KiB. */
export interface CopiesRow {
  readonly command: WriteCommand;
  readonly skew: string;
  readonly keysWritten: number;
  /** Expected from skew and number of writes alone, on Redis's layout. */
  readonly formulaPages: number;
  /** Copied by this server's write barrier, on Redis's layout. */
  readonly tracked: PagesByStructure;
  /** Counted without a tracker: the different pages of the stores of the trace. */
  readonly exact: PagesByStructure;
  readonly kernel: KernelCopies | null;
  /** This server in its own layout. */
  readonly own: OwnCopies;
}

export interface PageCopies {
  readonly layout: readonly Structure[];
  readonly rows: readonly CopiesRow[];
}

interface Run {
  readonly command: WriteCommand;
  readonly trace: WriteTrace;
}

type Predicted = Omit<CopiesRow, "kernel" | "own">;

function runsOf(o: Options): Run[] {
  return o.commands.flatMap((command, i) =>
    o.skews.map((skew, j) => ({ command, trace: writeTrace(skew, { ...o, seed: o.seed + i * o.skews.length + j }) }))
  );
}

export async function pageCopies(
  o: Options,
  directory: string | null,
  onStart: (process: Deno.ChildProcess) => void,
  progress: Progress,
): Promise<PageCopies> {
  const runs = runsOf(o);
  const { layout, predicted, kernel } = directory === null
    ? { ...await predict(standardClasses(), runs, o, progress), kernel: runs.map(() => null) }
    : await predictAndFork(runs, o, directory, onStart, progress);
  const own = await ownCopies(runs, o, progress);
  return { layout, rows: predicted.map((row, i) => ({ ...row, kernel: kernel[i], own: own[i] })) };
}

async function predict(classes: readonly SizeClass[], runs: readonly Run[], o: Options, progress: Progress) {
  const layout = redisLayout(o.valueBytes, classes), heap = new RedisHeap(layout, o.keys);
  const tracked = await TrackedRedisHeap.open(layout, o.keys);
  const predicted = runs.map(({ command, trace }, i): Predicted => {
    progress.update("predicting", i / runs.length, `${command} ${trace.skew}`);
    const formulaPages = heap.pagesExpected(command, trace), stores = heap.write(command, trace);
    return {
      command,
      skew: trace.skew,
      keysWritten: new Set(trace.keys).size,
      formulaPages,
      tracked: tracked.pagesCopied(stores),
      exact: pagesStored(stores),
    };
  });
  tracked.close();
  return { layout, predicted };
}

async function predictAndFork(
  runs: readonly Run[],
  o: Options,
  directory: string,
  onStart: (process: Deno.ChildProcess) => void,
  progress: Progress,
) {
  let pid = 0;
  const started = await startRedis(directory, { ...FORK_DIRECTIVES, dir: directory }, async (socket) => {
    if (!existsSync(socket)) return null;
    const connection = new Connection(await Deno.connect({ transport: "unix", path: socket }));
    const redis = new ForkedRedis(pid, connection, o.valueBytes), kernel: KernelCopies[] = [];
    await redis.load(o.keys, (share) => progress.update("loading redis-server", share));
    const prediction = await predict(await redis.sizeClasses(), runs, o, progress);
    for (const [i, { command, trace }] of runs.entries()) {
      progress.update("redis-server forks", i / runs.length, `${command} ${trace.skew}`);
      kernel.push(await redis.copies(command, trace));
    }
    connection.close();
    return { ...prediction, kernel };
  }, (process) => {
    pid = process.pid;
    onStart(process);
  });
  if ("refusal" in started) throw new Error(`redis-server did not start: ${started.refusal}`);
  return started.value;
}

async function ownCopies(runs: readonly Run[], o: Options, progress: Progress): Promise<OwnCopies[]> {
  const keys = await TrackedKeys.open(o.keys, o.valueBytes), found: OwnCopies[] = [];
  for (const [i, { command, trace }] of runs.entries()) {
    progress.update("this server, own layout", i / runs.length, `${command} ${trace.skew}`);
    found.push(keys.copies(command, trace));
  }
  keys.close();
  return found;
}
