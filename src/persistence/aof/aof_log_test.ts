/** The log's order of operations under faults: what may be released, what a start finds, by Redis's gap that each test keeps out. */
import { assert, assertEquals } from "@std/assert";
import { ascii, latin1Decode } from "../../base/bytes.ts";
import { ManualClock } from "../../io/clock.ts";
import { SeededRandomness } from "../../io/randomness.ts";
import { MemoryStorage } from "../../io/memory_storage.ts";
import { storageError, type StorageOperation, StorageSyncError, writeFully } from "../../io/storage.ts";
import { Args } from "../../resp/args.ts";
import { AofLoad, AofLoadError } from "./aof_loader.ts";
import { AofLog, type AofSettings } from "./aof_log.ts";
import { AofManifest, ManifestCorruptError, readManifest } from "./aof_manifest.ts";

const DIR = "/data/aof", FILE_1 = "appendonly.aof.1.incr.aof", FILE_2 = "appendonly.aof.2.incr.aof";
const SET_A = "*3\r\n$3\r\nset\r\n$1\r\na\r\n$1\r\n1\r\n", SET_B = "*3\r\n$3\r\nset\r\n$1\r\nb\r\n$1\r\n2\r\n";

function settings(changes: Partial<AofSettings> = {}): AofSettings {
  return {
    dir: "/data",
    appenddirname: "aof",
    appendfilename: "appendonly.aof",
    appendfsync: "everysec",
    noAppendfsyncOnRewrite: false,
    aofTimestampEnabled: false,
    aofChecksum: true,
    aofUseRdbPreamble: false,
    aofDisableAutoGc: false,
    autoAofRewritePercentage: 100,
    autoAofRewriteMinBytes: 64,
    ...changes,
  };
}

/** A log on a disk that can be made to fail, with everything it did in order. */
function open(changes: Partial<AofSettings> = {}, isChildActive?: () => boolean) {
  const storage = new MemoryStorage(), clock = new ManualClock(), operations: string[] = [], fatal: string[] = [];
  storage.makeDirectory("/data");
  const faults = new Map<StorageOperation, string>();
  storage.onOperation = (operation, path) => {
    operations.push(`${operation} ${path.slice(path.lastIndexOf("/") + 1)}`);
    const code = faults.get(operation);
    if (code === undefined) return;
    if (operation === "sync") throw new StorageSyncError(operation, path, code);
    throw storageError(operation, path, code);
  };
  const log = logOn(storage, changes, fatal, clock, isChildActive);
  log.openAfterLoad({ currentBytes: 0, baseBytes: 0 });
  // The mark of an open log, which the first write makes.
  put(storage, "appendonly.aof.open", "");
  log.openAfterLoad({ currentBytes: 0, baseBytes: 0 });
  operations.length = 0;
  return { storage, clock, operations, fatal, faults, log };
}

function append(log: AofLog, ...words: string[]): void {
  const bytes = ascii(`*${words.length}\r\n` + words.map((word) => `$${word.length}\r\n${word}\r\n`).join(""));
  log.append(0, bytes, 0, bytes.length);
}

function contentOf(storage: MemoryStorage, name: string): string {
  const file = storage.open(`${DIR}/${name}`, "read"), bytes = new Uint8Array(storage.size(file));
  storage.read(file, 0, bytes);
  storage.close(file);
  return latin1Decode(bytes);
}

function put(storage: MemoryStorage, name: string, text: string): void {
  const bytes = ascii(text), file = storage.open(`${DIR}/${name}`, "create");
  writeFully(storage, file, bytes, 0, bytes.length);
  storage.close(file);
}

/** A load of the directory; what runs goes to `commands`, without SELECT. */
function loadOf(storage: MemoryStorage, commands: string[], loadTruncated: boolean): AofLoad {
  return new AofLoad({
    storage,
    directory: DIR,
    manifest: readManifest(storage, DIR, "appendonly.aof.manifest"),
    loadTruncated,
    nowUs: () => 0,
    loadRdb: () => {
      throw new Error("no RDB here");
    },
    execute: (args: Args) => {
      const words = [...Array(args.count).keys()].map((i) => args.latin1(i)).join(" ");
      if (!/^select /i.test(words)) commands.push(words);
      return !words.startsWith("nonsense");
    },
    log: () => {},
  });
}

function load(storage: MemoryStorage, loadTruncated = true): string[] {
  const commands: string[] = [], loader = loadOf(storage, commands, loadTruncated);
  while (!loader.step(16));
  return commands;
}

function logOn(
  storage: MemoryStorage,
  changes: Partial<AofSettings> = {},
  fatal: string[] = [],
  clock = new ManualClock(),
  isChildActive: () => boolean = () => false,
): AofLog {
  return new AofLog({
    randomness: new SeededRandomness(1),
    storage,
    clock,
    settings: settings(changes),
    log: () => {},
    isChildActive,
    onFatal: (text) => void fatal.push(text),
    onProgress: () => {},
  });
}

const settle = async () => {
  for (let i = 0; i < 10; i++) await Promise.resolve();
};

/** A rewrite whose base holds these commands. */
function rewrite(test: ReturnType<typeof open>, base: string): void {
  test.log.beginRewrite(() => put(test.storage, "temp-rewriteaof-bg.aof", base), (reason) => {
    throw new Error(reason);
  });
}

Deno.test("always: a write is synced before flush returns, and a failed sync is fatal", () => {
  const { log, operations, faults, fatal } = open({ appendfsync: "always" });
  append(log, "set", "a", "1");
  log.flush();
  assertEquals(operations, ["write appendonly.aof.1.incr.aof", "sync appendonly.aof.1.incr.aof"]);
  assertEquals(log.syncedBytes, log.appendedBytes);
  faults.set("sync", "EIO");
  append(log, "set", "a", "2");
  log.flush();
  assertEquals(fatal.length, 1);
});

