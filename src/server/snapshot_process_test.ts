/** The process of a snapshot, with processes that are faked: what its death means, and that nothing depends on it. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { USER_SIGNAL } from "../io/process.ts";
import { FakeStandIns } from "../io/stand_in_processes.ts";
import { type Afterimage, type Client, ManualClock, MemoryStorage, openServer, ReplyError } from "../mod.ts";

/** More than one step of the child's. */
const KEYS = 3000;

interface Opened {
  server: Afterimage;
  storage: MemoryStorage;
  standIns: FakeStandIns;
  client: Client;
  log: string[];
}

async function open(...directives: string[]): Promise<Opened> {
  const storage = new MemoryStorage(), standIns = new FakeStandIns(), log: string[] = [];
  const server = await openServer({
    storage,
    standIns,
    clock: new ManualClock(),
    directives: ["--loglevel", "verbose", ...directives],
    onLog: (line) => log.push(line),
  });
  const client = server.connect();
  for (let i = 0; i < KEYS; i++) client.command("SET", `key:${i}`, "value");
  return { server, storage, standIns, client, log };
}

function persistenceInfo(client: Client, field: string): string {
  return new RegExp(`^${field}:(.*)\r$`, "m").exec(String(client.command("INFO", "persistence")))![1];
}

function finish(server: Afterimage): void {
  while (server.step());
}

/** Lets the disk's background calls come back. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

function refusal(client: Client, ...words: string[]): string | null {
  try {
    client.command(...words);
    return null;
  } catch (error) {
    if (error instanceof ReplyError) return error.message;
    throw error;
  }
}

Deno.test("BGSAVE and BGREWRITEAOF have a process under Redis's name for it, for as long as they run", async () => {
  const { server, standIns, client } = await open("--port", "7777");
  for (const [command, title] of [["BGSAVE", "redis-rdb-bgsave"], ["BGREWRITEAOF", "redis-aof-rewrite"]]) {
    client.command(command);
    assertEquals(standIns.running.map((one) => one.title), [`${title} *:7777`]);
    finish(server);
    assertEquals(standIns.running, []);
  }
  server.kill();
});

Deno.test("SAVE and snapshot-process no have none", async () => {
  const { server, standIns, client } = await open();
  client.command("SAVE");
  client.command("CONFIG", "SET", "snapshot-process", "no");
  client.command("BGSAVE");
  finish(server);
  assertEquals([standIns.started, persistenceInfo(client, "rdb_saves")], [0, "2"]);
  server.kill();
});

for (const finished of [false, true]) {
  const when = finished ? "after the thread has finished its file" : "while the thread writes";
  Deno.test(`BGSAVE: its process killed ${when}: an error, writes refused, no file, until a save works`, async () => {
    const { server, storage, standIns, client, log } = await open("--save", "3600 1");
    client.command("BGSAVE");
    const { events } = standIns.running[0];
    if (finished) beforeReport(server, () => events.killed(9));
    else server.step(), standIns.kill(9), finish(server);
    assertStringIncludes(log.join("\n"), "# Background saving terminated by signal 9");
    assertEquals(persistenceInfo(client, "rdb_bgsave_in_progress"), "0");
    assertEquals(persistenceInfo(client, "rdb_last_bgsave_status"), "err");
    assertEquals(storage.list("/"), []);
    assertStringIncludes(refusal(client, "SET", "x", "y")!, "MISCONF");
    client.command("BGSAVE");
    finish(server);
    assertEquals(persistenceInfo(client, "rdb_last_bgsave_status"), "ok");
    assertEquals(refusal(client, "SET", "x", "y"), null);
    server.kill();
  });
}

/** Runs the child to its end; `kill` comes between the end of its work and its report. */
function beforeReport(server: Afterimage, kill: () => void): void {
  const memory = server.server.memory, end = memory.endSnapshot.bind(memory), storage = server.server.storage;
  const close = storage.close.bind(storage);
  storage.close = (file) => {
    close(file);
    storage.close = close;
    kill();
  };
  memory.endSnapshot = () => (memory.endSnapshot = end, end());
  finish(server);
}

Deno.test("BGSAVE: SIGUSR1 to its process ends it without an error", async () => {
  const { server, storage, standIns, client, log } = await open("--save", "3600 1");
  client.command("BGSAVE");
  standIns.kill(USER_SIGNAL);
  finish(server);
  assertStringIncludes(log.join("\n"), `# Background saving terminated by signal ${USER_SIGNAL}`);
  assertEquals(persistenceInfo(client, "rdb_last_bgsave_status"), "ok");
  assertEquals(persistenceInfo(client, "rdb_saves"), "0");
  assertEquals([storage.list("/"), refusal(client, "SET", "x", "y")], [[], null]);
  server.kill();
});

for (const [name, signal, status, failures] of [["SIGKILL", 9, "err", "1"], ["SIGUSR1", USER_SIGNAL, "ok", "0"]]) {
  Deno.test(`BGREWRITEAOF: ${name} to its process: aof_last_bgrewrite_status:${status}, the log goes on`, async () => {
    const { server, storage, standIns, client, log } = await open("--appendonly", "yes");
    client.command("BGREWRITEAOF");
    await settle();
    standIns.kill(Number(signal));
    finish(server);
    assertStringIncludes(log.join("\n"), `# Background AOF rewrite terminated by signal ${signal}`);
    assertEquals(persistenceInfo(client, "aof_last_bgrewrite_status"), status);
    assertEquals(persistenceInfo(client, "aof_rewrites_consecutive_failures"), failures);
    assertEquals(storage.list("//appendonlydir").filter((file) => file.startsWith("temp-")), []);
    client.command("SET", "x", "y");
    client.command("BGREWRITEAOF");
    await settle();
    finish(server);
    assertEquals(persistenceInfo(client, "aof_rewrites"), "1");
    server.kill();
  });
}

Deno.test("BGREWRITEAOF: killed while it waits for the log to be synced: it ends at the cut", async () => {
  const { server, standIns, client, log } = await open("--appendonly", "yes");
  client.command("SET", "x", "y");
  client.command("BGREWRITEAOF");
  assertEquals(persistenceInfo(client, "current_save_keys_total"), "0");
  standIns.kill(9);
  await settle();
  finish(server);
  assertStringIncludes(log.join("\n"), "# Background AOF rewrite terminated by signal 9");
  assertEquals(persistenceInfo(client, "aof_last_bgrewrite_status"), "err");
  server.kill();
});

Deno.test("BGSAVE: the file is called after the process from when it runs, whatever then becomes of the save", async () => {
  const { server, storage, standIns, client } = await open("--stop-writes-on-bgsave-error", "no");
  for (const end of [() => {}, () => standIns.kill(9), () => client.command("FLUSHALL")]) {
    client.command("BGSAVE");
    server.step();
    standIns.running[0].events.started(4321);
    assertEquals(storage.list("/").filter((file) => file !== "dump.rdb"), ["temp-4321.rdb"]);
    end();
    finish(server);
    await settle();
    assertEquals(storage.list("/"), ["dump.rdb"]);
  }
  server.kill();
});

Deno.test("where no process can be started, saves go on without, and one line says so", async () => {
  const { server, standIns, client, log } = await open();
  for (let save = 1; save <= 2; save++) {
    client.command("BGSAVE");
    standIns.running.shift()?.events.missing("no permission to run /bin/sh");
    finish(server);
    assertEquals(persistenceInfo(client, "rdb_saves"), String(save));
  }
  assertEquals(log.filter((line) => line.includes("Snapshots have no process")).length, 1);
  assertEquals(standIns.started, 1);
  server.kill();
});
