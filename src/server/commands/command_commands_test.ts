import { assert, assertEquals, assertThrows } from "@std/assert";
import { ManualClock, openServer, ReplyError } from "../../mod.ts";

Deno.test("COMMAND: COUNT, LIST and INFO agree on what the server has", async () => {
  const server = await openServer({ clock: new ManualClock() }), client = server.connect();
  const count = client.command("command", "count") as number;
  const all = client.command("command") as unknown[][];
  assertEquals(all.length, count);
  const names = client.command("command", "list") as string[];
  assertEquals(names.filter((name) => !name.includes("|")).length, count);
  assertEquals(names.filter((name) => name.startsWith("pages|")).length, 7);
  assert(!names.includes("failover"), "a command without a handler does not exist");
  server.kill();
});

Deno.test("COMMAND LIST: filters by category and by pattern in any case", async () => {
  const server = await openServer({ clock: new ManualClock() }), client = server.connect();
  const list = (...filter: string[]) => (client.command("command", "list", "filterby", ...filter) as string[]).sort();
  assertEquals(list("aclcat", "Transaction"), ["discard", "exec", "multi", "unwatch", "watch"]);
  assertEquals(list("pattern", "SETR*"), ["setrange"]);
  assertEquals(list("module", "none"), []);
  assertThrows(() => list("age", "3"), ReplyError, "ERR syntax error");
  server.kill();
});

Deno.test("COMMAND GETKEYS: finds keys, also behind a subcommand, and says why not", async () => {
  const server = await openServer({ clock: new ManualClock() }), client = server.connect();
  assertEquals(client.command("command", "getkeys", "mset", "a", 1, "b", 2), ["a", "b"]);
  assertEquals(client.command("command", "getkeys", "memory", "usage", "k"), ["k"]);
  assertEquals(client.command("command", "getkeysandflags", "set", "k", 1, "get"), [["k", ["RW", "access", "update"]]]);
  const refused = (text: string, ...words: string[]) =>
    assertThrows(() => client.command("command", "getkeys", ...words), ReplyError, text);
  refused("ERR Invalid command specified", "nosuch", "k");
  refused("ERR Invalid command specified", "memory", "nosuch", "k");
  refused("ERR The command has no key arguments", "ping", "x");
  refused("ERR Invalid number of arguments specified for command", "set", "k");
  server.kill();
});
