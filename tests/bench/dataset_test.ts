import { assertEquals } from "@std/assert";
import { oracleTest, withServer } from "../support/server_fixture.ts";
import { fillServer, ReplyLines } from "./dataset.ts";

Deno.test("ReplyLines: counts lines and errors however the stream is split", () => {
  const bytes = new TextEncoder().encode("+OK\r\n-ERR no\r\n+OK\r\n-OOM\r\n");
  for (let chunkBytes = 1; chunkBytes <= bytes.length; chunkBytes++) {
    const lines = new ReplyLines();
    for (let at = 0; at < bytes.length; at += chunkBytes) lines.add(bytes.subarray(at, at + chunkBytes));
    assertEquals([lines.count, lines.errors, lines.firstError], [4, 2, "-ERR no\r"]);
  }
});

oracleTest("fillServer: every key exists with its value's size", () =>
  withServer("redis", {}, async (server) => {
    await fillServer(server.port, { keys: 5000, valueBytes: 100 });
    await using client = await server.connect();
    assertEquals(await client.command("DBSIZE"), 5000);
    assertEquals(await client.command("STRLEN", "key:000000004999"), 100);
  }));
