/** The server in process: what transactions, expiry, saving, the log, memory limits and shutdown promise, with time and disk in hand. */
import { assert, assertEquals, assertMatch, assertNotEquals, assertStringIncludes } from "@std/assert";
import { latin1Decode, latin1Encode } from "../base/bytes.ts";
import { RealClock, type TimerId } from "../io/clock.ts";
import { TcpNetwork } from "../io/tcp_network.ts";
import { readFully, storageError, type StorageOperation } from "../io/storage.ts";
import {
  type Afterimage,
  type Client,
  ManualClock,
  MemoryStorage,
  openServer,
  type Reply,
  ReplyError,
} from "../mod.ts";

const INCREMENT = "//appendonlydir/appendonly.aof.1.incr.aof";
const ALWAYS = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""];

interface Opened {
  server: Afterimage;
  clock: ManualClock;
  storage: MemoryStorage;
  client: Client;
}

/** A server on this disk, an empty one unless given; commands of its client return errors as replies. */
async function open(directives: string[], storage = new MemoryStorage(), clock = new ManualClock()): Promise<Opened> {
  const server = await openServer({ clock, storage, directives: ["--enable-debug-command", "yes", ...directives] });
  return { server, clock, storage, client: server.connect() };
}

/** The reply; an error as its text after a dash. */
function ask(client: Client, ...words: (string | number | Uint8Array)[]): Reply {
  try {
    return shown(client.command(...words));
  } catch (error) {
    if (error instanceof ReplyError) return `-${error.message}`;
    throw error;
  }
}

function shown(reply: Reply): Reply {
  return Array.isArray(reply) ? reply.map((one) => one instanceof ReplyError ? `-${one.message}` : shown(one)) : reply;
}

/** Sends commands, and their replies. */
function askAll(client: Client, ...commands: string[]): Reply[] {
  return commands.map((command) => ask(client, ...command.split(" ")));
}

function info(client: Client, field: string): string {
  return new RegExp(`^${field}:(.*)\r$`, "m").exec(String(client.command("INFO", "everything")))![1];
}

function textOf(storage: MemoryStorage, path: string): string {
  const file = storage.open(path, "read"), bytes = new Uint8Array(storage.size(file));
  readFully(storage, file, 0, bytes);
  storage.close(file);
  return latin1Decode(bytes);
}

/** The commands in an increment of the log, each as one line. */
function logged(storage: MemoryStorage, path = INCREMENT): string[] {
  const lines = textOf(storage, path).split("\r\n"), commands: string[] = [];
  for (let at = 0; at < lines.length - 1;) {
    if (lines[at].startsWith("#")) {
      at++;
      continue;
    }
    const count = Number(lines[at].slice(1)), words: string[] = [];
    for (let i = 0; i < count; i++) words.push(lines[at + 2 + 2 * i]);
    commands.push(words.join(" "));
    at += 1 + 2 * count;
  }
  return commands;
}

/** Lets microtasks run: background calls of the disk, replies that were held. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

/** Runs the child that is at work to its end. */
function finishChild(server: Afterimage): void {
  while (server.step());
}

/** A disk on which these operations fail, where the path matches. */
function failing(storage: MemoryStorage, operations: StorageOperation[], path: RegExp, code = "ENOSPC"): void {
  storage.onOperation = (operation, where) => {
    if (operations.includes(operation) && path.test(where)) throw storageError(operation, where, code);
  };
}

function mend(storage: MemoryStorage): void {
  storage.onOperation = () => {};
}

// ---- transactions --------------------------------------------------------------------------------------------------

/** What happens between WATCH k (k holds v) and EXEC, by whom, and whether the transaction runs. */
const WATCHES: readonly (readonly [what: string, commands: string[], runs: boolean])[] = [
  ["nothing", [], true],
  ["a read", ["GET k", "TTL k", "EXISTS k"], true],
  ["a write", ["SET k w"], false],
  ["a write of the same value", ["SET k v"], false],
  ["a time to live", ["EXPIRE k 100"], false],
  ["a delete", ["DEL k"], false],
  ["a rename away", ["RENAME k other"], false],
  ["a rename onto it", ["SET other x", "RENAME other k"], false],
  ["an APPEND of nothing", ["APPEND k x", "GET k"], false],
  ["a delete of another key", ["SET other x", "DEL other"], true],
  ["a write in another database", ["SELECT 1", "SET k w", "SELECT 0"], true],
  ["FLUSHALL", ["FLUSHALL"], false],
  ["FLUSHDB of another database", ["SELECT 1", "FLUSHDB", "SELECT 0"], true],
  ["an exchange of databases", ["SWAPDB 0 1"], false],
  ["a command that fails", ["INCR k"], true],
  ["a NX that does not apply", ["SET k w NX"], true],
];

