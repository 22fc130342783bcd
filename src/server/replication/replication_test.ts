/** Two servers in one process, each with a clock, a disk and a network of its own: what goes between them takes microtasks only. */
import { assertEquals, assertThrows } from "@std/assert";
import {
  type Afterimage,
  type Client,
  ManualClock,
  MemoryNetwork,
  MemoryStorage,
  openServer,
  ReplyError,
} from "../../mod.ts";

const HOST = "127.0.0.1";

interface Node {
  readonly server: Afterimage;
  readonly client: Client;
  readonly clock: ManualClock;
  readonly network: MemoryNetwork;
  readonly storage: MemoryStorage;
}

async function opened(port: number, storage = new MemoryStorage(), ...directives: string[]): Promise<Node> {
  const clock = new ManualClock(), network = new MemoryNetwork();
  const own = ["--save", "", "--port", String(port), "--enable-debug-command", "yes", ...directives];
  const server = await openServer({ clock, network, storage, directives: own });
  return { server, client: server.connect(), clock, network, storage };
}

/** Lets everything happen that needs no time. */
async function settle(...nodes: Node[]): Promise<void> {
  for (let round = 0; round < 30; round++) {
    await new Promise((resolve) => setTimeout(resolve, 0));
    for (const { server, clock } of nodes) {
      while (server.step());
      clock.advance(1);
    }
  }
}

function info(node: Node, section: string, field: string): string | undefined {
  const text = String(node.client.command("INFO", section));
  return text.split("\r\n").find((line) => line.startsWith(`${field}:`))?.slice(field.length + 1);
}

async function pair(...replicaDirectives: string[]): Promise<{ master: Node; replica: Node }> {
  const master = await opened(1), replica = await opened(2, new MemoryStorage(), ...replicaDirectives);
  replica.network.join(HOST, 1, master.network);
  master.network.join(HOST, 2, replica.network);
  return { master, replica };
}

function kill(...nodes: Node[]): void {
  for (const { server } of nodes) server.kill();
}

Deno.test("replication: what is written while a save runs for a replica reaches it behind the file", async () => {
  const { master, replica } = await pair();
  for (let i = 0; i < 100; i++) master.client.command("SET", `k${i}`, i);
  replica.client.command("SET", "old", "data");
  replica.client.command("REPLICAOF", HOST, 1);
  for (let i = 0; i < 20; i++) await Promise.resolve();
  assertEquals(info(master, "persistence", "rdb_bgsave_in_progress"), "1");
  master.client.command("INCR", "k7"), master.client.command("RPUSH", "list", "a", "b");
  await settle(master, replica);
  assertEquals(info(replica, "replication", "master_link_status"), "up");
  assertEquals(replica.client.command("GET", "k7"), "8");
  assertEquals(replica.client.command("DEBUG", "DIGEST"), master.client.command("DEBUG", "DIGEST"));
  assertThrows(() => replica.client.command("SET", "k", "v"), ReplyError, "READONLY");
  kill(master, replica);
});

Deno.test("replication: WAIT is answered once the replica has applied what was written before", async () => {
  const { master, replica } = await pair();
  replica.client.command("REPLICAOF", HOST, 1);
  await settle(master, replica);
  master.client.command("SET", "k", "v");
  master.client.send("WAIT", 1, 0);
  assertEquals(master.client.receive(), undefined);
  await settle(master, replica);
  assertEquals(master.client.receive(), 1);
  kill(master, replica);
});

Deno.test("replication: after a broken link a replica goes on where it was, in the database where it was", async () => {
  const { master, replica } = await pair();
  replica.client.command("REPLICAOF", HOST, 1);
  await settle(master, replica);
  master.client.command("SELECT", 5);
  master.client.command("SET", "before", 1);
  await settle(master, replica);
  replica.client.command("CLIENT", "KILL", "TYPE", "master");
  master.client.command("SET", "meanwhile", 1);
  await settle(master, replica);
  assertEquals([info(master, "stats", "sync_full"), info(master, "stats", "sync_partial_ok")], ["1", "1"]);
  replica.client.command("SELECT", 5);
  assertEquals(replica.client.command("GET", "meanwhile"), "1");
  kill(master, replica);
});

