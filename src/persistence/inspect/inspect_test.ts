import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { ascii, utf8Encode } from "../../base/bytes.ts";
import { COMMAND_BOOK } from "../../commands/spec/command_book.ts";
import { MemoryStorage } from "../../io/memory_storage.ts";
import { readWhole, writeWhole } from "../../io/storage.ts";
import { ManualClock, openServer, SeededRandomness } from "../../mod.ts";
import { commandBytes, dumpOfAllTypes, sealedLog, someBlocks, type Words } from "../check/testing.ts";
import { scratchKeyspace } from "../rdb/scratch_keyspace.ts";
import { DataDiff, type Difference } from "./data_diff.ts";
import { LiveSource, RdbSource } from "./data_source.ts";
import { diffText } from "./diff_text.ts";
import { flameHtml } from "./flame_html.ts";
import { inspectText } from "./inspect_text.ts";
import { type ExportFormat, KeyExport, LineWriter } from "./key_export.ts";
import { LogAccount } from "./log_account.ts";
import { MemoryAccount } from "./memory_account.ts";
import { prefixRows } from "./prefix_rows.ts";
import { PrefixTree } from "./prefix_tree.ts";

const NOW_MS = 1_000_000_000_000, HOUR_MS = 3_600_000;
const quiet = () => {};

function account(): MemoryAccount {
  return new MemoryAccount({ nowMs: NOW_MS, top: 3, separators: ":", folds: true });
}

function sourceOf(bytes: Uint8Array): RdbSource {
  const storage = new MemoryStorage();
  let state = 1;
  writeWhole(storage, "/dump.rdb", bytes);
  return new RdbSource(
    storage,
    scratchKeyspace(() => state = Math.imul(state, 1664525) + 1013904223 >>> 0),
    "/dump.rdb",
  );
}

/** A dump of what these commands make. */
async function dumpOf(commands: readonly Words[]): Promise<Uint8Array> {
  const storage = new MemoryStorage(), clock = new ManualClock(NOW_MS), randomness = new SeededRandomness(1);
  const server = await openServer({ storage, clock, randomness, directives: ["--save", ""] });
  const client = server.connect();
  for (const words of commands) client.command(...words);
  client.command("SAVE");
  server.kill();
  return readWhole(storage, "//dump.rdb");
}

/** The server that has loaded a dump. */
function loaded(dump: Uint8Array) {
  const storage = new MemoryStorage();
  writeWhole(storage, "//dump.rdb", dump);
  const clock = new ManualClock(NOW_MS), randomness = new SeededRandomness(1);
  return openServer({ storage, clock, randomness, directives: ["--save", ""] });
}

Deno.test("inspect: the memory of each key is what MEMORY USAGE says, and that of all is what the server's memory holds", async () => {
  const dump = await dumpOfAllTypes(), redis = await loaded(dump), client = redis.connect(), sums = account();
  let database = 0;
  sourceOf(dump).forEach((facts) => {
    sums.add(facts);
    if (facts.database !== database) client.command("SELECT", database = facts.database);
    const key = facts.key.slice(0, facts.keyLength);
    assertEquals(facts.memoryBytes, client.command("MEMORY", "USAGE", key, "SAMPLES", 0));
    assertEquals(facts.length, lengthOf(key));
  }, quiet);
  const { allocator, keyspace } = redis.server;
  const emptyBytes = keyspace.databases.filter((db) => keyspace.size(db) === 0).reduce(
    (sum, db) => sum + keyspace.dict.overheadBytes(db.dict),
    0,
  );
  assertEquals(
    sums.allBytes,
    allocator.liveBytes - emptyBytes + keyspace.databases.reduce((sum, db) => sum + db.expiry.bytes, 0),
  );
  redis.kill();

  function lengthOf(key: Uint8Array) {
    const commands = { string: "STRLEN", list: "LLEN", set: "SCARD", zset: "ZCARD", hash: "HLEN", stream: "XLEN" };
    return client.command(commands[client.command("TYPE", key) as keyof typeof commands], key);
  }
});

