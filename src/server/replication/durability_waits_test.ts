/** WAITAOF: it counts syncs that are done, and nothing after one that failed until a fresh generation is in force. */
import { assertEquals } from "@std/assert";
import { FaultPlan, type FaultRule, SimulatedDisk } from "../../io/simulated_disk/mod.ts";
import {
  type Afterimage,
  type Client,
  ManualClock,
  MemoryNetwork,
  openServer,
  type Reply,
  ReplyError,
} from "../../mod.ts";
import { SEAL_BYTES } from "../../persistence/aof/aof_seal.ts";

const EVERYSEC = ["--appendonly", "yes", "--appendfsync", "everysec"];
const NO_LOG = "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.";

interface Opened {
  server: Afterimage;
  client: Client;
  clock: ManualClock;
  disk: SimulatedDisk;
  network: MemoryNetwork;
}

async function open(...directives: string[]): Promise<Opened> {
  const clock = new ManualClock(), disk = new SimulatedDisk({ clock }), network = new MemoryNetwork();
  const server = await openServer({ clock, network, storage: disk, directives: ["--save", "", ...directives] });
  await settle();
  return { server, client: server.connect(), clock, disk, network };
}

/** Lets background calls come back. */
async function settle(): Promise<void> {
  for (let i = 0; i < 30; i++) await Promise.resolve();
}

/** Lets time pass, a tick of the cron at a time. */
async function pass({ server, clock }: Opened, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 100) {
    clock.advance(100);
    if (!server.server.isStopped) server.tick();
    await settle();
  }
}

function faults({ disk }: Opened, ...rules: FaultRule[]): void {
  disk.faults = new FaultPlan(rules);
}

/** Sends a command and takes its reply, an error as text; undefined while it is held. */
function ask(client: Client, ...words: (string | number)[]): Reply | undefined {
  client.send(...words);
  return taken(client);
}

function taken(client: Client): Reply | undefined {
  const reply = client.receive();
  return reply instanceof ReplyError ? reply.message : reply;
}

Deno.test("WAITAOF: arguments, roles and a log that is off, in Redis 7.2's words", async () => {
  const { server, client } = await open();
  for (
    const [words, error] of [
      [["2", "0", "0"], "ERR value is out of range, value must between 0 and 1"],
      [["x", "0", "0"], "ERR value is not an integer or out of range"],
      [["0", "-1", "0"], "ERR value is out of range, must be positive"],
      [["0", "0", "-1"], "ERR timeout is negative"],
      [["0", "0", "x"], "ERR timeout is not an integer or out of range"],
      [["1", "0", "0"], NO_LOG],
    ] as const
  ) assertEquals(ask(client, "WAITAOF", ...words), error);
  assertEquals(ask(client, "WAITAOF", 0, 0, 0), [0, 0]);
  client.command("REPLICAOF", "127.0.0.1", 1);
  assertEquals(
    ask(client, "WAITAOF", 0, 0, 0),
    "ERR WAITAOF cannot be used with replica instances. Please also note that writes to replicas are just local and are not propagated.",
  );
  server.kill();
});

Deno.test("WAITAOF: with everysec the reply comes with the sync, not with the write or the start of the sync (G6)", async () => {
  const opened = await open(...EVERYSEC), { server, client } = opened;
  faults(opened, { operation: "sync", fault: { kind: "hang", ms: 700 }, isSticky: true });
  client.command("SET", "k", "v");
  assertEquals(ask(client, "WAITAOF", 1, 0, 0), undefined);
  await pass(opened, 1500);
  assertEquals(taken(client), undefined);
  await pass(opened, 500);
  assertEquals(taken(client), [1, 0]);
  assertEquals(ask(client, "WAITAOF", 1, 0, 0), [1, 0]);
  server.kill();
});

Deno.test("WAITAOF: with always it is answered in the turn of the write, with what follows in the pipeline", async () => {
  const { server, client } = await open("--appendonly", "yes", "--appendfsync", "always");
  client.send("SET", "k", "v"), client.send("WAITAOF", 1, 0, 0), client.send("GET", "k");
  await settle();
  assertEquals([taken(client), taken(client), taken(client)], ["OK", [1, 0], "v"]);
  server.kill();
});

Deno.test("WAITAOF: at its timeout it says what is so; inside MULTI and with appendfsync no it does not wait for a sync", async () => {
  const opened = await open("--appendonly", "yes", "--appendfsync", "no"), { server, client } = opened;
  client.command("SET", "k", "v");
  assertEquals(ask(client, "WAITAOF", 1, 0, 1000), undefined);
  await pass(opened, 1100);
  assertEquals(taken(client), [0, 0]);
  client.command("MULTI"), client.command("WAITAOF", 1, 0, 0);
  assertEquals(ask(client, "EXEC"), [[0, 0]]);
  server.kill();
});

