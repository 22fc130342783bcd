/**
 * A hash, set, sorted set, list and stream of many elements are built, saved in the background and unlinked, one after the other, while a
 * bystander sends PING: how long does the server stand still at each step? The builder sends small batches and waits for their replies,
 * so that what the bystander sees is not a queue of commands.
 */

import { fileURLToPath } from "node:url";
import { infoField, untilSaved } from "../support/info.ts";
import { type Argument, RequestBuffer, type RespClient, RespError } from "../support/resp_client.ts";
import type { ServerProcess } from "../support/server_fixture.ts";
import type { BenchContext } from "./bench_context.ts";
import type { GapsUs } from "./ping_bystander.ts";

const BYSTANDER_PATH = fileURLToPath(new URL("./ping_bystander.ts", import.meta.url));
const GAP_MAX_MS = 5;
const KEY = "large";
const ELEMENTS_PER_COMMAND = 50;
const COMMANDS_PER_BATCH = 10;
const IDLE_MS = 1000;
const POLL_INTERVAL_MS = 20;
/** What goes on behind UNLINK may go on a little after the server counts nothing as pending. */
const AFTER_UNLINK_MS = 500;

const TYPES = ["hash", "set", "zset", "list", "stream"] as const;
type Type = (typeof TYPES)[number];
const PHASES = ["idle", "build", "snapshot", "unlink"];

export async function measureStalls(context: BenchContext): Promise<void> {
  if (!context.wanted("stalls")) return;
  for (const kind of context.kinds) {
    for (const type of TYPES) {
      const server = await context.children.startServer(kind);
      await measureType(context, server, type);
      await context.children.endServer(server);
    }
  }
}

async function measureType(context: BenchContext, server: ServerProcess, type: Type): Promise<void> {
  const elements = context.sizes.stallElements;
  const bystander = context.children.start(Deno.execPath(), ["run", "-A", BYSTANDER_PATH, "--port", `${server.port}`]);
  await using client = await server.connect();
  await sleep(IDLE_MS);
  await bystander.tell("idle");
  await sleep(IDLE_MS);
  await bystander.tell("build");
  await build(client, type, elements);
  await bystander.tell("snapshot");
  await client.command("BGSAVE");
  await untilSaved(client, POLL_INTERVAL_MS);
  await bystander.tell("unlink");
  await unlink(client);
  const output = await bystander.output();
  context.progress(`stalls: ${type} of ${elements} ${server.kind} ${output.trim()}`);
  const gaps = JSON.parse(output) as GapsUs;
  for (const phase of PHASES) {
    const target = phase === "idle" ? {} : { target: { oursAtMost: GAP_MAX_MS } };
    const measurement = { name: `${type} of ${elements / 1e6}M, longest PING gap, ${phase}`, unit: "ms", ...target };
    context.report.add(measurement, server.kind, (gaps[phase] ?? 0) / 1000);
  }
}

async function build(client: RespClient, type: Type, elements: number): Promise<void> {
  const perCommand = type === "stream" ? 1 : ELEMENTS_PER_COMMAND;
  const perBatch = COMMANDS_PER_BATCH * ELEMENTS_PER_COMMAND;
  for (let from = 0; from < elements; from += perBatch) {
    const requests = new RequestBuffer(), end = Math.min(elements, from + perBatch);
    let commands = 0;
    for (let at = from; at < end; at += perCommand, commands++) {
      requests.add(addCommand(type, at, Math.min(end, at + perCommand)));
    }
    const failed = (await client.exchange(requests.take(), commands)).find((reply) => reply instanceof RespError);
    if (failed !== undefined) throw failed;
  }
}

function addCommand(type: Type, from: number, to: number): Argument[] {
  switch (type) {
    case "hash":
      return words(["HSET", KEY], from, to, (i) => [`field:${i}`, `value:${i}`]);
    case "set":
      return words(["SADD", KEY], from, to, (i) => [`member:${i}`]);
    case "zset":
      return words(["ZADD", KEY], from, to, (i) => [Math.imul(i, 0x9e3779b1) >>> 0, `member:${i}`]);
    case "list":
      return words(["RPUSH", KEY], from, to, (i) => [`element:${i}`]);
    case "stream":
      return ["XADD", KEY, `${from + 1}-1`, "field", `value:${from}`];
  }
}

function words(start: Argument[], from: number, to: number, make: (i: number) => Argument[]): Argument[] {
  for (let i = from; i < to; i++) start.push(...make(i));
  return start;
}

async function unlink(client: RespClient): Promise<void> {
  await client.command("UNLINK", KEY);
  while (await infoField(client, "memory", "lazyfree_pending_objects") !== "0") await sleep(POLL_INTERVAL_MS);
  await sleep(AFTER_UNLINK_MS);
}

function sleep(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}