Deno.test("WATCH: exactly a change of a watched key makes EXEC reply null, whoever made it", async () => {
  const { server, client } = await open(["--save", ""]), other = server.connect();
  for (const [what, commands, runs] of WATCHES) {
    for (const writer of [client, other]) {
      askAll(client, "FLUSHALL", "SET k v");
      assertEquals(ask(client, "WATCH", "k"), "OK");
      askAll(writer, ...commands);
      assertEquals(askAll(client, "MULTI", "PING", "EXEC"), ["OK", "QUEUED", runs ? ["PONG"] : null], what);
      assertEquals(server.server.keyspace.watchedKeys, 0, what);
    }
  }
  server.kill();
});

Deno.test("WATCH: UNWATCH, DISCARD, EXEC and a closed connection forget; a missing key is watched too", async () => {
  const { server, client } = await open(["--save", ""]), other = server.connect();
  for (const forget of [["UNWATCH"], ["MULTI", "DISCARD"], ["MULTI", "EXEC"], ["RESET"]]) {
    askAll(client, "WATCH k missing", ...forget);
    ask(other, "SET", "k", forget[0]);
    assertEquals(askAll(client, "MULTI", "PING", "EXEC").at(-1), ["PONG"], forget.join(" "));
  }
  ask(client, "WATCH", "missing");
  ask(other, "SET", "missing", "no more");
  assertEquals(askAll(client, "MULTI", "PING", "EXEC").at(-1), null);
  const third = server.connect();
  askAll(third, "WATCH a b c");
  assertEquals(server.server.keyspace.watchedKeys, 3);
  third.close();
  assertEquals(server.server.keyspace.watchedKeys, 0);
  server.kill();
});

Deno.test("WATCH: a key that expires fails the transaction, one that had expired before does not", async () => {
  const { server, client, clock } = await open(["--save", ""]);
  ask(client, "DEBUG", "SET-ACTIVE-EXPIRE", "0");
  askAll(client, "SET k v PX 100", "WATCH k");
  clock.advance(200);
  assertEquals(askAll(client, "MULTI", "PING", "EXEC").at(-1), null);
  askAll(client, "SET k v PX 100");
  clock.advance(200);
  assertEquals(askAll(client, "WATCH k", "MULTI", "PING", "EXEC").at(-1), ["PONG"]);
  server.kill();
});

Deno.test("MULTI: errors while queueing abort EXEC, errors while running do not, and nesting is refused", async () => {
  const { server, client } = await open(["--save", ""]);
  assertEquals(askAll(client, "EXEC", "DISCARD"), ["-ERR EXEC without MULTI", "-ERR DISCARD without MULTI"]);
  assertEquals(askAll(client, "MULTI", "SET a 1", "NOSUCH x", "EXEC", "GET a"), [
    "OK",
    "QUEUED",
    "-ERR unknown command 'NOSUCH', with args beginning with: 'x' ",
    "-EXECABORT Transaction discarded because of previous errors.",
    null,
  ]);
  assertEquals(
    askAll(client, "MULTI", "SET a", "EXEC").at(-1),
    "-EXECABORT Transaction discarded because of previous errors.",
  );
  assertEquals(askAll(client, "MULTI", "MULTI", "WATCH a", "SET a x", "INCR a", "SET b 2", "EXEC"), [
    "OK",
    "-ERR MULTI calls can not be nested",
    "-ERR WATCH inside MULTI is not allowed",
    "QUEUED",
    "QUEUED",
    "QUEUED",
    ["OK", "-ERR value is not an integer or out of range", "OK"],
  ]);
  assertEquals(askAll(client, "GET a", "GET b"), ["x", "2"]);
  server.kill();
});

Deno.test("the log: a transaction that changes several keys is one unit, and what changes nothing is not logged", async () => {
  const { server, client, storage } = await open(ALWAYS);
  askAll(client, "MULTI", "SET a 1", "GET a", "INCR a", "INCR missing", "SELECT 3", "SET b 2", "EXEC", "SELECT 0");
  askAll(client, "MULTI", "SET c 1", "GET c", "EXEC");
  askAll(client, "MULTI", "GET c", "EXEC", "MULTI", "SET d 1", "DISCARD", "DEL none", "EXPIRE none 5", "SET a 2 NX");
  askAll(client, "WATCH a", "SET a 5", "MULTI", "SET e 1", "EXEC");
  assertEquals(logged(storage), [
    "select 0",
    "MULTI",
    "SET a 1",
    "INCR a",
    "INCR missing",
    "select 3",
    "SET b 2",
    "EXEC",
    "select 0",
    "SET c 1",
    "SET a 5",
  ]);
  server.kill();
  const again = await open(ALWAYS, storage);
  assertEquals(askAll(again.client, "MGET a missing c e", "SELECT 3", "GET b"), [["5", "1", "1", null], "OK", "2"]);
  again.server.kill();
});

