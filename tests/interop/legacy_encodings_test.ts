/**
 * Values in the encodings of old servers, and damaged ones of all encodings, given to this server and to redis-server with RESTORE:
 * both take the same ones, and then hold the same.
 */

import { assert, assertEquals } from "@std/assert";
import { Prng } from "../../src/base/prng.ts";
import {
  type Element,
  hashOfZiplist,
  hashOfZipmap,
  listOfStrings,
  listOfZiplist,
  listOfZiplists,
  sortedSetOfTexts,
  sortedSetOfZiplist,
} from "../support/legacy_writer.ts";
import { type Argument, type Reply, RespClient, RespError } from "../support/resp_client.ts";
import { infoField } from "../support/info.ts";
import { oracleTest, ServerProcess } from "../support/server_fixture.ts";

const ARGS = ["--enable-debug-command", "yes", "--loglevel", "warning"];
const SEED = 0x01d;
const ROUNDS = 300;
const MUTATIONS = 6000;
const OLD_PAYLOADS = 20;
/** Around every change of encoding. */
const LENGTHS = [0, 1, 2, 20, 63, 64, 65, 253, 254, 255, 4095, 4096];
const INTEGERS = [0n, 12n, 13n, 127n, 128n, 4095n, 4096n, 32767n, 32768n, 8388607n, 8388608n, 2147483647n, 2147483648n];
const INTEGER_MAX = 9223372036854775807n;

/** This server and the oracle, asked the same. */
class Pair {
  readonly ours: RespClient;
  readonly redis: RespClient;
  readonly redisPort: number;

  constructor(ours: RespClient, redis: RespClient, redisPort: number) {
    this.ours = ours, this.redis = redis, this.redisPort = redisPort;
  }

  async ask(...command: Argument[]): Promise<[ours: Reply, redis: Reply]> {
    const [[ours], [redis]] = await Promise.all([this.ours.pipeline([command]), this.redis.pipeline([command])]);
    return [ours, redis];
  }

  async same(what: string, ...command: Argument[]): Promise<Reply> {
    const [ours, redis] = await this.ask(...command);
    assertEquals(text(ours), text(redis), `${what}: ${command[0]}`);
    return ours;
  }
}

function text(reply: Reply): unknown {
  return reply instanceof RespError ? reply.message : reply;
}

async function withPair(run: (pair: Pair) => Promise<void>): Promise<void> {
  await using ours = await ServerProcess.start("ours", { args: ARGS });
  await using redis = await ServerProcess.start("redis", { args: ARGS });
  await using ourClient = await ours.connect();
  await using redisClient = await redis.connect();
  const pair = new Pair(ourClient, redisClient, redis.port);
  await pair.same("setup", "DEBUG", "SET-SKIP-CHECKSUM-VALIDATION", 1);
  await run(pair);
}

class Draw {
  readonly random: Prng;

  constructor(seed: number) {
    this.random = new Prng(seed);
  }

  oneOf<T>(values: readonly T[]): T {
    return values[this.random.below(values.length)];
  }

  string(): string {
    const length = this.random.below(12) === 0 ? this.oneOf(LENGTHS) : this.random.below(24);
    return Array.from({ length }, () => String.fromCharCode(this.random.below(256))).join("");
  }

  element(): Element {
    if (this.random.below(2) === 0) return this.string();
    const value = this.random.below(20) === 0 ? INTEGER_MAX : this.oneOf(INTEGERS);
    return this.random.below(2) === 0 ? value : -value - BigInt(this.random.below(2));
  }

  score(): string {
    return this.oneOf([
      "0",
      "1.5",
      "-2.25",
      "1e+20",
      "-1.7976931348623157e+308",
      "inf",
      "-inf",
      "3.0000000000000001e-5",
    ]);
  }

  /** Different strings, sometimes enough for the large encoding. */
  names(): string[] {
    const count = this.random.below(10) === 0 ? 600 : 1 + this.random.below(12);
    return [...new Set(Array.from({ length: count }, (_, i) => this.string() + (i % 3 === 0 ? "" : i)))];
  }

  payload(): Uint8Array {
    const list = () => Array.from({ length: this.random.below(40) }, () => this.element());
    switch (this.random.below(7)) {
      case 0:
        return listOfZiplist(list());
      case 1:
        return listOfZiplists(Array.from({ length: this.random.below(5) }, list));
      case 2:
        return listOfStrings(list().map(String));
      case 3:
        return hashOfZiplist(this.names().flatMap((name) => [name, this.element()]), this.random.below(4) === 0);
      case 4:
        return hashOfZipmap(this.names().map((name) => [name, this.string()]), this.random.below(5));
      case 5:
        return sortedSetOfZiplist(this.names().flatMap((name) => [name, this.oneOf([this.score(), 5n, -70000n])]));
      default:
        return sortedSetOfTexts(this.names().map((name) => [name, this.oneOf([this.score(), 253, 254, 255, "7"])]));
    }
  }
}

async function assertSameValue(pair: Pair, what: string): Promise<void> {
  for (const command of [["TYPE", "k"], ["OBJECT", "ENCODING", "k"], ["DEBUG", "DIGEST-VALUE", "k"]]) {
    await pair.same(what, ...command);
  }
}

oracleTest("old encodings: RESTORE takes what redis-server takes, and holds the same", () =>
  withPair(async (pair) => {
    const draw = new Draw(SEED);
    for (let round = 0; round < ROUNDS; round++) {
      const what = `seed ${SEED}, round ${round}`;
      const reply = await pair.same(what, "RESTORE", "k", 0, draw.payload(), "REPLACE");
      if (reply === "OK") await assertSameValue(pair, what);
    }
  }));

