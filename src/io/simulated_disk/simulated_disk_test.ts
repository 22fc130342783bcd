/** The fault model of the simulated disk, item by item. */
import { assert, assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { ascii, latin1Decode } from "../../base/bytes.ts";
import { ManualClock } from "../clock.ts";
import { SeededRandomness } from "../randomness.ts";
import { type FileHandle, readWhole, type Storage, StorageError, StorageSyncError, writeFully } from "../storage.ts";
import {
  type CrashOutcome,
  type DiskProfile,
  type Fault,
  FaultPlan,
  type FaultRule,
  formatTimelineEntry,
  KILL,
  SeededFaults,
  SimulatedDisk,
} from "./mod.ts";

/** Pages of 8 bytes, sectors of 2: what a test does can be read. */
const SMALL = { pageBytes: 8, sectorBytes: 2 };

function newDisk(profile: DiskProfile, geometry = SMALL): SimulatedDisk {
  return new SimulatedDisk({ profile, geometry });
}

function append(storage: Storage, file: FileHandle, text: string): void {
  const bytes = ascii(text);
  writeFully(storage, file, bytes, 0, bytes.length);
}

/** A file that is durable, with its name. */
function durableFile(disk: SimulatedDisk, path: string, text: string): FileHandle {
  const file = disk.open(path, "create");
  append(disk, file, text), disk.sync(file), disk.syncDirectory("/");
  return file;
}

function show(disk: SimulatedDisk): string {
  return [...disk.contents()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([path, bytes]) =>
    `${path.slice(1)}=${latin1Decode(bytes).replaceAll("\0", "0")}`
  ).join(" ");
}

/** Everything that a power cut can leave, by the systematic outcomes and many drawn ones. */
function leftovers(disk: SimulatedDisk): Set<string> {
  const states = disk.crashStates(), randomness = new SeededRandomness(1), found = new Set<string>();
  const outcomes: CrashOutcome[] = [...states.systematic()].filter((outcome) => outcome !== KILL);
  for (let i = 0; i < 400; i++) outcomes.push(states.sample(randomness));
  for (const outcome of outcomes) {
    assert(states.allows(outcome));
    found.add(show(disk.afterCrash(outcome)));
  }
  return found;
}

function fault(disk: SimulatedDisk, ...rules: FaultRule[]): void {
  disk.faults = new FaultPlan(rules);
}

const EIO: Fault = { kind: "error", code: "EIO" };

Deno.test("1: a dirty page becomes old, new, or any mixture of sectors; pages are independent", () => {
  const disk = newDisk("strict"), file = durableFile(disk, "/f", "aaaaaaaabb");
  disk.close(file);
  append(disk, disk.open("/f", "update"), "AAAAAAAABB");
  const sectors = ["aa", "AA"], all = sectors.flatMap((a) => sectors.flatMap((b) => sectors.map((c) => a + b + c)));
  const pages = all.flatMap((three) => sectors.map((four) => three + four));
  assertEquals(
    [...leftovers(disk)].sort(),
    pages.flatMap((one) => [`f=${one}bb`, `f=${one}BB`]).sort().reverse().sort(),
  );
});

Deno.test("1: a page written twice may be left as it was in between", () => {
  const disk = newDisk("strict"), file = durableFile(disk, "/f", "aa");
  disk.close(file);
  for (const text of ["BB", "CC"]) {
    const again = disk.open("/f", "update");
    append(disk, again, text);
  }
  assertEquals([...leftovers(disk)].sort(), ["f=BB", "f=CC", "f=aa"]);
});

Deno.test("2: ext4 shows 100 synced and 50 unsynced bytes as 150 with 50 zeros", () => {
  const disk = new SimulatedDisk({ profile: "ext4" }), file = durableFile(disk, "/f", "x".repeat(100));
  append(disk, file, "y".repeat(50));
  const half = "x".repeat(100);
  assertEquals([...leftovers(disk)].sort(), [
    `f=${half}`,
    `f=${half}${"0".repeat(50)}`,
    `f=${half}${"y".repeat(50)}`,
  ]);
});

Deno.test("2: on ext4 a size without data ends at the last allocated block, on a strict disk anywhere", () => {
  const ext4 = newDisk("ext4"), strict = newDisk("strict");
  for (const disk of [ext4, strict]) append(disk, durableFile(disk, "/f", "aaaa"), "bbbbbbbb");
  const all = ["f=aaaa", "f=aaaa0000", "f=aaaabbbb", "f=aaaabbbbbbbb", "f=aaaa0000bbbb"];
  const seen = leftovers(ext4);
  for (const one of all) assert(seen.has(one), one);
  assert(![...seen].some((one) => one.endsWith("00000000")), "the second page has no block before its data");
  assert(leftovers(strict).has("f=aaaa00000000"));
});

Deno.test("3: ext4 keeps a prefix of the metadata; a sync commits it, with its own data only", () => {
  const disk = newDisk("ext4");
  const prepare = () => append(disk, disk.open("/a", "create"), "a");
  prepare(), disk.makeDirectory("/d"), disk.rename("/a", "/b");
  const seen = leftovers(disk);
  assertEquals([...seen].sort(), ["", "a=", "a=a", "b=", "b=a"]);
  disk.sync(disk.open("/c", "create"));
  assertEquals([...leftovers(disk)].sort(), ["b= c=", "b=a c="]);
});

Deno.test("3: on ext4 a sync of what is not in the log commits nothing of it", () => {
  const disk = newDisk("ext4"), file = durableFile(disk, "/a", "aa");
  disk.open("/b", "create");
  disk.sync(file);
  append(disk, disk.open("/a", "update"), "AA");
  disk.sync(file);
  assertEquals([...leftovers(disk)].sort(), ["a=AA", "a=AA b="]);
  append(disk, file, "+"), disk.sync(file);
  assertEquals([...leftovers(disk)], ["a=AA+ b="]);
});

Deno.test("3: on a strict disk names are each on their own, and a sync of the file does not keep its name", () => {
  const disk = newDisk("strict");
  for (const path of ["/a", "/b"]) disk.sync(disk.open(path, "create"));
  assertEquals([...leftovers(disk)].sort(), ["", "a=", "a= b=", "b="]);
  disk.makeDirectory("/d");
  disk.open("/d/x", "create");
  disk.syncDirectory("/d");
  assert(leftovers(disk).has(""), "what is in a directory without a name is gone");
  disk.syncDirectory("/");
  assertEquals([...leftovers(disk)], ["a= b= d/x="]);
});

Deno.test("3: what is durable in a directory without a durable name is there when the name survives", () => {
  const disk = newDisk("strict");
  disk.makeDirectory("/d");
  disk.sync(disk.open("/d/x", "create"));
  disk.syncDirectory("/d"), disk.remove("/d/x");
  const fork = disk.fork();
  fork.hash();
  assertEquals([...leftovers(fork)].sort(), ["", "d/x="]);
});

Deno.test("3: a rename between directories is durable where the directory was synced, and not yet in the other", () => {
  const disk = newDisk("strict");
  disk.makeDirectory("/d"), disk.close(durableFile(disk, "/f", "x"));
  disk.rename("/f", "/d/g");
  assertEquals([...leftovers(disk)].sort(), ["d/g=x", "f=x"]);
  disk.syncDirectory("/d");
  assertEquals([...leftovers(disk)].sort(), ["d/g=x", "d/g=x f=x"]);
  disk.syncDirectory("/");
  assertEquals([...leftovers(disk)], ["d/g=x"]);
});

Deno.test("3: on ext4 a cut makes a size durable without its data, even a cut to the same size", () => {
  const disk = newDisk("ext4"), file = durableFile(disk, "/f", "");
  append(disk, file, "aa");
  assertEquals([...leftovers(disk)].sort(), ["f=", "f=aa"]);
  disk.truncate(file, 2);
  assertEquals([...leftovers(disk)].sort(), ["f=", "f=00", "f=aa"]);
});

for (const profile of ["ext4", "strict"] as const) {
  Deno.test(`4: ${profile}: a rename before the data's sync exposes an empty, a zero or the old target, never none`, () => {
    const disk = newDisk(profile);
    disk.close(durableFile(disk, "/target", "old"));
    const temp = disk.open("/temp", "create");
    append(disk, temp, "new");
    disk.rename("/temp", "/target");
    const seen = leftovers(disk);
    for (const one of ["target=old", "target=", "target=new"]) assert(seen.has(one), one);
    assert([...seen].every((one) => one.includes("target=")));
    disk.sync(temp), disk.syncDirectory("/");
    assertEquals([...leftovers(disk)], ["target=new"]);
  });

  Deno.test(`3: ${profile}: a cut is kept or not, and what was beyond it comes back only with the old size`, () => {
    const disk = newDisk(profile), file = durableFile(disk, "/f", "abcdefghij");
    disk.truncate(file, 3);
    assertEquals([...leftovers(disk)].sort(), ["f=abc", "f=abcdefghij"]);
    disk.sync(file);
    disk.truncate(file, 12);
    assertEquals([...leftovers(disk)].sort(), ["f=abc", "f=abc000000000"]);
  });
}

Deno.test("5: a failed sync is told once, its pages stay open for good, and the next sync succeeds", () => {
  const disk = newDisk("strict"), file = durableFile(disk, "/f", "old!");
  append(disk, file, "new!");
  fault(disk, { operation: "sync", fault: EIO });
  assertThrows(() => disk.sync(file), StorageSyncError);
  disk.sync(file);
  assertEquals(show(disk), "f=old!new!");
  const seen = leftovers(disk);
  assert(seen.has("f=old!0000") && seen.has("f=old!new!"), [...seen].join());
  assertEquals(show(disk.afterCrash(KILL)), "f=old!new!");
});

Deno.test("5: what is written to the page anew, and synced, is durable again", () => {
  const disk = newDisk("strict"), file = durableFile(disk, "/f", "old!");
  append(disk, file, "n1");
  fault(disk, { operation: "sync", fault: EIO });
  assertThrows(() => disk.sync(file), StorageSyncError);
  append(disk, file, "n2"), disk.sync(file);
  assertEquals([...leftovers(disk)], ["f=old!n1n2"]);
});

Deno.test("5: each open file hears of a failure once; who opens the file after that hears nothing", () => {
  const disk = newDisk("ext4"), one = durableFile(disk, "/f", "x"), two = disk.open("/f", "append");
  append(disk, one, "y");
  fault(disk, { operation: "sync", fault: EIO });
  assertThrows(() => disk.sync(one), StorageSyncError);
  const three = disk.open("/f", "append");
  assertThrows(() => disk.sync(two), StorageSyncError);
  disk.sync(one), disk.sync(two), disk.sync(three);
});

Deno.test("5: writing back that fails behind is told by the next sync", () => {
  const disk = newDisk("strict"), file = durableFile(disk, "/f", "x");
  fault(disk, { operation: "write", fault: { kind: "writeback", code: "ENOSPC" } });
  append(disk, file, "y");
  assertEquals(assertThrows(() => disk.sync(file), StorageSyncError).code, "ENOSPC");
  disk.sync(file);
  assertEquals([...leftovers(disk)].sort(), ["f=x0", "f=xy"]);
});

Deno.test("5: after a failed sync of a directory a success proves nothing, until something else changes there", () => {
  const disk = newDisk("strict");
  disk.open("/a", "create");
  fault(disk, { operation: "syncDirectory", fault: EIO });
  assertThrows(() => disk.syncDirectory("/"), StorageSyncError);
  disk.syncDirectory("/");
  assertEquals([...leftovers(disk)].sort(), ["", "a="]);
  disk.open("/b", "create"), disk.syncDirectory("/");
  assertEquals([...leftovers(disk)], ["a= b="]);
});

Deno.test("6: short writes, interrupts, errors, and a part written before the error", () => {
  const disk = newDisk("strict"), file = disk.open("/f", "append"), bytes = ascii("abcdef");
  fault(
    disk,
    { operation: "write", nth: 0, fault: { kind: "short", bytes: 2 } },
    { operation: "write", nth: 1, fault: { kind: "error", code: "EINTR" } },
    { operation: "write", nth: 2, fault: { kind: "part", bytes: 1, code: "ENOSPC" } },
  );
  assertEquals(disk.write(file, bytes, 0, 6), 2);
  assertEquals(assertThrows(() => disk.write(file, bytes, 2, 6), StorageError).code, "EINTR");
  assertEquals(assertThrows(() => disk.write(file, bytes, 2, 6), StorageError).code, "ENOSPC");
  assertEquals(show(disk), "f=abc");
});

Deno.test("6: a full disk takes what fits, then nothing, until space is freed", () => {
  const disk = new SimulatedDisk({ geometry: SMALL, capacityBytes: 10 }), file = disk.open("/f", "append");
  append(disk, disk.open("/g", "create"), "12345");
  assertEquals(disk.write(file, ascii("abcdefgh"), 0, 8), 5);
  assertEquals(assertThrows(() => disk.write(file, ascii("x"), 0, 1), StorageError).code, "ENOSPC");
  disk.truncate(file, 4);
  assertEquals(disk.write(file, ascii("xy"), 0, 2), 1);
});

Deno.test("6: open, rename and makeDirectory may fail, and then change nothing", () => {
  const disk = newDisk("strict");
  disk.close(durableFile(disk, "/f", "x"));
  fault(
    disk,
    { operation: "open", fault: { kind: "error", code: "ENOSPC" } },
    { operation: "rename", fault: EIO },
    { operation: "makeDirectory", fault: { kind: "error", code: "ENOSPC" } },
  );
  assertThrows(() => disk.open("/g", "create"), StorageError);
  assertThrows(() => disk.rename("/f", "/g"), StorageError);
  assertThrows(() => disk.makeDirectory("/d"), StorageError);
  assertEquals([show(disk), disk.list("/")], ["f=x", ["f"]]);
});

Deno.test("6: a file system that turned read-only refuses changes and syncs, and lets read", () => {
  const disk = newDisk("ext4"), file = durableFile(disk, "/f", "x");
  fault(disk, { operation: "write", fault: { kind: "readOnly" } });
  const refused = [
    () => append(disk, file, "y"),
    () => disk.open("/g", "create"),
    () => disk.rename("/f", "/g"),
    () => disk.sync(file),
    () => disk.syncDirectory("/"),
  ];
  for (const run of refused) assertEquals(assertThrows(run, StorageError).code, "EROFS");
  assertEquals(latin1Decode(readWhole(disk, "/f")), "x");
});

Deno.test("7: a sync in flight covers what was written before it began; until its end anything may be left", async () => {
  const clock = new ManualClock(), disk = new SimulatedDisk({ profile: "strict", geometry: SMALL, clock });
  const file = durableFile(disk, "/f", "");
  append(disk, file, "aaaaaaaa");
  fault(disk, { operation: "sync", fault: { kind: "hang", ms: 5000 } });
  let isDone = false;
  const syncing = disk.syncInBackground(file).then(() => void (isDone = true));
  append(disk, file, "bb");
  clock.advance(4999);
  for (let i = 0; i < 5; i++) await Promise.resolve();
  assert(!isDone && leftovers(disk).has("f="));
  clock.advance(1);
  await syncing;
  assertEquals([...leftovers(disk)].sort(), ["f=aaaaaaaa", "f=aaaaaaaa00", "f=aaaaaaaabb"]);
});

Deno.test("7: a sync in the background that fails says so, and leaves later writes alone", async () => {
  const disk = newDisk("strict"), file = durableFile(disk, "/f", "");
  append(disk, file, "aaaaaaaa");
  fault(disk, { operation: "sync", fault: EIO });
  const syncing = disk.syncInBackground(file);
  append(disk, file, "bb");
  await assertRejects(() => syncing, StorageSyncError);
  disk.sync(file);
  const seen = leftovers(disk);
  assert(seen.has("f=aaaaaaaabb") && seen.has("f=00000000bb"), [...seen].join());
});

Deno.test("7: a sync in the foreground that hangs stops everything for that long", () => {
  const disk = newDisk("strict"), file = durableFile(disk, "/f", "x"), stalls: number[] = [];
  disk.onStall = (ms) => stalls.push(ms);
  fault(disk, { operation: "sync", fault: { kind: "hang", ms: 30_000, code: "EIO" } });
  assertThrows(() => disk.sync(file), StorageSyncError);
  assertEquals(stalls, [30_000]);
});

Deno.test("8: rot turns a bit for good, and a sector may not be readable", () => {
  const disk = newDisk("strict");
  disk.close(durableFile(disk, "/f", "abc"));
  fault(
    disk,
    { operation: "read", nth: 0, fault: { kind: "bitRot", offsetBytes: 1, bit: 0 } },
    { operation: "read", nth: 2, fault: EIO },
  );
  assertEquals(latin1Decode(readWhole(disk, "/f")), "acc");
  assertEquals([...leftovers(disk)], ["f=acc"]);
  assertEquals(latin1Decode(readWhole(disk, "/f")), "acc");
  assertEquals(assertThrows(() => readWhole(disk, "/f"), StorageError).code, "EIO");
});

Deno.test("8: a misdirected write leaves its target stale and damages its victim, as a power cut shows", () => {
  const disk = newDisk("strict");
  disk.close(durableFile(disk, "/victim", "vvvv"));
  const file = durableFile(disk, "/f", "aaaa");
  fault(disk, { operation: "write", fault: { kind: "misdirect", path: "/victim", page: 0 } });
  append(disk, file, "bb");
  disk.sync(file);
  assertEquals(show(disk), "f=aaaabb victim=vvvv");
  assertEquals([...leftovers(disk)], ["f=aaaa00 victim=aaaa"]);
});

Deno.test("8: a sync that lies makes nothing durable", () => {
  const disk = newDisk("strict"), file = durableFile(disk, "/f", "a");
  append(disk, file, "b");
  fault(disk, { operation: "sync", fault: { kind: "lie" } });
  disk.sync(file);
  assert(leftovers(disk).has("f=a"));
  disk.sync(file);
  assertEquals([...leftovers(disk)], ["f=ab"]);
});

Deno.test("9: what a crash leaves is a disk again, with its own crashes", () => {
  const disk = newDisk("strict"), file = durableFile(disk, "/f", "a");
  append(disk, file, "b");
  const killed = disk.afterCrash(KILL);
  assertEquals([...leftovers(killed)].sort(), [...leftovers(disk)].sort());
  const all = [...disk.crashStates().systematic()].map((outcome) => disk.afterCrash(outcome));
  const cut = all.find((one) => show(one) === "f=a")!, again = cut.open("/f", "append");
  append(cut, again, "c");
  assertEquals([...leftovers(cut)].sort(), ["f=a", "f=a0", "f=ac"]);
  assertEquals([show(disk), show(killed)], ["f=ab", "f=ab"]);
});

Deno.test("a fork shares nothing that changes, and no handle", () => {
  const disk = newDisk("strict"), file = durableFile(disk, "/f", "a"), fork = disk.afterCrash(KILL);
  append(disk, file, "b"), disk.rename("/f", "/g");
  const other = fork.open("/f", "append");
  append(fork, other, "c");
  assertEquals([show(disk), show(fork)], ["g=ab", "f=ac"]);
  assertThrows(() => fork.size(file), TypeError);
});

Deno.test("an abandoned disk does nothing more in the background", async () => {
  const disk = newDisk("strict"), file = durableFile(disk, "/f", "a");
  append(disk, file, "b");
  let isDone = false;
  for (const job of [disk.syncInBackground(file), disk.removeInBackground("/f")]) void job.then(() => isDone = true);
  disk.abandon();
  for (let i = 0; i < 5; i++) await Promise.resolve();
  assertEquals([isDone, show(disk), leftovers(disk).has("f=a")], [false, "f=ab", true]);
});

Deno.test("hash: of names and contents, however they came about, and of what is not durable", () => {
  const build = (steps: (disk: SimulatedDisk) => void) => {
    const disk = newDisk("strict");
    steps(disk);
    return disk.hash();
  };
  const two = build((disk) => (durableFile(disk, "/a", "1"), durableFile(disk, "/b", "2")));
  assertEquals(build((disk) => (durableFile(disk, "/b", "2"), durableFile(disk, "/a", "1"))), two);
  const others = [
    build((disk) => (durableFile(disk, "/a", "2"), durableFile(disk, "/b", "1"))),
    build((disk) => (durableFile(disk, "/a", "1"), durableFile(disk, "/c", "2"))),
    build((disk) => (durableFile(disk, "/a", "1"), durableFile(disk, "/b", "2\0"))),
    build((disk) => (durableFile(disk, "/a", "1"), append(disk, durableFile(disk, "/b", ""), "2"))),
    build((disk) => (durableFile(disk, "/a", "1"), durableFile(disk, "/b", "2"), disk.makeDirectory("/d"))),
  ];
  const unnamed = (text: string) => (disk: SimulatedDisk) => {
    const file = disk.open("/a", "create");
    append(disk, file, text), disk.sync(file);
  };
  others.push(build(unnamed("1")), build(unnamed("2")));
  for (const other of others) assertNotEquals(other, two);
  assertEquals(new Set(others.map(({ low, high }) => `${low} ${high}`)).size, others.length);
});

Deno.test("the timeline says what was done, what befell it, and what a power cut could take", () => {
  const disk = newDisk("strict"), file = durableFile(disk, "/f", "a");
  fault(disk, { operation: "rename", fault: EIO });
  append(disk, file, "b");
  assertThrows(() => disk.rename("/f", "/g"), StorageError);
  assertEquals(disk.timeline().map(formatTimelineEntry), [
    "#0 open /f create [durable]",
    "#1 write /f 0+1 [durable]",
    "#2 sync /f",
    "#3 syncDirectory /",
    "#4 write /f 1+1 [pending]",
    "#5 rename /f (error code EIO) -> EIO",
  ]);
});

Deno.test("faults: by number, by path, sticky or not; drawn ones repeat with their seed", () => {
  const run = (faults: FaultPlan | SeededFaults) => {
    const disk = newDisk("strict"), results: string[] = [];
    disk.faults = faults;
    for (const path of ["/a", "/b", "/a", "/b", "/a", "/b"]) {
      try {
        disk.close(disk.open(path, "append")), results.push("ok");
      } catch (error) {
        results.push((error as StorageError).code);
      }
    }
    return results.join(" ");
  };
  assertEquals(run(new FaultPlan([{ number: 2, fault: EIO }])), "ok ok EIO ok ok ok");
  assertEquals(run(new FaultPlan([{ operation: "open", path: "b", nth: 1, fault: EIO }])), "ok ok ok EIO ok ok");
  assertEquals(
    run(new FaultPlan([{ operation: "open", nth: 2, isSticky: true, fault: EIO }])),
    "ok ok EIO EIO EIO EIO",
  );
  const drawn = (seed: number) => run(new SeededFaults(new SeededRandomness(seed), 2));
  assertEquals(drawn(3), drawn(3));
  assert(new Set([1, 2, 3, 4].map(drawn)).size > 1);
});

Deno.test("kill: only the process dies", () => {
  const disk = newDisk("kill"), file = disk.open("/f", "create");
  append(disk, file, "a");
  assertEquals([...disk.crashStates().systematic()], [KILL]);
  assertEquals(disk.crashStates().sample(new SeededRandomness(1)), KILL);
  assertEquals(show(disk.afterCrash(KILL)), "f=a");
});

Deno.test("ext4 allows only prefixes of the metadata", () => {
  const disk = newDisk("ext4");
  disk.open("/a", "create"), disk.open("/b", "create");
  const allowed = (...choices: number[]) =>
    disk.crashStates().allows({ kind: "powerCut", choices: Uint8Array.from(choices) });
  assertEquals([allowed(0, 0), allowed(1, 0), allowed(1, 1), allowed(0, 1)], [true, true, true, false]);
});

Deno.test("leavesHole: a later sector or page survives where an earlier one does not", () => {
  const disk = newDisk("strict"), file = durableFile(disk, "/f", "");
  append(disk, file, "aabbccddee");
  const states = disk.crashStates();
  // Page 0 has four sectors, page 1 one; then the size.
  const holes = (...choices: number[]) => states.leavesHole({ kind: "powerCut", choices: Uint8Array.from(choices) });
  assertEquals([holes(0, 0, 1), holes(0b0011, 0, 1), holes(0xff, 0xff, 1), holes(0xff, 0, 0)], [
    false,
    false,
    false,
    false,
  ]);
  assertEquals([holes(0b0101, 0, 1), holes(0b1110, 0, 1), holes(0b0111, 1, 1), holes(0, 1, 1)], [
    true,
    true,
    true,
    true,
  ]);
  assert(!states.leavesHole(KILL));
  fault(disk, { operation: "sync", fault: EIO });
  assertThrows(() => disk.sync(file), StorageSyncError);
  append(disk, file, "ff"), disk.sync(file);
  const page0 = (mask: number) => disk.crashStates().leavesHole({ kind: "powerCut", choices: Uint8Array.of(mask) });
  assertEquals([page0(0), page0(0b0111), page0(0xff)], [true, true, false]);
});
