/**
 * Several processes that explore a part each, and their results as one. A part is the images whose hash is its own, so parts share nothing
 * but the runs that lead to them.
 */
import { fileURLToPath } from "node:url";
import { type Arguments, argumentsOfJob } from "./arguments.ts";
import { Coverage } from "./coverage.ts";
import { type Counts, noCounts } from "./explorer.ts";
import type { Result } from "./report.ts";

/** A line that a process prints for the one that started it. */
export type Relayed = { readonly counts: Counts } | { readonly result: Result };

const PROGRAM = fileURLToPath(new URL("./crash.ts", import.meta.url));

export class Jobs {
  readonly #processes: Deno.ChildProcess[];
  readonly #counts: Counts[];
  readonly #results: Result[] = [];

  constructor(options: Arguments) {
    this.#processes = Array.from({ length: options.jobs }, (_, index) =>
      new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", "--no-check", PROGRAM, ...argumentsOfJob(options, index)],
        stdout: "piped",
        stderr: "inherit",
      }).spawn());
    this.#counts = this.#processes.map(noCounts);
  }

  /** They end what they are at, and say what they have. */
  stop(): void {
    for (const process of this.#processes) {
      try {
        process.kill("SIGINT");
      } catch {
        // It has ended already.
      }
    }
  }

  /** Waits for all. `onCounts` hears how far they are. @throws {Error} when one ends without a result */
  async result(onCounts: (counts: Counts) => void): Promise<Result> {
    await Promise.all(this.#processes.map(async (process, index) => {
      for await (const line of linesOf(process.stdout)) {
        const relayed = JSON.parse(line) as Relayed;
        if ("result" in relayed) this.#results.push(relayed.result);
        this.#counts[index] = "result" in relayed ? relayed.result.counts : relayed.counts;
        onCounts(sumOf(this.#counts));
      }
      const { success } = await process.status;
      if (!success) throw new Error(`The process that explores part ${index} has ended without a result`);
    }));
    const coverage = new Coverage();
    for (const one of this.#results) coverage.addAll(one.coverage);
    const violations = this.#results.flatMap((one) => one.violations);
    return { counts: sumOf(this.#counts), coverage, violations };
  }
}

/** Each part does all runs, and its own images. */
function sumOf(counts: readonly Counts[]): Counts {
  const sum = noCounts();
  for (const one of counts) for (const name of Object.keys(sum) as (keyof Counts)[]) sum[name] += one[name];
  sum.runs = Math.min(...counts.map((one) => one.runs));
  return sum;
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    yield* lines;
  }
}
