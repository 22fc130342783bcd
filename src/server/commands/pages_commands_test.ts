import { assert, assertEquals, assertThrows } from "@std/assert";
import { type Afterimage, type Client, ManualClock, openServer, type Reply, ReplyError } from "../../mod.ts";

const VALUE = "v".repeat(600);

async function opened(...directives: string[]): Promise<{ server: Afterimage; client: Client }> {
  const server = await openServer({ clock: new ManualClock(), directives }), client = server.connect();
  client.command("hello", 3);
  for (let i = 0; i < 500; i++) client.command("set", `key:${i}`, VALUE);
  return { server, client };
}

function mapOf(reply: Reply): Map<string, Reply> {
  assert(reply instanceof Map);
  return reply;
}

Deno.test("PAGES STATS: counts pages frozen and copied, and what remains once the save has ended", async () => {
  const { server, client } = await opened();
  client.command("bgsave");
  const before = mapOf(client.command("pages", "stats"));
  assertEquals([before.get("snapshot-live"), before.get("pages-copied"), before.get("frame-bytes")], [1, 0, 0]);
  client.command("set", "key:7", VALUE.toUpperCase());
  const during = mapOf(client.command("pages", "stats"));
  const copied = during.get("pages-copied") as number;
  assert(copied >= 1 && copied < 20, `${copied}`);
  assertEquals(during.get("frame-bytes"), copied * 4096);
  assertEquals(during.get("logical-bytes-written"), VALUE.length);
  assertEquals(during.get("amplification"), (copied * 4096) / VALUE.length);
  while (server.step());
  const after = mapOf(client.command("pages", "stats"));
  assertEquals([after.get("snapshot-live"), after.get("pages-copied"), after.get("frame-bytes")], [0, copied, 0]);
  assert((after.get("timeline") as Reply[]).length >= 1);
  server.kill();
});

Deno.test("PAGES STATS: SETRANGE within a long string copies the page of the range only", async () => {
  const { server, client } = await opened();
  client.command("setrange", "long", 1 << 20, "x");
  client.command("bgsave");
  client.command("setrange", "long", 1 << 19, "yyyyyyyy");
  assertEquals(mapOf(client.command("pages", "stats")).get("pages-copied"), 1);
  server.kill();
});

Deno.test("PAGES MAP: every copied page is drawn as one, and owners on request", async () => {
  const { server, client } = await opened();
  client.command("bgsave");
  client.command("set", "key:7", VALUE.toUpperCase());
  const stats = mapOf(client.command("pages", "stats"));
  const map = mapOf(client.command("pages", "map", 0, 2000, "owners"));
  const states = map.get("states") as string, owners = map.get("owners") as string;
  assertEquals([states.length, owners.length], [2000, 2000]);
  assertEquals(states.split("C").length - 1, stats.get("pages-copied"));
  assert(states.includes("f") && owners.includes("e") && owners.includes("t"));
  assert([...states].every((state, page) => state !== "C" || owners[page] !== "."), "a copied page has an owner");
  assertThrows(() => client.command("pages", "map", 0), ReplyError, "ERR syntax error");
  assertEquals(mapOf(client.command("pages", "map", Number.MAX_SAFE_INTEGER, 5)).get("states"), "");
  server.kill();
});

Deno.test("PAGES TOP: copies by structure, command and, while traced, key", async () => {
  const { server, client } = await opened("--page-size", "512");
  client.command("pages", "trace", "on");
  client.command("bgsave");
  client.command("set", "key:7", VALUE.toUpperCase());
  client.command("append", "key:9", "x");
  const total = mapOf(client.command("pages", "stats")).get("pages-copied") as number;
  const top = mapOf(client.command("pages", "top"));
  const rows = (name: string) => new Map(top.get(name) as [string, number][]);
  for (const name of ["owners", "commands", "keys"]) {
    assertEquals([...rows(name).values()].reduce((a, b) => a + b, 0), total, name);
  }
  assertEquals([...rows("commands").keys()].sort(), ["append", "set"]);
  assertEquals([...rows("keys").keys()].sort(), ["key:7", "key:9"]);
  assert((rows("owners").get("entry") ?? 0) > 0);
  server.kill();
});

Deno.test("PAGES TRACE: is the switch that CONFIG calls pages-trace", async () => {
  const { server, client } = await opened();
  client.command("pages", "trace", "ON");
  client.command("config", "set", "hz", 20);
  assertEquals(mapOf(client.command("config", "get", "pages-trace")).get("pages-trace"), "yes");
  assertEquals(mapOf(client.command("pages", "stats")).get("tracing"), 1);
  client.command("pages", "trace", "off");
  assertEquals(mapOf(client.command("pages", "stats")).get("tracing"), 0);
  server.kill();
});
