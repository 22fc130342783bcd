/** MIGRATE moves keys between this server and redis-server, both ways, and holds up nobody but the client that asked. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { infoField } from "../support/info.ts";
import { type RespClient, RespError } from "../support/resp_client.ts";
import { oracleTest, type ServerKind, ServerProcess } from "../support/server_fixture.ts";

const ARGS = ["--enable-debug-command", "yes", "--loglevel", "warning"];
const HOST = "127.0.0.1";

interface Ends {
  readonly source: RespClient;
  readonly target: RespClient;
  readonly sourceServer: ServerProcess;
  readonly targetServer: ServerProcess;
}

async function withEnds(
  sourceKind: ServerKind,
  sourceArgs: string[],
  run: (ends: Ends) => Promise<void>,
): Promise<void> {
  const targetKind = sourceKind === "ours" ? "redis" : "ours";
  await using sourceServer = await ServerProcess.start(sourceKind, { args: [...ARGS, ...sourceArgs] });
  await using targetServer = await ServerProcess.start(targetKind, { args: ARGS });
  await using source = await sourceServer.connect();
  await using target = await targetServer.connect();
  await run({ source, target, sourceServer, targetServer });
}

async function fill(client: RespClient): Promise<string[]> {
  await client.pipeline([
    ["SET", "text", "Hello World"],
    ["SET", "number", 12345],
    ["SET", "large", "abc".repeat(300_000)],
    ["SET", "volatile", "v", "PX", 1_000_000],
    ["SET", "binary\r\n\0key", new Uint8Array([0, 13, 10, 255])],
    ["HSET", "hash", "f", "v", "g", 1],
    ["SADD", "set", 1, 2, 3],
  ]);
  return await client.command("KEYS", "*") as string[];
}

for (const kind of ["ours", "redis"] as const) {
  oracleTest(
    `migrate: from ${kind}, with COPY and KEYS everything is on both ends, without it only on the other`,
    () =>
      withEnds(kind, [], async ({ source, target, targetServer }) => {
        const keys = await fill(source), to = [HOST, targetServer.port, "", 0, 5000] as const;
        const digest = await source.command("DEBUG", "DIGEST"),
          ttl = await source.command("PTTL", "volatile") as number;
        assertEquals(await source.command("MIGRATE", ...to, "COPY", "KEYS", ...keys, "missing"), "OK");
        const digests = [await source.command("DEBUG", "DIGEST"), await target.command("DEBUG", "DIGEST")];
        assertEquals(digests[0], digest);
        assertEquals(await source.command("DBSIZE"), keys.length);
        await assertRejects(() => source.command("MIGRATE", ...to, "KEYS", ...keys), RespError, "BUSYKEY");
        assertEquals(await source.command("MIGRATE", ...to, "REPLACE", "KEYS", ...keys), "OK");
        assertEquals([await source.command("DBSIZE"), await target.command("DBSIZE")], [0, keys.length]);
        assert(Math.abs(await target.command("PTTL", "volatile") as number - ttl) < 5000);
        assertEquals(await source.command("MIGRATE", ...to, "KEYS", ...keys), "NOKEY");
        await target.command("PERSIST", "volatile"), await fill(source);
        await source.command("PERSIST", "volatile");
        assertEquals(await source.command("DEBUG", "DIGEST"), await target.command("DEBUG", "DIGEST"));
      }),
  );
}

oracleTest(
  "migrate: a target's password, its other databases, and its errors",
  () =>
    withEnds("ours", [], async ({ source, target, targetServer }) => {
      const migrate = (db: number, ...rest: string[]) =>
        source.command("MIGRATE", HOST, targetServer.port, "k", db, 5000, ...rest);
      await source.command("SET", "k", "v");
      await target.command("CONFIG", "SET", "requirepass", "secret");
      await assertRejects(() => migrate(2), RespError, "Target instance replied with error: NOAUTH");
      await assertRejects(() => migrate(2, "AUTH", "wrong"), RespError, "replied with error: WRONGPASS");
      assertEquals(await migrate(2, "COPY", "AUTH2", "default", "secret"), "OK");
      await assertRejects(
        () => migrate(99, "AUTH", "secret"),
        RespError,
        "replied with error: ERR DB index is out of range",
      );
      assertEquals(await source.command("EXISTS", "k"), 1);
      assertEquals(await migrate(3, "AUTH", "secret"), "OK");
      await target.command("AUTH", "secret");
      for (const db of [2, 3]) {
        await target.command("SELECT", db);
        assertEquals(await target.command("GET", "k"), "v");
      }
      assertEquals(await infoField(source, "stats", "migrate_cached_sockets"), "1");
    }),
);

oracleTest(
  "migrate: a kept connection that has died is opened anew",
  () =>
    withEnds("ours", [], async ({ source, targetServer }) => {
      const migrate = () => source.command("MIGRATE", HOST, targetServer.port, "k", 0, 5000, "REPLACE");
      await source.command("SET", "k", 1), assertEquals(await migrate(), "OK");
      await targetServer.stop();
      await source.command("SET", "k", 2);
      await assertRejects(migrate, RespError, "IOERR error or timeout connecting to the client");
      await using again = await targetServer.startAgain();
      assertEquals(await migrate(), "OK");
      await using client = await again.connect();
      assertEquals(await client.command("GET", "k"), "2");
    }),
);

oracleTest(
  "migrate: others are served while a slow target is waited for, and what they write stays",
  () =>
    withEnds("ours", [], async ({ source, sourceServer, target, targetServer }) => {
      await using other = await sourceServer.connect();
      const migrate = (timeoutMs: number) =>
        source.command("MIGRATE", HOST, targetServer.port, "k", 0, timeoutMs, "REPLACE");
      await source.command("SET", "k", "before");
      const asleep = target.command("DEBUG", "SLEEP", 1);
      await assertRejects(() => migrate(100), RespError, "IOERR error or timeout reading to target instance");
      assertEquals(await source.command("GET", "k"), "before");
      const migrated = assertRejects(() => migrate(10_000), RespError, "was written while it was migrated");
      // The target is asleep: the key is under way.
      await new Promise((resolve) => setTimeout(resolve, 100));
      assertEquals(await other.command("SET", "k", "meanwhile"), "OK");
      await migrated, await asleep;
      assertEquals([await source.command("GET", "k"), await target.command("GET", "k")], ["meanwhile", "before"]);
      assertEquals(await migrate(10_000), "OK");
      assertEquals([await source.command("GET", "k"), await target.command("GET", "k")], [null, "meanwhile"]);
    }),
);

oracleTest(
  "migrate: the log says DEL, of the keys that have gone",
  () =>
    withEnds("ours", ["--appendonly", "yes"], async ({ source, sourceServer, target, targetServer }) => {
      await target.command("SET", "busy", "here");
      await source.pipeline([["SET", "gone", 1], ["SET", "busy", 2], ["SET", "stays", 3]]);
      const migrated = source.command("MIGRATE", HOST, targetServer.port, "", 0, 5000, "KEYS", "gone", "busy");
      await assertRejects(() => migrated, RespError, "BUSYKEY");
      await sourceServer.kill("SIGKILL");
      await using again = await sourceServer.startAgain();
      await using client = await again.connect();
      assertEquals((await client.command("KEYS", "*") as string[]).sort(), ["busy", "stays"]);
    }),
);

oracleTest(
  "migrate: wrong options are refused in redis-server's words, and inside a transaction it is refused",
  () =>
    withEnds("ours", [], async ({ source, target }) => {
      const wrong = [
        ["MIGRATE", HOST, 1, "k", 0, 1, "NOSUCH"],
        ["MIGRATE", HOST, 1, "k", 0, 1, "AUTH"],
        ["MIGRATE", HOST, 1, "k", 0, 1, "AUTH2", "user"],
        ["MIGRATE", HOST, 1, "k", 0, 1, "KEYS", "a"],
        ["MIGRATE", HOST, 1, "k", 0, "x"],
        ["MIGRATE", HOST, 1, "k", "x", 1],
        ["MIGRATE", HOST, 1, "k", 0],
        ["MIGRATE", HOST, 1, "nokey", 0, 1],
        ["MIGRATE", HOST, 1, "", 0, 1, "KEYS", "a", "b"],
      ];
      const replies = async (client: RespClient) => (await client.pipeline(wrong)).map(String);
      assertEquals(await replies(source), await replies(target));
      await source.command("SET", "k", 1);
      const [, , [result]] = await source.pipeline([["MULTI"], ["MIGRATE", HOST, 1, "k", 0, 1], [
        "EXEC",
      ]]) as RespError[][];
      assert(result instanceof RespError);
      assertEquals(await source.command("GET", "k"), "1");
    }),
);
