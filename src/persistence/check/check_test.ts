import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { MemoryStorage } from "../../io/memory_storage.ts";
import { AofManifest } from "../aof/aof_manifest.ts";
import { CheckError, type Damage, type FileReport } from "./report.ts";
import {
  BASE,
  bytesOf,
  change,
  commandBytes,
  DATA_KEYS,
  DIRECTORY,
  dumpOfAllTypes,
  incrementName,
  logDirectory,
  MANIFEST,
  openCheck,
  put,
  sealedLog,
  someBlocks,
  withEachBit,
  type Words,
} from "./testing.ts";

const FIRST = incrementName(1), LAST = incrementName(2);

/** A storage with one file in the directory, and a check of it. */
function oneFile(name: string, bytes: Uint8Array) {
  const storage = new MemoryStorage();
  storage.makeDirectory(DIRECTORY);
  put(storage, name, bytes);
  const check = openCheck(storage);
  return { storage, check: () => check.check(`${DIRECTORY}/${name}`) };
}

function damageIn(files: readonly FileReport[], name: string): Damage {
  const damage = files.find((file) => file.name === name)?.damage;
  assert(damage, `${name} is damaged`);
  return damage;
}

Deno.test("check: a dump of every type is sound, and its keys are counted", async () => {
  const { report, plan } = oneFile("dump.rdb", await dumpOfAllTypes()).check();
  assertEquals([report.verdict, report.repair.possible, plan], ["sound", "not needed", null]);
  assertEquals(report.files[0].rdb, { version: 10, keys: DATA_KEYS, checksum: "matches" });
});

Deno.test("check: every flipped bit of a dump is named by its byte, and a repair puts it right", async () => {
  const bytes = await dumpOfAllTypes(), { storage, check } = oneFile("dump.rdb", bytes);
  withEachBit(bytes, (offsetBytes, was) => {
    put(storage, "dump.rdb", bytes);
    const { report, plan } = check(), damage = damageIn(report.files, "dump.rdb");
    assertEquals([damage.offsetBytes, damage.is, damage.was], [offsetBytes, bytes[offsetBytes], was]);
    assert(damage.inside !== "");
    assertEquals(plan, { kind: "file", from: `${DIRECTORY}/dump.rdb`, remedy: { kind: "restore", offsetBytes, was } });
  });
});

Deno.test("check: damage in a dump names the key it is in", async () => {
  const bytes = await dumpOfAllTypes(), { storage, check } = oneFile("dump.rdb", bytes);
  const insideAt = (text: string) => {
    const at = new TextDecoder("latin1").decode(bytes).indexOf(text), damaged = bytes.slice();
    damaged[at] ^= 1;
    put(storage, "dump.rdb", damaged);
    return damageIn(check().report.files, "dump.rdb").inside;
  };
  assertEquals(insideAt("some text"), 'string at key "text" in database 0');
  assertEquals(insideAt("hashed"), 'hash (listpack) at key "hash" in database 0');
  assertEquals(insideAt("elsewhere"), 'string at key "elsewhere" in database 3');
  assertEquals(insideAt("redis-ver"), "an auxiliary field");
  assertEquals(insideAt("REDIS"), "the header");
  bytes[bytes.length - 1] ^= 1;
  put(storage, "dump.rdb", bytes);
  assertEquals(damageIn(check().report.files, "dump.rdb").inside, "the checksum");
});

