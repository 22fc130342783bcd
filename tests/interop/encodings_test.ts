/** A value of every type in every encoding of Redis 7.0 goes through files both ways: same content, same encoding, same DUMP. */

import { assert, assertEquals } from "@std/assert";
import { Prng } from "../../src/base/prng.ts";
import { untilRewritten } from "../support/info.ts";
import { type Argument, type Reply, type RespClient, RespError } from "../support/resp_client.ts";
import { oracleTest, type ServerKind, ServerProcess } from "../support/server_fixture.ts";

const SEED = 0xe4c;
const DEBUG = ["--enable-debug-command", "yes"];
/** Elements of the collections: around the limits between encodings, and some beyond all. */
const SIZES = [1, 2, 5, 127, 128, 129, 512, 513, 2000];
/** What is in a file in an order of its own. */
const UNORDERED = ["hashtable"];
/** A string that is loaded gets the encoding of one that is set. */
const STRINGS = ["raw", "embstr", "int"];

interface Variant {
  readonly name: string;
  readonly args: readonly string[];
  /** Sent before the values are made. */
  readonly setup: readonly Argument[][];
}

const VARIANTS: readonly Variant[] = [
  { name: "the default limits", args: [], setup: [] },
  {
    name: "small nodes, compressed lists and large compact encodings",
    args: ["--list-max-listpack-size", "4", "--list-compress-depth", "1", "--stream-node-max-entries", "3"].concat(
      "--hash-max-listpack-entries",
      "1000",
      "--zset-max-listpack-entries",
      "1000",
      "--set-max-intset-entries",
      "3000",
    ),
    setup: [],
  },
  { name: "plain nodes", args: [], setup: [["DEBUG", "QUICKLIST-PACKED-THRESHOLD", 60]] },
  { name: "no compression", args: ["--rdbcompression", "no"], setup: [] },
];

class Values {
  readonly #random = new Prng(SEED);