Deno.test("always with no-appendfsync-on-rewrite still syncs while a child runs (G10)", () => {
  const { log, operations } = open({ appendfsync: "always", noAppendfsyncOnRewrite: true }, () => true);
  append(log, "set", "a", "1");
  log.flush();
  assert(operations.includes("sync appendonly.aof.1.incr.aof"));
  assertEquals(log.syncedBytes, log.appendedBytes);
});

Deno.test("everysec: a position counts as synced when the sync is done, not when it starts (G6)", async () => {
  const { log, clock } = open();
  clock.advance(1500);
  append(log, "set", "a", "1");
  log.flush();
  assertEquals([log.syncInFlight, log.syncedBytes], [true, 0]);
  await settle();
  assertEquals([log.syncInFlight, log.syncedBytes], [false, log.writtenBytes]);
});

Deno.test("everysec: while a sync hangs, replies to writes it does not cover are held back (G9)", async () => {
  const { log, clock, storage } = open();
  let finish = () => {};
  storage.syncInBackground = () => new Promise((resolve) => finish = resolve);
  clock.advance(1500);
  append(log, "set", "a", "1");
  log.flush();
  assertEquals(log.releasedBytes, Infinity);
  clock.advance(1900);
  append(log, "set", "a", "2");
  log.flush();
  assertEquals(log.releasedBytes, Infinity);
  clock.advance(200);
  assertEquals(log.releasedBytes, 0);
  finish();
  await settle();
  assertEquals(log.releasedBytes, Infinity);
});

Deno.test("a failed sync is not forgotten by a later one: only a fresh generation mends it (G7)", async () => {
  const test = open(), { log, clock, faults, storage } = test;
  clock.advance(1500);
  append(log, "set", "a", "1");
  faults.set("sync", "EIO");
  log.flush();
  await settle();
  faults.clear();
  const heldAt = log.appendedBytes;
  assert(log.writeError !== null && log.needsFreshGeneration && log.releasedBytes < heldAt);
  clock.advance(5000);
  log.flush(), log.cron();
  await settle();
  assert(log.needsFreshGeneration && log.releasedBytes < heldAt, "syncing again proves nothing");
  rewrite(test, "*3\r\n$3\r\nset\r\n$1\r\na\r\n$1\r\n1\r\n");
  assertEquals(load(storage), ["set a 1"]);
  append(log, "set", "b", "2");
  log.finishRewrite(27);
  log.flush();
  await settle();
  assertEquals([log.writeError, log.needsFreshGeneration], [null, false]);
  assert(log.releasedBytes >= log.appendedBytes);
  assertEquals(load(storage), ["set a 1", "set b 2"]);
});

Deno.test("a full disk: the part that was written is cut off, the command is kept, and applied once when there is room (I1, I11)", () => {
  const { log, storage, faults } = open();
  append(log, "set", "a", "1");
  log.flush();
  const write = storage.write.bind(storage);
  storage.write = (file, bytes, start, end) => {
    if (!faults.has("write")) return write(file, bytes, start, end);
    write(file, bytes, start, start + 5);
    throw storageError("write", file.path, "ENOSPC");
  };
  faults.set("write", "ENOSPC");
  append(log, "set", "b", "2");
  log.flush();
  assert(log.writeError !== null && log.releasedBytes === log.writtenBytes);
  assertEquals(load(storage), ["set a 1"]);
  faults.clear();
  log.flush();
  assertEquals([log.writeError, log.releasedBytes], [null, Infinity]);
  assertEquals(load(storage), ["set a 1", "set b 2"]);
});

Deno.test("rewrite: the old increment is synced before the manifest names the next one, and history goes after the manifest is durable (G2)", async () => {
  const test = open(), { log, operations, storage } = test;
  append(log, "set", "a", "1");
  log.flush();
  operations.length = 0;
  rewrite(test, "*3\r\n$3\r\nset\r\n$1\r\na\r\n$1\r\n1\r\n");
  await settle();
  const named = operations.slice(0, operations.indexOf("rename temp-appendonly.aof.manifest"));
  assert(named.includes(`sync ${FILE_1}`), "the old increment");
  assert(named.includes("sync temp-appendonly.aof.manifest"), "the manifest");
  append(log, "set", "b", "2");
  log.flush();
  operations.length = 0;
  log.finishRewrite(27);
  await settle();
  const removal = operations.findIndex((one) => one.startsWith("remove "));
  assert(removal > 0);
  assert(operations.slice(0, removal).filter((one) => one === "syncDirectory aof").length >= 2);
  assertEquals(load(storage), ["set a 1", "set b 2"]);
  assertEquals(storage.list(DIR), [
    "appendonly.aof.1.base.aof",
    "appendonly.aof.2.incr.aof",
    "appendonly.aof.manifest",
    "appendonly.aof.open",
  ]);
});

Deno.test("rewrite: what comes in while the old increment is synced is synced as well before the manifest names the next one (G2)", async () => {
  const test = open(), { log, operations, storage } = test;
  let finish = () => {};
  storage.syncInBackground = () => new Promise((resolve) => finish = resolve);
  append(log, "set", "a", "1");
  rewrite(test, SET_A);
  append(log, "set", "b", "2");
  operations.length = 0;
  finish();
  await settle();
  const written = operations.indexOf(`write ${FILE_1}`), synced = operations.indexOf(`sync ${FILE_1}`);
  assert(0 <= written && written < synced);
  assert(synced < operations.indexOf("rename temp-appendonly.aof.manifest"));
});

