/**
 * The check program beside Redis's own: on files that redis-server wrote, and that were damaged in many ways, ours finds whatever
 * redis-check-rdb and redis-check-aof find; and redis-server loads what ours has repaired.
 */
import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import { Crc64 } from "../../src/base/crc64.ts";
import { COMMAND_BOOK } from "../../src/commands/spec/command_book.ts";
import { DiskStorage } from "../../src/io/disk_storage.ts";
import { Check, type Checked } from "../../src/persistence/check/check.ts";
import { writeRepair } from "../../src/persistence/check/repair.ts";
import { DATA_KEYS, dumpOfAllTypes } from "../../src/persistence/check/testing.ts";
import type { CheckReport } from "../../src/persistence/check/report.ts";
import { Prng } from "../../src/base/prng.ts";
import { mixedCommand } from "../support/mixed_dataset.ts";
import { inFolder, oracleTest, runTool, ServerProcess } from "../support/server_fixture.ts";

const PROGRAM = fileURLToPath(new URL("../../src/check.ts", import.meta.url));
const OLD_FILES = fileURLToPath(new URL("../../data/rdb", import.meta.url));
const SAMPLES = 60;
const storage = new DiskStorage(), prng = new Prng(5);
const check = new Check(storage, () => prng.nextU32(), COMMAND_BOOK);

/** What redis-server leaves behind: a dump, and a log of a base and an increment. */
async function redisFiles(folder: string): Promise<{ dump: string; log: string; manifest: string; increment: string }> {
  {
    await using server = await ServerProcess.start("redis", { dir: folder, args: ["--appendonly", "yes"] });
    await using client = await server.connect();
    await client.pipeline(Array.from({ length: 60 }, (_, n) => mixedCommand(n)));
    await client.command("BGREWRITEAOF");
    while (!/aof_rewrite_in_progress:0/.test(String(await client.command("INFO", "persistence")))) await delay(20);
    await client.pipeline(Array.from({ length: 60 }, (_, n) => mixedCommand(100 + n)));
    await client.pipeline([["MULTI"], ["SET", "a", 1], ["SET", "b", 2], ["EXEC"]]);
    await client.command("SAVE");
  }
  const log = `${folder}/appendonlydir`, names = storage.list(log);
  const named = (suffix: string) => `${log}/${names.find((name) => name.endsWith(suffix))}`;
  return { dump: `${folder}/dump.rdb`, log, manifest: named(".manifest"), increment: named(".incr.aof") };
}

const delay = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Damage of one kind or another: a flipped bit, some bytes, an end cut off, zeros at the end, bytes gone or doubled. */
function damaged(bytes: Uint8Array, round: number): Uint8Array {
  const at = prng.below(bytes.length), copy = bytes.slice();
  switch (round % 6) {
    case 0:
      copy[at] ^= 1 << prng.below(8);
      return copy;
    case 1:
      for (let i = at; i < Math.min(copy.length, at + 4); i++) copy[i] = prng.below(256);
      return copy;
    case 2:
      return copy.subarray(0, at);
    case 3:
      return copy.fill(0, at);
    case 4:
      return Uint8Array.from([...copy.subarray(0, at), ...copy.subarray(at + 1 + prng.below(20))]);
    default:
      return Uint8Array.from([...copy.subarray(0, at), ...copy.subarray(Math.max(0, at - 30))]);
  }
}

async function runCheck(...args: string[]): Promise<{ code: number; output: string }> {
  return await runTool(Deno.execPath(), ["run", "-A", "--no-check", PROGRAM, ...args]);
}

/** Keys of a redis-server that starts in this folder. */
async function keysAfterStart(folder: string, args: readonly string[]): Promise<number> {
  await using server = await ServerProcess.start("redis", { dir: folder, args: [...args] });
  await using client = await server.connect();
  return Number(await client.command("DBSIZE"));
}

Deno.test("check: the old files of many versions are sound, but for the one that never was", () => {
  const names = [...Deno.readDirSync(OLD_FILES)].map((entry) => entry.name).filter((name) => /\.(rdb|aof)$/.test(name));
  const bad = names.filter((name) => check.check(`${OLD_FILES}/${name}`).report.verdict !== "sound");
  assert(names.length > 5);
  assertEquals(bad, ["corrupt_ziplist.rdb"]);
});

oracleTest("check: of a dump whose writer was at fault only the keys are lost that nobody can load", async () => {
  await inFolder(async (folder) => {
    const bytes = await dumpOfAllTypes(),
      at = new TextDecoder("latin1").decode(bytes).indexOf("hashed"),
      crc = new Crc64();
    // The length of the value's element: beyond the end of its listpack.
    bytes[at - 1] = 0xbf;
    crc.update(bytes, 0, bytes.length - 8);
    crc.writeLittleEndian(bytes, bytes.length - 8);
    await Deno.writeFile(`${folder}/bad.rdb`, bytes);
    const checked = check.check(`${folder}/bad.rdb`), { loss, possible } = checked.report.repair;
    assertEquals([possible, loss.isAtLeast, loss.keys, loss.keyNames], ["yes", false, 1, ['"hash"']]);
    assertEquals(repair(checked, `${folder}/dump.rdb`).files[0].rdb!.keys, DATA_KEYS - 1);
    // DBSIZE is that of the first database.
    assertEquals(await keysAfterStart(folder, ["--sanitize-dump-payload", "yes"]), DATA_KEYS - 2);
  });
});