Deno.test("WAITAOF: somebody who wrote nothing has nothing to wait for", async () => {
  const opened = await open(...EVERYSEC), { server, client } = opened, other = server.connect();
  faults(opened, { operation: "sync", fault: { kind: "hang", ms: 1e6 }, isSticky: true });
  client.command("SET", "k", "v");
  assertEquals([ask(other, "WAITAOF", 1, 0, 0), ask(client, "WAITAOF", 1, 0, 0)], [[1, 0], undefined]);
  server.kill();
});

Deno.test("WAITAOF: after a failed sync nothing counts, not even the next sync's success, until a fresh generation is in force (G7)", async () => {
  const opened = await open(...EVERYSEC), { server, client } = opened, early = server.connect();
  ask(early, "SET", "early", "v");
  await pass(opened, 1500);
  assertEquals(ask(early, "WAITAOF", 1, 0, 0), [1, 0]);
  faults(opened, { operation: "sync", fault: { kind: "error", code: "EIO" } });
  client.command("SET", "k", "v");
  client.send("WAITAOF", 1, 0, 0);
  // The sync fails; the rewrite that mends it is not stepped yet.
  while (!server.server.persistence.aof.needsFreshGeneration) await pass(opened, 100);
  await pass(opened, 3000);
  assertEquals([taken(client), ask(early, "WAITAOF", 1, 0, 0)], [undefined, undefined]);
  while (server.server.persistence.aof.needsFreshGeneration) {
    while (server.step());
    await pass(opened, 100);
  }
  await settle();
  assertEquals([taken(client), taken(early)], [[1, 0], [1, 0]]);
  server.kill();
});

Deno.test("WAITAOF: a log that is turned on counts from when its first generation is in force; one turned off ends the wait", async () => {
  const opened = await open(), { server, client } = opened, other = server.connect();
  client.command("SET", "k", "v");
  other.command("CONFIG", "SET", "appendonly", "yes");
  assertEquals(ask(client, "WAITAOF", 1, 0, 0), undefined);
  await pass(opened, 2000);
  assertEquals(taken(client), undefined);
  while (server.step());
  await pass(opened, 100);
  assertEquals(taken(client), [1, 0]);
  client.command("SET", "k", "w");
  assertEquals(ask(client, "WAITAOF", 1, 0, 0), undefined);
  other.command("CONFIG", "SET", "appendonly", "no");
  assertEquals(taken(client), NO_LOG);
  server.kill();
});

Deno.test("INFO: says how far the log is durable", async () => {
  const opened = await open(...EVERYSEC), { server, client } = opened, watcher = server.connect();
  const fields = () =>
    ["aof_offset", "aof_durable_offset", "aof_needs_fresh_generation"].map((name) =>
      Number(new RegExp(`^${name}:(.*)\r$`, "m").exec(String(watcher.command("INFO", "persistence")))![1])
    );
  await pass(opened, 2000);
  client.command("SET", "k", "v");
  const [offset, durable] = fields();
  const commands = "*2\r\n$6\r\nselect\r\n$1\r\n0\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n";
  assertEquals(offset - durable, commands.length + SEAL_BYTES);
  await pass(opened, 1100);
  assertEquals(fields(), [offset, offset, 0]);
  faults(opened, { operation: "sync", fault: { kind: "error", code: "EIO" } });
  client.command("SET", "k", "w");
  while (!server.server.persistence.aof.needsFreshGeneration) await pass(opened, 100);
  assertEquals(fields().slice(1), [-1, 1]);
  server.kill();
});

/** A master without a log, and a replica with one. */
async function pair(): Promise<{ master: Opened; replica: Opened }> {
  const master = await open("--port", "1"), replica = await open("--port", "2", ...EVERYSEC);
  replica.network.join("127.0.0.1", 1, master.network);
  master.client.command("SET", "k", "v");
  replica.client.command("REPLICAOF", "127.0.0.1", 1);
  await together(master, replica, 5000);
  return { master, replica };
}

async function together(master: Opened, replica: Opened, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 100) {
    for (const one of [master, replica]) {
      while (one.server.step());
      await pass(one, 100);
    }
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
}

Deno.test("WAITAOF: a replica counts from when its own log holds the write durably", async () => {
  const { master, replica } = await pair(), { client } = master;
  faults(replica, { operation: "sync", fault: { kind: "hang", ms: 5000 } });
  client.command("SET", "k", "w");
  client.send("WAITAOF", 0, 1, 0);
  await together(master, replica, 3000);
  assertEquals([replica.client.command("GET", "k"), taken(client)], ["w", undefined]);
  await together(master, replica, 6000);
  assertEquals(taken(client), [0, 1]);
  master.server.kill(), replica.server.kill();
});

Deno.test("WAITAOF: a replica without a log never counts, and keeps on acknowledging for WAIT", async () => {
  const { master, replica } = await pair(), { client } = master;
  replica.client.command("CONFIG", "SET", "appendonly", "no");
  client.command("SET", "k", "w");
  client.send("WAIT", 1, 0);
  await together(master, replica, 1500);
  assertEquals(taken(client), 1);
  client.send("WAITAOF", 0, 1, 1000);
  await together(master, replica, 1500);
  assertEquals(taken(client), [0, 0]);
  master.server.kill(), replica.server.kill();
});