Deno.test("the log: keys that expire are logged as DEL, once, whoever finds them", async () => {
  const { server, client, clock, storage } = await open(ALWAYS);
  ask(client, "DEBUG", "SET-ACTIVE-EXPIRE", "0");
  askAll(client, "SET read v PX 10", "SET written v PX 10", "SET swept v PX 10", "SET queued v PX 10");
  clock.advance(11);
  const before = logged(storage).length;
  askAll(client, "GET read", "GET read", "INCR written", "MULTI", "GET queued", "SET x 1", "EXEC");
  ask(client, "DEBUG", "SET-ACTIVE-EXPIRE", "1");
  server.tick(), server.tick();
  await settle();
  assertEquals(logged(storage).slice(before), [
    "DEL read",
    "MULTI",
    "DEL written",
    "INCR written",
    "EXEC",
    "MULTI",
    "DEL queued",
    "SET x 1",
    "EXEC",
    "DEL swept",
  ]);
  assertEquals([info(client, "expired_keys"), ask(client, "DBSIZE")], ["4", 2]);
  server.kill();
});

// ---- expiry --------------------------------------------------------------------------------------------------------

Deno.test("active expiry: keys nobody asks for go away within a few ticks after their time", async () => {
  const { server, client, clock } = await open(["--save", ""]);
  for (let i = 0; i < 2000; i++) client.command("SET", `key:${i}`, "v", "PX", 100 + (i % 2) * 100_000);
  clock.advance(101);
  for (let tick = 0; tick < 3000 && info(client, "expired_keys") !== "1000"; tick++) server.tick();
  assertEquals([info(client, "expired_keys"), ask(client, "DBSIZE")], ["1000", 1000]);
  clock.advance(100_000);
  server.tick();
  assertEquals([info(client, "expired_keys"), ask(client, "DBSIZE")], ["2000", 0]);
  server.kill();
});

// ---- saving --------------------------------------------------------------------------------------------------------

Deno.test("BGSAVE: inside a transaction it is put off, and saves the whole transaction", async () => {
  const { server, client, storage } = await open(["--save", ""]);
  assertEquals(askAll(client, "MULTI", "SET a 1", "BGSAVE", "SET b 2", "EXEC").at(-1), [
    "OK",
    "Background saving scheduled",
    "OK",
  ]);
  assertEquals([server.step(), info(client, "rdb_bgsave_in_progress")], [false, "0"]);
  server.tick();
  assertEquals(info(client, "rdb_bgsave_in_progress"), "1");
  ask(client, "SET", "a", "later");
  finishChild(server);
  server.kill();
  const again = await open(["--save", ""], storage);
  assertEquals(ask(again.client, "MGET", "a", "b"), ["1", "2"]);
  again.server.kill();
});

Deno.test("FLUSHALL: empties the dump too, but inside a transaction only when that is over", async () => {
  const { server, client, storage } = await open(["--save", "3600 1000000"]);
  const kept = async () => {
    const copy = new MemoryStorage(),
      file = copy.open("//dump.rdb", "create"),
      bytes = latin1Encode(textOf(storage, "//dump.rdb"));
    copy.write(file, bytes, 0, bytes.length), copy.close(file);
    const loaded = await open(["--save", ""], copy), keys = ask(loaded.client, "KEYS", "*") as string[];
    loaded.server.kill();
    return keys.sort();
  };
  askAll(client, "SET old 1", "SAVE", "MULTI", "SET a 1", "FLUSHALL", "SET b 2", "EXEC");
  assertEquals(await kept(), ["old"]);
  server.tick(), finishChild(server);
  assertEquals(await kept(), ["b"]);
  askAll(client, "BGSAVE", "MULTI", "FLUSHALL", "SET c 3", "EXEC");
  finishChild(server);
  assertEquals(await kept(), ["b"]);
  server.tick(), finishChild(server);
  assertEquals(await kept(), ["c"]);
  askAll(client, "FLUSHALL");
  assertEquals(await kept(), []);
  server.kill();
});

Deno.test("BGSAVE: beyond cow-max-bytes the save fails and writes go on; the next save works", async () => {
  const { server, client, storage } = await open(["--save", "3600 1000000", "--cow-max-bytes", "16384"]);
  const keys = 5000,
    write = (value: string) => {
      for (let i = 0; i < keys; i++) assertEquals(ask(client, "SET", `key:${i}`, value), "OK");
    };
  write("a".repeat(300));
  ask(client, "BGSAVE");
  server.step();
  write("b".repeat(300));
  finishChild(server);
  assertEquals([info(client, "rdb_last_bgsave_status"), storage.exists("//dump.rdb")], ["err", false]);
  assertEquals(ask(client, "SET", "k", "v"), "OK");
  assertEquals(storage.list("/"), []);
  ask(client, "BGSAVE");
  finishChild(server);
  assertEquals([info(client, "rdb_last_bgsave_status"), storage.exists("//dump.rdb")], ["ok", true]);
  const digest = ask(client, "DEBUG", "DIGEST");
  server.kill();
  const again = await open(["--save", ""], storage);
  assertEquals(ask(again.client, "DEBUG", "DIGEST"), digest);
  again.server.kill();
});

const MISCONF = /^-MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk/;

