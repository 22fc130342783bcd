/** Files that old servers wrote (data/rdb) hold here what redis-server reads from them, and are refused where it refuses them. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { fileURLToPath } from "node:url";
import {
  hashOfZiplist,
  hashOfZipmap,
  listOfStrings,
  listOfZiplist,
  listOfZiplists,
  type OldEntry,
  rdbFile,
  sortedSetOfTexts,
  sortedSetOfZiplist,
} from "../support/legacy_writer.ts";
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

function golden(name: string): Uint8Array {
  return Deno.readFileSync(`${FOLDER}/${name}`);
}

/** A directory that a server starts in with this file as its data. */
function directoryWith(name: string, content: Uint8Array): string {
  const dir = Deno.makeTempDirSync({ prefix: "afterimage-test-" });
  Deno.writeFileSync(`${dir}/${name}`, content);
  return dir;
}

/** Digest, keys, and what is replied to whoever looks at each, of a server that has loaded the file. */
async function contentOf(kind: ServerKind, file: Uint8Array, args: readonly string[]): Promise<unknown[]> {
  const dir = directoryWith(args.includes("--appendonly") ? "appendonly.aof" : "dump.rdb", file);
  try {
    await using server = await ServerProcess.start(kind, { dir, args: [...DEBUG, ...args] });
    await using client = await server.connect();
    const keys = (await client.command("KEYS", "*") as string[]).sort();
    const looks = keys.flatMap((key) => [["TYPE", key], ["OBJECT", "ENCODING", key], ["EXPIRETIME", key]]);
    return [await client.command("DEBUG", "DIGEST"), keys, await client.pipeline(looks)];
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

for (const name of filesThatEndIn(".rdb").filter((name) => !NEVER_LOADED.includes(name))) {
  oracleTest(`old files: ${name} holds what redis-server reads from it, sanitised or not`, async () => {
    for (const level of ["no", "yes"]) {
      const args = ["--sanitize-dump-payload", level];
      assertEquals(await contentOf("ours", golden(name), args), await contentOf("redis", golden(name), args));
    }
  });
}

for (const name of filesThatEndIn(".aof")) {
  oracleTest(`old files: ${name} is upgraded, and holds what redis-server reads from it`, async () => {
    const args = ["--appendonly", "yes"];
    assertEquals(await contentOf("ours", golden(name), args), await contentOf("redis", golden(name), args));
  });
}

for (const name of NEVER_LOADED) {
  oracleTest(`old files: ${name} is refused, as by redis-server, and left as it is`, async () => {
    for (const kind of ["ours", "redis"] as const) {
      const dir = directoryWith("dump.rdb", golden(name));
      const { code, stdout } = await commandFor(kind, freePort(), dir, []).output();
      assertEquals(code, 1);
      assertMatch(new TextDecoder().decode(stdout), /integrity check failed/);
      assertEquals(Deno.readFileSync(`${dir}/dump.rdb`), golden(name));
      await Deno.remove(dir, { recursive: true });
    }
  });
}

const PAIRS = [["f", "v"], ["long", "x".repeat(300)], ["7", "-70000"]] as const;
const ELEMENTS = ["a", 1n, -70000n, "x".repeat(70), "12", 9223372036854775807n];
const OLD_ENTRIES: readonly OldEntry[] = [
  { key: "strings", payload: listOfStrings(["a", "1", "x".repeat(9000)]), expiresAtSeconds: 2_000_000_000 },
  { key: "ziplist", payload: listOfZiplist(ELEMENTS) },
  { key: "ziplists", payload: listOfZiplists([ELEMENTS, [], ["b"]]) },
  { key: "empty", payload: listOfZiplists([[], []]) },
  { key: "zipmap", payload: hashOfZipmap(PAIRS, 3), expiresAtSeconds: 1 },
  { key: "hash", payload: hashOfZipmap(PAIRS.slice(0, 1)) },
  { key: "hash of ziplist", payload: hashOfZiplist(ELEMENTS, true) },
  { key: "scores", payload: sortedSetOfTexts([["a", "1.5"], ["b", 254], ["c", 255], ["d", "-1e+300"]]) },
  { key: "zset", payload: sortedSetOfZiplist(["a", 1n, "b", "2.5", "c", "inf"]) },
];

for (let version = 1; version <= 10; version++) {
  oracleTest(
    `old files: of version ${version}, with every old encoding, hold what redis-server reads from them`,
    async () => {
      const file = rdbFile(version, OLD_ENTRIES), content = await contentOf("ours", file, []);
      assertEquals(content, await contentOf("redis", file, []));
      assertEquals((content[1] as string[]).length, OLD_ENTRIES.length - 2);
    },
  );
}

for (const version of [11, 12]) {
  oracleTest(`old files: not so old ones of version ${version} hold what those of version 10 hold`, async () => {
    const newer = await contentOf("ours", rdbFile(version, OLD_ENTRIES), []);
    assertEquals(newer, await contentOf("redis", rdbFile(10, OLD_ENTRIES), []));
  });
}
