/**
 * Compares configuration with a real redis-server 7.0: names, defaults, replies of CONFIG SET, rewritten files, fatal
 * errors.
 * Skipped where redis-server is not installed, unless CI is set. Listens on 127.0.0.1:21210 only.
 */

import { assertEquals } from "@std/assert";
import { Config, enterAnyDirectory } from "./config.ts";
import { parseCommandLine } from "./command_line.ts";
import { DIRECTIVES, LISTED_DIRECTIVE_NAMES, OWN_DIRECTIVES, REDIS_DIRECTIVES } from "./config_directives.ts";
import { ConfigFileError, joinConfigText, loadConfig } from "./config_loader.ts";
import { rewriteConfig } from "./config_rewrite.ts";
import { bytesOfByteString, byteStringOfBytes } from "./config_text.ts";

const PORT = 21210;
const NO_FILES = { readFile: () => ({ error: "none" }), listDirectory: () => [], isCommand: () => false };

function isRedisInstalled(): boolean {
  try {
    return new Deno.Command("redis-server", { args: ["--version"], stdout: "null" }).outputSync().success;
  } catch {
    return false;
  }
}

const IGNORE = !isRedisInstalled() && Deno.env.get("CI") === undefined;

type Reply = string | Reply[];

/** A connection that sends one command at a time. */
class OracleClient {
  readonly #connection: Deno.TcpConn;
  #buffer = "";

  constructor(connection: Deno.TcpConn) {
    this.#connection = connection;
  }