Deno.test("check: the program says what it found, as text and as JSON, and exits accordingly", async () => {
  await inFolder(async (folder) => {
    const sound = `${OLD_FILES}/zset-ziplist.rdb`, bytes = await Deno.readFile(sound), bad = `${folder}/bad.rdb`;
    bytes[60] ^= 4;
    await Deno.writeFile(bad, bytes);
    assertEquals(await runCheck(sound), {
      code: 0,
      output: `${sound}: sound\n\n` +
        "  zset-ziplist.rdb  sound     dump, 135 B, RDB version 10, 1 key, checksum matches\n",
    });
    const text = await runCheck(bad);
    assertEquals(text.code, 1);
    assertMatch(text.output, /^ {6}at offset 60: the byte is 0x.. and was 0x.. \(1 flipped bit\)$/m);
    assertMatch(text.output, /^A repair loses nothing: one byte gets its old value back\.$/m);
    const json = await runCheck(bad, "--json", "--repair", `${folder}/good.rdb`);
    const report = JSON.parse(json.output) as CheckReport;
    assertEquals([json.code, report.format, report.verdict], [1, "afterimage-check/1", "damaged"]);
    assertEquals([report.files[0].damage!.offsetBytes, report.files[0].damage!.was], [60, bytes[60] ^ 4]);
    assertEquals(report.repair.writtenTo, `${folder}/good.rdb`);
    assertEquals(await Deno.readFile(`${folder}/good.rdb`), await Deno.readFile(sound));
    for (
      const [args, why] of [
        [[`${folder}/none.rdb`], /there is no such file/],
        [[], /0 paths given, must be one/],
        [[sound, "--fix"], /Unknown option "--fix"/],
        [[sound, "--lossy"], /--lossy goes with --repair/],
        [[bad, "--repair", `${folder}/good.rdb`], /it exists: a repair writes a new copy only/],
      ] as const
    ) {
      const refused = await runCheck(...args);
      assertEquals(refused.code, 2);
      assertMatch(refused.output, why);
    }
  });
});

oracleTest("check: what redis-check-rdb finds in a damaged dump, ours finds too", async () => {
  await inFolder(async (folder) => {
    const { dump } = await redisFiles(folder), bytes = await Deno.readFile(dump), path = `${folder}/damaged.rdb`;
    assertEquals(check.check(dump).report.verdict, "sound");
    let theirs = 0;
    for (let round = 0; round < SAMPLES; round++) {
      await Deno.writeFile(path, damaged(bytes, round));
      const { code, output } = await runTool("redis-check-rdb", [path]), { verdict } = check.check(path).report;
      if (code !== 0) assertEquals(verdict, "damaged", `round ${round}: ${output}`), theirs++;
    }
    assert(theirs > SAMPLES / 3);
  });
});

oracleTest("check: what redis-check-aof finds in a damaged log, ours finds too", async () => {
  await inFolder(async (folder) => {
    const { log, manifest, increment } = await redisFiles(folder), bytes = await Deno.readFile(increment);
    assertEquals(check.check(log).report.verdict, "sound");
    let theirs = 0;
    for (let round = 0; round < SAMPLES; round++) {
      await Deno.writeFile(increment, damaged(bytes, round));
      const { code, output } = await runTool("redis-check-aof", [manifest]), { verdict } = check.check(log).report;
      if (code !== 0) assertEquals(verdict, "damaged", `round ${round}: ${output}`), theirs++;
    }
    assert(theirs > SAMPLES / 3);
  });
});

oracleTest("check: redis-server loads a dump that was repaired, with the keys that were promised", async () => {
  await inFolder(async (folder) => {
    const { dump } = await redisFiles(folder), bytes = await Deno.readFile(dump);
    for (let round = 0; round < 12; round++) {
      await Deno.writeFile(dump, damaged(bytes, round));
      const repaired = `${folder}/r${round}`, checked = check.check(dump);
      if (checked.plan === null) continue;
      await Deno.mkdir(repaired);
      const keys = repair(checked, `${repaired}/dump.rdb`).files[0].rdb!.keys;
      assertEquals(await keysAfterStart(repaired, []), keys);
      assertEquals((await runTool("redis-check-rdb", [`${repaired}/dump.rdb`])).code, 0);
    }
  });
});

oracleTest("check: redis-server loads a log that was repaired, and redis-check-aof agrees", async () => {
  await inFolder(async (folder) => {
    const { log, increment } = await redisFiles(folder), bytes = await Deno.readFile(increment);
    for (let round = 0; round < 12; round++) {
      await Deno.writeFile(increment, damaged(bytes, round));
      const repaired = `${folder}/r${round}`, checked = check.check(log);
      if (checked.plan === null) continue;
      await Deno.mkdir(repaired);
      const report = repair(checked, `${repaired}/appendonlydir`);
      const manifest = `${repaired}/appendonlydir/${report.files[0].name}`;
      assertEquals((await runTool("redis-check-aof", [manifest])).code, 0);
      assertNotEquals(await keysAfterStart(repaired, ["--appendonly", "yes", "--aof-load-truncated", "no"]), 0);
    }
  });
});

/** Repairs, and checks the copy. */
function repair({ plan }: Checked, target: string): CheckReport {
  writeRepair(storage, plan!, target);
  const { report } = check.check(target);
  assertEquals(report.verdict, "sound");
  return report;
}