Deno.test("rewrite: a crash after any operation leaves a log that loads what was acknowledged (I7)", async () => {
  for (let crashAt = 0;; crashAt++) {
    const test = open(), { log, storage } = test;
    append(log, "set", "a", "1");
    log.flush();
    let count = 0, crashed = false;
    storage.onOperation = (operation, path) => {
      if (["write", "sync", "syncDirectory", "rename", "open", "remove"].includes(operation) && count++ >= crashAt) {
        crashed = true;
        throw storageError(operation, path, "EIO");
      }
    };
    const writeBase = () => {
      try {
        put(storage, "temp-rewriteaof-bg.aof", "*3\r\n$3\r\nset\r\n$1\r\na\r\n$1\r\n1\r\n");
      } catch {
        log.failRewrite();
      }
    };
    try {
      log.beginRewrite(writeBase, () => {});
      await settle();
      if (!crashed) log.finishRewrite(27);
      await settle();
    } catch (error) {
      assert(
        error instanceof Error && ["StorageError", "StorageSyncError", "ManifestUncertainError"].includes(error.name),
        String(error),
      );
    }
    storage.onOperation = () => {};
    assertEquals(load(storage), ["set a 1"], `crash after ${crashAt} operations`);
    if (!crashed) {
      assert(crashAt > 10);
      return;
    }
  }
});

Deno.test("rewrite: a failed directory sync after the manifest's rename keeps both generations (G4)", async () => {
  const test = open(), { log, storage } = test;
  append(log, "set", "a", "1");
  log.flush();
  rewrite(test, "*3\r\n$3\r\nset\r\n$1\r\na\r\n$1\r\n1\r\n");
  await settle();
  const before = contentOf(storage, "appendonly.aof.manifest");
  let directorySyncs = 0;
  storage.onOperation = (operation, path) => {
    if (operation === "syncDirectory" && ++directorySyncs === 2) throw storageError(operation, path, "EIO");
  };
  let uncertain = false;
  try {
    log.finishRewrite(27);
  } catch (error) {
    uncertain = error instanceof Error && error.name === "ManifestUncertainError";
  }
  assert(uncertain);
  storage.onOperation = () => {};
  await settle();
  assertEquals(load(storage), ["set a 1"]);
  put(storage, "appendonly.aof.manifest", before);
  assertEquals(load(storage), ["set a 1"]);
});

Deno.test("rewrite: a failed directory sync after the manifest names the next increment keeps that, and adds to neither (G4)", async () => {
  const test = open(), { log, storage, clock } = test;
  append(log, "set", "a", "1");
  log.flush();
  const before = contentOf(storage, "appendonly.aof.manifest");
  let directorySyncs = 0;
  storage.onOperation = (operation, path) => {
    if (operation === "syncDirectory" && ++directorySyncs === 2) throw storageError(operation, path, "EIO");
  };
  const { failures } = begin(test);
  await settle();
  assertEquals([failures.length, log.needsFreshGeneration], [1, true]);
  storage.onOperation = () => {};
  append(log, "set", "b", "2");
  log.flush();
  const uncertain = contentOf(storage, "appendonly.aof.manifest");
  for (const manifest of [before, uncertain]) {
    put(storage, "appendonly.aof.manifest", manifest);
    assertEquals(load(storage), ["set a 1"]);
  }
  clock.advance(1500);
  begin(test, SET_A + SET_B);
  log.finishRewrite(54);
  await settle();
  assertEquals(load(storage), ["set a 1", "set b 2"]);
  assert(storage.exists(`${DIR}/appendonly.aof.3.incr.aof`), "the number of the uncertain increment is taken");
});

function directory(files: Record<string, string>): MemoryStorage {
  const storage = new MemoryStorage();
  storage.makeDirectory("/data");
  storage.makeDirectory(DIR);
  put(storage, "appendonly.aof.manifest", "file 1.aof seq 1 type i\nfile 2.aof seq 2 type i\n");
  for (const [name, text] of Object.entries(files)) put(storage, name, text);
  return storage;
}

function refusal(storage: MemoryStorage, loadTruncated = true): string {
  try {
    load(storage, loadTruncated);
  } catch (error) {
    if (error instanceof AofLoadError) return error.message;
    throw error;
  }
  return "";
}

/** Loads, and opens the log on what was loaded, as a start does. */
function start(storage: MemoryStorage, changes: Partial<AofSettings> = {}): { commands: string[]; log: AofLog } {
  const commands: string[] = [], loader = loadOf(storage, commands, true);
  while (!loader.step(16));
  const log = logOn(storage, changes);
  log.manifest = readManifest(storage, DIR, "appendonly.aof.manifest");
  log.openAfterLoad(loader);
  return { commands, log };
}

Deno.test("load: a torn tail of the last file is cut at the start, wherever it is torn", () => {
  for (let cut = 1; cut < SET_B.length; cut++) {
    const storage = directory({ "1.aof": SET_A, "2.aof": SET_A + SET_B.slice(0, cut) });
    assertEquals(start(storage).commands, ["set a 1", "set a 1"]);
    assertEquals(contentOf(storage, "2.aof"), SET_A);
    assertEquals(load(storage, false), ["set a 1", "set a 1"]);
  }
});

