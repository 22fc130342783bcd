/** The log's order of operations under faults: what may be released, what a start finds, by Redis's gap that each test keeps out. */
import { assert, assertEquals } from "@std/assert";
import { ascii, latin1Decode } from "../../base/bytes.ts";
import { ManualClock } from "../../io/clock.ts";
import { MemoryStorage } from "../../io/memory_storage.ts";
import { storageError, type StorageOperation, StorageSyncError, writeFully } from "../../io/storage.ts";
import { Args } from "../../resp/args.ts";
import { AofLoad, AofLoadError } from "./aof_loader.ts";
import { AofLog, type AofSettings } from "./aof_log.ts";
import { AofManifest, ManifestCorruptError } from "./aof_manifest.ts";

const DIR = "/data/aof";

function settings(changes: Partial<AofSettings> = {}): AofSettings {
  return {
    dir: "/data",
    appenddirname: "aof",
    appendfilename: "appendonly.aof",
    appendfsync: "everysec",
    noAppendfsyncOnRewrite: false,
    aofTimestampEnabled: false,
    aofUseRdbPreamble: false,
    aofDisableAutoGc: false,
    autoAofRewritePercentage: 100,
    autoAofRewriteMinBytes: 64,
    ...changes,
  };
}

/** A log on a disk that can be made to fail, with everything it did in order. */
function open(changes: Partial<AofSettings> = {}) {
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
  const log = new AofLog({
    storage,
    clock,
    settings: settings(changes),
    log: () => {},
    isChildActive: () => false,
    onFatal: (text) => void fatal.push(text),
    onProgress: () => {},
  });
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

/** Loads the directory as a start would; the commands, without SELECT. */
function load(storage: MemoryStorage, loadTruncated = true): string[] {
  const commands: string[] = [];
  const loader = new AofLoad({
    storage,
    directory: DIR,
    manifest: AofManifest.parse(contentOf(storage, "appendonly.aof.manifest")),
    loadTruncated,
    nowUs: () => 0,
    loadRdb: () => {
      throw new Error("no RDB here");
    },
    execute: (args: Args) => {
      const words = [...Array(args.count).keys()].map((i) => args.latin1(i)).join(" ");
      if (!words.startsWith("SELECT")) commands.push(words);
      return !words.startsWith("nonsense");
    },
    log: () => {},
  });
  while (!loader.step(16));
  return commands;
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

Deno.test("always with no-appendfsync-on-rewrite still syncs (G10)", () => {
  const { log, operations } = open({ appendfsync: "always", noAppendfsyncOnRewrite: true });
  append(log, "set", "a", "1");
  log.flush();
  assert(operations.includes("sync appendonly.aof.1.incr.aof"));
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

Deno.test("a failed sync is not forgotten by a later one: only a fresh generation mends it (G7, I9)", async () => {
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

Deno.test("rewrite: the old increment is synced before the manifest names the next one (G2), and history goes after the manifest is durable", async () => {
  const test = open(), { log, operations, storage } = test;
  append(log, "set", "a", "1");
  log.flush();
  operations.length = 0;
  rewrite(test, "*3\r\n$3\r\nset\r\n$1\r\na\r\n$1\r\n1\r\n");
  await settle();
  const manifest = "rename temp-appendonly.aof.manifest";
  assert(operations.indexOf("sync appendonly.aof.1.incr.aof") < operations.indexOf(manifest));
  assert(operations.indexOf("sync temp-appendonly.aof.manifest") < operations.indexOf(manifest));
  append(log, "set", "b", "2");
  log.flush();
  operations.length = 0;
  log.finishRewrite(27);
  await settle();
  const removal = operations.findIndex((one) => one.startsWith("remove "));
  assert(operations.slice(0, removal).filter((one) => one === "syncDirectory aof").length >= 2);
  assertEquals(load(storage), ["set a 1", "set b 2"]);
  assertEquals(storage.list(DIR), [
    "appendonly.aof.1.base.aof",
    "appendonly.aof.2.incr.aof",
    "appendonly.aof.manifest",
    "appendonly.aof.open",
  ]);
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

const SET_A = "*3\r\n$3\r\nset\r\n$1\r\na\r\n$1\r\n1\r\n", SET_B = "*3\r\n$3\r\nset\r\n$1\r\nb\r\n$1\r\n2\r\n";

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

Deno.test("load: a torn tail of the last file is cut, durably, wherever it is torn", () => {
  for (let cut = 1; cut < SET_B.length; cut++) {
    const storage = directory({ "1.aof": SET_A, "2.aof": SET_A + SET_B.slice(0, cut) });
    assertEquals(load(storage), ["set a 1", "set a 1"]);
    assertEquals(contentOf(storage, "2.aof"), SET_A);
    assertEquals(load(storage, false), ["set a 1", "set a 1"]);
  }
});

Deno.test("load: a tail of zeros is a torn tail, at a command's start and in its middle (G1)", () => {
  for (const torn of ["\0".repeat(5000), SET_B.slice(0, 9) + "\0".repeat(300), SET_B.slice(0, -3) + "\0".repeat(9)]) {
    const storage = directory({ "1.aof": SET_A, "2.aof": SET_B + torn });
    assertEquals(load(storage), ["set a 1", "set b 2"]);
    assertEquals(contentOf(storage, "2.aof"), SET_B);
  }
});

Deno.test("load: a torn file that is not the last refuses the start and changes nothing (G3)", () => {
  const storage = directory({ "1.aof": SET_A + SET_B.slice(0, 10), "2.aof": SET_B });
  for (let start = 0; start < 2; start++) assert(refusal(storage).includes("the truncated file is not the last file"));
  assertEquals(contentOf(storage, "1.aof"), SET_A + SET_B.slice(0, 10));
});

Deno.test("load: an incomplete MULTI at the end is dropped whole (I1)", () => {
  const multi = "*1\r\n$5\r\nMULTI\r\n", exec = "*1\r\n$4\r\nEXEC\r\n";
  const storage = directory({ "1.aof": multi + SET_A + SET_B + exec, "2.aof": SET_A + multi + SET_B });
  assertEquals(load(storage), ["set a 1", "set b 2", "set a 1"]);
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
