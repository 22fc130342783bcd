/**
 * Replication between this server and redis-server, in both roles: random commands of all types run on the master before, while and after
 * its replicas, and theirs, synchronize; in the end all have the same DEBUG DIGEST.
 *
 *   REPLICATION_SEED, REPLICATION_STEPS   the seed, and how many commands
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { Draw } from "./differential/draw.ts";
import { FAMILIES, generate, MOSTLY_TYPES } from "./differential/families/mod.ts";
import { type Step } from "./differential/step.ts";
import { WireClient } from "./differential/wire_client.ts";
import { infoField } from "../support/info.ts";
import { RequestBuffer, type RespClient, RespError } from "../support/resp_client.ts";
import { oracleTest, runTool, type ServerKind, ServerProcess } from "../support/server_fixture.ts";

const SEED = Number(Deno.env.get("REPLICATION_SEED") ?? 1);
const STEPS = Number(Deno.env.get("REPLICATION_STEPS") ?? 6000);
const BATCH_STEPS = 100;
const ARGS = ["--enable-debug-command", "yes", "--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"];
const HOST = "127.0.0.1";
const DEADLINE_MS = 20_000, POLL_MS = 10;
const OTHER: Record<ServerKind, ServerKind> = { ours: "redis", redis: "ours" };

/** Sends commands whatever they reply. */
async function run(client: WireClient, steps: readonly Step[]): Promise<void> {
  for (let at = 0; at < steps.length; at += BATCH_STEPS) {
    const commands = steps.slice(at, at + BATCH_STEPS).flatMap((step) => step.commands);
    const requests = new RequestBuffer();
    for (const words of commands) requests.add(words);
    await client.exchange(requests.take(), commands.length);
  }
}

async function until(what: string, isTrue: () => Promise<boolean>): Promise<void> {
  const deadlineMs = Date.now() + DEADLINE_MS;
  while (!await isTrue()) {
    if (Date.now() > deadlineMs) throw new Error(`Waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

class Node implements AsyncDisposable {
  readonly server: ServerProcess;
  readonly client: RespClient;

  private constructor(server: ServerProcess, client: RespClient) {
    this.server = server, this.client = client;
  }

  static async start(kind: ServerKind, ...args: string[]): Promise<Node> {
    const server = await ServerProcess.start(kind, { args: [...ARGS, ...args] });
    return new Node(server, await server.connect());
  }

  follow(master: Node): Promise<unknown> {
    return this.client.command("REPLICAOF", HOST, master.server.port);
  }

  async untilLinked(): Promise<void> {
    const isUp = async () => await infoField(this.client, "replication", "master_link_status") === "up";
    await until(`the ${this.server.kind} replica is linked`, isUp).catch((error) => {
      throw new Error(`${error.message}; its log:\n${this.server.log}`);
    });
  }

  async statistic(field: string): Promise<number> {
    return Number(await infoField(this.client, "stats", field));
  }

  async offset(): Promise<number> {
    return Number(await infoField(this.client, "replication", "master_repl_offset"));
  }

  digest(): Promise<unknown> {
    return this.client.command("DEBUG", "DIGEST");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.close();
    await this.server[Symbol.asyncDispose]();
  }
}

/** All have what the master had when this was called, and nothing expires on it any more. */
async function settle(master: Node, replicas: readonly Node[]): Promise<void> {
  for (let database = 0; database < 16; database++) {
    await master.client.pipeline([["SELECT", database], ["SCAN", 0, "COUNT", 1_000_000], [
      "SCAN",
      0,
      "COUNT",
      1_000_000,
    ]]);
  }
  await master.client.command("SELECT", 0);
  const offset = await master.offset();
  for (const replica of replicas) {
    await until(
      `the ${replica.server.kind} replica has come to ${offset}`,
      async () => await replica.offset() >= offset,
    );
  }
}

function killLink(node: Node): Promise<unknown> {
  return node.client.command("CLIENT", "KILL", "TYPE", "master");
}

for (const kind of ["ours", "redis"] as const) {
  oracleTest(
    `replication: of ${kind}, and of its replicas, while it is written: all are equal, and stay so`,
    async () => {
      const steps = generate(new Draw(SEED), FAMILIES, MOSTLY_TYPES, STEPS), quarter = STEPS >> 2;
      const started = await Promise.all([
        Node.start(kind),
        Node.start(kind, "--appendonly", "yes"),
        Node.start(OTHER[kind], "--appendonly", "yes"),
        Node.start(OTHER[kind]),
        Node.start(kind),
      ]);
      await using _ = new AsyncDisposableStack();
      for (const node of started) _.use(node);
      const [master, alike, other, belowAlike, belowOther] = started;
      const replicas = [alike, other, belowAlike, belowOther], what = `replay with REPLICATION_SEED=${SEED}`;
      const writer = await WireClient.connect(master.server.port);
      await run(writer, [{ commands: [["DEBUG", "SET-ACTIVE-EXPIRE", 0]] } as Step, ...steps.slice(0, quarter)]);
      const writing = run(writer, steps.slice(quarter, 2 * quarter));
      await Promise.all([alike.follow(master), other.follow(master)]);
      await Promise.all([alike.untilLinked(), other.untilLinked()]);
      await Promise.all([belowAlike.follow(alike), belowOther.follow(other)]);
      await writing;
      for (const replica of replicas) await replica.untilLinked();
      await run(writer, steps.slice(2 * quarter, 3 * quarter));
      // Redis does not log a key that a BITFIELD without effect has created, so its replicas are measured by its replica.
      const measure = kind === "ours" ? master : alike;
      await settle(master, replicas);
      for (const replica of replicas) assertEquals(await replica.digest(), await measure.digest(), what);

      const fullSyncs = await master.statistic("sync_full");
      const writingOn = run(writer, steps.slice(3 * quarter));
      for (const replica of replicas.toReversed()) await killLink(replica);
      await writingOn;
      for (const replica of replicas) await replica.untilLinked();
      await settle(master, replicas);
      for (const replica of replicas) assertEquals(await replica.digest(), await measure.digest(), what);
      assertEquals([await master.statistic("sync_full"), await master.statistic("sync_partial_ok")], [fullSyncs, 2]);
      writer.close();

      await other.server.kill("SIGKILL");
      await using again = await other.server.startAgain();
      await using reader = await again.connect();
      assertEquals(await reader.command("DEBUG", "DIGEST"), await measure.digest(), `the replica's own log; ${what}`);
    },
  );
}