for (const operation of ["open", "write", "sync", "rename", "syncDirectory"] as const) {
  Deno.test(`BGSAVE: when ${operation} fails, writes are refused until a save works or nobody minds`, async () => {
    const { server, client, storage } = await open(["--save", "3600 1000000"]);
    const save = () => (ask(client, "BGSAVE"), finishChild(server));
    ask(client, "SET", "k", "v");
    const lastSave = ask(client, "LASTSAVE");
    const queued = server.connect();
    askAll(queued, "MULTI", "SET k w");
    failing(storage, [operation], operation === "syncDirectory" ? /^\/$/ : /dump|temp/);
    save();
    assertEquals([info(client, "rdb_last_bgsave_status"), ask(client, "LASTSAVE")], ["err", lastSave]);
    assertMatch(String(ask(client, "SET", "k", "w")), MISCONF);
    assertMatch(String(ask(client, "PING")), MISCONF);
    assertEquals(ask(client, "GET", "k"), "v");
    assertMatch(String(ask(queued, "EXEC")), /^-EXECABORT Transaction discarded because of: MISCONF /);
    askAll(client, "CONFIG SET stop-writes-on-bgsave-error no");
    assertEquals(ask(client, "SET", "k", "w"), "OK");
    askAll(client, "CONFIG SET stop-writes-on-bgsave-error yes");
    assertMatch(String(ask(client, "SET", "k", "x")), MISCONF);
    mend(storage);
    save();
    assertEquals(askAll(client, "SET k x", "GET k"), ["OK", "x"]);
    assertEquals(info(client, "rdb_last_bgsave_status"), "ok");
    server.kill();
  });
}

Deno.test("start: temporary files that an earlier process left are removed, other files are not (G12)", async () => {
  const storage = new MemoryStorage(), first = await open(ALWAYS, storage);
  askAll(first.client, "SET k v");
  first.server.kill();
  const orphans = [
    "//temp-123.rdb",
    "//temp-123-child.rdb",
    "//temp-123-old.rdb",
    "//appendonlydir/temp-rewriteaof-9.aof",
  ];
  const others = ["//temp-notes.txt", "//mine.rdb"];
  for (const path of [...orphans, ...others]) storage.close(storage.open(path, "create"));
  const { server, client } = await open(ALWAYS, storage);
  await settle();
  assertEquals(orphans.filter((path) => storage.exists(path)), []);
  assertEquals(others.filter((path) => storage.exists(path)), others);
  assertEquals(ask(client, "GET", "k"), "v");
  server.kill();
});

// ---- the log -------------------------------------------------------------------------------------------------------

Deno.test("appendonly yes beside a dump.rdb starts from the dump, and goes on from it (G11)", async () => {
  const { server, client, storage } = await open(["--save", ""]);
  askAll(client, "SET old 1", "SAVE");
  server.kill();
  const second = await open(ALWAYS, storage);
  assertEquals(askAll(second.client, "GET old", "SET new 2"), ["1", "OK"]);
  second.server.kill();
  storage.remove("//dump.rdb");
  const third = await open(ALWAYS, storage);
  assertEquals(ask(third.client, "MGET", "old", "new"), ["1", "2"]);
  third.server.kill();
});

Deno.test("the log: while it cannot be written, writes are refused and reads go on; it resumes by itself", async () => {
  const { server, client, storage, clock } = await open([
    "--appendonly",
    "yes",
    "--appendfsync",
    "everysec",
    "--save",
    "",
  ]);
  const reader = server.connect();
  assertEquals(ask(client, "SET", "k", "1"), "OK");
  failing(storage, ["write"], /incr\.aof/);
  client.send("SET", "k", "2");
  assertEquals(client.receive(), undefined);
  assertMatch(String(ask(reader, "SET", "k", "3")), /^-MISCONF Errors writing to the AOF file: .*No space left/);
  assertEquals([ask(reader, "GET", "k"), info(reader, "aof_last_write_status")], ["2", "err"]);
  mend(storage);
  for (let i = 0; i < 3; i++) {
    clock.advance(100), server.tick();
    await settle();
  }
  assertEquals([client.receive(), info(reader, "aof_last_write_status")], ["OK", "ok"]);
  assertEquals(ask(reader, "INCR", "k"), 3);
  server.kill();
  const again = await open(ALWAYS, storage);
  assertEquals(ask(again.client, "GET", "k"), "3");
  again.server.kill();
});

Deno.test("the log under always: when it cannot be synced the server stops, and acknowledges nothing more", async () => {
  const { server, client, storage } = await open(ALWAYS);
  ask(client, "SET", "k", "1");
  failing(storage, ["sync"], /incr\.aof/, "EIO");
  client.send("SET", "k", "2");
  await settle();
  assertEquals([client.receive(), server.exitCode], [undefined, 1]);
});

// ---- memory limits -------------------------------------------------------------------------------------------------

