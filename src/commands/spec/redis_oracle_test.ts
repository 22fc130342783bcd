/**
 * Compares the facts with what a real redis-server 7.0 says of itself: COMMAND INFO and COMMAND DOCS for every command
 * in both protocols, and COMMAND GETKEYS and GETKEYSANDFLAGS for a list of invocations. Skipped where no redis-server
 * 7.0 is installed, unless the environment has CI set.
 */
import { assertEquals } from "@std/assert";
import { findFacts, REDIS_FACTS } from "./all_facts.ts";
import type { CommandFacts } from "./command_facts.ts";
import { type ReplySink, writeCommandDocs, writeCommandInfo, writeKeyFlags } from "./command_reply.ts";
import { commandGetKeys } from "./key_search.ts";
import { parseResp, type Protocol, respOf, type RespTree, viewOf } from "./testing.ts";

const ignore = !redisIsInstalled() && Deno.env.get("CI") === undefined;

function redisIsInstalled(): boolean {
  try {
    const { stdout } = new Deno.Command("redis-server", { args: ["--version"] }).outputSync();
    return new TextDecoder().decode(stdout).includes("v=7.0.");
  } catch {
    return false;
  }
}

class Oracle {
  readonly #connection: Deno.Conn;

  constructor(connection: Deno.Conn) {
    this.#connection = connection;
  }

  async ask(...words: string[]): Promise<RespTree> {
    await this.#send(words);
    let received = new Uint8Array(0);
    const chunk = new Uint8Array(1 << 16);
    while (true) {
      const length = await this.#connection.read(chunk);
      if (length === null) throw new Error(`redis-server closed the connection after ${words.join(" ")}`);
      const joined = new Uint8Array(received.length + length);
      joined.set(received);
      joined.set(chunk.subarray(0, length), received.length);
      received = joined;
      const reply = parseResp(received);
      if (reply !== null) return reply;
    }
  }

  async #send(words: readonly string[]): Promise<void> {
    const bulks = words.map((word) => `$${word.length}\r\n${word}\r\n`);
    const request = new TextEncoder().encode(`*${words.length}\r\n${bulks.join("")}`);
    for (let sent = 0; sent < request.length;) sent += await this.#connection.write(request.subarray(sent));
  }
}

/** Runs `check` against a redis-server of its own, which listens on a socket file only. */
async function withOracle(check: (oracle: Oracle) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  const path = `${dir}/oracle.sock`;
  const args = ["--port", "0", "--unixsocket", path, "--save", "", "--dir", dir];
  const server = new Deno.Command("redis-server", { args, stdout: "null", stderr: "null" }).spawn();
  try {
    const connection = await connectWhenReady(path);
    try {
      await check(new Oracle(connection));
    } finally {
      connection.close();
    }
  } finally {
    server.kill();
    await server.status;
    await Deno.remove(dir, { recursive: true });
  }
}

async function connectWhenReady(path: string): Promise<Deno.Conn> {
  for (let attempt = 0; attempt < 200; attempt++) {
    try {
      return await Deno.connect({ transport: "unix", path });
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }
  throw new Error("redis-server did not open its socket within 5 s");
}

/** Our own reply, read back as a tree. */
function ours(protocol: Protocol, write: (reply: ReplySink) => void): RespTree {
  return parseResp(respOf(protocol, write))!;
}

/** COMMAND INFO with subcommands by name; Redis lists them in the order of a seeded hash. */
function infoInOrder(info: RespTree): RespTree {
  if (!Array.isArray(info)) return info;
  const [type, ...subcommands] = info[10] as RespTree[];
  const ordered = subcommands.map(infoInOrder).sort((a, b) => compare(String(a[1]), String(b[1])));
  return [...info.slice(0, 10), [type!, ...ordered]];
}

/** COMMAND DOCS as an object without summaries, so that subcommands compare by name. */
function docsByName(docs: RespTree): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (let i = 1; i < docs.length; i += 2) {
    const name = String(docs[i]);
    if (name === "$subcommands") fields[name] = subcommandDocs(docs[i + 1] as RespTree[]);
    else if (name !== "$summary") fields[name] = docs[i + 1];
  }
  return { shape: docs[0], fields: Object.keys(fields).join(), ...fields };
}

