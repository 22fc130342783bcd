/**
 * An open-loop SET load at a fixed rate, as a process of its own; prints latencies as JSON.
 *
 *   deno run -A tests/bench/fixed_rate_load.ts --port 6379 --rate 20000 --keys 4000000 --value-bytes 100 --connections 8
 *
 * No coordinated omission: requests are due on a fixed timetable (every TICK_MS a batch of rate × TICK_MS), are sent
 * without regard to replies, and latency runs from the time a request was *due* to the arrival of its reply. A stalled server
 * (or generator) therefore counts against every request that was due meanwhile. The timer's own lateness, up to
 * about 1 ms, is part of every latency.
 *
 * Each line on standard input names the phase that requests due from now on belong to; the end of input ends the load, and the JSON maps
 * each phase to the summary of its histogram. Before the first line nothing is recorded. An error reply ends the process with code 1.
 */

import { parseArgs } from "node:util";
import { ReplyLines, writeAll } from "./dataset.ts";
import { SetRequests, xorshift32 } from "./set_requests.ts";
import { type HistogramSummary, LatencyHistogram } from "./statistics.ts";

const TICK_MS = 1;
const READ_BYTES = 64 * 1024;
const CLOSED_HERE = Symbol("closed here");

export type LoadResult = Record<string, HistogramSummary>;

interface LoadOptions {
  port: number;
  ratePerSecond: number;
  keys: number;
  valueBytes: number;
  connections: number;
}

/** A batch of requests on one connection that were due at the same time. */
interface DueBatch {
  dueMs: number;
  left: number;
  histogram: LatencyHistogram | undefined;
}

/** One connection: batches in flight, oldest first, and the bytes not yet handed to the kernel. */
class LoadConnection {
  readonly #connection: Deno.Conn;
  readonly #inFlight: DueBatch[] = [];
  readonly #lines = new ReplyLines();
  #unsent: Uint8Array[] = [];
  #sending = false;
  readonly finished: Promise<void>;

  constructor(connection: Deno.Conn) {
    this.#connection = connection;
    this.finished = this.#readLoop();
  }

  get pending(): boolean {
    return this.#inFlight.length > 0;
  }

  send(bytes: Uint8Array, batch: DueBatch): void {
    this.#inFlight.push(batch);
    this.#unsent.push(bytes);
    if (!this.#sending) void this.#sendLoop();
  }

  close(): void {
    this.#connection.close();
  }

  async #sendLoop(): Promise<void> {
    this.#sending = true;
    for (let bytes = this.#unsent.shift(); bytes !== undefined; bytes = this.#unsent.shift()) {
      await writeAll(this.#connection, bytes);
    }
    this.#sending = false;
  }

  async #readLoop(): Promise<void> {
    const chunk = new Uint8Array(READ_BYTES);
    while (true) {
      const count = await readOrEnd(this.#connection, chunk);
      if (count === CLOSED_HERE) return;
      if (count === null) throw new Error("Server closed the connection");
      this.#complete(this.#lines.add(chunk.subarray(0, count)));
      if (this.#lines.errors > 0) {
        throw new Error(`Server answered SET with an error: ${this.#lines.firstError.trim()}`);
      }
    }
  }

  #complete(replies: number): void {
    const nowMs = performance.now();
    for (let left = replies; left > 0;) {
      const batch = this.#inFlight[0];
      const done = Math.min(left, batch.left);
      for (let index = 0; index < done; index++) batch.histogram?.record((nowMs - batch.dueMs) * 1000);
      batch.left -= done;
      left -= done;
      if (batch.left === 0) this.#inFlight.shift();
    }
  }
}

async function readOrEnd(connection: Deno.Conn, chunk: Uint8Array): Promise<number | null | typeof CLOSED_HERE> {
  try {
    return await connection.read(chunk);
  } catch (error) {
    if (error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted) return CLOSED_HERE;
    throw error;
  }
}

/** The phases named so far; `current` is undefined before the first. */
class Phases {
  readonly #histograms = new Map<string, LatencyHistogram>();
  current: LatencyHistogram | undefined;
  ended = false;

  async follow(input: ReadableStream<Uint8Array>): Promise<void> {
    let partial = "";
    for await (const text of input.pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>)) {
      const lines = (partial + text).split("\n");
      partial = lines.pop()!;
      for (const name of lines) this.#enter(name);
    }
    this.ended = true;
  }

  result(): LoadResult {
    return Object.fromEntries(Array.from(this.#histograms, ([name, histogram]) => [name, histogram.summary()]));
  }

  #enter(name: string): void {
    const histogram = this.#histograms.get(name) ?? new LatencyHistogram();
    this.#histograms.set(name, histogram);
    this.current = histogram;
  }
}

/** Sends batches on the timetable until the phases end. */
async function drive(options: LoadOptions, connections: LoadConnection[], phases: Phases): Promise<void> {
  const requests = new SetRequests(options.valueBytes, 7);
  const startMs = performance.now();
  let sent = 0;
  let random = 12345;
  for (let tick = 0; !phases.ended; tick++) {
    const dueMs = startMs + tick * TICK_MS;
    const waitMs = dueMs - performance.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    const count = Math.round((tick + 1) * TICK_MS * options.ratePerSecond / 1000) - sent;
    sent += count;
    if (count === 0) continue;
    const bytes = new Uint8Array(count * requests.requestBytes);
    for (let index = 0, end = 0; index < count; index++) {
      random = xorshift32(random);
      end = requests.write(bytes, end, random % options.keys);
    }
    connections[tick % connections.length].send(bytes, { dueMs, left: count, histogram: phases.current });
  }
}

async function runLoad(options: LoadOptions, phases: Phases): Promise<void> {
  const connections: LoadConnection[] = [];
  for (let index = 0; index < options.connections; index++) {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port: options.port });
    connection.setNoDelay(true);
    connections.push(new LoadConnection(connection));
  }
  await Promise.race([drive(options, connections, phases), ...connections.map((each) => each.finished)]);
  while (connections.some((each) => each.pending)) await new Promise((resolve) => setTimeout(resolve, 5));
  for (const connection of connections) connection.close();
}

function readOptions(): LoadOptions {
  const { values } = parseArgs({
    options: {
      port: { type: "string", default: "6379" },
      rate: { type: "string", default: "20000" },
      keys: { type: "string", default: "100000" },
      "value-bytes": { type: "string", default: "100" },
      connections: { type: "string", default: "8" },
    },
  });
  return {
    port: Number(values.port),
    ratePerSecond: Number(values.rate),
    keys: Number(values.keys),
    valueBytes: Number(values["value-bytes"]),
    connections: Number(values.connections),
  };
}

if (import.meta.main) {
  const phases = new Phases();
  void phases.follow(Deno.stdin.readable);
  await runLoad(readOptions(), phases);
  console.log(JSON.stringify(phases.result()));
  Deno.exit(0);
}