Deno.test("a full arena: writes fail whole with OOM, reads and deletes go on, and the log has what the memory has", async () => {
  const directives = [...ALWAYS, "--arena-max", "1mb"];
  const { server, client, storage } = await open(directives);
  const value = "v".repeat(200);
  let keys = 0, reply: Reply = "OK";
  for (; reply === "OK"; keys++) reply = ask(client, "SET", `key:${keys}`, value);
  assertEquals(reply, "-OOM command not allowed when used memory > 'arena-max'.");
  keys--;
  assertEquals([ask(client, "DBSIZE"), ask(client, "GET", "key:0"), ask(client, "EXISTS", `key:${keys}`)], [
    keys,
    value,
    0,
  ]);
  // Whatever these reply, memory and log must agree afterwards.
  const large = "w".repeat(100_000), payload = latin1Encode(String(ask(client, "DUMP", "key:1")));
  for (let i = 0; i < 300; i++) {
    ask(client, "SETRANGE", `range:${i}`, 300, "x");
    ask(client, "SETBIT", `bit:${i}`, 30_000, 1);
    ask(client, "RESTORE", `restored:${i}`, 100_000, payload);
    ask(client, "COPY", "key:2", "key:3", "REPLACE");
    ask(client, "RENAME", `key:${i + 10}`, `renamed:${i}:${"n".repeat(i)}`);
    ask(client, "EXPIRE", `key:${i + 400}`, 1000);
    ask(client, "APPEND", `key:${i + 5}`, large);
    ask(client, "MSET", `m:${i}`, value, `n:${i}`, value, `o:${i}`, large);
  }
  const digest = ask(client, "DEBUG", "DIGEST");
  assertEquals([ask(client, "DEL", "key:4", "key:5"), ask(client, "SET", "k", value)], [2, "OK"]);
  askAll(client, "SET key:4 x", "FLUSHALL");
  assertEquals(ask(client, "SET", "k", value), "OK");
  server.kill();
  const log = textOf(storage, INCREMENT), end = log.lastIndexOf("*3\r\n$3\r\nDEL\r\n");
  const file = storage.open(INCREMENT, "update");
  storage.truncate(file, end), storage.close(file);
  const again = await open([...ALWAYS, "--arena-max", "64mb"], storage);
  assertEquals(ask(again.client, "DEBUG", "DIGEST"), digest);
  again.server.kill();
});

Deno.test("what only sets the count of changes back is not logged: SAVE, DEBUG RELOAD", async () => {
  const { server, storage, client } = await open(ALWAYS);
  askAll(client, "SET a 1", "SAVE", "SET b 2", "DEBUG RELOAD", "SET c 3");
  server.kill();
  const commands = textOf(storage, INCREMENT).split("\r\n").filter((word) => /^(SET|SAVE|DEBUG)$/i.test(word));
  assertEquals(commands, ["SET", "SET", "SET"]);
});

for (
  const policy of [
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
  ]
) {
  Deno.test(`maxmemory: ${policy} evicts until the limit is kept, and logs what it evicts`, async () => {
    const { server, client, storage, clock } = await open([...ALWAYS, "--maxmemory-policy", policy]);
    for (let i = 0; i < 1000; i++) {
      client.command("SET", `key:${i}`, "v".repeat(200), "EX", 10_000 + i);
      if (i === 499) clock.advance(60_000), server.tick();
    }
    for (let i = 0; i < 50; i++) client.command("SET", `keep:${i}`, "v");
    server.tick();
    const limit = server.server.evictableBytes - 60_000;
    client.command("CONFIG", "SET", "maxmemory", limit);
    assertEquals(ask(client, "SET", "new", "v", "EX", 5), "OK");
    server.tick();
    // Room is made before a command, so its own few bytes may be over.
    const usedBytes = server.server.evictableBytes;
    assert(usedBytes <= limit + 100, `${usedBytes} bytes, limit ${limit}`);
    const evicted = Number(info(client, "evicted_keys"));
    assert(evicted > 100 && evicted < 500, `${evicted} evicted`);
    const dels = logged(storage).filter((command) => command.startsWith("DEL "));
    assertEquals([dels.length, ask(client, "DBSIZE")], [evicted, 1051 - evicted]);
    if (policy.startsWith("volatile")) assertEquals(dels.filter((command) => command.includes("keep")), []);
    // The first half was used longest ago and expires first.
    const old = dels.filter((command) => Number(command.split(":")[1]) < 500 && command.includes("key")).length;
    if (/-(lru|ttl)$/.test(policy)) assert(old > evicted * 0.9, `${old} of ${evicted} evicted keys are old`);
    server.kill();
  });
}

Deno.test("maxmemory: with nothing to evict, writes get OOM and everything else goes on", async () => {
  for (const policy of ["noeviction", "volatile-lru"]) {
    const { server, client } = await open(["--save", "", "--maxmemory-policy", policy]);
    askAll(client, "SET k v", "CONFIG SET maxmemory 1");
    assertEquals(askAll(client, "SET k w", "GET k", "DEL k", "MULTI", "PING"), [
      "-OOM command not allowed when used memory > 'maxmemory'.",
      "v",
      1,
      "OK",
      "-OOM command not allowed when used memory > 'maxmemory'.",
    ]);
    server.kill();
  }
});