Deno.test("replication: on a replica a key that has expired reads as missing, and stays until the master deletes it", async () => {
  const { master, replica } = await pair();
  replica.client.command("REPLICAOF", HOST, 1);
  master.client.command("SET", "k", "v", "PX", 5000);
  await settle(master, replica);
  replica.clock.advance(6000);
  replica.server.tick();
  assertEquals([replica.client.command("GET", "k"), replica.client.command("DBSIZE")], [null, 1]);
  master.client.command("PERSIST", "k");
  await settle(master, replica);
  assertEquals(replica.client.command("GET", "k"), "v");
  kill(master, replica);
});

Deno.test("replication: a transaction whose end has not come is not applied, not acknowledged, and sent again", async () => {
  const { master, replica } = await pair();
  replica.client.command("REPLICAOF", HOST, 1);
  await settle(master, replica);
  master.client.command("DEBUG", "REPLICATE", "MULTI");
  master.client.command("SET", "k", "v");
  await settle(master, replica);
  const applied = Number(info(replica, "replication", "slave_repl_offset"));
  assertEquals(applied < Number(info(replica, "replication", "slave_read_repl_offset")), true);
  assertEquals(replica.client.command("EXISTS", "k"), 0);
  replica.client.command("CLIENT", "KILL", "TYPE", "master");
  await settle(master, replica);
  master.client.command("DEBUG", "REPLICATE", "EXEC");
  await settle(master, replica);
  assertEquals(replica.client.command("GET", "k"), "v");
  assertEquals(info(master, "stats", "sync_full"), "1");
  kill(master, replica);
});

Deno.test("replication: a replica's log starts anew from what the master sent, and holds what it applied", async () => {
  const { master, replica } = await pair("--appendonly", "yes");
  replica.client.command("SET", "old", "data");
  master.client.command("SET", "k", 1);
  replica.client.command("REPLICAOF", HOST, 1);
  await settle(master, replica);
  master.client.command("INCR", "k");
  await settle(master, replica);
  kill(replica);
  const again = await opened(3, replica.storage, "--appendonly", "yes");
  assertEquals([again.client.command("GET", "k"), again.client.command("EXISTS", "old")], ["2", 0]);
  kill(master, again);
});

Deno.test("replication: REPLICAOF NO ONE keeps the data, and the old master can become the replica", async () => {
  const { master, replica } = await pair();
  master.client.command("SET", "k", "v");
  replica.client.command("REPLICAOF", HOST, 1);
  await settle(master, replica);
  replica.client.command("REPLICAOF", "NO", "ONE");
  replica.client.command("SET", "k", "w");
  master.client.command("REPLICAOF", HOST, 2);
  await settle(master, replica);
  assertEquals(master.client.command("GET", "k"), "w");
  assertEquals([info(replica, "stats", "sync_full"), info(replica, "stats", "sync_partial_ok")], ["0", "1"]);
  kill(master, replica);
});

Deno.test("replication: messages reach the replica's subscribers, in the order of the writes around them", async () => {
  const { master, replica } = await pair();
  replica.client.command("REPLICAOF", HOST, 1);
  await settle(master, replica);
  const listener = replica.server.connect();
  listener.send("SUBSCRIBE", "a"), listener.send("SSUBSCRIBE", "s");
  master.client.command("SET", "k", "v");
  master.client.command("MULTI");
  for (const words of [["PUBLISH", "a", "1"], ["INCR", "n"], ["SPUBLISH", "s", "2"]]) master.client.command(...words);
  assertEquals(master.client.command("EXEC"), [0, 1, 0]);
  await settle(master, replica);
  const told = [1, 2, 3, 4].map(() => String(listener.receive()));
  assertEquals(told, ["subscribe,a,1", "ssubscribe,s,1", "message,a,1", "smessage,s,2"]);
  assertEquals(replica.client.command("GET", "n"), "1");
  kill(master, replica);
});
