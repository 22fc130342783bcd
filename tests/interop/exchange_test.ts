/** Files cross between this server and redis-server in both directions, and both hold the same data afterwards. */

import { assertEquals, assertMatch } from "@std/assert";
import { untilRewritten } from "../support/info.ts";
import type { RespClient } from "../support/resp_client.ts";
import { oracleTest, runTool, type ServerKind, ServerProcess } from "../support/server_fixture.ts";
import { changeKeys, writeKeys } from "./exchange_dataset.ts";

const DEBUG = ["--enable-debug-command", "yes"];
const RDB_ONLY = [...DEBUG, "--appendonly", "no"];
const AOF = [...DEBUG, "--appendonly", "yes", "--appendfsync", "no", "--auto-aof-rewrite-percentage", "0"];
const MANIFEST = "appendonlydir/appendonly.aof.manifest";
const KEYS = 1_000_000;
const INCREMENTAL_KEYS = 50_000;

function other(kind: ServerKind): ServerKind {
  return kind === "ours" ? "redis" : "ours";
}

/** Fills `client`'s server so that its AOF has a base, an incremental file, and changes of every kind. */
async function fillThroughRewrite(client: RespClient, keys: number, incrementalKeys: number): Promise<void> {
  await writeKeys(client, 0, keys - incrementalKeys);
  await client.command("BGREWRITEAOF");
  await untilRewritten(client);
  await writeKeys(client, keys - incrementalKeys, keys);
  await changeKeys(client, 0, incrementalKeys);
}

async function digestOf(server: ServerProcess): Promise<[digest: unknown, keysOf0: unknown]> {
  await using client = await server.connect();
  return [await client.command("DEBUG", "DIGEST"), await client.command("DBSIZE")];
}

async function assertToolPasses(program: string, path: string): Promise<void> {
  const { code, output } = await runTool(program, [path]);
  assertEquals(code, 0, output);
  assertMatch(output, /looks OK|is valid|All AOF files and manifest are valid/);
}

async function exchange(writerKind: ServerKind, keys: number, incrementalKeys: number, args: string[]): Promise<void> {
  await using writer = await ServerProcess.start(writerKind, { args: [...AOF, ...args] });
  const expected = await fillAndSave(writer, keys, incrementalKeys);
  await writer.stop();
  await assertToolPasses("redis-check-rdb", `${writer.dir}/dump.rdb`);
  await assertToolPasses("redis-check-aof", `${writer.dir}/${MANIFEST}`);
  for (const readerArgs of [RDB_ONLY, AOF]) {
    await using reader = await ServerProcess.start(other(writerKind), { dir: writer.dir, args: readerArgs });
    assertEquals(await digestOf(reader), expected, `${other(writerKind)} with ${readerArgs.join(" ")}`);
  }
}

async function fillAndSave(server: ServerProcess, keys: number, incrementalKeys: number): Promise<unknown> {
  await using client = await server.connect();
  await fillThroughRewrite(client, keys, incrementalKeys);
  await client.command("SAVE");
  return await digestOf(server);
}

oracleTest(
  "exchange: redis-server loads our RDB and our AOF of 1,000,000 keys, and its tools pass them",
  () => exchange("ours", KEYS, INCREMENTAL_KEYS, []),
);

oracleTest(
  "exchange: we load redis-server's RDB and AOF of 1,000,000 keys",
  () => exchange("redis", KEYS, INCREMENTAL_KEYS, []),
);

for (const kind of ["ours", "redis"] as const) {
  oracleTest(
    `exchange: an AOF of commands only, with timestamps, written by ${kind}`,
    () => exchange(kind, 20_000, 5000, ["--aof-use-rdb-preamble", "no", "--aof-timestamp-enabled", "yes"]),
  );

  oracleTest(
    `exchange: an RDB without compression and checksum, written by ${kind}`,
    () => exchange(kind, 20_000, 5000, ["--rdbcompression", "no", "--rdbchecksum", "no"]),
  );
}

oracleTest("exchange: a directory that changes hands after every restart keeps its data", async () => {
  let server = await ServerProcess.start("ours", { args: AOF });
  for (let turn = 0; turn < 4; turn++) {
    await using client = await server.connect();
    await writeKeys(client, turn * 10_000, turn * 10_000 + 10_000);
    if (turn % 2 === 1) {
      await client.command("BGREWRITEAOF");
      await untilRewritten(client);
    }
    const expected = await digestOf(server);
    await server.stop();
    server = await server.startAgain({}, other(server.kind));
    assertEquals(await digestOf(server), expected, `turn ${turn}, loaded by ${server.kind}`);
  }
  await server.dispose();
});