Deno.test("FLUSHALL ASYNC: replies at once, and frees in slices that are bounded in time", async () => {
  /** Time passes with every look at the clock. */
  class BusyClock extends ManualClock {
    #looks = 0;
    override nowUs(): number {
      return super.nowUs() + 100 * ++this.#looks;
    }
  }
  const clock = new BusyClock(), { server, client } = await open(["--save", ""], new MemoryStorage(), clock);
  for (let i = 0; i < 20_000; i++) client.send("SET", `key:${i}`, "v");
  while (client.receive() !== undefined);
  const fullBytes = server.server.allocator.liveBytes;
  assertEquals(askAll(client, "FLUSHALL ASYNC", "DBSIZE"), ["OK", 0]);
  let slices = 0;
  for (let pending = 20_000; pending > 0; slices++) {
    clock.advance(1);
    const left = Number(info(client, "lazyfree_pending_objects"));
    assert(left < pending && pending - left <= 4000, `${pending - left} objects in one slice`);
    pending = left;
  }
  assert(slices > 4);
  clock.advance(1);
  assertEquals([info(client, "lazyfreed_objects"), server.server.allocator.liveBytes < fullBytes / 20], [
    "20000",
    true,
  ]);
  server.kill();
});

// ---- clients -------------------------------------------------------------------------------------------------------

Deno.test("CLIENT REPLY: OFF silences all but ON, SKIP the next command, in and out of transactions", async () => {
  const { server, client } = await open(["--save", ""]);
  const received = (...commands: string[]) => {
    for (const command of commands) client.send(...command.split(" "));
    const replies: Reply[] = [];
    for (let reply = client.receive(); reply !== undefined; reply = client.receive()) replies.push(shown([reply]));
    return replies.flat();
  };
  assertEquals(received("CLIENT REPLY OFF", "SET k 1", "NOSUCH", "GET k", "CLIENT REPLY ON", "GET k"), ["OK", "1"]);
  assertEquals(received("CLIENT REPLY SKIP", "SET k 2", "GET k"), ["2"]);
  assertEquals(received("CLIENT REPLY SKIP", "NOSUCH", "GET k"), ["2"]);
  assertEquals(received("CLIENT REPLY OFF", "CLIENT REPLY SKIP", "GET k", "GET k", "CLIENT REPLY ON"), ["OK"]);
  assertEquals(received("CLIENT REPLY OFF", "MULTI", "SET k 3", "EXEC", "CLIENT REPLY ON", "GET k"), ["OK", "3"]);
  server.kill();
});

Deno.test("CLIENT PAUSE: WRITE holds writes, ALL everything, until the time is over or UNPAUSE", async () => {
  const { server, client, clock } = await open(["--save", ""]), other = server.connect();
  ask(client, "CLIENT", "PAUSE", 1000, "WRITE");
  other.send("SET", "k", "1"), other.send("GET", "k");
  assertEquals([other.receive(), ask(client, "GET", "k")], [undefined, null]);
  clock.advance(999);
  await settle();
  assertEquals(other.receive(), undefined);
  clock.advance(1);
  await settle();
  assertEquals([other.receive(), other.receive(), ask(client, "GET", "k")], ["OK", "1", "1"]);
  askAll(client, "CLIENT PAUSE 5000");
  other.send("GET", "k");
  await settle();
  assertEquals(other.receive(), undefined);
  client.send("CLIENT", "UNPAUSE");
  await settle();
  clock.advance(5000);
  await settle();
  assertEquals([client.receive(), other.receive()], ["OK", "1"]);
  server.kill();
});

Deno.test("CLIENT PAUSE WRITE: keys that expire meanwhile read as missing, and go afterwards", async () => {
  const { server, client, clock, storage } = await open(ALWAYS);
  askAll(client, "SET k v PX 50", "CLIENT PAUSE 1000 WRITE");
  clock.advance(60), server.tick();
  assertEquals(askAll(client, "GET k", "DBSIZE"), [null, 1]);
  assertEquals(logged(storage).includes("DEL k"), false);
  clock.advance(1000), server.tick();
  await settle();
  assertEquals([ask(client, "DBSIZE"), logged(storage).at(-1)], [0, "DEL k"]);
  server.kill();
});

Deno.test("RESTORE: a payload of nothing but its footer is refused, and the server lives", async () => {
  const { server, client } = await open(["--save", ""]);
  ask(client, "DEBUG", "SET-SKIP-CHECKSUM-VALIDATION", "1");
  assertEquals(ask(client, "RESTORE", "k", 0, latin1Encode("\x0a\0" + "\0".repeat(8))), "-ERR Bad data format");
  assertEquals(ask(client, "PING"), "PONG");
  server.kill();
});

// ---- memory of clients -----------------------------------------------------------------------------------------------