Deno.test("inspect: a key and a replayed server's key take the same", async () => {
  const dump = await dumpOfAllTypes(),
    redis = await loaded(dump),
    sizes = [new Map<string, number>(), new Map<string, number>()];
  const sources = [sourceOf(dump), new LiveSource("live", "", 0, redis.server.keyspace)];
  sources.forEach((source, i) =>
    source.forEach(({ key, keyLength, memoryBytes }) => {
      sizes[i].set(String.fromCharCode(...key.subarray(0, keyLength)), memoryBytes);
    }, quiet)
  );
  assertEquals([...sizes[0]].sort(), [...sizes[1]].sort());
  redis.kill();
});

Deno.test("inspect: nothing of a key stays in memory, large ones of many blocks neither", async () => {
  const members = Array.from({ length: 20_000 }, (_, i) => `member${i}`);
  const dump = await dumpOf(Array.from({ length: 4 }, (_, i) => ["SADD", `large${i}`, ...members]));
  const storage = new MemoryStorage(), keyspace = scratchKeyspace(() => 1);
  writeWhole(storage, "/dump.rdb", dump);
  const idleBytes = keyspace.allocator.liveBytes;
  let largestBytes = 0, keys = 0;
  new RdbSource(storage, keyspace, "/dump.rdb").forEach(({ memoryBytes }) => {
    keys++;
    largestBytes = Math.max(largestBytes, keyspace.allocator.liveBytes - memoryBytes);
  }, quiet);
  assertEquals([keys, keyspace.allocator.liveBytes, largestBytes], [4, idleBytes, idleBytes]);
});

Deno.test("inspect: encodings, times to live, prefixes and largest keys each account for every byte", async () => {
  const sums = account();
  const dump = await dumpOf([
    ["SET", "user:17:name", "x".repeat(200)],
    ["SET", "user:4:name", "short"],
    ["HSET", "user:4:cart", "a", "b"],
    ["SET", "session:5f0c9a1e77", "s", "PXAT", NOW_MS + HOUR_MS / 2],
    ["SET", "n", 5, "PXAT", NOW_MS + 40 * 24 * HOUR_MS],
  ]);
  sourceOf(dump).forEach(sums.add, quiet);
  const bytes = sums.total.memoryBytes, add = (sum: number, one: number) => sum + one;
  assertEquals(sums.byEncoding.map(({ sums: { memoryBytes } }) => memoryBytes).reduce(add), bytes);
  assertEquals(sums.byTtl.map(({ name, sums: { keys } }) => [name, keys]), [
    ["no expiry", 3],
    ["under 1 hour", 1],
    ["30 days or more", 1],
  ]);
  const rows = prefixRows(sums.prefixes, 0);
  assertEquals(rows.map(({ pattern }) => pattern).sort(), ["n", "session:#", "user:#:cart", "user:#:name"]);
  assertEquals(rows.map((row) => row.sums[0]).reduce(add), bytes);
  assertEquals(sums.largest.map(({ key }) => key), ['"user:17:name"', '"session:5f0c9a1e77"', '"user:4:cart"']);
  assertEquals(sums.total.fileBytes + headAndTail(dump), dump.length);

  /** Bytes before the first key and behind the last one. */
  function headAndTail(bytes: Uint8Array): number {
    const resizeAt = bytes.findIndex((byte, i) => byte === 0xfb && bytes[i + 1] === 5 && bytes[i + 2] === 2);
    return resizeAt + 3 + 9;
  }
});

Deno.test("prefix tree: numbers and ids are folded, words and everything literal are not", () => {
  const names = [
    "user:17",
    "user:4711",
    "a1b2:x",
    "deadbeef:x",
    "cafe:x",
    "550e8400-e29b-41d4-a716-446655440000",
    "plain",
  ];
  const patterns = (folds: boolean) => {
    const tree = new PrefixTree({ separators: ":", folds, measures: 1 });
    for (const name of names) tree.add(ascii(name), name.length, [1]);
    return prefixRows(tree, 0).map(({ pattern }) => pattern).sort();
  };
  assertEquals(patterns(true), ["#", "a#b#:x", "cafe:x", "deadbeef:x", "plain", "user:#"]);
  assertEquals(patterns(false), [...names].sort());
});

