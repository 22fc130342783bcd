import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { DiskStorage } from "../../io/disk_storage.ts";
import { MemoryStorage } from "../../io/memory_storage.ts";
import { readWhole, type Storage, StorageError, storageError } from "../../io/storage.ts";
import { targetFault, writeRepair } from "./repair.ts";
import {
  BASE,
  bytesOf,
  change,
  DATA_KEYS,
  DIRECTORY,
  dumpOfAllTypes,
  incrementName,
  logDirectory,
  MANIFEST,
  openCheck,
  put,
} from "./testing.ts";

const FIRST = incrementName(1), LAST = incrementName(2);
const DUMP = `${DIRECTORY}/dump.rdb`, TARGET = "/repaired";

async function dumpIn(damage: (bytes: Uint8Array) => Uint8Array | void): Promise<MemoryStorage> {
  const storage = new MemoryStorage();
  storage.makeDirectory(DIRECTORY);
  put(storage, "dump.rdb", await dumpOfAllTypes());
  change(storage, "dump.rdb", damage);
  return storage;
}

/** Repairs the dump, and says how many keys the copy has; what was checked must stay as it is. */
function repairDump(storage: MemoryStorage): { keys: number; checksum: string; lost: number } {
  const check = openCheck(storage), before = readWhole(storage, DUMP), { plan, report } = check.check(DUMP);
  writeRepair(storage, plan!, `${TARGET}.rdb`);
  assertEquals(readWhole(storage, DUMP), before);
  assertEquals(storage.list("/").filter((name) => name.startsWith("repaired")), ["repaired.rdb"]);
  const again = check.check(`${TARGET}.rdb`).report;
  assertEquals(again.verdict, "sound");
  const { keys, checksum } = again.files[0].rdb!;
  return { keys, checksum, lost: report.repair.loss.keys };
}

/** The directory of a log on a real disk (directories are renamed), damaged. */
async function onDisk(
  damage: (storage: MemoryStorage) => void,
  use: (storage: Storage, path: string, target: string) => void,
): Promise<void> {
  const memory = await logDirectory(), root = Deno.makeTempDirSync({ prefix: "afterimage-test-" });
  damage(memory);
  try {
    Deno.mkdirSync(`${root}/log`);
    for (const name of memory.list(DIRECTORY)) Deno.writeFileSync(`${root}/log/${name}`, bytesOf(memory, name));
    use(new DiskStorage(), `${root}/log`, `${root}/copy`);
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
}

Deno.test("repair: a damaged byte of a dump gets its old value back, and the copy is what was written", async () => {
  const storage = await dumpIn((bytes) => void (bytes[200] ^= 0x10));
  assertEquals(repairDump(storage), { keys: DATA_KEYS, checksum: "matches", lost: 0 });
  assertEquals(readWhole(storage, `${TARGET}.rdb`), await dumpOfAllTypes());
});

Deno.test("repair: of a torn dump the keys before the end are kept, with an end and a checksum", async () => {
  const { keys, checksum, lost } = repairDump(await dumpIn((bytes) => bytes.subarray(0, 250)));
  assert(keys > 0 && keys < DATA_KEYS);
  assertEquals([checksum, lost > 0], ["matches", true]);
});

Deno.test("repair: a dump whose checksum differs for more than one byte is taken on trust, and that is lossy", async () => {
  const storage = await dumpIn((bytes) => {
    const at = new TextDecoder("latin1").decode(bytes).indexOf("some text");
    bytes[at] ^= 1, bytes[at + 2] ^= 1;
  });
  assertEquals(openCheck(storage).check(DUMP).report.repair.possible, "lossy");
  assertEquals(repairDump(storage), { keys: DATA_KEYS, checksum: "matches", lost: 0 });
});

Deno.test("repair: a copy is never written over anything, nor into what is repaired", async () => {
  const storage = await dumpIn((bytes) => void (bytes[200] ^= 1));
  storage.makeDirectory(TARGET);
  assertMatch(targetFault(storage, DUMP, TARGET), /it exists/);
  assertMatch(targetFault(storage, DIRECTORY, `${DIRECTORY}/copy`), /is in the directory/);
  assertMatch(targetFault(storage, DUMP, "/nowhere/copy"), /no directory/);
  assertEquals(targetFault(storage, DUMP, "/copy"), "");
});

Deno.test("repair: after any failing call nothing is left, and a failed sync is one", async () => {
  for (const operation of ["open", "write", "sync", "rename"] as const) {
    const storage = await dumpIn((bytes) => void (bytes[200] ^= 1)), { plan } = openCheck(storage).check(DUMP);
    storage.onOperation = (name, path) => {
      if (name === operation && path.startsWith(TARGET)) throw storageError(name, path, "EIO");
    };
    assertThrows(() => writeRepair(storage, plan!, TARGET), StorageError);
    assertEquals(storage.list("/").filter((name) => name.startsWith("repaired")), []);
  }
});

Deno.test("repair: of a log whose end is torn all files are copied, the last one up to its last whole block", async () => {
  const before = await logDirectory();
  await onDisk(
    (memory) => change(memory, LAST, (bytes) => bytes.subarray(0, bytes.length - 5)),
    (storage, path, target) => {
      const { plan } = openCheck(storage).check(path);
      writeRepair(storage, plan!, target);
      assertEquals(openCheck(storage).check(target).report.verdict, "sound");
      assertEquals(storage.list(target), [BASE, FIRST, LAST, MANIFEST].sort());
      for (const name of [BASE, FIRST, MANIFEST]) {
        assertEquals(readWhole(storage, `${target}/${name}`), bytesOf(before, name));
      }
      const whole = bytesOf(before, LAST), kept = readWhole(storage, `${target}/${LAST}`);
      assertEquals(kept, whole.subarray(0, kept.length));
      assert(kept.length > whole.length / 2 && kept.length < whole.length);
    },
  );
});

Deno.test("repair: of a log damaged in the middle what follows is left out, of its manifest too", async () => {
  await onDisk(
    (memory) => change(memory, FIRST, (bytes) => void bytes.fill(0x51, 200, 210)),
    (storage, path, target) => {
      const { plan, report } = openCheck(storage).check(path);
      assertEquals(report.repair.possible, "lossy");
      writeRepair(storage, plan!, target);
      const again = openCheck(storage).check(target).report;
      assertEquals([again.verdict, again.files.map(({ name }) => name)], ["sound", [MANIFEST, BASE, FIRST]]);
    },
  );
});

Deno.test("repair: a damaged manifest is put right", async () => {
  await onDisk(
    (memory) => change(memory, MANIFEST, (bytes) => void (bytes[8] ^= 4)),
    (storage, path, target) => {
      writeRepair(storage, openCheck(storage).check(path).plan!, target);
      assertEquals(openCheck(storage).check(target).report.verdict, "sound");
    },
  );
});
