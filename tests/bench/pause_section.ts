/** How long a server stands still to start a BGSAVE of 1 GiB: seen from outside (bgsave_bystander.ts) and by its own count. */

import { fileURLToPath } from "node:url";
import type { ServerProcess } from "../support/server_fixture.ts";
import { type BenchContext, endAllServers, orderOfRound, startAll } from "./bench_context.ts";
import type { BystanderResult } from "./bgsave_bystander.ts";
import { fillServer } from "./dataset.ts";

const BYSTANDER_PATH = fileURLToPath(new URL("./bgsave_bystander.ts", import.meta.url));
const PAUSE_TARGET = { atMost: 0.05 };

export async function measurePause(context: BenchContext): Promise<void> {
  if (!context.wanted("pause")) return;
  const servers = await startAll(context);
  for (const server of servers) {
    context.progress(`pause: filling ${server.kind}`);
    await fillServer(server.port, context.sizes.pauseDataset);
  }
  for (let round = 0; round < context.rounds; round++) {
    for (const server of orderOfRound(servers, round)) {
      for (let save = 0; save < context.sizes.pausesPerRound; save++) await measureOne(context, server, round);
    }
  }
  await endAllServers(context, servers);
}

async function measureOne(context: BenchContext, server: ServerProcess, round: number): Promise<void> {
  const output = await context.children.run(Deno.execPath(), ["run", "-A", BYSTANDER_PATH, "--port", `${server.port}`]);
  const result = JSON.parse(output) as BystanderResult;
  context.progress(`round ${round + 1}: pause ${server.kind} ${output.trim()}`);
  const { report } = context;
  report.add(
    { name: "BGSAVE start pause, bystander", unit: "µs", target: PAUSE_TARGET },
    server.kind,
    result.startPauseUs,
  );
  report.add({ name: "BGSAVE latest_fork_usec", unit: "µs", target: PAUSE_TARGET }, server.kind, result.latestForkUs);
  report.add({ name: "BGSAVE request to reply", unit: "µs" }, server.kind, result.replyUs);
  report.add({ name: "bystander's longest gap, idle", unit: "µs" }, server.kind, result.floorUs);
  report.add({ name: "bystander's longest gap, saving", unit: "µs" }, server.kind, result.savingUs);
  report.add({ name: "BGSAVE duration", unit: "ms" }, server.kind, result.saveMs);
}