Deno.test("prefix tree: a hundred thousand different names take bounded room, and no byte gets lost", () => {
  const tree = new PrefixTree({ separators: ":", folds: false, measures: 2 }), large = ascii("large:one");
  for (let i = 0; i < 100_000; i++) {
    const name = ascii(`name${(i * 7919) % 100_003}`);
    tree.add(name, name.length, [1, 1]);
    if (i % 10 === 0) tree.add(large, large.length, [50, 1]);
  }
  const count = (node = tree.root): number => [...node.all()].reduce((sum, child) => sum + 1 + count(child), 0);
  assert(count() <= 1 << 15, `${count()} nodes`);
  const rows = prefixRows(tree, 0.01);
  assertEquals(rows.map(({ pattern, sums }) => [pattern, ...sums]), [["large:one", 500_000, 10_000], [
    "*",
    100_000,
    100_000,
  ]]);
});

Deno.test("inspect: exports have one line a key, whatever bytes its name has", async () => {
  const dump = await dumpOf([["SET", 'a,"b"\n\x01', "v", "PXAT", NOW_MS + 1]]);
  const text = (format: ExportFormat) => {
    const parts: string[] = [];
    const lines = new LineWriter((bytes) => parts.push(new TextDecoder().decode(bytes)), quiet),
      one = new KeyExport(lines, format);
    sourceOf(dump).forEach(one.add, quiet);
    one.close();
    return parts.join("");
  };
  assertEquals(JSON.parse(text("jsonl")), {
    db: 0,
    key: 'a,\\"b\\"\\n\\x01',
    type: "string",
    encoding: "embstr",
    length: 1,
    memoryBytes: 40,
    fileBytes: 20,
    expiresAtMs: NOW_MS + 1,
  });
  assertEquals(
    text("csv"),
    "db,key,type,encoding,length,memory_bytes,file_bytes,expires_at_ms\n" +
      `0,"a,\\""b\\""\\n\\x01",string,embstr,1,40,20,${NOW_MS + 1}\n`,
  );
});

Deno.test("inspect: of a damaged file the keys before the damage are shown, and where it is", async () => {
  const dump = await dumpOfAllTypes(), whole = account(), torn = account();
  assertEquals(sourceOf(dump).forEach(whole.add, quiet), null);
  const damage = sourceOf(dump.subarray(0, dump.length - 20)).forEach(torn.add, quiet);
  assertEquals([damage?.path, damage?.offsetBytes, whole.total.keys - torn.total.keys], [
    "/dump.rdb",
    dump.length - 20,
    1,
  ]);
  dump[dump.length - 1] ^= 1;
  assertStringIncludes(sourceOf(dump).forEach(quiet, quiet)!.reason, "CRC");
});

const BEFORE: readonly Words[] = [
  ["SET", "same", 1],
  ["HSET", "same:hash", "a", 1, "b", 2],
  ["SET", "gone", "x".repeat(100)],
  ["SET", "other", "one"],
  ["SET", "type", "x"],
  ["SET", "mortal", 1, "PXAT", NOW_MS + HOUR_MS],
  ["SELECT", 1],
  ["SET", "same", 1],
];
const AFTER: readonly Words[] = [
  ["CONFIG", "SET", "hash-max-listpack-entries", 1],
  ["HSET", "same:hash", "b", 2, "a", 1],
  ["SET", "same", 1],
  ["SET", "other", "two"],
  ["RPUSH", "type", "x"],
  ["SET", "mortal", 1, "PXAT", NOW_MS + 2 * HOUR_MS],
  ["SET", "new", 1],
  ["SELECT", 2],
  ["SET", "same", 1],
];
const DIFFERENCES = [
  "0 added new",
  "0 changed other",
  "0 changed type",
  "0 expiry mortal",
  "0 removed gone",
  "1 removed same",
  "2 added same",
];

