import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { type Afterimage, type Client, ManualClock, openServer, type Reply, ReplyError } from "../../mod.ts";

async function opened(...directives: string[]): Promise<{ server: Afterimage; clock: ManualClock; client: Client }> {
  const clock = new ManualClock(), server = await openServer({ clock, directives }), client = server.connect();
  client.command("hello", 3);
  return { server, clock, client };
}

function mapOf(reply: Reply | undefined): Map<string, Reply> {
  assert(reply instanceof Map);
  return reply;
}

function fieldOf(client: Client, section: string, field: string): string | undefined {
  return String(client.command("info", section)).match(new RegExp(`^${field}:(.*)\r$`, "m"))?.[1];
}

Deno.test("SLOWLOG: newest first, as many as asked for, with address and name", async () => {
  const { server, client } = await opened("--slowlog-log-slower-than", "0");
  client.command("client", "setname", "me");
  client.command("slowlog", "reset");
  for (const key of ["a", "b", "c"]) client.command("set", key, 1);
  const [newest, next] = client.command("slowlog", "get", 2) as Reply[][];
  assertEquals(newest![3], ["set", "c", "1"]);
  assertEquals(next![3], ["set", "b", "1"]);
  assertEquals(newest![5], "me");
  assert((newest![0] as number) > (next![0] as number));
  assertEquals(
    (client.command("slowlog", "get", -1) as Reply[]).length,
    client.command("slowlog", "len") as number - 1,
  );
  server.kill();
});

Deno.test("LATENCY: spikes over the threshold are kept, drawn, reported and reset", async () => {
  const { server, client } = await opened("--latency-monitor-threshold", "5");
  const { latency } = server.server;
  const nowMs = server.server.nowMs();
  latency.add("command", 3, nowMs);
  latency.add("command", 20, nowMs - 70_000);
  latency.add("command", 10, nowMs);
  assertEquals(client.command("latency", "latest"), [["command", Math.floor(nowMs / 1000), 10, 20]]);
  assertEquals((client.command("latency", "history", "command") as Reply[]).length, 2);
  const graph = String(client.command("latency", "graph", "command"));
  assertMatch(graph, /^(txt:)?command - high 20 ms, low 10 ms \(all time high 20 ms\)\n-{80}\n#/);
  assertMatch(
    String(client.command("latency", "doctor")),
    /command: 2 latency spikes \(average 15ms, mean deviation 5ms/,
  );
  assertEquals(client.command("latency", "reset", "none", "command"), 1);
  assertEquals(client.command("latency", "latest"), []);
  server.kill();
});

Deno.test("LATENCY HISTOGRAM and INFO latencystats: count every call of a command and its subcommands", async () => {
  const { server, client } = await opened();
  for (let i = 0; i < 5; i++) client.command("set", "k", i);
  client.command("config", "get", "hz");
  client.command("ping");
  const histograms = mapOf(client.command("latency", "histogram", "set", "config", "nosuch"));
  assertEquals([...histograms.keys()].sort(), ["config|get", "set"]);
  const set = mapOf(histograms.get("set"));
  assertEquals(set.get("calls"), 5);
  assertEquals([...mapOf(set.get("histogram_usec")).values()].pop(), 5);
  assertMatch(fieldOf(client, "latencystats", "latency_percentiles_usec_set") ?? "", /^p50=\d+\.\d{3},p99=.*,p99\.9=/);
  server.kill();
});

Deno.test("INFO: commandstats and errorstats count calls, refusals and failures apart", async () => {
  const { server, client } = await opened();
  client.command("set", "k", "text");
  assertThrows(() => client.command("incr", "k"), ReplyError);
  assertThrows(() => client.command("incr"), ReplyError);
  assertMatch(fieldOf(client, "commandstats", "cmdstat_incr") ?? "", /^calls=1,.*,rejected_calls=1,failed_calls=1$/);
  assertEquals(fieldOf(client, "errorstats", "errorstat_ERR"), "count=2");
  client.command("multi");
  client.command("incr", "k");
  client.send("exec");
  client.receive();
  assertMatch(fieldOf(client, "commandstats", "cmdstat_exec") ?? "", /^calls=1,.*,rejected_calls=0,failed_calls=0$/);
  assertEquals(fieldOf(client, "errorstats", "errorstat_ERR"), "count=3");
  server.kill();
});

Deno.test("INFO: sections are shown once, in order, and unknown names show nothing", async () => {
  const { server, client } = await opened();
  const titles = (...names: string[]) => String(client.command("info", ...names)).match(/# \w+/g) ?? [];
  assertEquals(titles("keyspace", "SERVER", "server"), ["# Server", "# Keyspace"]);
  assertEquals(titles("nosuch"), []);
  assertEquals(titles().length, 11);
  assertEquals(titles("everything").length, 13);
  assertEquals(titles("default", "commandstats").length, 12);
  server.kill();
});

Deno.test("MEMORY: USAGE grows with the value, STATS and MALLOC-STATS add up", async () => {
  const { server, client } = await opened();
  client.command("set", "small", "x");
  client.command("set", "large", "x".repeat(100_000));
  const small = client.command("memory", "usage", "small") as number;
  const large = client.command("memory", "usage", "large") as number;
  assert(small > 16 && small < 100 && large > 100_000 && large < 110_000, `${small} ${large}`);
  const stats = mapOf(client.command("memory", "stats"));
  assertEquals(stats.get("keys.count"), 2);
  assert(mapOf(stats.get("db.0")).has("overhead.hashtable.main"));
  const rows = String(client.command("memory", "malloc-stats")).trimEnd().split("\n").map((line) =>
    line.trim().split(/ +/)
  );
  const sum = rows.slice(1, -1).reduce((total, cells) => total + Number(cells[3]), 0);
  assertEquals(String(sum), rows[rows.length - 1]![3]);
  assertEquals(sum, server.server.allocator.liveBytes);
  server.kill();
});

Deno.test("HELP: every container answers with Redis's first and last lines", async () => {
  const { server, client } = await opened("--enable-debug-command", "yes");
  for (const name of ["client", "command", "config", "debug", "latency", "memory", "object", "pages", "slowlog"]) {
    const lines = client.command(name, "help") as string[];
    assertEquals(lines[0], `${name.toUpperCase()} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:`);
    assertEquals(lines.slice(-2), ["HELP", "    Prints this help."]);
  }
  server.kill();
});
