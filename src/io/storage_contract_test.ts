/** What every Storage promises: the same tests run on the real disk, in a temporary directory, on the file tree in memory, and on the simulated disk. */
import { assertEquals, assertInstanceOf, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { ascii, latin1Decode, utf8Encode } from "../base/bytes.ts";
import { FaultLayer, threadHost } from "./disk_faults/fault_layer.ts";
import { DiskStorage } from "./disk_storage.ts";
import { MemoryStorage } from "./memory_storage.ts";
import { SimulatedDisk } from "./simulated_disk/mod.ts";
import {
  type FileHandle,
  type OpenMode,
  parentDirectory,
  readFully,
  type Storage,
  StorageError,
  StorageSyncError,
  writeFully,
} from "./storage.ts";

/** A storage with an empty directory. */
interface Fixture {
  storage: Storage;
  directory: string;
}

type Check = (fixture: Fixture) => void | Promise<void>;

function text(storage: Storage, path: string): string {
  const file = storage.open(path, "read"), bytes = new Uint8Array(storage.size(file));
  assertEquals(readFully(storage, file, 0, bytes), bytes.length);
  storage.close(file);
  return latin1Decode(bytes);
}

function put(storage: Storage, path: string, content: string, mode: OpenMode = "create"): void {
  const file = storage.open(path, mode);
  write(storage, file, content);
  storage.close(file);
}

function write(storage: Storage, file: FileHandle, content: string): void {
  const bytes = ascii(`<${content}>`);
  assertEquals(writeFully(storage, file, bytes, 1, bytes.length - 1), content.length);
}

/** The error has this code, and names operation and path. */
function fails(code: string, operation: string, path: string, run: () => void): StorageError {
  const error = assertThrows(run, StorageError);
  assertEquals([error.code, error.operation, error.path], [code, operation, path]);
  assertStringIncludes(error.message, path);
  assertStringIncludes(error.message, code);
  return error;
}

const CONTRACT: Readonly<Record<string, Check>> = {
  "open read: the file must be there, and is not for writing": ({ storage, directory }) => {
    const path = `${directory}/f`;
    fails("ENOENT", "open", path, () => storage.open(path, "read"));
    put(storage, path, "abc");
    const file = storage.open(path, "read");
    fails("EBADF", "write", path, () => storage.write(file, ascii("x"), 0, 1));
    storage.close(file);
    assertEquals(text(storage, path), "abc");
  },

  "open create: makes the file, or empties it; writes start at 0 and can be read back": ({ storage, directory }) => {
    const path = `${directory}/f`;
    put(storage, path, "long content");
    const file = storage.open(path, "create"), into = new Uint8Array(3);
    assertEquals(storage.size(file), 0);
    write(storage, file, "abc"), write(storage, file, "def");
    assertEquals([storage.read(file, 1, into), latin1Decode(into)], [3, "bcd"]);
    write(storage, file, "ghi");
    storage.close(file);
    assertEquals(text(storage, path), "abcdefghi");
  },

  "open append: makes the file, or keeps it; writes go to the end, whoever moved it": ({ storage, directory }) => {
    const path = `${directory}/f`;
    put(storage, path, "one", "append");
    const file = storage.open(path, "append"), other = storage.open(path, "append");
    write(storage, file, "two"), write(storage, other, "three"), write(storage, file, "four");
    assertEquals(text(storage, path), "onetwothreefour");
    storage.truncate(file, 6);
    write(storage, file, "!"), write(storage, other, "?");
    storage.read(file, 0, new Uint8Array(2));
    write(storage, file, ".");
    assertEquals(text(storage, path), "onetwo!?.");
    storage.close(file), storage.close(other);
  },

  "open update: the file must be there and is kept; writes start at 0": ({ storage, directory }) => {
    const path = `${directory}/f`;
    fails("ENOENT", "open", path, () => storage.open(path, "update"));
    put(storage, path, "abcdef");
    put(storage, path, "XY", "update");
    assertEquals(text(storage, path), "XYcdef");
  },

  "open: a directory is no file, and what is above must be a directory": ({ storage, directory }) => {
    const path = `${directory}/f`;
    for (const mode of ["read", "create", "append", "update"] as const) {
      fails("EISDIR", "open", directory, () => storage.open(directory, mode));
      fails("ENOENT", "open", `${directory}/none/f`, () => storage.open(`${directory}/none/f`, mode));
    }
    put(storage, path, "");
    fails("ENOTDIR", "open", `${path}/f`, () => storage.open(`${path}/f`, "create"));
  },

  "read: short at the end, 0 past it, and never moves where the next write goes": ({ storage, directory }) => {
    const path = `${directory}/f`, file = storage.open(path, "create"), into = new Uint8Array(4).fill(46);
    write(storage, file, "abcdef");
    assertEquals([storage.read(file, 4, into), latin1Decode(into)], [2, "ef.."]);
    assertEquals([storage.read(file, 6, into), storage.read(file, 600, into)], [0, 0]);
    assertEquals(storage.read(file, 0, new Uint8Array(0)), 0);
    write(storage, file, "g");
    assertEquals(text(storage, path), "abcdefg");
    storage.close(file);
  },

  "write: an empty range writes nothing": ({ storage, directory }) => {
    const path = `${directory}/f`, file = storage.open(path, "create");
    assertEquals(storage.write(file, ascii("abc"), 2, 2), 0);
    assertEquals(storage.size(file), 0);
    storage.close(file);
  },

  "write: large amounts, and bytes in shared memory": ({ storage, directory }) => {
    const path = `${directory}/f`, file = storage.open(path, "create"), size = 300_000;
    const bytes = new Uint8Array(new SharedArrayBuffer(size)).map((_, i) => i * 7), into = new Uint8Array(size);
    const shared = new Uint8Array(new SharedArrayBuffer(size));
    shared.set(bytes);
    assertEquals(writeFully(storage, file, shared, 0, size), size);
    assertEquals(readFully(storage, file, 0, into), size);
    assertEquals(into, Uint8Array.from(bytes));
    storage.close(file);
  },

  "truncate: cuts, or extends with zeros; the position moves back only when it was beyond": (
    { storage, directory },
  ) => {
    const path = `${directory}/f`, file = storage.open(path, "create");
    write(storage, file, "abcdef");
    storage.truncate(file, 3);
    write(storage, file, "X");
    assertEquals(text(storage, path), "abcX");
    storage.truncate(file, 8);
    assertEquals([storage.size(file), text(storage, path)], [8, "abcX\0\0\0\0"]);
    write(storage, file, "Y");
    assertEquals(text(storage, path), "abcXY\0\0\0");
    storage.truncate(file, 0), storage.truncate(file, 3);
    assertEquals(text(storage, path), "\0\0\0");
    storage.close(file);
  },

  "write beyond an end that another handle cut leaves zeros between": ({ storage, directory }) => {
    const path = `${directory}/f`, file = storage.open(path, "create"), other = storage.open(path, "update");
    write(storage, file, "abcdef");
    storage.truncate(other, 2);
    write(storage, file, "g");
    assertEquals(text(storage, path), "ab\0\0\0\0g");
    storage.close(file), storage.close(other);
  },

  "close: afterwards every use of the handle is EBADF": async ({ storage, directory }) => {
    const path = `${directory}/f`, file = storage.open(path, "create");
    write(storage, file, "abc");
    storage.close(file);
    fails("EBADF", "close", path, () => storage.close(file));
    fails("EBADF", "read", path, () => storage.read(file, 0, new Uint8Array(1)));
    fails("EBADF", "write", path, () => storage.write(file, ascii("x"), 0, 1));
    fails("EBADF", "size", path, () => storage.size(file));
    fails("EBADF", "truncate", path, () => storage.truncate(file, 0));
    assertInstanceOf(fails("EBADF", "sync", path, () => storage.sync(file)), StorageSyncError);
    await assertRejects(() => storage.syncInBackground(file), StorageSyncError);
    await assertRejects(() => storage.closeInBackground(file), StorageError);
    assertEquals(text(storage, path), "abc");
  },

  "closeInBackground: the handle is closed at once": async ({ storage, directory }) => {
    const path = `${directory}/f`, file = storage.open(path, "create");
    write(storage, file, "abc");
    const closing = storage.closeInBackground(file);
    fails("EBADF", "size", path, () => storage.size(file));
    await closing;
    assertEquals(text(storage, path), "abc");
  },

  "sync, syncInBackground, syncDirectory: several at once, and none is spoiled by close": async (
    { storage, directory },
  ) => {
    const path = `${directory}/f`, file = storage.open(path, "append");
    write(storage, file, "abc");
    storage.sync(file);
    const first = storage.syncInBackground(file);
    write(storage, file, "def");
    const second = storage.syncInBackground(file);
    storage.close(file);
    await Promise.all([first, second]);
    storage.syncDirectory(directory);
    assertEquals(text(storage, path), "abcdef");
    const none = `${directory}/none`;
    assertInstanceOf(fails("ENOENT", "syncDirectory", none, () => storage.syncDirectory(none)), StorageSyncError);
  },

  "rename: replaces what is there, and open handles stay with their file": ({ storage, directory }) => {
    const a = `${directory}/a`, b = `${directory}/b`;
    put(storage, b, "old");
    const reader = storage.open(b, "read"), writer = storage.open(a, "create"), into = new Uint8Array(3);
    write(storage, writer, "new");
    storage.rename(a, b);
    write(storage, writer, "er");
    assertEquals([storage.list(directory), text(storage, b)], [["b"], "newer"]);
    assertEquals([storage.read(reader, 0, into), latin1Decode(into)], [3, "old"]);
    storage.close(reader), storage.close(writer);
    fails("ENOENT", "rename", a, () => storage.rename(a, b));
    storage.rename(b, b);
    assertEquals(text(storage, b), "newer");
  },

  "rename: not onto a directory, and not into one that is missing": ({ storage, directory }) => {
    const a = `${directory}/a`;
    put(storage, a, "x");
    storage.makeDirectory(`${directory}/d`);
    fails("EISDIR", "rename", a, () => storage.rename(a, `${directory}/d`));
    fails("ENOENT", "rename", a, () => storage.rename(a, `${directory}/none/a`));
    assertEquals(text(storage, a), "x");
  },

  "link: a second name, for what the first one stood for": ({ storage, directory }) => {
    const a = `${directory}/a`, b = `${directory}/b`;
    put(storage, a, "x");
    storage.link(a, b);
    put(storage, a, "y", "append");
    assertEquals(text(storage, b), "xy");
    storage.remove(a);
    assertEquals([text(storage, b), storage.exists(a)], ["xy", false]);
    assertEquals(assertThrows(() => storage.link(b, b), StorageError).code, "EEXIST");
    assertEquals(assertThrows(() => storage.link(a, `${directory}/c`), StorageError).code, "ENOENT");
    assertEquals(assertThrows(() => storage.link(b, `${directory}/none/c`), StorageError).code, "ENOENT");
  },

  "remove: files and empty directories, in the background too": async ({ storage, directory }) => {
    const file = `${directory}/f`, sub = `${directory}/d`;
    put(storage, file, "x"), storage.makeDirectory(sub), put(storage, `${sub}/f`, "y");
    fails("ENOTEMPTY", "remove", sub, () => storage.remove(sub));
    storage.remove(`${sub}/f`), storage.remove(sub);
    await storage.removeInBackground(file);
    assertEquals(storage.list(directory), []);
    fails("ENOENT", "remove", file, () => storage.remove(file));
    const error = await assertRejects(() => storage.removeInBackground(file), StorageError);
    assertEquals([error.code, error.path], ["ENOENT", file]);
  },

  "list, exists, stat: names sorted by code unit, kinds and sizes": ({ storage, directory }) => {
    const names = ["b", "a.2", "a.10", "B", "é", "temp-1"], e = latin1Decode(utf8Encode("é")).length;
    assertEquals(e, 2);
    for (const name of names) put(storage, `${directory}/${name}`, name === "b" ? "12345" : "");
    storage.makeDirectory(`${directory}/d`), put(storage, `${directory}/d/inner`, "");
    assertEquals(storage.list(directory), ["B", "a.10", "a.2", "b", "d", "temp-1", "é"]);
    assertEquals([storage.stat(`${directory}/b`)!.kind, storage.stat(`${directory}/b`)!.sizeBytes], ["file", 5]);
    assertEquals(storage.stat(`${directory}/d`)!.kind, "directory");
    assertEquals([storage.stat(`${directory}/none`), storage.exists(`${directory}/none`)], [null, false]);
    assertEquals([storage.exists(`${directory}/b`), storage.exists(`${directory}/d`)], [true, true]);
    fails("ENOENT", "list", `${directory}/none`, () => storage.list(`${directory}/none`));
    fails("ENOTDIR", "list", `${directory}/b`, () => storage.list(`${directory}/b`));
  },

  "makeDirectory: one at a time, under one that is there": ({ storage, directory }) => {
    const path = `${directory}/d`;
    storage.makeDirectory(path);
    fails("EEXIST", "makeDirectory", path, () => storage.makeDirectory(path));
    fails("ENOENT", "makeDirectory", `${directory}/x/y`, () => storage.makeDirectory(`${directory}/x/y`));
    assertEquals(storage.list(path), []);
  },
};

for (const [promise, test] of Object.entries(CONTRACT)) {
  Deno.test(`MemoryStorage, ${promise}`, async () => {
    const storage = new MemoryStorage();
    storage.makeDirectory("/dir");
    await test({ storage, directory: "/dir" });
  });

  Deno.test(`MemoryStorage behind a layer of faults, ${promise}`, async () => {
    const storage = new MemoryStorage();
    storage.makeDirectory("/dir");
    new FaultLayer(storage, threadHost(() => {})).start({ rules: [] });
    await test({ storage, directory: "/dir" });
  });

  for (const profile of ["ext4", "strict"] as const) {
    Deno.test(`SimulatedDisk (${profile}), ${promise}`, async () => {
      const storage = new SimulatedDisk({ profile });
      storage.makeDirectory("/dir");
      await test({ storage, directory: "/dir" });
    });
  }

  Deno.test(`DiskStorage, ${promise}`, async () => {
    const directory = Deno.makeTempDirSync({ prefix: "afterimage-test-" });
    try {
      await test({ storage: new DiskStorage(), directory });
    } finally {
      Deno.removeSync(directory, { recursive: true });
    }
  });
}

Deno.test("MemoryStorage.onOperation: what it throws is the failure, and the operation does not happen", () => {
  const storage = new MemoryStorage();
  put(storage, "/a", "x");
  const file = storage.open("/a", "append");
  storage.onOperation = (operation, path) => {
    throw new StorageError(operation, path, "EIO");
  };
  fails("EIO", "write", "/a", () => storage.write(file, ascii("y"), 0, 1));
  fails("EIO", "rename", "/a", () => storage.rename("/a", "/b"));
  fails("EIO", "remove", "/a", () => storage.remove("/a"));
  fails("EIO", "truncate", "/a", () => storage.truncate(file, 0));
  storage.onOperation = () => {};
  assertEquals([storage.list("/"), text(storage, "/a")], [["a"], "x"]);
});

Deno.test("parentDirectory: of relative, absolute and trailing paths", () => {
  const cases = [["a", "."], ["a/b", "a"], ["/a", "/"], ["/", "/"], ["/a/b/", "/a"], ["./a", "."]];
  for (const [path, parent] of cases) assertEquals(parentDirectory(path), parent, path);
});

Deno.test("writeFully, readFully: go on after short writes and reads", () => {
  /** Writes and reads one byte at a time. */
  class ShortStorage extends MemoryStorage {
    override write(file: FileHandle, bytes: Uint8Array, start: number, end: number): number {
      return super.write(file, bytes, start, Math.min(end, start + 1));
    }
    override read(file: FileHandle, offset: number, into: Uint8Array): number {
      return super.read(file, offset, into.subarray(0, 1));
    }
  }
  const storage = new ShortStorage();
  put(storage, "/f", "abcdef");
  const file = storage.open("/f", "read"), into = new Uint8Array(10);
  assertEquals([readFully(storage, file, 2, into), latin1Decode(into, 0, 4)], [4, "cdef"]);
  storage.close(file);
});

Deno.test("writeFully: a signal that comes before the bytes loses none and writes none twice; a disk that only has signals fails", () => {
  const storage = new MemoryStorage(), file = storage.open("/f", "create");
  let interrupts = 0;
  storage.onOperation = (operation, path) => {
    if (operation === "write" && interrupts++ % 3 < 2) throw new StorageError(operation, path, "EINTR");
  };
  assertEquals(writeFully(storage, file, ascii("abc"), 0, 3), 3);
  storage.onOperation = (operation, path) => {
    if (operation === "write") throw new StorageError(operation, path, "EINTR");
  };
  fails("EINTR", "write", "/f", () => writeFully(storage, file, ascii("d"), 0, 1));
  assertEquals(text(storage, "/f"), "abc");
});