Deno.test("check: a dump that ends anywhere is torn, and what a repair keeps is whole", async () => {
  const bytes = await dumpOfAllTypes(), { storage, check } = oneFile("dump.rdb", bytes);
  for (let length = 0; length < bytes.length; length++) {
    for (const zeros of [0, 20]) {
      const torn = new Uint8Array(length + zeros);
      torn.set(bytes.subarray(0, length));
      put(storage, "dump.rdb", torn);
      const { report, plan } = check(), file = report.files[0];
      assertEquals(report.verdict, "damaged");
      // Zeros in the place of one byte are that byte, damaged.
      if (length > 9 && file.damage!.was === null) assertEquals(file.damage!.kind, "torn");
      if (plan === null) assertEquals(file.rdb!.keys, 0);
      else if (plan.kind === "file" && plan.remedy.kind === "cut") {
        assert(plan.remedy.atBytes <= length);
      }
      // What is announced is known: two databases, each with its keys.
      if (file.rdb!.keys > 0 && file.rdb!.keys < DATA_KEYS - 1) {
        assertEquals(report.repair.loss.keys, DATA_KEYS - 1 - file.rdb!.keys);
      }
    }
  }
});

Deno.test("check: a dump with two damaged bytes is never sound, and no byte is made up", async () => {
  const bytes = await dumpOfAllTypes(), { storage, check } = oneFile("dump.rdb", bytes);
  for (let at = 0; at + 40 < bytes.length; at++) {
    const damaged = bytes.slice();
    damaged[at] ^= 0x41, damaged[at + 37] ^= 3;
    put(storage, "dump.rdb", damaged);
    const { report } = check();
    assertEquals([report.verdict, report.files[0].damage!.was], ["damaged", null]);
  }
});

Deno.test("check: a key that comes twice is damage", async () => {
  const bytes = await dumpOfAllTypes(), text = new TextDecoder("latin1").decode(bytes);
  const start = text.indexOf("\x00\x04text"), end = start + "\x00\x04text\x09some text".length;
  const twice = Uint8Array.from([...bytes.subarray(0, end), ...bytes.subarray(start, end), ...bytes.subarray(end)]);
  const { report } = oneFile("dump.rdb", twice).check();
  assertMatch(report.files[0].damage!.reason, /duplicated key 'text'/);
});

Deno.test("check: a log without seals is read command by command, and ends before the one that is not whole", () => {
  const commands: Words[] = [["SELECT", 0], ["SET", "a", 1], ["RPUSH", "b", 1, 2], ["SET", "key", "x".repeat(50)]];
  const bytes = commandBytes(commands), start = commandBytes(commands.slice(0, 3)).length;
  const { report, plan } = oneFile("appendonly.aof", bytes.subarray(0, bytes.length - 10)).check();
  const damage = damageIn(report.files, "appendonly.aof");
  assertEquals([damage.kind, damage.offsetBytes, damage.inside], ["torn", start, 'SET "key"']);
  assertEquals(report.repair.loss, {
    keys: 0,
    commands: 1,
    isAtLeast: false,
    keyNames: ['"key"'],
    hasMoreKeyNames: false,
  });
  assertEquals(plan, {
    kind: "file",
    from: `${DIRECTORY}/appendonly.aof`,
    remedy: { kind: "cut", atBytes: start, end: "nothing" },
  });
});

Deno.test("check: in a log without seals what no server runs is damage, and what follows is lost", () => {
  const before: Words[] = [["SELECT", 0], ["SET", "a", 1]], start = commandBytes(before).length;
  const cases: readonly (readonly [Words[], RegExp, number])[] = [
    [[["SEX", "a", 1]], /no such command/, 3],
    [[["SET", "a"]], /SET cannot have 1 arguments/, 3],
    [[["XGROUP", "CREATE", "a"]], /XGROUP CREATE cannot have 2 arguments/, 3],
    [[["EXEC"]], /EXEC without MULTI/, 2],
  ];
  for (const [wrong, reason, lost] of cases) {
    const bytes = commandBytes([...before, ...wrong, ["SET", "b", 1], ["INCR", "c"]]);
    const { report } = oneFile("appendonly.aof", bytes).check(), damage = damageIn(report.files, "appendonly.aof");
    assertEquals(damage.offsetBytes, start);
    assertMatch(damage.reason, reason);
    assertEquals(report.files[0].commands!.count, 2);
    assertEquals(report.repair.loss.commands, lost);
    assert(report.repair.loss.keyNames.includes('"c"'));
  }
});

