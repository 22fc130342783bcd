/** The process of a snapshot on a real server: found as a child of the server and killed, as Redis's users and tests do it. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { type RespClient } from "../support/resp_client.ts";
import { type ServerProcess, withServer } from "../support/server_fixture.ts";

function childrenOf(pid: number): { pid: number; command: string }[] {
  const { stdout } = new Deno.Command("ps", { args: ["-o", "pid=,args=", "--ppid", String(pid)] }).outputSync();
  return new TextDecoder().decode(stdout).split("\n").filter((line) => line !== "").map((line) => {
    const [, child, command] = /^ *(\d+) (.*)$/.exec(line)!;
    return { pid: Number(child), command };
  });
}

/** Waits for the child of this name. */
async function childOf(server: ServerProcess, title: string): Promise<number> {
  for (;;) {
    const child = childrenOf(server.pid).find(({ command }) => command === `${title} 127.0.0.1:${server.port}`);
    if (child !== undefined) return child.pid;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

async function fieldOf(client: RespClient, field: string): Promise<string> {
  return new RegExp(`^${field}:(.*)\r$`, "m").exec(String(await client.command("INFO", "persistence")))![1];
}

async function untilField(client: RespClient, field: string, value: string): Promise<void> {
  while (await fieldOf(client, field) !== value) await new Promise((resolve) => setTimeout(resolve, 2));
}

Deno.test({
  name: "a process stands for a save and for a rewrite; killing it ends them and leaves no file; it goes when they end",
  ignore: Deno.build.os !== "linux",
  fn: () =>
    withServer("ours", { args: ["--appendonly", "yes"] }, async (server) => {
      await using client = await server.connect();
      await client.pipeline(Array.from({ length: 100 }, (_, i) => ["SET", `key:${i}`, "value"]));
      await client.command("CONFIG", "SET", "rdb-key-save-delay", "10000000");
      await client.command("BGSAVE");
      const saver = await childOf(server, "redis-rdb-bgsave");
      Deno.kill(saver, "SIGKILL");
      await untilField(client, "rdb_bgsave_in_progress", "0");
      assertEquals(await fieldOf(client, "rdb_last_bgsave_status"), "err");
      assertEquals([...Deno.readDirSync(server.dir)].map((entry) => entry.name), ["appendonlydir"]);
      await client.command("BGREWRITEAOF");
      Deno.kill(await childOf(server, "redis-aof-rewrite"), "SIGKILL");
      await untilField(client, "aof_last_bgrewrite_status", "err");
      await client.command("CONFIG", "SET", "rdb-key-save-delay", "0");
      await client.command("BGSAVE");
      await untilField(client, "rdb_last_bgsave_status", "ok");
      while (childrenOf(server.pid).length > 0) await new Promise((resolve) => setTimeout(resolve, 2));
      assertStringIncludes(server.log, "Background saving terminated by signal 9");
      assertStringIncludes(server.log, "Background AOF rewrite terminated by signal 9");
    }),
});
