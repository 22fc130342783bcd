/** Function libraries of a file go through this server, which does not run them, into its own files, and back to redis-server. */

import { assertEquals } from "@std/assert";
import { untilRewritten } from "../support/info.ts";
import { type Argument, RespError } from "../support/resp_client.ts";
import { oracleTest, ServerProcess } from "../support/server_fixture.ts";

const LIBRARIES = ["one", "two"].map((name) =>
  `#!lua name=${name}\nredis.register_function('f_${name}', function() return '${name}' end)`
);

const AOF = ["--appendonly", "yes"];

async function write(server: ServerProcess, commands: Argument[][], toLog: boolean): Promise<void> {
  await using client = await server.connect();
  for (const reply of await client.pipeline([...commands, [toLog ? "BGREWRITEAOF" : "SAVE"]])) {
    if (reply instanceof RespError) throw reply;
  }
  if (toLog) await untilRewritten(client);
}

/** redis-server's files, loaded and written again here twice, loaded by redis-server: what its functions say. */
async function throughThisServer(args: readonly string[]): Promise<unknown> {
  let server = await ServerProcess.start("redis", { args });
  try {
    await write(server, LIBRARIES.map((code) => ["FUNCTION", "LOAD", code]), args.length > 0);
    for (const kind of ["ours", "ours", "redis"] as const) {
      await server.stop();
      server = await server.startAgain({}, kind);
      await write(server, [["FLUSHALL"], ["SET", "k", kind]], args.length > 0);
    }
    await using client = await server.connect();
    return await client.pipeline([["FCALL", "f_one", 0], ["FCALL", "f_two", 0]]);
  } finally {
    await server.dispose();
  }
}

oracleTest("functions: an RDB file keeps them", async () => {
  assertEquals(await throughThisServer([]), ["one", "two"]);
});

oracleTest("functions: the base of an AOF keeps them", async () => {
  assertEquals(await throughThisServer(AOF), ["one", "two"]);
});

oracleTest("functions: the base of an AOF keeps them as commands", async () => {
  assertEquals(await throughThisServer([...AOF, "--aof-use-rdb-preamble", "no"]), ["one", "two"]);
});
