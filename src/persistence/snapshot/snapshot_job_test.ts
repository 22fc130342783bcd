import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { ascii, latin1Decode, latin1Encode } from "../../base/bytes.ts";
import { Crc64 } from "../../base/crc64.ts";
import { Prng } from "../../base/prng.ts";
import { MemoryStorage } from "../../io/memory_storage.ts";
import { type FileHandle, readFully, storageError, type StorageOperation } from "../../io/storage.ts";
import type { Keyspace } from "../../keyspace/keyspace.ts";
import { CONTROL, FrozenMemory, NONE, SnapshotAbortedError, type SnapshotImage } from "../../memory/mod.ts";
import { digestOf, find, loadBytes, NOW_MS, openKeyspace, saveOptions, setText } from "../rdb/testing.ts";
import type { FileSum } from "../rdb/rdb_reader.ts";
import { InlineSnapshotChild } from "./inline_child.ts";
import { WorkerSnapshotChild } from "./snapshot_child.ts";
import {
  ControlBlockHost,
  type JobHost,
  runSnapshotJob,
  type SnapshotJob,
  type SnapshotResult,
} from "./snapshot_job.ts";

const PATH = "/d/temp.rdb", KEYS = 2000, FUTURE_MS = NOW_MS * 2;

function openStorage(): MemoryStorage {
  const storage = new MemoryStorage();
  storage.makeDirectory("/d");
  return storage;
}

function contentOf(storage: MemoryStorage): Uint8Array {
  const file = storage.open(PATH, "read"), bytes = new Uint8Array(storage.size(file));
  readFully(storage, file, 0, bytes);
  storage.close(file);
  return bytes;
}

function jobOf(keyspace: Keyspace, image: SnapshotImage | null, kind: "rdb" | "commands" = "rdb"): SnapshotJob {
  return {
    ...saveOptions(keyspace),
    kind,
    path: PATH,
    image,
    compress: true,
    checksum: true,
    fileId: null,
    keyDelayUs: 0,
  };
}