function subcommandDocs(docs: RespTree[]): Record<string, unknown> {
  const byName: Record<string, unknown> = {};
  for (let i = 1; i < docs.length; i += 2) byName[String(docs[i])] = docsByName(docs[i + 1]!);
  return byName;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

const FACTS = [...REDIS_FACTS.values()];

for (const protocol of [2, 3] as const) {
  Deno.test({ name: `COMMAND INFO: RESP${protocol} equals redis-server's for every command`, ignore }, async () => {
    await withOracle(async (oracle) => {
      await oracle.ask("HELLO", String(protocol));
      for (const facts of FACTS) {
        const expected = (await oracle.ask("COMMAND", "INFO", facts.name))[1]!;
        const actual = ours(protocol, (reply) => writeCommandInfo(facts, reply));
        assertEquals(infoInOrder(actual), infoInOrder(expected), facts.name);
      }
    });
  });

  Deno.test({ name: `COMMAND DOCS: RESP${protocol} equals redis-server's but for summaries`, ignore }, async () => {
    await withOracle(async (oracle) => {
      await oracle.ask("HELLO", String(protocol));
      for (const facts of FACTS) {
        const expected = (await oracle.ask("COMMAND", "DOCS", facts.name))[2]!;
        const actual = ours(protocol, (reply) => writeCommandDocs(facts, reply));
        assertEquals(docsByName(actual), docsByName(expected), facts.name);
      }
    });
  });
}

Deno.test({ name: "COMMAND LIST: the facts name exactly redis-server's commands", ignore }, async () => {
  await withOracle(async (oracle) => {
    const [, ...listed] = await oracle.ask("COMMAND", "LIST");
    const named = FACTS.flatMap((facts) => [facts, ...facts.subcommands ?? []]).map((facts) => `$${facts.name}`);
    assertEquals(named.sort(compare), listed.map(String).sort(compare));
  });
});

const INVOCATIONS = [
  "get k",
  "GET k extra",
  "set k v",
  "set k v get",
  "set k v EX 10 GeT NX",
  "mset a 1 b 2 c 3",
  "mset a 1 b",
  "del a b c",
  "sort k",
  "sort k by w_* get # limit 0 10 store dst",
  "sort k store one store two",
  "sort k get store store dst",
  "sort k limit 0 store dst",
  "sort k store",
  "sort_ro k by nosort get x",
  "eval code 2 a b arg",
  "eval code 0 arg",
  "eval code 3 a b",
  "eval code -1 a b",
  "eval code 2x a b",
  "eval code x a b",
  "evalsha_ro sha 1 k",
  "fcall f 1 k x",
  "xread streams a b 0 0",
  "xread count 2 block 0 STREAMS a b c 0 0 0",
  "xread streams a b 0",
  "xread streams a",
  "xread count 1 a b",
  "xreadgroup group g c count 1 noack streams a b > >",
  "xreadgroup group streams c streams a >",
  "zunionstore dst 2 a b weights 1 2",
  "zunionstore dst 2x a b",
  "zunionstore dst 3 a b",
  "zinter 2 a b withscores",
  "zintercard 0 a",
  "zinterstore dst 01 a",
  "sintercard 2 a b limit 1",
  "lmpop 2 a b left count 3",
  "blmpop 0 1 a right",
  "bzmpop 0 2 a b min",
  "zmpop 5 a min",
  "migrate host 6379 k 0 1000",
  "migrate host 6379 EMPTY 0 1000 keys a b c",
  "migrate host 6379 EMPTY 0 1000 copy auth keys keys a b",
  "migrate host 6379 EMPTY 0 1000 auth2 keys keys keys a",
  "migrate host 6379 k 0 1000 keys a b",
  "migrate host 6379 k 0 1000 replace keys",
  "migrate host 6379 EMPTY 0 1000 keys",
  "georadius k 1 2 3 m store dst",
  "georadius k 1 2 3 m store a storedist b",
  "georadius k 1 2 3 m store",
  "georadiusbymember k m 3 m storedist dst",
  "bitfield k get u8 0",
  "bitfield k get u8 0 overflow sat get u8 1",
  "bitfield k set u8 0 1",
  "bitfield k incrby u8 0 1 get u8 0",
  "bitfield k get u8",
  "bitfield k",
  "bitop and dst a b",
  "smove a b m",
  "rename a b",
  "copy a b replace",
  "lmove a b left right",
  "object encoding k",
  "object help",
  "memory usage k samples 0",
  "xgroup create k g $ mkstream",
  "xinfo stream k full",
  "restore k 0 payload replace",
  "watch a b",
  "pfcount a b",
  "pfdebug encoding k",
  "spublish c m",
  "ssubscribe c",
  "publish c m",
  "ping hello",
  "config get k",
  "config nosuch",
  "nosuch a b",
];

/** The command that words name, as Redis looks it up: inside its container when there are words for that. */
function lookUp(words: readonly string[]): CommandFacts | undefined {
  const facts = findFacts(words[0]!.toLowerCase());
  if (facts?.subcommands === undefined || words.length === 1) return facts;
  return findFacts(`${words[0]}|${words[1]}`.toLowerCase());
}

function ourKeys(words: readonly string[], withFlags: boolean): RespTree {
  const outcome = commandGetKeys(lookUp(words), viewOf(words));
  if ("error" in outcome) return `-ERR ${outcome.error}`;
  return ours(3, (reply) => {
    reply.startArray(outcome.keys.length);
    for (const { index, flags } of outcome.keys) {
      if (withFlags) reply.startArray(2);
      reply.text(words[index]!);
      if (withFlags) writeKeyFlags(flags, reply);
    }
  });
}

Deno.test({ name: "COMMAND GETKEYS and GETKEYSANDFLAGS: equal redis-server's, errors included", ignore }, async () => {
  await withOracle(async (oracle) => {
    await oracle.ask("HELLO", "3");
    for (const invocation of INVOCATIONS) {
      const words = invocation.split(" ").map((word) => word === "EMPTY" ? "" : word);
      assertEquals(ourKeys(words, false), await oracle.ask("COMMAND", "GETKEYS", ...words), invocation);
      assertEquals(ourKeys(words, true), await oracle.ask("COMMAND", "GETKEYSANDFLAGS", ...words), invocation);
    }
  });
});
