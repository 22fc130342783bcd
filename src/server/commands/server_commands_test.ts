import { assertEquals, assertThrows } from "@std/assert";
import { type Afterimage, type Client, ManualClock, MemoryStorage, openServer, ReplyError } from "../../mod.ts";

interface Opened {
  server: Afterimage;
  clock: ManualClock;
  storage: MemoryStorage;
  client: Client;
}

async function opened(storage = new MemoryStorage(), directives: string[] = []): Promise<Opened> {
  const clock = new ManualClock(), server = await openServer({ clock, storage, directives });
  return { server, clock, storage, client: server.connect() };
}

Deno.test("FLUSHALL: a save under way never brings the old data back", async () => {
  const { server, storage, client } = await opened();
  client.command("set", "old", "data");
  client.command("bgsave");
  server.step();
  client.command("flushall");
  while (server.step());
  server.kill();
  const next = await opened(storage);
  assertEquals(next.client.command("dbsize"), 0);
  assertEquals(storage.list("/").filter((name) => name.startsWith("temp-")), []);
  next.server.kill();
});

Deno.test("FLUSHDB: empties its own database, at once or in slices", async () => {
  for (const mode of ["sync", "async"]) {
    const { server, clock, client } = await opened();
    for (let i = 0; i < 3000; i++) client.command("set", `k${i}`, i);
    client.command("select", 1);
    client.command("set", "kept", 1);
    client.command("select", 0);
    client.command("flushdb", mode);
    assertEquals(client.command("dbsize"), 0);
    clock.advance(1000);
    assertEquals(server.server.keyspace.lazyFree.pendingObjects, 0, mode);
    client.command("select", 1);
    assertEquals(client.command("keys", "*"), ["kept"]);
    server.kill();
  }
});

Deno.test("SWAPDB: exchanges contents, and says which index is wrong", async () => {
  const { server, client } = await opened();
  client.command("set", "k", "zero");
  client.command("swapdb", 0, 5);
  assertEquals(client.command("get", "k"), null);
  client.command("select", 5);
  assertEquals(client.command("get", "k"), "zero");
  assertThrows(() => client.command("swapdb", "x", 1), ReplyError, "ERR invalid first DB index");
  assertThrows(() => client.command("swapdb", 1, "x"), ReplyError, "ERR invalid second DB index");
  assertThrows(() => client.command("swapdb", 0, 16), ReplyError, "ERR DB index is out of range");
  server.kill();
});

Deno.test("BGSAVE: inside a transaction it is put off until after it", async () => {
  const { server, clock, client } = await opened();
  client.command("multi");
  client.command("set", "k", 1);
  client.command("bgsave");
  assertEquals(client.command("exec"), ["OK", "Background saving scheduled"]);
  assertEquals(server.server.memory.snapshotLive, false);
  clock.advance(10_000);
  server.tick();
  assertEquals(server.server.memory.snapshotLive, true);
  while (server.step());
  server.kill();
});

Deno.test("SHUTDOWN: contradictory options stop nothing; NOSAVE stops without a file", async () => {
  const { server, storage, client } = await opened();
  client.command("set", "k", 1);
  for (const options of [["save", "nosave"], ["abort", "now"], ["later"]]) {
    assertThrows(() => client.command("shutdown", ...options), ReplyError, "ERR syntax error");
  }
  assertThrows(() => client.command("shutdown", "abort"), ReplyError, "ERR No shutdown in progress.");
  assertEquals(server.exitCode, null);
  client.send("shutdown", "nosave");
  assertEquals(server.exitCode, 0);
  assertEquals(storage.exists("/dump.rdb"), false);
});

Deno.test("SHUTDOWN SAVE: during a background save the file holds the last state", async () => {
  const { server, storage, client } = await opened();
  client.command("set", "k", "old");
  client.command("bgsave");
  server.step();
  client.command("set", "k", "new");
  client.send("shutdown", "save");
  assertEquals(server.exitCode, 0);
  const next = await opened(storage);
  assertEquals(next.client.command("get", "k"), "new");
  next.server.kill();
});

Deno.test("REPLICAOF NO ONE, WAIT and ROLE: the answers of a master without replicas", async () => {
  const { server, client } = await opened();
  assertEquals(client.command("replicaof", "no", "one"), "OK");
  assertEquals(client.command("wait", 0, 0), 0);
  assertThrows(() => client.command("wait", 1, -1), ReplyError, "timeout is negative");
  assertEquals(client.command("role"), ["master", 0, []]);
  server.kill();
});