/** A client that has sent the beginning of a large request. */
function withInput(server: Afterimage, name: string, bytes: number): Client {
  const client = server.connect();
  ask(client, "CLIENT", "SETNAME", name);
  client.sendBytes(latin1Encode(`*2\r\n$${bytes}\r\n` + "v".repeat(bytes - 1)));
  return client;
}

function connectedNames(client: Client): string[] {
  return [...String(ask(client, "CLIENT", "LIST")).matchAll(/ name=(\S*) /g)].map((match) => match[1]);
}

Deno.test("maxmemory-clients: the largest clients go first, and no more of them than need to; NO-EVICT spares", async () => {
  const { server, client } = await open(["--maxmemory-clients", "3mb"]);
  ask(client, "CLIENT", "NO-EVICT", "on"), ask(client, "CLIENT", "SETNAME", "me");
  withInput(server, "small", 400_000), withInput(server, "large", 1_500_000), withInput(server, "medium", 800_000);
  assertEquals(connectedNames(client), ["me", "small", "large", "medium"]);
  withInput(server, "last", 500_000);
  assertEquals(connectedNames(client), ["me", "small", "medium", "last"]);
  assertEquals(info(client, "evicted_clients"), "1");
  ask(client, "CONFIG", "SET", "maxmemory-clients", "1mb");
  assertEquals(connectedNames(client), ["me", "small", "last"]);
});

Deno.test("the sum of what clients take is what each of them says it takes", async () => {
  const { server, client } = await open([]);
  const gone = withInput(server, "a", 100_000), clients = [withInput(server, "b", 300_000), server.connect()];
  gone.close();
  ask(clients[1], "SET", "k", "v".repeat(50_000)), ask(clients[1], "GET", "k");
  ask(client, "PING");
  const bytes = [...server.server.clients.values()].reduce((sum, one) => sum + one.memoryBytes, 0);
  assertEquals(server.server.clientMemory.bytes, bytes);
});

Deno.test("client-output-buffer-limit: who is beyond it gets nothing, but its transaction is carried out", async () => {
  const { server, client } = await open(["--client-output-buffer-limit", "normal 100000 0 0"]);
  const reader = server.connect();
  ask(client, "SET", "k", "v".repeat(50_000));
  for (const words of [["MULTI"], ["GET", "k"], ["GET", "k"], ["GET", "k"], ["SET", "done", "yes"]]) {
    ask(reader, ...words);
  }
  reader.send("EXEC");
  assertEquals([reader.receive(), ask(client, "GET", "done"), server.server.clients.size], [undefined, "yes", 1]);
});

Deno.test("buffers of a client that idles are given back", async () => {
  const { server, client, clock } = await open([]);
  const idle = server.connect();
  ask(idle, "SET", "k", "v".repeat(100_000));
  for (let i = 0; i < 100; i++) clock.advance(100), server.tick();
  const { parser, reply } = [...server.server.clients.values()][1];
  assertEquals([parser.buffer.length, reply.memoryBytes <= 1024], [0, true]);
  assertEquals([ask(idle, "PING"), ask(client, "PING")], ["PONG", "PONG"]);
});

// ---- shutdown ------------------------------------------------------------------------------------------------------

Deno.test("SHUTDOWN: exits with 0 only when everything is durable (I14)", async () => {
  const { server, client, storage } = await open(["--save", "3600 1"]);
  ask(client, "SET", "k", "v");
  const operations: string[] = [];
  storage.onOperation = (operation) => void operations.push(operation);
  client.send("SHUTDOWN");
  assertEquals([server.exitCode, client.receive()], [0, undefined]);
  const order = operations.filter((one) => ["sync", "rename", "syncDirectory"].includes(one));
  assertEquals(order, ["sync", "rename", "syncDirectory"]);
  const again = await open(["--save", ""], storage);
  assertEquals(ask(again.client, "GET", "k"), "v");
  again.client.send("SHUTDOWN", "NOSAVE");
  assertEquals(again.server.exitCode, 0);
});

for (
  const [what, directives, operation, path] of [
    ["the dump cannot be written", ["--save", "3600 1"], "write", /temp/],
    ["the dump cannot be synced", ["--save", "3600 1"], "sync", /temp/],
    ["the directory cannot be synced", ["--save", "3600 1"], "syncDirectory", /./],
  ] as const
) {
  Deno.test(`SHUTDOWN: when ${what} it is refused, and FORCE exits with 1`, async () => {
    const { server, client, storage } = await open([...directives]);
    ask(client, "SET", "k", "v");
    failing(storage, [operation], path, "EIO");
    // Another client: after a failed sync, replies to those who wrote are held.
    const operator = server.connect();
    assertEquals(ask(operator, "SHUTDOWN"), "-ERR Errors trying to SHUTDOWN. Check logs.");
    assertEquals([server.exitCode, ask(operator, "GET", "k")], [null, "v"]);
    operator.send("SHUTDOWN", "FORCE");
    assertNotEquals(server.exitCode, 0);
    assert(server.exitCode !== null);
  });
}

