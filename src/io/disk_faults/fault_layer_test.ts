import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ascii, latin1Decode } from "../../base/bytes.ts";
import { MemoryStorage } from "../memory_storage.ts";
import type { FaultRule } from "../simulated_disk/fault.ts";
import {
  readWhole,
  type Storage,
  StorageError,
  type StorageOperation,
  StorageSyncError,
  writeFully,
} from "../storage.ts";
import { FaultLayer } from "./fault_layer.ts";

interface Opened {
  storage: MemoryStorage;
  layer: FaultLayer;
  /** What the log was told, and for how long the layer let time pass. */
  told: string[];
  blockedMs: number[];
  waits: { ms: number; over: () => void }[];
}

function open(rules: FaultRule[] = [], capacityBytes?: number): Opened {
  const storage = new MemoryStorage(), told: string[] = [], blockedMs: number[] = [], waits: Opened["waits"] = [];
  storage.makeDirectory("/d");
  const layer = new FaultLayer(storage, {
    onFault: (text) => void told.push(text),
    block: (ms) => void blockedMs.push(ms),
    wait: (ms) => new Promise((over) => waits.push({ ms, over })),
  });
  if (rules.length > 0 || capacityBytes !== undefined) layer.start({ rules, capacityBytes });
  return { storage, layer, told, blockedMs, waits };
}

function put(storage: Storage, path: string, text: string): void {
  const file = storage.open(path, "append");
  writeFully(storage, file, ascii(text), 0, text.length);
  storage.close(file);
}

function textOf(storage: Storage, path: string): string {
  return latin1Decode(readWhole(storage, path));
}

function code(run: () => unknown): string {
  return assertThrows(run, StorageError).code;
}

const EIO = { kind: "error", code: "EIO" } as const;

Deno.test("FaultLayer: without a plan the storage has no method but its own; with one, and after it, open files go on", () => {
  const { storage, layer } = open(), own = () => Object.keys(storage).sort(), before = own();
  const file = storage.open("/d/f", "create");
  layer.start({ rules: [{ operation: "write", fault: EIO }] });
  assertEquals(code(() => storage.write(file, ascii("x"), 0, 1)), "EIO");
  layer.stop();
  assertEquals([own(), storage.write(file, ascii("x"), 0, 1), textOf(storage, "/d/f")], [before, 1, "x"]);
});

Deno.test("FaultLayer: each operation can fail, by its name and path; the others are as they were, and each fault is told", () => {
  const run: Partial<Record<StorageOperation, (storage: Storage) => unknown>> = {
    open: (storage) => storage.open("/d/f", "create"),
    list: (storage) => storage.list("/d"),
    stat: (storage) => storage.stat("/d/f"),
    exists: (storage) => storage.exists("/d/f"),
    syncDirectory: (storage) => storage.syncDirectory("/d"),
    rename: (storage) => storage.rename("/d/f", "/d/g"),
    link: (storage) => storage.link("/d/f", "/d/h"),
    remove: (storage) => storage.remove("/d/h"),
    makeDirectory: (storage) => storage.makeDirectory("/d/sub"),
  };
  for (const [operation, act] of Object.entries(run)) {
    const { storage, told } = open([{ operation: operation as StorageOperation, fault: EIO }]);
    const error = assertThrows(() => act(storage), StorageError);
    assertEquals([error.operation, error.code], [operation, "EIO"]);
    assertEquals(told.length, 1);
    // Once: the same call works now, as far as it can.
    put(storage, "/d/f", "x"), put(storage, "/d/h", "x");
    if (operation === "link") storage.remove("/d/h");
    act(storage);
  }
});

Deno.test("FaultLayer: a path is the whole path, its end from a slash on, or a pattern of that", () => {
  for (
    const [path, fails] of [
      ["/d/a.1.aof", true],
      ["a.1.aof", true],
      ["d/a.1.aof", true],
      ["1.aof", false],
      ["a.?.aof", true],
      [
        "*.aof",
        true,
      ],
      ["/d/*", true],
      ["*.rdb", false],
      ["/*", false],
      ["a.?", false],
      ["a+1*", false],
    ] as const
  ) {
    const { storage } = open([{ operation: "open", path, fault: EIO }]);
    let failed = false;
    try {
      storage.open("/d/a.1.aof", "create");
    } catch {
      failed = true;
    }
    assertEquals(failed, fails, path);
  }
});

Deno.test("FaultLayer: nth and isSticky", () => {
  const { storage } = open([{ operation: "open", nth: 1, fault: EIO }, {
    operation: "list",
    isSticky: true,
    fault: EIO,
  }]);
  const opens = [0, 1, 2].map(() => {
    try {
      return storage.close(storage.open("/d/f", "create")), "ok";
    } catch (error) {
      return (error as StorageError).code;
    }
  });
  assertEquals(opens, ["ok", "EIO", "ok"]);
  for (let i = 0; i < 3; i++) assertEquals(code(() => storage.list("/d")), "EIO");
});

