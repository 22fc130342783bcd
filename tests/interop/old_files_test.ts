/** Files that old servers wrote (data/rdb) hold here what redis-server reads from them, and are refused where it refuses them. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { fileURLToPath } from "node:url";
import { commandFor, freePort } from "../support/server_process.ts";
import { oracleTest, type ServerKind, ServerProcess } from "../support/server_fixture.ts";

const FOLDER = fileURLToPath(new URL("../../data/rdb", import.meta.url));
const NEVER_LOADED = ["corrupt_ziplist.rdb"];
const DEBUG = ["--enable-debug-command", "yes"];

function filesThatEndIn(suffix: string): string[] {
  const names = [...Deno.readDirSync(FOLDER)].map((entry) => entry.name).filter((name) => name.endsWith(suffix));
  assert(names.length > 0, `no ${suffix} in ${FOLDER}`);
  return names.sort();
}

/** A directory that a server starts in with this file as its data. */
function directoryWith(name: string): string {
  const dir = Deno.makeTempDirSync({ prefix: "afterimage-test-" });
  Deno.copyFileSync(`${FOLDER}/${name}`, `${dir}/${name.endsWith(".aof") ? "appendonly.aof" : "dump.rdb"}`);
  return dir;
}

/** Digest, number of keys, and what is replied to whoever looks at each key. */
async function contentOf(kind: ServerKind, name: string, args: readonly string[]): Promise<unknown[]> {
  const dir = directoryWith(name);
  try {
    await using server = await ServerProcess.start(kind, { dir, args: [...DEBUG, ...args] });
    await using client = await server.connect();
    const keys = (await client.command("KEYS", "*") as string[]).sort();
    const looks = keys.flatMap((key) => [["TYPE", key], ["OBJECT", "ENCODING", key], ["TTL", key]]);
    return [await client.command("DEBUG", "DIGEST"), keys, await client.pipeline(looks)];
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

for (const name of filesThatEndIn(".rdb").filter((name) => !NEVER_LOADED.includes(name))) {
  oracleTest(`old files: ${name} holds what redis-server reads from it, sanitised or not`, async () => {
    for (const level of ["no", "yes"]) {
      const args = ["--sanitize-dump-payload", level];
      assertEquals(await contentOf("ours", name, args), await contentOf("redis", name, args));
    }
  });
}

for (const name of filesThatEndIn(".aof")) {
  oracleTest(`old files: ${name} is upgraded, and holds what redis-server reads from it`, async () => {
    const args = ["--appendonly", "yes"];
    assertEquals(await contentOf("ours", name, args), await contentOf("redis", name, args));
  });
}

for (const name of NEVER_LOADED) {
  oracleTest(`old files: ${name} is refused, as by redis-server, and left as it is`, async () => {
    for (const kind of ["ours", "redis"] as const) {
      const dir = directoryWith(name);
      const { code, stdout } = await commandFor(kind, freePort(), dir, []).output();
      assertEquals(code, 1);
      assertMatch(new TextDecoder().decode(stdout), /integrity check failed/);
      assertEquals(Deno.readFileSync(`${dir}/dump.rdb`), Deno.readFileSync(`${FOLDER}/${name}`));
      await Deno.remove(dir, { recursive: true });
    }
  });
}