function finished(steps: Generator<void, SnapshotResult>): SnapshotResult {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

function randomValue(prng: Prng): string {
  const kind = prng.below(10);
  if (kind < 3) return String(prng.nextU32());
  return String.fromCharCode(97 + prng.below(26)).repeat(prng.below(kind < 8 ? 200 : 9000));
}

function fill(keyspace: Keyspace, prng: Prng): void {
  for (let i = 0; i < KEYS; i++) {
    setText(keyspace, i % 3, `key:${i}`, randomValue(prng), prng.below(3) === 0 ? FUTURE_MS : -1);
  }
}

/** One write of a random kind; now and then one that takes everything away or makes tables move. */
function mutate(keyspace: Keyspace, prng: Prng): void {
  const db = prng.below(3),
    database = keyspace.databases[db],
    key = `key:${prng.below(KEYS)}`,
    bytes = latin1Encode(key);
  const found = find(keyspace, db, key), kind = prng.below(100);
  if (kind < 40 || found === NONE) setText(keyspace, db, key, randomValue(prng));
  else if (kind < 50) keyspace.setExpiry(database, found, FUTURE_MS + 1);
  else if (kind < 60) keyspace.removeExpiry(database, found);
  else if (kind < 75) keyspace.remove(database, bytes, 0, bytes.length, false);
  else if (kind < 85) {
    const target = latin1Encode(`moved:${prng.below(50)}`);
    keyspace.moveValue(
      database,
      { bytes, offset: 0, length: bytes.length },
      keyspace.databases[prng.below(3)],
      { bytes: target, offset: 0, length: target.length },
    );
  } else if (kind < 90) keyspace.dict.rehash(database.dict, 100);
  else if (kind < 95) { for (let i = 0; i < 100; i++) setText(keyspace, db, `new:${prng.nextU32()}`, "v"); }
  else if (kind < 98) keyspace.swap(database, keyspace.databases[(db + 1) % 3]);
  else if (prng.below(20) === 0) keyspace.empty(database, prng.below(2) === 0);
  keyspace.lazyFree.finish();
}

/** Executes SELECT, SET and PEXPIREAT: the commands that a base of commands holds. */
function replay(keyspace: Keyspace, file: Uint8Array): void {
  const text = latin1Decode(file);
  let at = 0, db = 0;
  const number = (): number => {
    const end = text.indexOf("\r\n", at), value = Number(text.slice(at + 1, end));
    at = end + 2;
    return value;
  };
  while (at < text.length) {
    const words = Array.from({ length: number() }, () => {
      const length = number(), word = text.slice(at, at + length);
      at += length + 2;
      return word;
    });
    if (words[0] === "SELECT") db = Number(words[1]);
    else if (words[0] === "SET") setText(keyspace, db, words[1], words[2]);
    else {
      assertEquals(words[0], "PEXPIREAT");
      keyspace.setExpiry(keyspace.databases[db], find(keyspace, db, words[1]), Number(words[2]));
    }
  }
}

for (const pageBytes of [512, 4096, 65536]) {
  for (const kind of ["rdb", "commands"] as const) {
    Deno.test(`runSnapshotJob: ${kind} of a frozen image is the state at the freeze, page size ${pageBytes}`, () => {
      const prng = new Prng(pageBytes), keyspace = openKeyspace(pageBytes), storage = openStorage();
      fill(keyspace, prng);
      for (let round = 0; round < 3; round++) {
        const atFreeze = digestOf(keyspace), image = keyspace.memory.freeze(0), memory = new FrozenMemory(image);
        const host: JobHost = {
          keyWritten: () => mutate(keyspace, prng),
          sleepUs: () => {},
          checkUsable: () => memory.checkUsable(),
        };
        const result = finished(runSnapshotJob(jobOf(keyspace, image, kind), memory, storage, host));
        assert(result.ok, result.ok ? "" : result.error);
        assert(keyspace.memory.cow.pagesCopied > 50 || pageBytes > 4096, "writes really raced the job");
        keyspace.memory.endSnapshot();
        const loaded = openKeyspace(), file = contentOf(storage);
        assertEquals(result.writtenBytes, file.length);
        if (kind === "rdb") loadBytes(loaded, file);
        else replay(loaded, file);
        assertEquals(digestOf(loaded), atFreeze, `round ${round}`);
      }
    });
  }
}

Deno.test("runSnapshotJob: everything is written and synced before it reports; it renames nothing", () => {
  const keyspace = openKeyspace(), storage = openStorage(), operations: StorageOperation[] = [];
  fill(keyspace, new Prng(1));
  storage.onOperation = (operation) => void (operations.at(-1) !== operation && operations.push(operation));
  const host = { keyWritten: () => {}, sleepUs: () => {}, checkUsable: () => {} };
  const result = finished(runSnapshotJob(jobOf(keyspace, null), keyspace.memory, storage, host));
  assertEquals(operations, ["open", "write", "sync"]);
  assertEquals(result, { ok: true, writtenBytes: contentOf(storage).length, keys: KEYS });
});

for (const failing of ["open", "write", "sync"] as const) {
  Deno.test(`runSnapshotJob: when ${failing} fails the result says why and no file is left`, () => {
    const keyspace = openKeyspace(), storage = openStorage();
    fill(keyspace, new Prng(1));
    storage.onOperation = (operation, path) => {
      if (operation === failing) throw storageError(operation, path, "ENOSPC");
    };
    const host = { keyWritten: () => {}, sleepUs: () => {}, checkUsable: () => {} };
    const result = finished(runSnapshotJob(jobOf(keyspace, null), keyspace.memory, storage, host));
    assert(!result.ok && !result.aborted);
    assertStringIncludes(result.error, "No space left on device");
    assertEquals(storage.exists(PATH), false);
  });
}

Deno.test("runSnapshotJob: a budget that runs out fails the save, with its file removed, and no write", () => {
  const keyspace = openKeyspace(), storage = openStorage(), prng = new Prng(2);
  fill(keyspace, prng);
  const image = keyspace.memory.freeze(20 * 4096), child = new InlineSnapshotChild(storage);
  let result: SnapshotResult | null = null;
  child.start(jobOf(keyspace, image), (one) => void (result = one));
  for (let i = 0; i < KEYS; i++) setText(keyspace, i % 3, `key:${i}`, "written");
  while (child.step());
  assert(result !== null && !(result as SnapshotResult).ok);
  assertEquals([(result as { aborted: boolean }).aborted, storage.exists(PATH)], [true, false]);
  keyspace.memory.endSnapshot();
  assertEquals(find(keyspace, 0, "key:0") !== NONE, true);
});

Deno.test("InlineSnapshotChild: counts keys as it goes; cancelling ends the job, with its file removed", () => {
  const keyspace = openKeyspace(), storage = openStorage();
  fill(keyspace, new Prng(3));
  const image = keyspace.memory.freeze(0), control = new Int32Array(image.control);
  const child = new InlineSnapshotChild(storage), results: SnapshotResult[] = [];
  child.start(jobOf(keyspace, image), (result) => results.push(result));
  assertEquals(child.step(), true);
  const processed = control[CONTROL.keysProcessed];
  assert(processed > 0 && processed < KEYS, `${processed} keys after one step`);
  assert(storage.exists(PATH));
  child.cancel();
  while (child.step());
  assertEquals(results.map((result) => result.ok), [false]);
  assertEquals(storage.exists(PATH), false);
  assertEquals(child.step(), false);
  keyspace.memory.endSnapshot();
});

Deno.test("runSnapshotJob: rdb-key-save-delay waits after each key, or after every so many", () => {
  const keyspace = openKeyspace(), storage = openStorage();
  for (let i = 0; i < 100; i++) setText(keyspace, 0, `key:${i}`, "v");
  for (const [keyDelayUs, expected] of [[0, []], [250, Array(100).fill(250)], [-30, [1, 1, 1]]] as const) {
    const slept: number[] = [];
    const host = { keyWritten: () => {}, sleepUs: (us: number) => void slept.push(us), checkUsable: () => {} };
    finished(runSnapshotJob({ ...jobOf(keyspace, null), keyDelayUs }, keyspace.memory, storage, host));
    assertEquals(slept, expected);
  }
});

Deno.test("ControlBlockHost: a sleeping job that is cancelled ends at once", () => {
  const keyspace = openKeyspace();
  const image = keyspace.memory.freeze(0), memory = new FrozenMemory(image), control = new Int32Array(image.control);
  const host = new ControlBlockHost(image.control, () => memory.checkUsable());
  host.sleepUs(100);
  Atomics.store(control, CONTROL.cancel, 1);
  assertThrows(() => host.sleepUs(3_600_000_000), SnapshotAbortedError);
  keyspace.memory.endSnapshot();
});

Deno.test("runSnapshotJob: a write that the disk takes in parts loses nothing", () => {
  const keyspace = openKeyspace(), storage = openStorage(), whole = storage.write.bind(storage);
  fill(keyspace, new Prng(4));
  storage.write = (file: FileHandle, bytes: Uint8Array, start: number, end: number) =>
    whole(file, bytes, start, Math.min(end, start + 1000));
  const host = { keyWritten: () => {}, sleepUs: () => {}, checkUsable: () => {} };
  assert(finished(runSnapshotJob(jobOf(keyspace, null), keyspace.memory, storage, host)).ok);
  const loaded = openKeyspace();
  loadBytes(loaded, contentOf(storage));
  assertEquals(digestOf(loaded), digestOf(keyspace));
  assertEquals(latin1Decode(contentOf(storage), 0, 9), latin1Decode(ascii("REDIS0010")));
});

Deno.test("WorkerSnapshotChild.sumFile: the CRC of a file's start, whole or not; `failed` where the file is not there", async () => {
  const path = Deno.makeTempFileSync(), content = new Uint8Array(3 << 20), child = new WorkerSnapshotChild();
  new Prng(4).bytes(content);
  Deno.writeFileSync(path, content);
  try {
    for (const lengthBytes of [content.length, 700_001]) {
      const sum = child.sumFile(path, lengthBytes), expected = new Crc64();
      expected.update(content, 0, lengthBytes);
      const found = await arrived(sum);
      assert(found !== "failed");
      assertEquals([found.low, found.high], [expected.low, expected.high]);
    }
    assertEquals(await arrived(child.sumFile(`${path}.none`, 1)), "failed");
    const never = child.sumFile(path, content.length);
    child.terminate();
    assertEquals(never.crc, "failed");
  } finally {
    child.terminate();
    Deno.removeSync(path);
  }
});

async function arrived(sum: FileSum): Promise<Crc64 | "failed"> {
  while (sum.crc === null) await new Promise((resolve) => setTimeout(resolve, 1));
  return sum.crc;
}
