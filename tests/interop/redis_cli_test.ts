/** What people do with redis-cli: scan, find big keys, watch the latency, load in bulk; and what they type by hand. */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { encodeCommand, type RespClient } from "../support/resp_client.ts";
import { oracleTest, runTool, type ServerKind, type ServerProcess, withServer } from "../support/server_fixture.ts";

const KIND: ServerKind = "ours";

async function redisCli(server: ServerProcess, args: string[], input?: string): Promise<string> {
  const { code, output } = await runTool("redis-cli", ["-p", String(server.port), ...args], input);
  assertEquals(code, 0, output);
  return output;
}

async function setKeys(client: RespClient, prefix: string, count: number): Promise<void> {
  await client.pipeline(Array.from({ length: count }, (_, index) => ["SET", `${prefix}${index}`, "v"]));
}

oracleTest(
  "redis-cli --scan --pattern: every matching key, once, and no other",
  () =>
    withServer(KIND, {}, async (server) => {
      await using client = await server.connect();
      await setKeys(client, "user:", 3000);
      await setKeys(client, "session:", 3000);
      const output = await redisCli(server, ["--scan", "--pattern", "user:*"]);
      const expected = Array.from({ length: 3000 }, (_, index) => `user:${index}`);
      assertEquals(output.trim().split("\n").toSorted(), expected.toSorted());
    }),
);

oracleTest("redis-cli --bigkeys and --memkeys: name the biggest string", () =>
  withServer(KIND, {}, async (server) => {
    await using client = await server.connect();
    await setKeys(client, "small:", 500);
    await client.command("SET", "giant", "x".repeat(10_000));
    const bigKeys = await redisCli(server, ["--bigkeys"]);
    assertMatch(bigKeys, /Biggest string found .*"giant".* has 10000 bytes/);
    assertStringIncludes(bigKeys, "501 strings with 10500 bytes");
    assertMatch(await redisCli(server, ["--memkeys"]), /Biggest string found .*"giant".* has 1\d{4} bytes/);
  }));

oracleTest("redis-cli --latency: samples for a second and reports", () =>
  withServer(KIND, {}, async (server) => {
    assertMatch(await redisCli(server, ["--latency", "--raw", "-i", "1"]), /^\d+ \d+ \d+\.\d\d \d+\n$/);
  }));

oracleTest("redis-cli --pipe: every command is executed and counted", () =>
  withServer(KIND, {}, async (server) => {
    const decoder = new TextDecoder();
    let input = "";
    for (let key = 0; key < 20_000; key++) input += decoder.decode(encodeCommand(["SET", `piped:${key}`, key]));
    assertStringIncludes(await redisCli(server, ["--pipe"], input), "errors: 0, replies: 20000");
    await using client = await server.connect();
    assertEquals([await client.command("DBSIZE"), await client.command("GET", "piped:19999")], [20_000, "19999"]);
  }));

oracleTest(
  "redis-cli: replies read as redis-cli prints them, in RESP2 and RESP3",
  () =>
    withServer(KIND, {}, async (server) => {
      const session = "SET a 1\nINCR a\nGET nothing\nMGET a nothing\nGET\nTYPE a\n";
      const expected = await replyTexts(session);
      for (const protocol of ["-2", "-3"]) {
        assertEquals(await redisCli(server, ["--no-raw", protocol], "FLUSHALL\n" + session), expected, protocol);
      }
    }),
);

/** What redis-cli prints for the session against redis-server. */
async function replyTexts(session: string): Promise<string> {
  let text = "";
  await withServer("redis", {}, async (server) => {
    text = await redisCli(server, ["--no-raw"], "FLUSHALL\n" + session);
  });
  return text;
}

oracleTest(
  "redis-cli -x and -r: a value from standard input, a repeated command",
  () =>
    withServer(KIND, {}, async (server) => {
      assertEquals(await redisCli(server, ["-x", "SET", "from-stdin"], "line one\nline two"), "OK\n");
      assertEquals(await redisCli(server, ["GET", "from-stdin"]), "line one\nline two\n");
      assertEquals(await redisCli(server, ["-r", "3", "INCR", "n"]), "1\n2\n3\n");
    }),
);

Deno.test("inline commands: quoting, several in one packet, mixed with RESP, split at every byte", () =>
  withServer(KIND, {}, async (server) => {
    await using client = await server.connect();
    client.sendRaw(
      'SET k "a b\\x21"\r\nGET k\nPING\r\n*1\r\n$4\r\nPING\r\n  ECHO   \'single "quoted"\'  \r\n\r\nPING last\r\n',
    );
    const replies = [];
    for (let count = 0; count < 6; count++) replies.push(await client.readReply());
    assertEquals(replies, ["OK", "a b!", "PONG", "PONG", 'single "quoted"', "last"]);
    for (const byte of "SET split value\r\n*2\r\n$3\r\nGET\r\n$5\r\nsplit\r\n") {
      client.sendRaw(byte);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    assertEquals([await client.readReply(), await client.readReply()], ["OK", "value"]);
  }));

Deno.test("inline commands: unbalanced quotes get Redis's protocol error, and only that client is closed", () =>
  withServer(KIND, {}, async (server) => {
    await using bystander = await server.connect();
    await using client = await server.connect();
    client.sendRaw('SET k "open\r\n');
    assertEquals(String(await client.readReply()), "RespError: ERR Protocol error: unbalanced quotes in request");
    await client.closed;
    assertEquals(await bystander.command("PING"), "PONG");
  }));

Deno.test("HELLO 3: a map, RESP3 nulls and doubles of its own connection only; HELLO 2 goes back", () =>
  withServer(KIND, {}, async (server) => {
    await using resp3 = await server.connect();
    await using resp2 = await server.connect();
    const hello = await resp3.command("HELLO", 3, "SETNAME", "three");
    if (!(hello instanceof Map)) throw new Error(`HELLO 3 answered ${JSON.stringify(hello)}`);
    assertEquals([hello.get("server"), hello.get("proto"), hello.get("role")], ["redis", 3, "master"]);
    assertEquals(await resp3.command("GET", "missing"), null);
    assertEquals((await resp2.command("CONFIG", "GET", "appendonly")) instanceof Array, true);
    assertEquals((await resp3.command("CONFIG", "GET", "appendonly")) instanceof Map, true);
    assertEquals((await resp3.command("HELLO", 2)) instanceof Array, true);
  }));
