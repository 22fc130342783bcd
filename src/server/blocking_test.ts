/** Clients that wait for keys: who is served, in what order, when waits end, and what the log holds. With time and network in hand. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { latin1Decode } from "../base/bytes.ts";
import { readFully } from "../io/storage.ts";
import {
  type Afterimage,
  type Client,
  ManualClock,
  MemoryStorage,
  openServer,
  type Reply,
  ReplyError,
} from "../mod.ts";

interface Opened {
  server: Afterimage;
  clock: ManualClock;
  storage: MemoryStorage;
  client: Client;
}

async function open(...directives: string[]): Promise<Opened> {
  const storage = new MemoryStorage(), clock = new ManualClock();
  const server = await openServer({ clock, storage, directives: ["--save", "", ...directives] });
  return { server, clock, storage, client: server.connect() };
}

/** A client that has sent a command which waits. */
function waiting({ server }: Opened, command: string): Client {
  const client = server.connect();
  client.send(...command.split(" "));
  assertEquals(client.receive(), undefined);
  return client;
}

function run(client: Client, ...commands: string[]): Reply[] {
  return commands.map((command) => client.command(...command.split(" ")));
}

function received(client: Client): Reply | undefined {
  const reply = client.receive();
  return reply instanceof ReplyError ? `-${reply.message}` : reply;
}

async function settle(): Promise<void> {
  for (let i = 0; i < 10; i++) await Promise.resolve();
}

/** The commands of the log's first increment, each as one line. */
function logged({ storage }: Opened): string[] {
  const file = storage.open("//appendonlydir/appendonly.aof.1.incr.aof", "read");
  const bytes = new Uint8Array(storage.size(file));
  readFully(storage, file, 0, bytes);
  const lines = latin1Decode(bytes).split("\r\n").filter((line) => !line.startsWith("#")), commands: string[] = [];
  for (let at = 0; at < lines.length - 1;) {
    const count = Number(lines[at].slice(1));
    commands.push(Array.from({ length: count }, (_, i) => lines[at + 2 + 2 * i]).join(" "));
    at += 1 + 2 * count;
  }
  return commands;
}

Deno.test("Blocking: the clients of a key are served in the order in which they came, as far as there are elements", async () => {
  const opened = await open(), clients = [1, 2, 3].map(() => waiting(opened, "BLPOP k 0"));
  assertStringIncludes(String(opened.client.command("INFO", "clients")), "blocked_clients:3");
  run(opened.client, "RPUSH k a b");
  assertEquals(clients.map(received), [["k", "a"], ["k", "b"], undefined]);
  run(opened.client, "RPUSH k c");
  assertEquals(received(clients[2]), ["k", "c"]);
  assertStringIncludes(String(opened.client.command("INFO", "clients")), "blocked_clients:0");
});

Deno.test("Blocking: a transaction is done before anybody is served, its keys in the order in which they became ready", async () => {
  const opened = await open(), { client } = opened, both = waiting(opened, "BRPOP a b 0");
  run(client, "MULTI", "RPUSH b 1", "RPUSH a 2", "RPUSH b 3", "EXEC");
  assertEquals(received(both), ["b", "3"]);
  assertEquals(run(client, "LRANGE a 0 -1", "LRANGE b 0 -1"), [["2"], ["1"]]);
});

Deno.test("Blocking: what one client is served can make a key ready for the next", async () => {
  const opened = await open("--appendonly", "yes"), last = waiting(opened, "BLPOP c 0");
  const second = waiting(opened, "BLMOVE b c LEFT RIGHT 0"), first = waiting(opened, "BRPOPLPUSH a b 0");
  run(opened.client, "RPUSH a x");
  assertEquals([first, second, last].map(received), ["x", "x", ["c", "x"]]);
  assertEquals(logged(opened).slice(1), ["RPUSH a x", "RPOPLPUSH a b", "LMOVE b c LEFT RIGHT", "LPOP c"]);
  assertEquals(opened.client.command("DBSIZE"), 0);
});

Deno.test("Blocking: a target of another type ends the wait with an error and takes nothing", async () => {
  const opened = await open(), { client } = opened, one = waiting(opened, "BLMOVE a b LEFT LEFT 0");
  run(client, "SET b text", "RPUSH a x");
  assertEquals(received(one), "-WRONGTYPE Operation against a key holding the wrong kind of value");
  assertEquals(client.command("LLEN", "a"), 1);
});

Deno.test("Blocking: a wait ends at its millisecond, unless the client is served before", async () => {
  const opened = await open(), { clock } = opened;
  const late = waiting(opened, "BLPOP k 0.25"),
    early = waiting(opened, "BLPOP k 0.2"),
    ever = waiting(opened, "BLPOP k 0");
  clock.advance(199);
  await settle();
  assertEquals(received(early), undefined);
  clock.advance(1);
  await settle();
  assertEquals(received(early), null);
  run(opened.client, "RPUSH k a");
  assertEquals(received(late), ["k", "a"]);
  clock.advance(10_000);
  await settle();
  assertEquals([late, ever].map(received), [undefined, undefined]);
});

