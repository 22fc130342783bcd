/**
 * Measures from outside how long a server stands still when a BGSAVE starts, as a process of its own; prints JSON.
 *
 *   deno run -A tests/bench/bgsave_bystander.ts --port 6379
 *
 * A second connection issues the BGSAVE. The pause is the longest gap between two PONGs of a bystander that overlaps the time from sending
 * BGSAVE to START_WINDOW_MS after its reply. The longest gap before it (the floor of this method on this machine) and during the rest of the save are reported too.
 */

import { parseArgs } from "node:util";
import { infoField, untilSaved } from "../support/info.ts";
import { RespClient } from "../support/resp_client.ts";
import { Bystander } from "./bystander.ts";

const WARM_UP_MS = 500;
const FLOOR_MS = 500;
const START_WINDOW_MS = 10;
const POLL_INTERVAL_MS = 20;

export interface BystanderResult {
  /** Longest gap while nothing else happened. */
  floorUs: number;
  /** Longest gap around the start of the BGSAVE. */
  startPauseUs: number;
  /** From sending BGSAVE to its reply. */
  replyUs: number;
  /** Longest gap from the start window to the end of the save. */
  savingUs: number;
  /** From sending BGSAVE to the first poll that shows it done. */
  saveMs: number;
  /** The server's own figure. */
  latestForkUs: number;
}

type Phase = "warmUp" | "floor" | "start" | "saving";

async function measure(port: number): Promise<BystanderResult> {
  await using client = await RespClient.connect({ port });
  const bystander = new Bystander<Phase>(await Deno.connect({ hostname: "127.0.0.1", port }), "warmUp");
  const pinging = bystander.run();
  await sleep(WARM_UP_MS);
  bystander.enter("floor");
  await sleep(FLOOR_MS);
  bystander.enter("start");
  const sentMs = performance.now();
  await client.command("BGSAVE");
  const repliedMs = performance.now();
  await sleep(START_WINDOW_MS);
  bystander.enter("saving");
  await untilSaved(client, POLL_INTERVAL_MS);
  const saveMs = performance.now() - sentMs;
  bystander.stop();
  await pinging;
  return {
    floorUs: bystander.longestGapUs("floor"),
    startPauseUs: bystander.longestGapUs("start"),
    replyUs: Math.round((repliedMs - sentMs) * 1000),
    savingUs: bystander.longestGapUs("saving"),
    saveMs: Math.round(saveMs),
    latestForkUs: Number(await infoField(client, "stats", "latest_fork_usec")),
  };
}

function sleep(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { port: { type: "string", default: "6379" } } });
  console.log(JSON.stringify(await measure(Number(values.port))));
}