Deno.test("load: nothing is edited: what is whole of a torn file is copied and synced, then takes its name (I8)", () => {
  const storage = directory({ "1.aof": "", "2.aof": SET_A + SET_B.slice(0, 9) }), changes: string[] = [];
  assertEquals(load(storage), ["set a 1"]);
  assertEquals(contentOf(storage, "2.aof"), SET_A + SET_B.slice(0, 9));
  storage.onOperation = (operation, path) => {
    if (/2.aof/.test(path) && /write|truncate|sync$|rename|remove/.test(operation)) {
      changes.push(`${operation} ${path.slice(DIR.length + 1)}`);
    }
  };
  start(storage);
  assertEquals(changes, ["sync 2.aof", "write temp-2.aof", "sync temp-2.aof", "rename temp-2.aof"]);
});

Deno.test("load: a tail of zeros is a torn tail, wherever in a command it starts (G1)", () => {
  for (let cut = 0; cut < SET_B.length; cut++) {
    const torn = SET_B.slice(0, cut) + "\0".repeat(cut === 0 ? 5000 : SET_B.length - cut);
    const storage = directory({ "1.aof": SET_A, "2.aof": SET_B + torn });
    assertEquals(start(storage).commands, ["set a 1", "set b 2"]);
    assert(contentOf(storage, "2.aof") === SET_B);
  }
});

Deno.test("load: a tail of zeros is a torn tail of a sealed log too, wherever in a block it starts (G1)", () => {
  const { storage, log } = open(), ends: number[] = [];
  for (const key of ["a", "b"]) {
    append(log, "set", key, "1");
    log.flush();
    ends.push(contentOf(storage, FILE_1).length);
  }
  const whole = contentOf(storage, FILE_1);
  for (let cut = 0; cut < ends[1]; cut++) {
    const isFirstWhole = cut >= ends[0];
    put(storage, FILE_1, whole.slice(0, cut) + "\0".repeat(ends[1] - cut));
    assertEquals(start(storage).commands, isFirstWhole ? ["set a 1"] : [], `zeros from ${cut} on`);
    assertEquals(contentOf(storage, FILE_1), isFirstWhole ? whole.slice(0, ends[0]) : "");
  }
});

Deno.test("load: a torn file that is not the last refuses the start and changes nothing (G3)", () => {
  const torn = { "1.aof": SET_A + SET_B.slice(0, 10), "2.aof": SET_B + SET_A.slice(0, 10) }, storage = directory(torn);
  for (let start = 0; start < 2; start++) assert(refusal(storage).includes("the truncated file is not the last file"));
  for (const [name, content] of Object.entries(torn)) assertEquals(contentOf(storage, name), content);
});

Deno.test("load: a sealed file that is torn and not the last refuses the start and changes nothing (G3)", async () => {
  const test = open(), { storage, log } = test;
  append(log, "set", "a", "1");
  log.flush();
  begin(test);
  await settle();
  append(log, "set", "b", "2");
  log.flush();
  assertEquals(load(storage), ["set a 1", "set b 2"]);
  const whole = contentOf(storage, FILE_1), successor = contentOf(storage, FILE_2);
  for (let cut = 1; cut < whole.length; cut++) {
    put(storage, FILE_1, whole.slice(0, cut));
    for (let start = 0; start < 2; start++) assert(refusal(storage).includes(FILE_1), `cut at ${cut}`);
    assertEquals([contentOf(storage, FILE_1), contentOf(storage, FILE_2)], [whole.slice(0, cut), successor]);
  }
});

Deno.test("load: an incomplete MULTI at the end is dropped whole (I1)", () => {
  const multi = "*1\r\n$5\r\nMULTI\r\n", exec = "*1\r\n$4\r\nEXEC\r\n";
  const storage = directory({ "1.aof": multi + SET_A + SET_B + exec, "2.aof": SET_A + multi + SET_B });
  assertEquals(start(storage).commands, ["set a 1", "set b 2", "set a 1"]);
  assertEquals(contentOf(storage, "2.aof"), SET_A);
});

Deno.test("load: damage is refused with file and offset, a missing file by name, an unknown command by its words", () => {
  assert(
    /Bad file format reading the append only file 2.aof.*offset 27/.test(
      refusal(directory({ "1.aof": "", "2.aof": SET_A + "xyz" })),
    ),
  );
  assert(refusal(directory({ "1.aof": SET_A })).startsWith("The append log file 2.aof doesn't exist"));
  assert(
    refusal(directory({ "1.aof": "*1\r\n$8\r\nnonsense\r\n", "2.aof": "" })).startsWith("Unknown command 'nonsense'"),
  );
  assert(refusal(directory({ "1.aof": "", "2.aof": SET_A.slice(0, 12) }), false).startsWith("Unexpected end of file"));
});

/** Calls the log as it stands at this moment of a rewrite; the reasons it gave up for. */
function begin(test: ReturnType<typeof open>, base = SET_A): { frozen: number; failures: string[] } {
  const seen = { frozen: 0, failures: [] as string[] };
  test.log.beginRewrite(() => {
    seen.frozen++;
    put(test.storage, "temp-rewriteaof-bg.aof", base);
  }, (reason) => void seen.failures.push(reason));
  return seen;
}

Deno.test("rewrite: when the sync it waits for fails it is given up, and a fresh generation follows by itself (I11)", async () => {
  const test = open(), { log, clock, faults, storage } = test;
  append(log, "set", "a", "1");
  faults.set("sync", "EIO");
  const first = begin(test);
  await settle();
  assertEquals([first.frozen, first.failures.length, log.rewriteInProgress], [0, 1, false]);
  assert(log.needsFreshGeneration && log.writeError !== null);
  faults.clear();
  clock.advance(1500);
  assert(log.isRewriteDue);
  assertEquals(begin(test).frozen, 1);
  log.finishRewrite(27);
  assertEquals([log.writeError, log.isRewriteDue], [null, false]);
  assertEquals(load(storage), ["set a 1"]);
});