Deno.test("check: an RDB with commands behind it is one file of both", async () => {
  const dump = await dumpOfAllTypes(), commands = commandBytes([["SELECT", 0], ["SET", "a", 1], ["INCR", "b"]]);
  const both = new Uint8Array(dump.length + commands.length);
  both.set(dump), both.set(commands, dump.length);
  const { storage, check } = oneFile("appendonly.aof", both);
  const sound = check().report.files[0];
  assertEquals([sound.verdict, sound.rdb!.keys, sound.commands!.count], ["sound", DATA_KEYS, 3]);
  put(storage, "appendonly.aof", both.subarray(0, both.length - 3));
  const { repair } = check().report;
  assertEquals([repair.possible, repair.loss.commands, repair.loss.keyNames], ["yes", 1, []]);
  put(storage, "appendonly.aof", both.subarray(0, dump.length - 30));
  assertEquals(check().report.repair.possible, "yes");
  both[new TextDecoder("latin1").decode(both).indexOf("some text")] ^= 1;
  put(storage, "appendonly.aof", both);
  assertEquals(damageIn(check().report.files, "appendonly.aof").inside, 'string at key "text" in database 0');
});

Deno.test("check: a transaction that is not whole goes as a whole", () => {
  const before: Words[] = [["SET", "a", 1]], start = commandBytes(before).length;
  const { report } = oneFile("a.aof", commandBytes([...before, ["MULTI"], ["INCR", "b"], ["INCR", "c"]])).check();
  assertEquals([damageIn(report.files, "a.aof").kind, damageIn(report.files, "a.aof").fromBytes], ["torn", start]);
  assertEquals([report.repair.loss.commands, report.repair.loss.keyNames], [2, ['"b"', '"c"']]);
});

Deno.test("check: every flipped bit of a log with seals is named by its byte, and a repair puts it right", async () => {
  const storage = await logDirectory(), check = openCheck(storage);
  for (const name of [FIRST, LAST]) {
    const bytes = bytesOf(storage, name);
    withEachBit(bytes, (offsetBytes, was) => {
      put(storage, name, bytes);
      const { report } = check.check(DIRECTORY), damage = damageIn(report.files, name);
      assertEquals([damage.offsetBytes, damage.was], [offsetBytes, was]);
      assertEquals([report.repair.possible, report.repair.loss.commands], ["yes", 0]);
    });
    put(storage, name, bytes);
  }
});

Deno.test("check: every flipped bit of a log file with seals that is checked by itself is found", () => {
  const bytes = sealedLog(FIRST, someBlocks(2)), { storage, check } = oneFile(FIRST, bytes);
  withEachBit(bytes, (offsetBytes, was) => {
    put(storage, FIRST, bytes);
    const damage = damageIn(check().report.files, FIRST);
    assertEquals([damage.offsetBytes, damage.was], [offsetBytes, was]);
  });
});

Deno.test("check: every flipped bit of a manifest is named by its byte, and a repair puts it right", async () => {
  const storage = await logDirectory(), check = openCheck(storage), bytes = bytesOf(storage, MANIFEST);
  const text = new TextDecoder().decode(bytes);
  withEachBit(bytes, (offsetBytes, was) => {
    put(storage, MANIFEST, bytes);
    const { report, plan } = check.check(DIRECTORY), damage = damageIn(report.files, MANIFEST);
    assertEquals([damage.offsetBytes, damage.was], [offsetBytes, was]);
    assertEquals(plan?.kind === "directory" && plan.manifestText, text);
  });
});

Deno.test("check: the torn end of the last increment is cut, that of one before it takes --lossy", async () => {
  for (const [name, possible, commands] of [[LAST, "yes", 3], [FIRST, "lossy", 3 + 10]] as const) {
    for (const cut of [1, 40, 63, 64, 80]) {
      const storage = await logDirectory(), whole = bytesOf(storage, name).length;
      change(storage, name, (bytes) => bytes.subarray(0, whole - cut));
      const { report, plan } = openCheck(storage).check(DIRECTORY);
      assertEquals(report.repair.possible, possible);
      assertEquals(report.repair.loss.commands, commands);
      assertEquals(report.repair.loss.isAtLeast, false);
      assert(plan?.kind === "directory");
      assertEquals(plan.files.map((file) => file.name), name === LAST ? [BASE, FIRST, LAST] : [BASE, FIRST]);
      assertEquals(AofManifest.parse(plan.manifestText).files.length, plan.files.length);
    }
  }
});

