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

const FREE = 0, CLEAN = 1, FROZEN = 2, COPIED = 3;

/** A reader of the map as a program is meant to be one: cells once, then changes, with the two rules for all pages. */
class MapReader {
  readonly #client: Client;
  cells: Uint8Array = new Uint8Array(0);
  figures: Map<string, Reply> = new Map();
  sequence = 0;
  commands: number[] = [];

  constructor(client: Client) {
    this.#client = client;
    this.sequence = mapOf(client.command("pages", "changes", 0, 0)).get("sequence") as number;
    this.readCells();
  }

  readCells(): void {
    const pages = mapOf(this.#client.command("pages", "changes", this.sequence, 0)).get("pages") as number;
    this.cells = new Uint8Array(pages);
    for (let start = 0; start < pages; start += 1 << 15) {
      const cells = mapOf(this.#client.command("pages", "map", start, pages - start, "cells")).get("cells") as string;
      this.cells.set(Uint8Array.from(cells, (cell) => cell.charCodeAt(0)), start);
    }
  }

  update(): void {
    const before = this.figures;
    const next = this.figures = mapOf(this.#client.command("pages", "changes", this.sequence));
    this.sequence = next.get("sequence") as number;
    const larger = new Uint8Array(next.get("pages") as number);
    larger.set(this.cells);
    this.cells = larger;
    const isNew = before.get("epoch") !== next.get("epoch");
    if (isNew || next.get("snapshot-live") === 0) this.#all((state) => state === FREE ? FREE : CLEAN);
    if (isNew && next.get("snapshot-live") === 1) this.#all((state) => state === FREE ? FREE : FROZEN);
    const changes = Uint8Array.from(next.get("changes") as string, (byte) => byte.charCodeAt(0));
    const view = new DataView(changes.buffer);
    for (let at = 0; at < changes.length; at += 8) {
      this.cells[view.getUint32(at, true)] = changes[at + 4];
      this.commands.push(view.getUint16(at + 6, true));
    }
  }

  #all(rule: (state: number) => number): void {
    this.cells.forEach((cell, page) => this.cells[page] = (cell & ~3) | rule(cell & 3));
  }

  inUse(): number[] {
    return [...this.cells].map((cell) => (cell & 3) === FREE ? FREE : cell);
  }

  states(): number[] {
    const counts = [0, 0, 0, 0];
    for (const cell of this.cells) counts[cell & 3]++;
    return counts;
  }
}

Deno.test("PAGES CHANGES: a map that is kept up by changes is the map that PAGES MAP CELLS reads, at every stage of a save", async () => {
  for (const pageBytes of ["512", "4096", "16384"]) {
    const { server, client } = await opened("--page-size", pageBytes), kept = new MapReader(client);
    const check = (stage: string) => {
      kept.update();
      const fresh = new MapReader(client);
      assertEquals(kept.cells.map((cell) => cell & 3), fresh.cells.map((cell) => cell & 3), `${pageBytes}, ${stage}`);
      // A page that shares its unit, or has several, may get another owner without a store to it.
      if (pageBytes === "4096") assertEquals(kept.inUse(), fresh.inUse(), `owners, ${stage}`);
    };
    client.command("set", "more", "x".repeat(100_000));
    check("before the save");
    client.command("bgsave");
    check("frozen");
    assert(kept.states()[FROZEN] > 0 && kept.states()[COPIED] === 0);
    client.command("set", "key:7", VALUE.toUpperCase());
    client.command("del", "more", "key:9");
    client.command("rpush", "new", ..."x".repeat(9000));
    check("written to");
    assertEquals(kept.states()[COPIED], kept.figures.get("pages-copied"));
    while (server.step());
    check("saved");
    assertEquals([kept.states()[FROZEN], kept.states()[COPIED]], [0, 0]);
    client.command("flushall");
    check("flushed");
    server.kill();
  }
});

Deno.test("PAGES CHANGES: tells by number which command copied a page, and PAGES LEGEND its name", async () => {
  const { server, client } = await opened(), kept = new MapReader(client);
  client.command("bgsave");
  kept.update();
  kept.commands = [];
  client.command("append", "key:7", "x");
  kept.update();
  const legend = mapOf(client.command("pages", "legend")), names = legend.get("commands") as Map<string, Reply>;
  assertEquals([...new Set(kept.commands.map((id) => names.get(String(id))))], ["append"]);
  assertEquals((legend.get("states") as Reply[]).length, 4);
  assertEquals((legend.get("owners") as Reply[])[0], "free");
  server.kill();
});

Deno.test("PAGES CHANGES: takes changes in portions, and says when they are no longer kept", async () => {
  const { server, client } = await opened();
  const some = mapOf(client.command("pages", "changes", 0, 10));
  assertEquals([some.get("sequence"), some.get("lost"), (some.get("changes") as string).length], [10, 0, 80]);
  assert((some.get("behind") as number) > 0);
  const beyond = mapOf(client.command("pages", "changes", 1e9));
  assertEquals([beyond.get("lost"), beyond.get("behind"), beyond.get("changes")], [1, 0, ""]);
  server.server.memory.changes.count += 1 << 16;
  assertEquals(mapOf(client.command("pages", "changes", 0)).get("lost"), 1);
  assertThrows(() => client.command("pages", "changes", -1), ReplyError, "sequence must be 0 or more");
  assertThrows(() => client.command("pages", "changes", 0, 1, 2), ReplyError, "syntax");
  server.kill();
});