Deno.test("rewrite: it waits for one sync at a time, and the cut comes when all that was written is durable", async () => {
  const test = open(), { log, storage, clock } = test, finish: (() => void)[] = [];
  storage.syncInBackground = () => new Promise((resolve) => void finish.push(resolve));
  clock.advance(1500);
  append(log, "set", "a", "1");
  log.flush();
  append(log, "set", "a", "1");
  const rewrite = begin(test);
  assertEquals([finish.length, rewrite.frozen], [1, 0]);
  finish[0]();
  await settle();
  assertEquals([finish.length, rewrite.frozen], [2, 0]);
  finish[1]();
  await settle();
  assertEquals(rewrite.frozen, 1);
});

Deno.test("rewrite: one that was called off by turning the log off puts nothing in force, and does not count as failed", async () => {
  const test = open(), { log, storage } = test;
  append(log, "set", "a", "1");
  begin(test, "nonsense");
  await settle();
  log.turnOff();
  log.turnOn();
  log.finishRewrite(8);
  assertEquals([log.state, log.lastRewriteOk, load(storage)], ["waiting", true, ["set a 1"]]);
  assert(!storage.list(DIR).some((name) => name.startsWith("temp-")));
  begin(test);
  append(log, "set", "b", "2");
  log.finishRewrite(27);
  assertEquals([log.state, load(storage)], ["on", ["set a 1", "set b 2"]]);
});

Deno.test("rewrite without a log: takes no number of the log that is there, and turning the log on meanwhile still waits for its own", () => {
  const { storage, clock } = open();
  put(storage, FILE_1, SET_B);
  put(storage, "appendonly.aof.manifest", `file appendonly.aof.1.base.aof seq 1 type b\nfile ${FILE_1} seq 1 type i\n`);
  put(storage, "appendonly.aof.1.base.aof", SET_B);
  const log = logOn(storage, {}, [], clock);
  log.beginRewrite(() => put(storage, "temp-rewriteaof-bg.aof", SET_A), () => {});
  assertEquals(contentOf(storage, "appendonly.aof.1.base.aof"), SET_B);
  log.turnOn();
  log.finishRewrite(27);
  assertEquals([log.state, log.isRewriteDue], ["waiting", true]);
  assertEquals(load(storage), ["set a 1"]);
  const [line, comment] = contentOf(storage, "appendonly.aof.manifest").split("\n");
  assertEquals(line, "file appendonly.aof.2.base.aof seq 2 type b");
  assert(comment.startsWith("#AFTERIMAGE manifest 1 log "));
});

Deno.test("rewrite: a fresh increment whose sync failed is never named, even when a later sync succeeds (G7)", async () => {
  const test = open(), { log, faults, clock } = test;
  log.turnOff(), log.turnOn();
  begin(test);
  clock.advance(1500);
  append(log, "set", "b", "2");
  faults.set("sync", "EIO");
  log.flush();
  await settle();
  faults.clear();
  let refused = "";
  try {
    log.finishRewrite(27);
  } catch (error) {
    refused = (error as Error).name;
    log.failRewrite();
  }
  assertEquals([refused, log.state, log.releasedBytes < log.appendedBytes], ["StorageSyncError", "waiting", true]);
});

Deno.test("rewrite: a manifest that cannot be written leaves a spoilt log spoilt: nothing is released before it is in force (I9)", async () => {
  const test = open(), { log, faults, clock, storage } = test;
  clock.advance(1500);
  append(log, "set", "a", "1");
  faults.set("sync", "EIO");
  log.flush();
  await settle();
  faults.clear();
  clock.advance(1500);
  begin(test);
  const rename = storage.rename.bind(storage);
  storage.rename = (from, to) => {
    if (from.endsWith(".manifest")) throw storageError("rename", from, "EIO");
    rename(from, to);
  };
  try {
    log.finishRewrite(27);
    assert(false, "the rename fails");
  } catch (error) {
    assertEquals((error as Error).name, "StorageError");
    log.failRewrite();
  }
  assert(log.needsFreshGeneration && log.writeError !== null && log.releasedBytes < log.appendedBytes);
  const left = storage.list(DIR).filter((name) => name !== "temp-appendonly.aof.manifest");
  assertEquals(left, [FILE_1, "appendonly.aof.manifest", "appendonly.aof.open"]);
});

Deno.test("everysec: setting the clock back does not stop the syncing (G9)", async () => {
  const { log, clock, operations } = open();
  clock.advance(1500);
  clock.setUnixTimeMs(1000);
  append(log, "set", "a", "1");
  log.flush();
  await settle();
  assert(operations.some((one) => one.startsWith("sync ")));
});

Deno.test("a write that a signal interrupts is made again, whole, and is no error", () => {
  const { log, storage } = open({ appendfsync: "always" });
  const write = storage.write.bind(storage);
  let interrupts = 3;
  storage.write = (file, bytes, start, end) => {
    if (interrupts-- > 0) throw storageError("write", file.path, "EINTR");
    return write(file, bytes, start, end);
  };
  append(log, "set", "a", "1");
  log.flush();
  assertEquals([log.writeError, load(storage)], [null, ["set a 1"]]);
});