Deno.test("FaultLayer: short and torn writes have written what they say", () => {
  const { storage } = open([
    { operation: "write", nth: 0, fault: { kind: "short", bytes: 2 } },
    { operation: "write", nth: 1, fault: { kind: "part", bytes: 1, code: "EIO" } },
  ]);
  const file = storage.open("/d/f", "create");
  assertEquals(storage.write(file, ascii("abcd"), 0, 4), 2);
  assertEquals(code(() => storage.write(file, ascii("cd"), 0, 2)), "EIO");
  assertEquals([storage.write(file, ascii("d"), 0, 1), textOf(storage, "/d/f")], [1, "abcd"]);
});

Deno.test("FaultLayer: a disk of so many bytes takes what fits, then nothing, until the plan is over", () => {
  const { storage, layer, told } = open([], 5);
  const file = storage.open("/d/f", "create");
  assertEquals([storage.write(file, ascii("abc"), 0, 3), storage.write(file, ascii("def"), 0, 3)], [3, 2]);
  for (let i = 0; i < 2; i++) assertEquals(code(() => storage.write(file, ascii("f"), 0, 1)), "ENOSPC");
  assertEquals([storage.write(file, ascii(""), 0, 0), told.length, layer.status()], [0, 2, ["written 5 of 5 bytes"]]);
  layer.stop();
  assertEquals(storage.write(file, ascii("f"), 0, 1), 1);
});

Deno.test("FaultLayer: a read-only disk refuses every change and lets everything be read", () => {
  const { storage } = open([{ operation: "open", path: "g", fault: { kind: "readOnly" } }]);
  put(storage, "/d/f", "x");
  const file = storage.open("/d/f", "append");
  assertEquals(code(() => storage.open("/d/g", "create")), "EROFS");
  assertEquals(code(() => storage.write(file, ascii("x"), 0, 1)), "EROFS");
  assertEquals(code(() => storage.sync(file)), "EROFS");
  assertEquals(code(() => storage.remove("/d/f")), "EROFS");
  assertEquals([textOf(storage, "/d/f"), storage.list("/d")], ["x", ["f"]]);
});

Deno.test("FaultLayer: a sync fails without syncing, hangs, hangs and fails, or lies", () => {
  const { storage, blockedMs } = open([
    { operation: "sync", nth: 0, fault: EIO },
    { operation: "sync", nth: 1, fault: { kind: "hang", ms: 700 } },
    { operation: "sync", nth: 2, fault: { kind: "hang", ms: 800, code: "ENOSPC" } },
    { operation: "sync", nth: 3, fault: { kind: "lie" } },
  ]);
  const file = storage.open("/d/f", "create");
  let syncs = 0;
  storage.onOperation = (operation) => void (operation === "sync" && syncs++);
  assertThrows(() => storage.sync(file), StorageSyncError, "EIO");
  storage.sync(file);
  assertThrows(() => storage.sync(file), StorageSyncError, "ENOSPC");
  storage.sync(file);
  assertEquals([blockedMs, syncs], [[700, 800], 1]);
});

Deno.test("FaultLayer: a sync in the background hangs without anybody waiting, and fails then", async () => {
  const { storage, waits } = open([
    { operation: "sync", nth: 0, fault: { kind: "hang", ms: 700 } },
    { operation: "sync", nth: 1, fault: { kind: "hang", ms: 800, code: "EIO" } },
    { operation: "sync", nth: 2, fault: EIO },
  ]);
  const file = storage.open("/d/f", "create");
  let isBack = false;
  const slow = storage.syncInBackground(file).then(() => isBack = true);
  for (let i = 0; i < 20; i++) await Promise.resolve();
  assertEquals([waits.map(({ ms }) => ms), isBack], [[700], false]);
  waits[0].over();
  await slow;
  const failing = assertRejects(() => storage.syncInBackground(file), StorageSyncError, "EIO");
  waits[1].over();
  await failing;
  await assertRejects(() => storage.syncInBackground(file), StorageSyncError, "EIO");
});

Deno.test("FaultLayer: threads that follow one plan count together, and its end reaches them all", () => {
  const first = open([{ operation: "list", nth: 1, fault: EIO }, { operation: "stat", isSticky: true, fault: EIO }], 4);
  const second = open();
  second.layer.follow(first.layer.active!);
  assertEquals(first.storage.list("/d"), []);
  assertEquals(code(() => second.storage.list("/d")), "EIO");
  assertEquals(first.storage.list("/d"), []);
  put(first.storage, "/d/f", "abc");
  assertEquals(code(() => put(second.storage, "/d/f", "abc")), "ENOSPC");
  assert(first.layer.status()[0].endsWith("matched 3, happened 1"));
  assertEquals(code(() => second.storage.stat("/d/f")), "EIO");
  first.layer.stop();
  assertEquals(second.storage.stat("/d/f")?.kind, "file");
  put(second.storage, "/d/f", "more");
});