Deno.test("check: damage that no single bit explains is named by its block, and all behind it is counted", async () => {
  const storage = await logDirectory(), start = sealedLog(FIRST, someBlocks(1)).length + 2;
  change(storage, FIRST, (bytes) => void bytes.fill(0x51, start + 30, start + 35));
  const { report } = openCheck(storage).check(DIRECTORY), damage = damageIn(report.files, FIRST);
  assertEquals([damage.kind, damage.offsetBytes, damage.was], ["damaged", start, null]);
  assertEquals(damage.inside, 'a block that starts with SET "key1:2"');
  assertEquals(report.repair.possible, "lossy");
  assertEquals(report.repair.loss.commands, 6 + 10);
  assert(report.repair.loss.isAtLeast);
});

Deno.test("check: a file that the manifest names and that is missing is damage, one that it does not name is none", async () => {
  const storage = await logDirectory();
  put(storage, "stray.aof", new Uint8Array(3));
  assertEquals(openCheck(storage).check(DIRECTORY).report.verdict, "sound");
  storage.remove(`${DIRECTORY}/${FIRST}`);
  const { report, plan } = openCheck(storage).check(DIRECTORY);
  assertEquals(report.files.map(({ name, verdict }) => [name, verdict]), [
    [MANIFEST, "sound"],
    [BASE, "sound"],
    [FIRST, "missing"],
    [LAST, "sound"],
    ["stray.aof", "not read"],
  ]);
  assertEquals([report.repair.possible, report.repair.loss.commands, report.repair.loss.isAtLeast], [
    "lossy",
    10,
    true,
  ]);
  assertEquals(plan?.kind === "directory" && plan.files.map(({ name }) => name), [BASE]);
});

Deno.test("check: without its base a log cannot be repaired", async () => {
  const storage = await logDirectory();
  storage.remove(`${DIRECTORY}/${BASE}`);
  const { report, plan } = openCheck(storage).check(DIRECTORY);
  assertEquals([report.verdict, report.repair.possible, plan], ["damaged", "no", null]);
});

Deno.test("check: a manifest of Redis, without a checksum, is judged by its lines", () => {
  const storage = new MemoryStorage();
  storage.makeDirectory(DIRECTORY);
  put(storage, "a.1.incr.aof", commandBytes([["SET", "a", 1]]));
  put(storage, "a.manifest", new TextEncoder().encode("file a.1.incr.aof seq 1 type i\n"));
  assertEquals(openCheck(storage).check(DIRECTORY).report.verdict, "sound");
  put(storage, "a.manifest", new TextEncoder().encode("file a.1.incr.aof seq 1 type i\nfile b seq x type i\n"));
  const { report } = openCheck(storage).check(`${DIRECTORY}/a.manifest`), damage = damageIn(report.files, "a.manifest");
  assertEquals([damage.offsetBytes, damage.inside], [31, 'line 2: "file b seq x type i"']);
  assertEquals(report.repair.possible, "no");
});

Deno.test("check: what is no data file has no verdict", () => {
  const storage = new MemoryStorage(), check = openCheck(storage);
  storage.makeDirectory(DIRECTORY);
  put(storage, "notes.txt", new TextEncoder().encode("hello"));
  assertThrows(() => check.check("/nowhere"), CheckError, "there is no such file");
  assertThrows(() => check.check(`${DIRECTORY}/notes.txt`), CheckError, "neither an RDB file nor a log");
  assertThrows(() => check.check(DIRECTORY), CheckError, "has no manifest");
});