Deno.test("a part that could not be cut off is cut off before the next write (I1)", () => {
  const { log, storage, faults } = open();
  const write = storage.write.bind(storage);
  storage.write = (file, bytes, start) => {
    write(file, bytes, start, start + 5);
    throw storageError("write", file.path, "ENOSPC");
  };
  faults.set("truncate", "EIO");
  append(log, "set", "a", "1");
  log.flush();
  storage.write = write;
  log.flush();
  assert(log.writeError !== null, "nothing may be written behind the part");
  faults.clear();
  log.flush();
  assertEquals([log.writeError, load(storage)], [null, ["set a 1"]]);
});

Deno.test("a write that works does not clear a failed sync (G7)", async () => {
  const test = open(), { log, clock, faults } = test;
  clock.advance(1500);
  append(log, "set", "a", "1");
  faults.set("sync", "EIO");
  log.flush();
  await settle();
  faults.clear();
  clock.advance(1500);
  begin(test);
  append(log, "del", "a");
  log.flush();
  assert(log.writeError !== null);
  assert(!log.finish(), "what is not in force is not durable (I14)");
});

Deno.test("what is still buffered when a fresh generation starts is in its base, and not applied again (G5)", async () => {
  const test = open(), { log, clock, faults, storage } = test;
  clock.advance(1500);
  append(log, "set", "a", "1");
  faults.set("sync", "EIO");
  log.flush();
  append(log, "set", "b", "2");
  await settle();
  faults.clear();
  assert(log.needsFreshGeneration && log.pendingBytes > 0);
  clock.advance(1500);
  begin(test, SET_A + SET_B);
  log.flush();
  log.finishRewrite(54);
  log.flush();
  assertEquals(load(storage), ["set a 1", "set b 2"]);
  assert(log.releasedBytes >= log.appendedBytes);
});

Deno.test("while the log cannot be written no rewrite begins, and what is buffered is applied once (G5)", async () => {
  const test = open(), { log, storage } = test;
  append(log, "incr", "n");
  log.flush();
  storage.onOperation = (operation, path) => {
    if (operation === "write" && path.endsWith(FILE_1)) throw storageError(operation, path, "ENOSPC");
  };
  append(log, "incr", "n");
  log.flush();
  const full = begin(test);
  await settle();
  assertEquals([full.frozen, full.failures.length, log.rewriteInProgress], [0, 1, false]);
  storage.onOperation = () => {};
  log.flush();
  assertEquals(load(storage), ["incr n", "incr n"]);
  begin(test, SET_A);
  await settle();
  log.finishRewrite(27);
  log.flush();
  assertEquals(load(storage), ["set a 1"]);
});

Deno.test("finish is false while the log waits for its first rewrite, true when it is on and synced (I14)", () => {
  const test = open(), { log } = test;
  log.turnOff(), log.turnOn();
  assert(!log.finish());
  begin(test);
  append(log, "set", "b", "2");
  assert(!log.finish());
  log.finishRewrite(27);
  assert(log.finish());
});