Deno.test("Blocking: CLIENT UNBLOCK ends a wait as its time would, or with an error", async () => {
  const opened = await open(),
    { client } = opened,
    one = waiting(opened, "BLPOP k 0"),
    two = waiting(opened, "BLPOP k 0");
  assertEquals(run(client, "CLIENT UNBLOCK 2", "CLIENT UNBLOCK 3 ERROR", "CLIENT UNBLOCK 3", "CLIENT UNBLOCK 99"), [
    1,
    1,
    0,
    0,
  ]);
  assertEquals([one, two].map(received), [null, "-UNBLOCKED client unblocked via CLIENT UNBLOCK"]);
});

Deno.test("Blocking: what a waiting client sends runs once it is served, not before", async () => {
  const opened = await open(), { client } = opened, one = waiting(opened, "BLPOP k 0");
  one.send("SET", "after", "1"), one.send("BLPOP", "k", "0"), one.send("GET", "after");
  assertEquals(client.command("EXISTS", "after"), 0);
  run(client, "RPUSH k a");
  assertEquals([received(one), received(one), received(one)], [["k", "a"], "OK", undefined]);
  await settle();
  run(client, "RPUSH k b");
  assertEquals([received(one), received(one)], [["k", "b"], "1"]);
});

Deno.test("Blocking: a client that went away, or was killed, takes nothing", async () => {
  const opened = await open(), { client } = opened, gone = waiting(opened, "BLPOP k 0");
  waiting(opened, "BLPOP k 0");
  gone.close();
  run(client, "CLIENT KILL ID 3", "RPUSH k a");
  assertEquals(client.command("LRANGE", "k", 0, -1), ["a"]);
});

Deno.test("Blocking: inside a transaction a command that would wait answers at once", async () => {
  const { client } = await open();
  run(client, "MULTI", "BLPOP k 0", "BLMOVE k l LEFT LEFT 0", "BLMPOP 0 1 k LEFT");
  assertEquals(client.command("EXEC"), [null, null, null]);
});

Deno.test("Blocking: every way in which a list comes to a key serves who waits there", async () => {
  const opened = await open("--enable-debug-command", "yes"), { client } = opened;
  run(client, "RPUSH source x");
  const payload = client.command("DUMP", "source") as string;
  const ways: (() => void)[] = [
    () => run(client, "RPUSH other x", "RENAME other k"),
    () => run(client, "COPY source k"),
    () => run(client, "SELECT 1", "RPUSH k x", "MOVE k 0", "SELECT 0"),
    () => run(client, "LMOVE source k LEFT LEFT", "RPUSH source x"),
    () => client.command("RESTORE", "k", 0, Uint8Array.from(payload, (c) => c.charCodeAt(0))),
    () => run(client, "SELECT 1", "RPUSH k x", "SWAPDB 0 1", "DEL source", "SELECT 0", "RPUSH source x"),
  ];
  for (const way of ways) {
    const one = waiting(opened, "BLPOP k 0");
    way();
    assertEquals(received(one), ["k", "x"]);
  }
});

Deno.test("Blocking: keys of other types wake nobody; each is logged as it is served, with its number", async () => {
  const opened = await open("--appendonly", "yes"),
    { client } = opened,
    one = waiting(opened, "BLMPOP 0 2 h k RIGHT COUNT 2");
  run(client, "HSET h f v", "RPUSH k a b c");
  assertEquals(received(one), ["k", ["c", "b"]]);
  assertEquals(logged(opened).slice(1), ["HSET h f v", "RPUSH k a b c", "RPOP k 2"]);
});

Deno.test("Blocking: with CLIENT REPLY OFF a served client gets nothing and its element is gone", async () => {
  const opened = await open(), { client, server } = opened, one = server.connect();
  one.send("CLIENT", "REPLY", "OFF"), one.send("BLPOP", "k", "0");
  run(client, "RPUSH k a");
  one.send("CLIENT", "REPLY", "ON");
  assertEquals([received(one), client.command("EXISTS", "k")], ["OK", 0]);
});

Deno.test("Blocking: an expired key that SWAPDB brings wakes nobody, and is removed after the SWAPDB in the log too", async () => {
  const opened = await open("--appendonly", "yes"), { client, clock } = opened, one = waiting(opened, "BRPOP k 0");
  run(client, "SELECT 1", "RPUSH k a", "PEXPIRE k 100");
  clock.advance(101);
  run(client, "SWAPDB 0 1");
  assertEquals(received(one), undefined);
  assertEquals(logged(opened).slice(-3), ["SWAPDB 0 1", "select 0", "DEL k"]);
});