async function compared(keysPerPart: number): Promise<{ diff: DataDiff; found: string[] }> {
  const found: string[] = [];
  const diff = new DataDiff({
    before: sourceOf(await dumpOf(BEFORE)),
    after: sourceOf(await dumpOf(AFTER)),
    keysBefore: 7,
    top: 2,
    separators: ":",
    folds: true,
    random: () => 12345,
    keysPerPart,
    onDifference: ({ change, key }: Difference) => found.push(`${key.database} ${change} ${key.key.slice(1, -1)}`),
    onProgress: quiet,
  });
  diff.run();
  return { diff, found: found.sort() };
}

Deno.test("diff: keys added, removed, of another value or expiry; not another encoding or order", async () => {
  const { diff, found } = await compared(100);
  assertEquals(found, DIFFERENCES);
  assertEquals(diff.sameKeys, 2);
  assertEquals(diff.largest[0].key.key, '"gone"');
  const { added, removed } = diff.byChange;
  assertEquals([added.keys, added.bytesBefore, removed.keys, removed.bytesAfter], [2, 0, 2, 0]);
});

Deno.test("diff: part by part it finds the same", async () => {
  for (const keysPerPart of [1, 2, 3]) {
    const { diff, found } = await compared(keysPerPart);
    assertEquals([found, diff.sameKeys], [DIFFERENCES, 2]);
  }
});

Deno.test("log account: commands, their prefixes, annotations, and where a log ends in the middle", () => {
  const storage = new MemoryStorage(), log = new LogAccount(COMMAND_BOOK.keys, ":", true);
  const add = (bytes: Uint8Array) => {
    writeWhole(storage, "/log", bytes);
    const file = storage.open("/log", "read");
    return log.addFile(storage, file, "/log", 0, bytes.length);
  };
  const plain = commandBytes([["SET", "user:1", "v"], ["set", "user:22", "v"], ["PING"]]);
  assertEquals(add(plain), null);
  assertEquals([log.commandCount, log.commandBytes, log.annotationBytes], [3, plain.length, 0]);
  assertEquals(log.byCommand.map(({ name, count }) => [name, count]), [["SET", 2], ["PING", 1]]);
  assertEquals(prefixRows(log.prefixes, 0).map(({ pattern, sums }) => [pattern, sums[1]]), [["user:#", 2]]);
  const sealed = sealedLog("log", someBlocks(2));
  assertEquals(add(sealed), null);
  assertEquals(log.commandBytes + log.annotationBytes, plain.length + sealed.length);
  assert(log.annotationBytes > 0);
  assertEquals(add(plain.subarray(0, plain.length - 3))?.offsetBytes, plain.length - commandBytes([["PING"]]).length);
});

Deno.test("inspect: no line of the report is wider than the terminal, and hostile names stay text", async () => {
  const name = `<script>alert("x")</script>:${"long".repeat(40)}`, sums = account();
  const source = sourceOf(await dumpOf([["SET", name, "x".repeat(2000)], ["RPUSH", "list", 1]]));
  source.forEach(sums.add, quiet);
  const text = inspectText({ source, account: sums, log: null, damage: null, nowMs: NOW_MS, width: 80 });
  assertEquals(text.split("\n").filter((line) => line.length > 80), []);
  const html = flameHtml(sums, { title: "t", setting: "s" });
  assert(!html.includes("<script>alert") && !/(?:src|href)=/.test(html));
  assertStringIncludes(html, "&lt;script&gt;");
});

Deno.test("diff: two equal sets are called equal", async () => {
  const source = sourceOf(await dumpOf(BEFORE)), keys = 7;
  const o = { separators: ":", folds: true, random: () => 1, top: 2, onDifference: quiet, onProgress: quiet };
  const diff = new DataDiff({ before: source, after: source, keysBefore: keys, ...o });
  diff.run();
  const text = diffText({ before: "a", after: "b", keysBefore: keys, keysAfter: keys, diff, width: 80 });
  assertStringIncludes(text, "The data sets are equal.");
  assertEquals(utf8Encode(text).length, text.length);
});
