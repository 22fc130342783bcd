/** The inspect program, run on files that redis-server wrote: a dump and a log, which it must not change. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fileURLToPath } from "node:url";
import { mixedCommand } from "../support/mixed_dataset.ts";
import { inFolder, oracleTest, runProgram, ServerProcess } from "../support/server_fixture.ts";

const PROGRAM = fileURLToPath(new URL("../../src/inspect.ts", import.meta.url));
const COMMANDS = 200;

function inspect(folder: string, ...args: string[]): Promise<{ code: number; out: string; err: string }> {
  return runProgram(folder, PROGRAM, args);
}

/** Names and contents of a directory's files. */
function contents(directory: string): Map<string, Uint8Array> {
  const names = [...Deno.readDirSync(directory)].map(({ name }) => name).sort();
  return new Map(names.map((name) => [name, Deno.readFileSync(`${directory}/${name}`)]));
}

oracleTest(
  "inspect: a log of Redis's leads to the keys of its dump, and no file is changed",
  () =>
    inFolder(async (folder) => {
      let keys = 0;
      {
        await using server = await ServerProcess.start("redis", { dir: folder, args: ["--appendonly", "yes"] });
        await using client = await server.connect();
        await client.pipeline(Array.from({ length: COMMANDS }, (_, n) => mixedCommand(n)));
        keys = Number(await client.command("DBSIZE"));
        await client.command("SAVE");
      }
      const log = `${folder}/appendonlydir`, before = contents(log);
      const ofLog = await inspect(folder, "appendonlydir", "--json"),
        ofDump = await inspect(folder, "dump.rdb", "--json");
      assertEquals([ofLog.code, ofDump.code], [0, 0], ofLog.err + ofDump.err);
      const [logged, dumped] = [JSON.parse(ofLog.out), JSON.parse(ofDump.out)];
      assertEquals([logged.keys, dumped.keys], [keys, keys]);
      assert(logged.log.commands >= COMMANDS && dumped.log === null);
      const diff = await inspect(folder, "dump.rdb", "--diff", "appendonlydir");
      assertEquals(diff.code, 0, diff.err);
      assertStringIncludes(diff.out, "The data sets are equal.");
      assertEquals(contents(log), before);
      assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), ["appendonlydir", "dump.rdb"]);
    }),
);

Deno.test("inspect: what makes no sense is said, with what there is, and changes nothing", () =>
  inFolder(async (folder) => {
    Deno.writeTextFileSync(`${folder}/dump.rdb`, "REDIS0010");
    const runs = [
      await inspect(folder),
      await inspect(folder, "missing.rdb"),
      await inspect(folder, "dump.rdb", "--falme", "x.html"),
      await inspect(folder, "dump.rdb", "--csv", "dump.rdb"),
      await inspect(folder, "dump.rdb", "--diff", "dump.rdb", "--csv", "x.csv"),
      await inspect(folder, "dump.rdb"),
      await inspect(folder, "dump.rdb", "--diff", "dump.rdb"),
    ];
    assertEquals(runs.map(({ code }) => code), [2, 2, 2, 2, 2, 1, 1]);
    assertStringIncludes(runs[2].err, 'Did you mean "--flame"?');
    assertStringIncludes(runs[3].err, "it exists");
    assertStringIncludes(runs[5].out, "DAMAGED at offset 9");
    assertEquals([...contents(folder).keys()], ["dump.rdb"]);
  }));
