/**
 * Measures from outside how long a server stands still, as a process of its own; prints JSON: the longest gap of each phase in µs.
 *
 *   deno run -A tests/bench/ping_bystander.ts --port 6379
 *
 * Each line on standard input names the phase that begins; the end of input ends the measurement. Before the first line nothing counts.
 */

import { parseArgs } from "node:util";
import { Bystander } from "./bystander.ts";

export type GapsUs = Record<string, number>;

const UNNAMED = "";

async function measure(port: number): Promise<GapsUs> {
  const bystander = new Bystander<string>(await Deno.connect({ hostname: "127.0.0.1", port }), UNNAMED);
  const pinging = bystander.run();
  let partial = "";
  for await (
    const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>)
  ) {
    const lines = (partial + text).split("\n");
    partial = lines.pop()!;
    for (const phase of lines) bystander.enter(phase);
  }
  bystander.stop();
  await pinging;
  const phases = bystander.phases().filter((phase) => phase !== UNNAMED);
  return Object.fromEntries(phases.map((phase) => [phase, bystander.longestGapUs(phase)]));
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { port: { type: "string", default: "6379" } } });
  console.log(JSON.stringify(await measure(Number(values.port))));
  Deno.exit(0);
}