for (const policy of ["always", "everysec", "no"]) {
  Deno.test(`SHUTDOWN: a log that cannot be synced, appendfsync ${policy}, refuses it and the writes that follow; FORCE exits with 1 (G12)`, async () => {
    const { server, client, storage } = await open(["--appendonly", "yes", "--appendfsync", policy, "--save", ""]);
    assertEquals(ask(client, "SET", "k", "1"), "OK");
    failing(storage, ["sync"], /incr/, "EIO");
    // Another client: after a failed sync, replies to those who wrote are held.
    const operator = server.connect();
    assertEquals(ask(operator, "SHUTDOWN"), "-ERR Errors trying to SHUTDOWN. Check logs.");
    assertEquals([server.exitCode, ask(operator, "GET", "k")], [null, "1"]);
    assertMatch(String(ask(operator, "SET", "k", "2")), /^-MISCONF Errors writing to the AOF file/);
    operator.send("SHUTDOWN", "FORCE");
    assertEquals(server.exitCode, 1);
  });
}

Deno.test("SHUTDOWN: a save that is under way is called off, and its file removed", async () => {
  const { server, client, storage } = await open(["--save", "3600 1"]);
  for (let i = 0; i < 5000; i++) client.command("SET", `key:${i}`, "v");
  ask(client, "BGSAVE");
  server.step();
  assertStringIncludes(storage.list("/").join(), "child");
  client.send("SHUTDOWN");
  assertEquals([server.exitCode, storage.list("/")], [0, ["dump.rdb"]]);
});

Deno.test("a signal: the child saves while clients are held, then the server stops; data and replies are those before", async () => {
  const { server, client, storage } = await open(["--save", "3600 1"]);
  for (let i = 0; i < 5000; i++) client.command("SET", `key:${i}`, "v");
  server.server.shutdown.request("SIGTERM", { save: null, now: false, force: false });
  server.tick();
  client.send("SET", "late", "v");
  assertEquals([client.receive(), server.exitCode], [undefined, null]);
  while (server.exitCode === null && server.step());
  assertEquals([server.exitCode, storage.list("/")], [0, ["dump.rdb"]]);
  const again = await open(["--save", ""], storage);
  assertEquals([ask(again.client, "DBSIZE"), ask(again.client, "EXISTS", "late")], [5000, 0]);
});

Deno.test("a signal: when the final save fails the server goes on, with the requests that were held", async () => {
  const { server, client, storage } = await open(["--save", "3600 1"]);
  ask(client, "SET", "k", "v");
  failing(storage, ["sync"], /temp/, "EIO");
  server.server.shutdown.request("SIGTERM", { save: null, now: false, force: false });
  server.tick();
  client.send("GET", "k");
  while (server.step());
  await Promise.resolve();
  assertEquals([server.exitCode, client.receive()], [null, "v"]);
});

Deno.test("a second SIGINT while the final save runs: exits at once, and its file is gone", async () => {
  const { server, client, storage } = await open(["--save", "3600 1"]);
  for (let i = 0; i < 5000; i++) client.command("SET", `key:${i}`, "v");
  const options = { save: null, now: false, force: false };
  server.server.shutdown.request("SIGINT", options);
  server.tick(), server.step();
  assertStringIncludes(storage.list("/").join(), "temp");
  server.server.shutdown.request("SIGINT", options);
  assertEquals([server.exitCode, storage.list("/")], [1, []]);
});

/** Each look at it takes 3 ms. */
class SlowClock extends ManualClock {
  override nowUs(): number {
    this.advance(3);
    return super.nowUs();
  }
}

Deno.test("a client whose requests take long lets others in before it goes on, and nothing is lost or out of order", async () => {
  const network = new TcpNetwork(), requests = 500;
  const clock = new SlowClock(), realClock = new RealClock();
  clock.setTimer = (delayMs, fn) => delayMs === 0 ? realClock.setTimer(0, fn) : 0 as TimerId;
  const server = await openServer({ clock, network, directives: ["--save", "", "--port", "0"] });
  const listener = network.listenTcp("127.0.0.1", 0, server.server);
  const [busy, other] = [await Deno.connect({ port: listener.port }), await Deno.connect({ port: listener.port })];
  try {
    let text = "";
    const replies = () => text.split("\r\n").length - 1;
    await busy.write(latin1Encode("INCR n\r\n".repeat(requests)));
    // Until the first of them has been run.
    let seen = 0;
    while (seen === 0) {
      const reply = new Uint8Array(16);
      await other.write(latin1Encode("GETRANGE n 0 -1\r\n"));
      const length = await other.read(reply);
      seen = Number(latin1Decode(reply, 0, length!).split("\r\n")[1]);
    }
    for (const piece = new Uint8Array(4096); replies() < requests;) {
      const length = await busy.read(piece);
      text += latin1Decode(piece, 0, length!);
    }
    assert(seen < requests, "the other was answered in between");
    assertEquals(text, Array.from({ length: requests }, (_, i) => `:${i + 1}\r\n`).join(""));
  } finally {
    busy.close(), other.close(), listener.close();
    server.kill();
    await settle();
  }
});