oracleTest(
  "replication: a replica that is promoted goes on with the other replicas, without a full synchronization",
  async () => {
    await using master = await Node.start("ours");
    await using promoted = await Node.start("ours");
    await using follower = await Node.start("redis");
    await master.client.command("SET", "k", "v");
    await Promise.all([promoted.follow(master), follower.follow(master)]);
    await Promise.all([promoted.untilLinked(), follower.untilLinked()]);
    await master.client.command("SELECT", 3);
    await master.client.command("SET", "in3", "v");
    assertEquals(await master.client.command("WAIT", 2, 5000), 2);
    await assertRejects(() => promoted.client.command("SET", "k", "w"), RespError, "READONLY");
    await promoted.client.command("REPLICAOF", "NO", "ONE");
    await Promise.all([master.follow(promoted), follower.follow(promoted)]);
    await Promise.all([master.untilLinked(), follower.untilLinked()]);
    await promoted.client.command("INCR", "after");
    assertEquals(await promoted.client.command("WAIT", 2, 5000), 2);
    for (const node of [master, follower]) assertEquals(await node.digest(), await promoted.digest());
    assertEquals([await promoted.statistic("sync_full"), await promoted.statistic("sync_partial_ok")], [0, 2]);
  },
);

oracleTest("replication: redis-cli --rdb gets a dump, with a password too", async () => {
  await using master = await Node.start("ours");
  await master.client.command("SET", "k", "v".repeat(300_000));
  await master.client.command("CONFIG", "SET", "requirepass", "secret");
  const path = `${master.server.dir}/copy.rdb`;
  const args = ["-p", String(master.server.port), "-a", "secret", "--no-auth-warning", "--rdb", path];
  const { code, output } = await runTool("redis-cli", args);
  assertEquals(code, 0, output);
  const check = await runTool("redis-check-rdb", [path]);
  assert(check.output.includes("1 keys read") && check.code === 0, check.output);
});
