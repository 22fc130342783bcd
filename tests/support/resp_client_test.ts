import { assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { ConnectionClosedError, encodeCommand, RequestBuffer, RespClient, RespError } from "./resp_client.ts";
import { oracleTest, runTool, withServer } from "./server_fixture.ts";
import { answersPing, freePort, ServerProcess, ServerStartError } from "./server_process.ts";

oracleTest(
  "RespClient: commands, pipelines, RESP3 and raw requests against redis-server",
  () =>
    withServer("redis", {}, async (server) => {
      await using client = await server.connect();
      assertEquals(await client.command("SET", "k", new Uint8Array([0x76])), "OK");
      assertEquals(await client.command("GET", "k"), "v");
      await assertRejects(() => client.command("LPUSH", "k", "x"), RespError, "WRONGTYPE");
      const replies = await client.pipeline([["INCR", "n"], ["LPUSH", "k", "x"], ["GET", "n"]]);
      assertEquals([replies[0], replies[2]], [1, "1"]);
      assertInstanceOf(replies[1], RespError);
      assertInstanceOf(await client.command("HELLO", 3), Map);
      client.sendRaw("PING inline\r\n");
      assertEquals(await client.readReply(), "inline");
    }),
);

oracleTest(
  "RespClient: a killed server rejects what is pending",
  () =>
    withServer("redis", { args: ["--enable-debug-command", "yes"] }, async (server) => {
      await using client = await server.connect();
      const pending = assertRejects(() => client.command("DEBUG", "SLEEP", "5"), ConnectionClosedError);
      await server.kill("SIGKILL");
      await pending;
      await client.closed;
    }),
);

oracleTest("ServerProcess: a server that refuses to start reports its log", async () => {
  await assertRejects(() => ServerProcess.start("redis", { args: ["--no-such", "1"] }), ServerStartError, "no-such");
});

oracleTest("ServerProcess: after stop, nobody listens and the log is complete", async () => {
  await using server = await ServerProcess.start("redis");
  assertEquals(await server.stop(), 0);
  assertEquals(await answersPing(server.port), false);
  assertEquals(server.log.includes("bye bye"), true);
});

Deno.test("answersPing: false where nobody listens", async () => assertEquals(await answersPing(freePort()), false));

oracleTest("runTool: passes input and returns the exit code", async () => {
  assertEquals((await runTool("cat", [], "abc")).output, "abc");
  assertEquals((await runTool("redis-check-rdb", ["/nonexistent"])).code, 1);
});

Deno.test("RespClient: connecting to a closed port rejects", async () => {
  await assertRejects(() => RespClient.connect({ port: freePort() }), Deno.errors.ConnectionRefused);
});

Deno.test("encodeCommand: lengths count bytes, whatever the kind of argument", () => {
  const encoded = new TextDecoder().decode(encodeCommand(["SET", "kéy", new Uint8Array([0x78, 0x0d]), 12n]));
  assertEquals(encoded, "*4\r\n$3\r\nSET\r\n$4\r\nkéy\r\n$2\r\nx\r\r\n$2\r\n12\r\n");
});

Deno.test("RequestBuffer: grows, and a taken buffer is not written again", () => {
  const requests = new RequestBuffer(8);
  requests.add(["PING", "x".repeat(100)]);
  const taken = requests.take();
  const copy = taken.slice();
  requests.add(["ECHO", "y".repeat(100)]);
  assertEquals(taken, copy);
  assertEquals(taken, encodeCommand(["PING", "x".repeat(100)]));
});