Deno.test("annotations stand once a second, and never inside a transaction", () => {
  const { log, storage, clock } = open({ aofTimestampEnabled: true });
  append(log, "MULTI");
  clock.advance(1000);
  append(log, "set", "a", "1");
  append(log, "EXEC");
  log.flush();
  append(log, "set", "b", "2");
  append(log, "set", "b", "2");
  log.flush();
  const lines = contentOf(storage, FILE_1).split("\r\n").filter((line) => /^(#TS|MULTI|EXEC|set)/.test(line));
  assertEquals(lines, ["#TS:1700000000", "MULTI", "set", "EXEC", "#TS:1700000001", "set", "set"]);
});

Deno.test("start: what a rewrite left that was never in force goes, other files stay (I13); a new increment never starts from a leftover", () => {
  const storage = new MemoryStorage(), clock = new ManualClock();
  storage.makeDirectory("/data"), storage.makeDirectory(DIR);
  put(storage, "appendonly.aof.1.base.aof", SET_A);
  put(storage, "appendonly.aof.manifest", "file appendonly.aof.1.base.aof seq 1 type b\n");
  for (const name of [FILE_1, "appendonly.aof.2.incr.aof", "appendonly.aof.2.base.rdb", "mine.txt"]) {
    put(storage, name, SET_B);
  }
  const log = logOn(storage, {}, [], clock);
  log.manifest = readManifest(storage, DIR, "appendonly.aof.manifest");
  const operations: string[] = [];
  storage.onOperation = (operation, path) => void (path.endsWith(FILE_1) && operations.push(operation));
  log.openAfterLoad({ currentBytes: 27, baseBytes: 27 });
  const made = operations.filter((operation) => operation === "remove" || operation === "open");
  assertEquals(made.slice(0, 2), ["remove", "open"], "the name is a new one: a sync of the old one may have failed");
  assertEquals(load(storage), ["set a 1"]);
  assertEquals(storage.list(DIR), ["appendonly.aof.1.base.aof", FILE_1, "appendonly.aof.manifest", "mine.txt"]);
});

Deno.test("start: an increment that only a manifest named which was not in force goes, though later ones have higher numbers (I13)", () => {
  const { storage, log } = open();
  log.finish();
  for (const number of [2, 3]) put(storage, `appendonly.aof.${number}.incr.aof`, "");
  put(storage, "appendonly.aof.manifest", "file appendonly.aof.3.incr.aof seq 3 type i\n");
  put(storage, "appendonly.aof.3.incr.aof.copy", "");
  log.manifest = readManifest(storage, DIR, "appendonly.aof.manifest");
  log.openAfterLoad({ currentBytes: 0, baseBytes: 0 });
  const names = ["appendonly.aof.3.incr.aof", "appendonly.aof.3.incr.aof.copy", "appendonly.aof.manifest"];
  assertEquals(storage.list(DIR), names);
});

Deno.test("start: a new increment has a number that no history has, so that removing history removes nothing live (I7)", () => {
  const storage = new MemoryStorage(), clock = new ManualClock();
  storage.makeDirectory("/data"), storage.makeDirectory(DIR);
  const base = "file appendonly.aof.2.base.aof seq 2 type b\n", history = `file ${FILE_1} seq 1 type h\n`;
  put(storage, "appendonly.aof.2.base.aof", SET_A), put(storage, FILE_1, SET_B);
  put(storage, "appendonly.aof.manifest", base + history);
  const log = logOn(storage, {}, [], clock);
  log.manifest = readManifest(storage, DIR, "appendonly.aof.manifest");
  log.openAfterLoad({ currentBytes: 27, baseBytes: 27 });
  log.removeHistory();
  append(log, "set", "b", "2");
  log.flush();
  assertEquals(load(storage), ["set a 1", "set b 2"]);
  assertEquals(storage.exists(`${DIR}/${FILE_1}`), false);
});

Deno.test("start: the names of the directory and of the files in it are durable before the log is on (G12)", () => {
  const storage = new MemoryStorage(), operations: string[] = [];
  storage.makeDirectory("/data"), storage.makeDirectory(DIR);
  storage.onOperation = (operation, path) => void (operation !== "list" && operations.push(`${operation} ${path}`));
  const log = logOn(storage);
  log.openAfterLoad({ currentBytes: 0, baseBytes: 0 });
  assert(operations.includes("syncDirectory /data"), "a process before this one may have made it and died");
  assertEquals(operations.at(-1), `syncDirectory ${DIR}`);
  operations.length = 0;
  log.openAfterLoad({ currentBytes: 0, baseBytes: 0 });
  assert(operations.includes(`syncDirectory ${DIR}`), "nor need the manifest's name be durable");
  assert(operations.includes(`sync ${DIR}/${FILE_1}`), "nor what it wrote");
});

Deno.test("a data set that was loaded from a dump becomes the base of a new log (G11)", () => {
  const storage = new MemoryStorage();
  storage.makeDirectory("/data"), storage.makeDirectory(DIR);
  put(storage, "temp-rewriteaof-bg.aof", SET_A);
  const log = logOn(storage);
  log.adoptBase(log.tempBasePath, SET_A.length);
  append(log, "set", "b", "2");
  log.flush();
  assertEquals(load(storage), ["set a 1", "set b 2"]);
  assertEquals([log.baseBytes, log.currentBytes > log.baseBytes], [27, true]);
});

Deno.test("automatic rewrites pause after the third failure in a row, for 1, 2, 4 … minutes", () => {
  const { log, clock } = open();
  append(log, "set", "a", "1".repeat(100));
  log.flush();
  for (const [failures, pauseMs] of [[1, 1000], [2, 1000], [3, 60_000], [4, 120_000], [5, 240_000]]) {
    assert(log.growthToRewrite() >= 0);
    log.beginRewrite(() => {}, () => {});
    log.failRewrite();
    assertEquals(log.rewriteFailures, failures);
    clock.advance(pauseMs - 1);
    assertEquals(log.growthToRewrite(), -1);
    clock.advance(1);
  }
});

Deno.test("load: MULTI inside MULTI and EXEC without MULTI are damage", () => {
  const multi = "*1\r\n$5\r\nMULTI\r\n", exec = "*1\r\n$4\r\nEXEC\r\n";
  assert(refusal(directory({ "1.aof": "", "2.aof": SET_A + exec })).includes("EXEC without MULTI at offset 27"));
  assert(refusal(directory({ "1.aof": "", "2.aof": multi + multi })).includes("MULTI inside MULTI at offset 15"));
});

Deno.test("manifest: names are quoted as Redis quotes them, whatever is in them, and read back", () => {
  const manifest = new AofManifest(), names = ["a'b", 'q"', "\x07\b\t\n\r", "sp ace", "é€\x01"];
  manifest.increments = names.map((name, i) => ({ name, sequence: i + 1 }));
  assertEquals(
    manifest.format(),
    'file "a\'b" seq 1 type i\n' + 'file "q\\"" seq 2 type i\n' + 'file "\\a\\b\\t\\n\\r" seq 3 type i\n' +
      'file "sp ace" seq 4 type i\n' + 'file "\\xc3\\xa9\\xe2\\x82\\xac\\x01" seq 5 type i\n',
  );
  const quoted = manifest.format();
  assertEquals(
    AofManifest.parse(`# a comment\n${quoted}# another one\n`).files.map((file) => file.name),
    names,
  );
});

Deno.test("manifest: golden bytes both ways, and Redis's refusals", () => {
  const text = 'file base.rdb seq 2 type b\nfile old.aof seq 1 type h\nfile "a b" seq 3 type i\n';
  assertEquals(AofManifest.parse(text).format(), text);
  const reason = (bad: string) => {
    try {
      AofManifest.parse(bad);
      return "";
    } catch (error) {
      return (error as ManifestCorruptError).message;
    }
  };
  assertEquals(reason(""), "Found an empty AOF manifest");
  assertEquals(reason("file a seq 1 type b\nfile b seq 2 type b\n"), "Found duplicate base file information");
  assertEquals(reason("file a seq 2 type i\nfile b seq 2 type i\n"), "Found a non-monotonic sequence number");
  assertEquals(reason("file a seq 2 type x\n"), "Unknown AOF file type");
  assertEquals(reason("file a/b seq 2 type i\n"), "File can't be a path, just a filename");
  assertEquals(reason("file a seq 2\n"), "Invalid AOF manifest file format");
  assertEquals(reason("file a seq 2 type i"), "The AOF manifest file contains too long line");
});

const SEAL = /#AF:[0-9a-f:]{57}\r\n/g;

Deno.test("a block that could not be written is written again as it was, and what came since is a block of its own (I12)", () => {
  const { log, storage } = open(), tried: string[] = [];
  const write = storage.write.bind(storage);
  let failures = 2;
  storage.write = (file, bytes, start, end) => {
    if (!file.path.endsWith(FILE_1)) return write(file, bytes, start, end);
    tried.push(latin1Decode(bytes, start, end));
    if (failures-- > 0) throw storageError("write", file.path, "ENOSPC");
    return write(file, bytes, start, end);
  };
  append(log, "set", "a", "1");
  log.flush();
  append(log, "set", "b", "2");
  log.flush();
  append(log, "set", "c", "3");
  log.flush();
  assertEquals([tried.length, tried[1], tried[2]], [4, tried[0], tried[0]]);
  assertEquals(contentOf(storage, FILE_1), tried[2] + tried[3]);
  assertEquals(contentOf(storage, FILE_1).match(SEAL)?.length, 2);
  assertEquals(load(storage), ["set a 1", "set b 2", "set c 3"]);
});

Deno.test("seals say how far the file was durable when they were made", async () => {
  const { log, storage, clock } = open(), synced: number[] = [];
  for (const [word, ms] of [["a", 0], ["b", 1500], ["c", 0]] as const) {
    clock.advance(ms);
    append(log, "set", word, "1");
    log.flush();
    await settle();
    synced.push(storage.stat(`${DIR}/${FILE_1}`)!.sizeBytes);
  }
  const said = contentOf(storage, FILE_1).match(SEAL)!.map((seal) => Number.parseInt(seal.slice(49, 61), 16));
  assertEquals(said, [0, 0, synced[1]]);
});

Deno.test("start: what Redis wrote becomes one block, which is durable before what follows it is written", () => {
  for (const old of [SET_A, SET_A + SET_B.slice(0, 9)]) {
    const storage = directory({ "1.aof": "", "2.aof": old }), { log } = start(storage), changes: string[] = [];
    assertEquals(contentOf(storage, "2.aof"), SET_A);
    storage.onOperation = (operation, path) => {
      if (path.endsWith("2.aof") && /write|sync/.test(operation)) changes.push(operation);
    };
    append(log, "set", "c", "3");
    log.flush();
    assertEquals(changes, ["write", "sync", "write"]);
    assertEquals(contentOf(storage, "2.aof").match(SEAL)?.length, 2);
    assertEquals(load(storage), ["set a 1", "set c 3"]);
    assert(refusalOf(storage, "2.aof", 3).includes("damaged at offset 3"));
  }
});

Deno.test("start: a sealed log is gone on with, also behind what Redis added, and its blocks are one chain", () => {
  const { log, storage } = open();
  append(log, "set", "a", "1");
  log.flush();
  for (const word of ["b", "c"]) {
    put(storage, FILE_1, contentOf(storage, FILE_1) + "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n" + SET_B);
    const next = start(storage).log;
    append(next, "set", word, "1");
    next.flush();
  }
  assertEquals(load(storage), ["set a 1", "set b 2", "set b 1", "set b 2", "set c 1"]);
  assertEquals(contentOf(storage, FILE_1).match(SEAL)?.map((seal) => seal.slice(31, 39)), [
    "00000001",
    "00000002",
    "00000003",
    "00000004",
    "00000005",
  ]);
});

Deno.test("aof-checksum no: files and manifest are as Redis writes them; yes again seals what is there", () => {
  const storage = directory({ "1.aof": "", "2.aof": SET_A }), manifest = contentOf(storage, "appendonly.aof.manifest");
  const { log } = start(storage, { aofChecksum: false });
  append(log, "set", "b", "2");
  log.flush();
  assertEquals(contentOf(storage, "2.aof"), SET_A + "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n" + SET_B);
  assertEquals(contentOf(storage, "appendonly.aof.manifest"), manifest);
  const sealed = start(storage).log;
  append(sealed, "set", "c", "3");
  sealed.flush();
  const plain = start(storage, { aofChecksum: false }).log;
  append(plain, "set", "d", "4");
  plain.flush();
  assertEquals(load(storage), ["set a 1", "set b 2", "set c 3", "set d 4"]);
  assertEquals(contentOf(storage, "2.aof").match(SEAL)?.length, 2);
});

/** Why a start is refused when a bit of this byte is flipped. */
function refusalOf(storage: MemoryStorage, name: string, place: number): string {
  const text = contentOf(storage, name);
  put(storage, name, text.slice(0, place) + String.fromCharCode(text.charCodeAt(place) ^ 2) + text.slice(place + 1));
  return refusal(storage);
}

Deno.test("load: a seal that was torn behind what Redis wrote is cut, whatever of it came", () => {
  const storage = directory({ "1.aof": "", "2.aof": SET_A }), { log } = start(storage);
  append(log, "set", "c", "3");
  log.flush();
  const seal = contentOf(storage, "2.aof").slice(SET_A.length, SET_A.length + 63);
  for (let cut = 1; cut < seal.length; cut++) {
    for (const torn of [seal.slice(0, cut), seal.slice(0, cut).padEnd(63, "\0"), seal.slice(cut).padStart(63, "\0")]) {
      put(storage, "2.aof", SET_A + torn);
      assertEquals(start(storage).commands, ["set a 1"], `${cut}`);
      assertEquals(contentOf(storage, "2.aof"), SET_A);
    }
  }
});