/** One key of each compact encoding, made by redis-server, with what makes its payload interesting. */
const VALUES: readonly (readonly [key: string, ...commands: Argument[][]])[] = [
  ["list", ["RPUSH", "list", "a", 1, "x".repeat(70), -40000, 5000000000, "b"]],
  ["hash", ["HSET", "hash", "f", 1, "g", "two", "h", 300, "i", "x".repeat(60)]],
  ["set", ["SADD", "set", 1, 2, 3, 70000, -5]],
  ["zset", ["ZADD", "zset", 1, "a", 2.5, "b", "inf", "c", -7, "d"]],
  ["table", ["SADD", "table", "a", "b", "c", 1, 2, "x".repeat(65)]],
  [
    "stream",
    ["XADD", "stream", "1-1", "a", 1, "b", 2],
    ["XADD", "stream", "2-1", "a", 1, "b", 2],
    [
      "XADD",
      "stream",
      "2-2",
      "c",
      3,
    ],
    ["XDEL", "stream", "2-1"],
    ["XGROUP", "CREATE", "stream", "g", 0],
    [
      "XREADGROUP",
      "GROUP",
      "g",
      "Alice",
      "STREAMS",
      "stream",
      ">",
    ],
  ],
];

/** What may be done to a value that was taken: nobody may crash of it. */
const USES: readonly Argument[][] = [
  ["LRANGE", "k", 0, -1],
  ["LPOP", "k"],
  ["HGETALL", "k"],
  ["HSET", "k", "f", 2],
  ["SMEMBERS", "k"],
  ["SADD", "k", "new"],
  ["ZRANGE", "k", 0, -1, "WITHSCORES"],
  ["ZADD", "k", 3, "new"],
  ["XRANGE", "k", "-", "+"],
  ["XADD", "k", "*", "f", "v"],
  ["XINFO", "STREAM", "k", "FULL"],
  ["DUMP", "k"],
  ["COPY", "k", "l", "REPLACE"],
  ["DEL", "k", "l"],
];

/** Some byte of the value is another; the type stays, as this server knows some that redis-server 7.0 does not. */
function damaged(payload: Uint8Array, random: Prng): Uint8Array {
  const copy = payload.slice();
  for (let changes = random.below(10) === 0 ? 2 : 1; changes > 0; changes--) {
    copy[1 + random.below(copy.length - 11)] = random.below(256);
  }
  return copy;
}

/** The payload of each of VALUES, as redis-server writes it, and old ones. */
async function payloadsOf(redisPort: number): Promise<Uint8Array[]> {
  await using client = await RespClient.connect({ port: redisPort, bulk: "bytes" });
  for (const [, ...commands] of VALUES) await client.pipeline(commands);
  const draw = new Draw(SEED), old = Array.from({ length: OLD_PAYLOADS }, () => draw.payload());
  return [...await client.pipeline(VALUES.map(([key]) => ["DUMP", key])) as Uint8Array[], ...old];
}

oracleTest(
  "damaged payloads: sanitised, none is taken that redis-server refuses, and what both take is the same",
  () =>
    withPair(async (pair) => {
      const random = new Prng(SEED), payloads = await payloadsOf(pair.redisPort);
      await pair.same("setup", "CONFIG", "SET", "sanitize-dump-payload", "yes");
      let taken = 0, onlyRedis = 0;
      for (let i = 0; i < MUTATIONS; i++) {
        const payload = damaged(payloads[i % payloads.length], random);
        const what = `seed ${SEED}, mutation ${i}: ${payload}`;
        const [ours, redis] = await pair.ask("RESTORE", "k", 0, payload, "REPLACE");
        if (ours === "OK") assertEquals(redis, "OK", what);
        else if (redis === "OK") onlyRedis++;
        if (ours !== "OK") continue;
        taken++;
        await assertSameValue(pair, what);
        await pair.ours.pipeline(USES);
      }
      assert(taken > MUTATIONS / 20, `only ${taken} of ${MUTATIONS} were taken`);
      // Scores that are no numbers, counts that contradict each other, bytes left over: redis-server takes what nobody wrote.
      assert(onlyRedis < MUTATIONS / 15, `${onlyRedis} were refused that redis-server takes`);
    }),
);

/** Tries `count` payloads and uses each that is taken; returns the bytes that are in use when all is gone again. */
async function tryAll(client: RespClient, payload: (i: number) => Uint8Array, count: number): Promise<unknown> {
  for (let i = 0; i < count; i++) await client.pipeline([["RESTORE", "k", 0, payload(i), "REPLACE"], ...USES]);
  assertEquals(await client.command("DBSIZE"), 0);
  return await infoField(client, "memory", "allocator_allocated");
}

oracleTest(
  "damaged payloads: not sanitised, those that are taken can be used, and nothing is left of any",
  () =>
    withPair(async ({ ours, redisPort }) => {
      const random = new Prng(SEED), draw = new Draw(SEED), payloads = await payloadsOf(redisPort);
      for (let i = 0; i < 30; i++) payloads.push(draw.payload());
      for (const entries of [128, 4]) {
        const limits = ["hash-max-listpack-entries", "zset-max-listpack-entries", "set-max-intset-entries"];
        await ours.command("CONFIG", "SET", ...limits.flatMap((name) => [name, entries]));
        const before = await tryAll(ours, (i) => payloads[i], payloads.length);
        const after = await tryAll(ours, (i) => damaged(payloads[i % payloads.length], random), MUTATIONS);
        assertEquals(after, before);
      }
    }),
);