  /** Everything, as commands. */
  commands(): Argument[][] {
    const commands: Argument[][] = [
      ["SET", "int", 12345],
      ["SET", "embstr", "hello"],
      ["SET", "raw", "x".repeat(100)],
      ["APPEND", "raw:short", "12"],
      ["SETRANGE", "raw:large", 5000, "end"],
      ["PFADD", "hll:sparse", "a", "b"],
      ["PFADD", "hll:dense", ...Array.from({ length: 3000 }, (_, i) => i)],
      ["SETBIT", "bits", 100_000, 1],
      ["GEOADD", "geo", 13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania"],
    ];
    for (const size of SIZES) commands.push(...this.#collections(size));
    return commands;
  }

  #collections(size: number): Argument[][] {
    const some = (make: (i: number) => Argument[]) => Array.from({ length: size }, (_, i) => make(i)).flat();
    const widths = [100, 100_000, 2 ** 45];
    return [
      ["RPUSH", `list:${size}`, ...some(() => [this.#element()])],
      ["LPUSH", `list:left:${size}`, ...some(() => [this.#element()])],
      ["HSET", `hash:${size}`, ...some((i) => [`f${i}`, this.#element()])],
      ["HSET", `hash:small:${size}`, ...some((i) => [i, i * 7])],
      ["SADD", `set:${size}`, ...some((i) => [`m${i}`])],
      ...widths.map((width) => ["SADD", `intset:${width}:${size}`, ...some((i) => [(i - 3) * width])]),
      ["ZADD", `zset:${size}`, ...some((i) => [this.#score(i), `m${i}`])],
      ["ZADD", `zset:long:${size}`, ...some((i) => [i, `m${i}`.padEnd(70, "x")])],
      ...this.#stream(`stream:${size}`, size),
    ];
  }

  #stream(key: string, entries: number): Argument[][] {
    const commands: Argument[][] = [];
    for (let i = 1; i <= entries; i++) {
      const fields = i % 7 === 0 ? ["other", i, "more", this.#element()] : ["a", i, "b", this.#element()];
      commands.push(["XADD", key, `${1000 + Math.floor(i / 3)}-${i}`, ...fields]);
    }
    commands.push(
      ["XGROUP", "CREATE", key, "group", 0],
      ["XREADGROUP", "GROUP", "group", "Alice", "COUNT", 10, "STREAMS", key, ">"],
      ["XREADGROUP", "GROUP", "group", "Bob", "COUNT", 2, "STREAMS", key, ">"],
      ["XGROUP", "CREATE", key, "idle", "$"],
      ["XACK", key, "group", "1000-2", "1001-3"],
      ["XDEL", key, "1000-1", "1001-4"],
    );
    return commands;
  }

  #element(): Argument {
    const random = this.#random, kind = random.below(8);
    if (kind < 3) return random.below(2 ** (1 + random.below(31))) - 1000;
    if (kind === 3) return `${random.nextU32()}${random.nextU32()}`.slice(0, 18);
    return "abcdefgh".repeat(8).slice(0, random.below(kind === 7 ? 65 : 20)) + random.below(1000);
  }

  #score(i: number): Argument {
    return [i, -i / 8, "inf", "-inf", 1e20, i * 1.1][this.#random.below(6)];
  }
}

async function send(client: RespClient, commands: readonly Argument[][]): Promise<void> {
  const failed = (await client.pipeline(commands)).find((reply) => reply instanceof RespError);
  if (failed !== undefined) throw failed;
}

interface Content {
  readonly digest: Reply;
  /** By key: encoding, and DUMP where the order of the elements is fixed. */
  readonly keys: Map<string, readonly [encoding: string, dump: Uint8Array | null]>;
}

async function contentOf(server: ServerProcess): Promise<Content> {
  await using client = await server.connect();
  await using binary = await server.connect({ bulk: "bytes" });
  const names = (await client.command("KEYS", "*") as string[]).sort();
  const encodings = await client.pipeline(names.map((name) => ["OBJECT", "ENCODING", name])) as string[];
  const dumps = await binary.pipeline(names.map((name) => ["DUMP", name])) as Uint8Array[];
  const rows = names.map((name, i) =>
    [name, [encodings[i], UNORDERED.includes(encodings[i]) ? null : dumps[i]]] as const
  );
  return { digest: await client.command("DEBUG", "DIGEST"), keys: new Map(rows) };
}

function assertSame(actual: Content, expected: Content, what: string): void {
  assertEquals([...actual.keys.keys()], [...expected.keys.keys()], what);
  for (const [key, [encoding, dump]] of expected.keys) {
    const [actualEncoding, actualDump] = actual.keys.get(key)!;
    if (!STRINGS.includes(encoding)) assertEquals(actualEncoding, encoding, `${what}: ${key}`);
    assertEquals(actualDump, dump, `${what}: ${key}`);
  }
  assertEquals(actual.digest, expected.digest, what);
}

async function exchange(kind: ServerKind, { args, setup }: Variant, aof: boolean): Promise<void> {
  const all = [...DEBUG, ...args, ...(aof ? ["--appendonly", "yes", "--aof-use-rdb-preamble", "no"] : [])];
  await using writer = await ServerProcess.start(kind, { args: all });
  let expected: Content;
  {
    await using client = await writer.connect();
    await send(client, setup);
    await send(client, new Values().commands());
    expected = await contentOf(writer);
    await send(client, [[aof ? "BGREWRITEAOF" : "SAVE"]]);
    if (aof) await untilRewritten(client);
  }
  assert(expected.keys.size > 100);
  await writer.stop();
  await using reader = await writer.startAgain({ args: all }, kind === "ours" ? "redis" : "ours");
  const actual = await contentOf(reader);
  // As commands only the content comes back: what was one list may be cut into nodes at other places.
  if (aof) assertEquals(actual.digest, expected.digest);
  else assertSame(actual, expected, `seed ${SEED}, written by ${kind}`);
}

for (const kind of ["redis", "ours"] as const) {
  for (const variant of VARIANTS) {
    oracleTest(
      `encodings: a dump by ${kind} with ${variant.name} is loaded as it was`,
      () => exchange(kind, variant, false),
    );
  }
  oracleTest(`encodings: a log of commands by ${kind} gives the same content`, () => exchange(kind, VARIANTS[0], true));
}

oracleTest("encodings: both servers give every value the same encoding and the same DUMP", async () => {
  for (const { name, args, setup } of VARIANTS) {
    const contents: Content[] = [];
    for (const kind of ["redis", "ours"] as const) {
      await using server = await ServerProcess.start(kind, { args: [...DEBUG, ...args] });
      await using client = await server.connect();
      await send(client, setup);
      await send(client, new Values().commands());
      contents.push(await contentOf(server));
    }
    const [redis, ours] = contents;
    for (const [key, [encoding, dump]] of redis.keys) {
      const [ourEncoding, ourDump] = ours.keys.get(key)!;
      assertEquals(ourEncoding, encoding, `${name}: ${key}`);
      // Consumers' times are in a stream's bytes.
      if (!key.startsWith("stream:")) assertEquals(ourDump, dump, `${name}: ${key}`);
    }
  }
});
