import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { type Afterimage, type Client, ManualClock, openServer, ReplyError } from "../../mod.ts";

async function opened(...directives: string[]): Promise<{ server: Afterimage; clock: ManualClock; client: Client }> {
  const clock = new ManualClock();
  const server = await openServer({ clock, directives: ["--enable-debug-command", "yes", ...directives] });
  return { server, clock, client: server.connect() };
}

Deno.test("DEBUG RELOAD and LOADAOF: the dataset is the same afterwards", async () => {
  const { server, client } = await opened("--appendonly", "yes");
  client.command("set", "a", 12345);
  client.command("set", "b", "x".repeat(5000), "px", 100_000_000);
  client.command("select", 2);
  client.command("set", "c", "");
  const digest = client.command("debug", "digest");
  assertMatch(String(digest), /^(?!0{40})[0-9a-f]{40}$/);
  for (const words of [["reload"], ["reload", "nosave"], ["reload", "nosave", "noflush", "merge"], ["loadaof"]]) {
    assertEquals(client.command("debug", ...words), "OK");
    assertEquals(client.command("debug", "digest"), digest, words.join(" "));
  }
  client.command("set", "c", "unsaved");
  client.command("debug", "loadaof");
  assertMatch(String(client.command("info", "persistence")), /rdb_changes_since_last_save:0\r/);
  assertThrows(() => client.command("debug", "reload", "gently"), ReplyError, "MERGE, NOFLUSH and NOSAVE");
  server.kill();
});

Deno.test("DEBUG DIGEST-VALUE: equal values have equal digests, missing keys the zero digest", async () => {
  const { server, client } = await opened();
  client.command("set", "k", "v");
  const [first, missing] = client.command("debug", "digest-value", "k", "none") as string[];
  assertEquals(missing, "0".repeat(40));
  client.command("set", "k", "w");
  client.command("set", "k", "v");
  assertEquals(client.command("debug", "digest-value", "k"), [first!]);
  server.kill();
});

Deno.test("DEBUG POPULATE: sets keys that are missing, of the size asked for", async () => {
  const { server, client } = await opened();
  client.command("set", "p:1", "kept");
  client.command("debug", "populate", 3, "p", 9);
  assertEquals(client.command("mget", "p:0", "p:1", "p:2"), ["value:0\0\0", "kept", "value:2\0\0"]);
  client.command("debug", "populate", 2);
  assertEquals(client.command("get", "key:1"), "value:1");
  assertThrows(() => client.command("debug", "populate", -1), ReplyError, "must be positive");
  server.kill();
});

Deno.test("DEBUG SET-ACTIVE-EXPIRE: without it expired keys stay until somebody looks", async () => {
  const { server, clock, client } = await opened();
  client.command("debug", "set-active-expire", 0);
  client.command("set", "k", 1, "px", 10);
  clock.advance(1000);
  server.tick();
  assertEquals(client.command("dbsize"), 1);
  client.command("debug", "set-active-expire", 1);
  server.tick();
  assertEquals(client.command("dbsize"), 0);
  server.kill();
});

Deno.test("DEBUG: names of the object prototype are no subcommands, nor are wrong numbers of arguments", async () => {
  const { server, client } = await opened();
  for (const words of [["constructor"], ["tostring"], ["sleep"], ["digest", "x"]]) {
    const error = `ERR unknown subcommand or wrong number of arguments for '${words[0]}'. Try DEBUG HELP.`;
    assertThrows(() => client.command("debug", ...words), ReplyError, error);
  }
  server.kill();
});

Deno.test("DEBUG HTSTATS: counts slots and chains of a database", async () => {
  const { server, client } = await opened();
  assertMatch(String(client.command("debug", "htstats", 0)), /No stats available for empty dictionaries/);
  client.command("mset", "a", 1, "b", 2, "c", 3);
  const report = String(client.command("debug", "htstats", 0));
  assertMatch(report, / table size: 4\n number of elements: 3\n different slots: [123]\n max chain length: [123]\n/);
  server.kill();
});