  static async open(): Promise<OracleClient> {
    for (let attempt = 0; attempt < 100; attempt++) {
      try {
        return new OracleClient(await Deno.connect({ hostname: "127.0.0.1", port: PORT }));
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
    throw new Error(`redis-server does not listen on port ${PORT}`);
  }

  async call(...args: string[]): Promise<Reply> {
    const request = `*${args.length}\r\n` + args.map((arg) => `$${arg.length}\r\n${arg}\r\n`).join("");
    await this.#connection.write(bytesOfByteString(request));
    return await this.#reply();
  }

  close(): void {
    this.#connection.close();
  }

  async #reply(): Promise<Reply> {
    const head = await this.#line();
    const rest = head.slice(1);
    if (head[0] === "$") return (await this.#take(Number(rest) + 2)).slice(0, -2);
    if (head[0] !== "*") return rest;
    const items: Reply[] = [];
    for (let i = 0; i < Number(rest); i++) items.push(await this.#reply());
    return items;
  }

  async #line(): Promise<string> {
    while (!this.#buffer.includes("\r\n")) await this.#fill();
    return (await this.#take(this.#buffer.indexOf("\r\n") + 2)).slice(0, -2);
  }

  async #take(length: number): Promise<string> {
    while (this.#buffer.length < length) await this.#fill();
    const taken = this.#buffer.slice(0, length);
    this.#buffer = this.#buffer.slice(length);
    return taken;
  }

  async #fill(): Promise<void> {
    const chunk = new Uint8Array(65536);
    const count = await this.#connection.read(chunk);
    if (count === null) throw new Error("redis-server closed the connection");
    this.#buffer += byteStringOfBytes(chunk.subarray(0, count));
  }
}

async function withRedis(args: string[], use: (client: OracleClient, dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.realPath(await Deno.makeTempDir());
  const child = new Deno.Command("redis-server", { args, cwd: dir, stdout: "null", stderr: "null" }).spawn();
  try {
    const client = await OracleClient.open();
    try {
      await use(client, dir);
    } finally {
      client.close();
    }
  } finally {
    child.kill("SIGKILL");
    await child.status;
    await Deno.remove(dir, { recursive: true });
  }
}

function ours(dir: string, args: string[]): Config {
  const config = new Config({ workingDirectory: dir, enterDirectory: enterAnyDirectory });
  const line = parseCommandLine(args);
  if (line.kind === "start") loadConfig(config, joinConfigText(null, null, line.options), NO_FILES);
  return config;
}

function asMap(flat: Reply): Map<string, string> {
  const map = new Map<string, string>();
  for (let i = 0; i < flat.length; i += 2) map.set(flat[i] as string, flat[i + 1] as string);
  return map;
}

function sortedEntries(map: Map<string, string>): [string, string][] {
  return [...map].sort(([a], [b]) => a < b ? -1 : 1);
}

function valuesOf(config: Config, patterns: string[]): Map<string, string> {
  const own = new Set(OWN_DIRECTIVES.map(({ name }) => name));
  const pairs = config.get(patterns).filter(({ name }) => !own.has(name));
  return new Map(pairs.map(({ name, value }) => [name, value]));
}

const HIDDEN_NAMES = DIRECTIVES.filter(({ flags }) => flags.has("hidden")).map(({ name }) => name);

Deno.test({
  name: "oracle: CONFIG GET * has the names and defaults of redis-server, hidden ones included",
  ignore: IGNORE,
  async fn() {
    await withRedis(["--port", `${PORT}`], async (client, dir) => {
      const theirs = asMap(await client.call("CONFIG", "GET", "*", ...HIDDEN_NAMES));
      const config = ours(dir, ["--port", `${PORT}`]);
      assertEquals(sortedEntries(valuesOf(config, ["*", ...HIDDEN_NAMES])), sortedEntries(theirs));
      assertEquals(LISTED_DIRECTIVE_NAMES.length, config.get(["*"]).length);
      for (const name of HIDDEN_NAMES) assertEquals(theirs.has(name), true, name);
    });
  },
});

/** Sorted by what they exercise: words after CONFIG SET. */
const CONFIG_SETS: string[][] = [
  ["maxmemory", ""],
  ["maxmemory", "MB"],
  ["maxmemory", "10Mb"],
  ["maxmemory", "3k"],
  ["maxmemory", "-1"],
  ["maxmemory", "1 gb"],
  ["maxmemory", "99999999999999999999gb"],
  ["maxmemory", "18446744073709551615"],
  ["maxmemory", "0"],
  ["hz", "1000"],
  ["hz", "0"],
  ["hz", "-1"],
  ["hz", "007"],
  ["hz", "+7"],
  ["hz", "1e2"],
  ["timeout", "2147483648"],
  ["timeout", "9223372036854775808"],
  ["slowlog-log-slower-than", "-1"],
  ["slowlog-log-slower-than", "-2"],
  ["set-max-intset-entries", "-1"],
  ["proto-max-bulk-len", "1024"],
  ["list-max-ziplist-size", "-3"],
  ["maxclients", "0"],
  ["lfu-decay-time", "-0"],
  ["active-defrag-cycle-min", "100"],
  ["maxmemory-clients", "101%"],
  ["maxmemory-clients", "x%"],
  ["appendfsync", "Always"],
  ["appendfsync", "sometimes"],
  ["maxmemory-policy", "lru"],
  ["acl-pubsub-default", "allchannels"],
  ["oom-score-adj", "maybe"],
  ["shutdown-on-sigint", "force nosave"],
  ["shutdown-on-sigint", "default now"],
  ["shutdown-on-sigint", "save nosave"],
  ["shutdown-on-sigint", ""],
  ["shutdown-on-sigint", "soon"],
  ["rdbcompression", "YES"],
  ["rdbcompression", "1"],
  ["activedefrag", "yes"],
  ["save", ""],
  ["save", "10 1 20 2"],
  ["save", "10  1"],
  ["save", "10 "],
  ["save", "10"],
  ["save", "0 1"],
  ["save", "+10 01"],
  ["save", "a b"],
  ["notify-keyspace-events", "KEA"],
  ["notify-keyspace-events", "nEKtm$"],
  ["notify-keyspace-events", "AnK"],
  ["notify-keyspace-events", "K E"],
  ["client-output-buffer-limit", "replica 1mb 2 3 PubSub 4 5k 6"],
  ["client-output-buffer-limit", "master 1 2 3"],
  ["client-output-buffer-limit", "normal 1 2"],
  ["client-output-buffer-limit", "normal 1 2 -3"],
  ["client-output-buffer-limit", ""],
  ["oom-score-adj-values", "1 2 3"],
  ["oom-score-adj-values", "1 2 3000"],
  ["oom-score-adj-values", "1 2"],
  ["latency-tracking-info-percentiles", "50 99.99 100"],
  ["latency-tracking-info-percentiles", "101"],
  ["latency-tracking-info-percentiles", "inf"],
  ["latency-tracking-info-percentiles", "x"],
  ["latency-tracking-info-percentiles", ""],
  ["dbfilename", "a/b"],
  ["dbfilename", "x.rdb"],
  ["dir", "/nonexistent"],
  ["cluster-announce-hostname", "a_b"],
  ["cluster-announce-hostname", "a".repeat(256)],
  ["proc-title-template", "{nope}"],
  ["proc-title-template", "{title"],
  ["proc-title-template", "{title}  {server-mode}"],
  ["proc-title-template", "{{title} {port}"],
  ["requirepass", "a\x00b"],
  ["requirepass", ""],
  ["bind-source-addr", "a\x00b"],
  ["bind-source-addr", ""],
  ["databases", "3"],
  ["replicaof", "no one"],
  ["unixsocketperm", "700"],
  ["nothing", "1"],
  ["", "1"],
  ["maxmemory", "1mb", "maxmemory", "2mb"],
  ["maxmemory", "1mb", "slave-priority", "5", "replica-priority", "6"],
  ["maxmemory", "2mb", "lfu-log-factor", "bad"],
  ["maxmemory", "2mb", "databases", "1", "nothing", "2"],
  ["nothing", "2", "maxmemory", "2mb", "databases", "1"],
];

Deno.test({
  name: "oracle: CONFIG SET replies and values are those of redis-server",
  ignore: IGNORE,
  async fn() {
    const args = ["--port", `${PORT}`, "--enable-protected-configs", "yes"];
    await withRedis(args, async (client, dir) => {
      const config = new Config({
        workingDirectory: dir,
        enterDirectory: (path) => path === dir ? { path } : { error: "No such file or directory" },
      });
      for (let i = 0; i < args.length; i += 2) config.assignFromLine(args[i].slice(2), [args[i + 1]], false);
      for (const words of CONFIG_SETS) {
        const pairs = [];
        for (let i = 0; i < words.length; i += 2) pairs.push({ name: words[i], value: words[i + 1] });
        const reply = config.set(pairs, { isLocal: true, isLoading: false })?.reply ?? "OK";
        assertEquals(reply, await client.call("CONFIG", "SET", ...words), words.join(" "));
        const theirs = asMap(await client.call("CONFIG", "GET", "*"));
        assertEquals(sortedEntries(valuesOf(config, ["*"])), sortedEntries(theirs), words.join(" "));
      }
    });
  },
});

const OLD_FILE = `# first comment
port ${PORT}
bind 127.0.0.1

save 900 1
save 300 10

# two empty lines follow


slave-priority 7
maxmemory 10mb
MAXMEMORY 20mb
requirepass 'it\\'s "quoted"'
client-output-buffer-limit pubsub 1mb 2mb 3
client-output-buffer-limit normal 0 0 0
appendfsync always
rename-command flushall ""
lua-replicate-commands yes
notify-keyspace-events ""
`;

Deno.test({
  name: "oracle: CONFIG REWRITE gives the file that redis-server writes, up to the order of added lines",
  ignore: IGNORE,
  async fn() {
    const dir = await Deno.makeTempDir();
    const path = `${dir}/redis.conf`;
    await Deno.writeTextFile(path, OLD_FILE);
    try {
      await withRedis([path], async (client, cwd) => {
        const config = new Config({ workingDirectory: cwd, enterDirectory: enterAnyDirectory });
        loadConfig(config, OLD_FILE, { ...NO_FILES, isCommand: () => true });
        await client.call("AUTH", `it's "quoted"`);
        for (const words of [["maxmemory", "3gb", "appendfsync", "everysec", "hz", "20"], ["save", "60 1"]]) {
          assertEquals(await client.call("CONFIG", "SET", ...words), "OK");
          const pairs = [];
          for (let i = 0; i < words.length; i += 2) pairs.push({ name: words[i], value: words[i + 1] });
          assertEquals(config.set(pairs, { isLocal: true, isLoading: false }), null);
        }
        assertEquals(await client.call("CONFIG", "REWRITE"), "OK");
        const theirs = await Deno.readTextFile(path);
        const mine = new TextDecoder().decode(rewriteConfig(bytesOfByteString(OLD_FILE), config));
        assertEquals(splitAtSignature(mine), splitAtSignature(theirs));
      });
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  },
});

/** The part before the signature as it is; the lines after it sorted, without the ACL user that Redis always adds. */
function splitAtSignature(file: string): { kept: string; added: string[] } {
  const [kept, added] = file.split("# Generated by CONFIG REWRITE\n");
  return { kept, added: added.split("\n").filter((line) => !line.startsWith("user ")).sort() };
}

const WRONG_OPTIONS: string[][] = [
  ["--port", "abc"],
  ["--port", "1", "2"],
  ["--hz", "5", "--nothing", "1"],
  ["--save", "1"],
  ["--port"],
  ["--port", "--hz", "5"],
  ["--bind", ..."abcdefghijklmnopq"],
  ["--shutdown-on-sigterm", "soon"],
  ["--rename-command", "nope", "x"],
  ["--unixsocketperm", "9"],
  ["--unixsocketperm", "1000"],
  ["--port 1 2"],
  ["--oom-score-adj-values", "1", "2"],
  ["--appenddirname", "a/b"],
  ["--appendfilename", ""],
  ["--include", "a", "b"],
];

Deno.test({
  name: "oracle: a wrong option gives the fatal report of redis-server",
  ignore: IGNORE,
  fn() {
    for (const args of WRONG_OPTIONS) {
      const output = new Deno.Command("redis-server", { args, stdout: "null", stderr: "piped" }).outputSync();
      assertEquals(output.code, 1, args.join(" "));
      assertEquals(reportOf(args), new TextDecoder().decode(output.stderr), args.join(" "));
    }
  },
});

function reportOf(args: string[]): string {
  try {
    ours("/", args);
    return "accepted";
  } catch (error) {
    if (error instanceof ConfigFileError) return error.report;
    throw error;
  }
}

const RIGHT_OPTIONS: string[][] = [
  ["--save", "--hz", "20"],
  ["--save", "", "--hz", "21"],
  ["--save", "3600", "1", "--save", "60", "10", "--loglevel", "debug"],
  ["--save", "3600 1 60 10", "--bind", "127.0.0.1", "--bind", "127.0.0.1 -::1"],
  ["--hz 25", "--shutdown-on-sigterm", "now", "force", "--masterauth", "--dashes"],
  ["--unixsocketperm", "700", "--pidfile", "a b", "--client-output-buffer-limit", "slave", "1", "2", "3", "--save"],
];

Deno.test({
  name: "oracle: options are understood as redis-server understands them",
  ignore: IGNORE,
  async fn() {
    for (const options of RIGHT_OPTIONS) {
      const args = ["--port", `${PORT}`, ...options];
      await withRedis(args, async (client, dir) => {
        const theirs = asMap(await client.call("CONFIG", "GET", "*"));
        assertEquals(sortedEntries(valuesOf(ours(dir, args), ["*"])), sortedEntries(theirs), options.join(" "));
      });
    }
  },
});

Deno.test("oracle: the names compared are all of Redis's", () => {
  const count = REDIS_DIRECTIVES.reduce((sum, { alias }) => sum + (alias === null ? 1 : 2), 0);
  assertEquals(count, LISTED_DIRECTIVE_NAMES.length - OWN_DIRECTIVES.length + HIDDEN_NAMES.length);
});
