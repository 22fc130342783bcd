import { assert, assertEquals, assertThrows } from "@std/assert";
import { readFully, StorageError } from "../../io/storage.ts";
import { type Afterimage, type Client, ManualClock, MemoryStorage, openServer, ReplyError } from "../../mod.ts";

const PATH = "/server.conf";

/** A disk whose renames fail while it is told so. */
class FailingStorage extends MemoryStorage {
  fails = false;

  override rename(from: string, to: string): void {
    if (this.fails) throw new StorageError("rename", to, "EIO");
    super.rename(from, to);
  }
}

interface Opened {
  server: Afterimage;
  storage: FailingStorage;
  client: Client;
}

/** A server that was started with a configuration file of this text. */
async function opened(file: string): Promise<Opened> {
  const storage = new FailingStorage(), server = await openServer({ clock: new ManualClock(), storage });
  const handle = storage.open(PATH, "create"), bytes = new TextEncoder().encode(file);
  storage.write(handle, bytes, 0, bytes.length);
  storage.close(handle);
  Object.assign(server.server.system, { configFile: PATH });
  return { server, storage, client: server.connect() };
}

function textOf(storage: MemoryStorage, path: string): string {
  const file = storage.open(path, "read"), bytes = new Uint8Array(storage.size(file));
  readFully(storage, file, 0, bytes);
  storage.close(file);
  return new TextDecoder().decode(bytes);
}

Deno.test("CONFIG SET: all parameters or none, and GET shows them", async () => {
  const { server, client } = await opened("");
  client.command("config", "set", "maxmemory", "1mb", "maxmemory-policy", "allkeys-lru");
  assertEquals(client.command("config", "get", "maxmemory", "maxmemory-p*"), [
    ...["maxmemory", "1048576", "maxmemory-policy", "allkeys-lru"],
  ]);
  assertThrows(() => client.command("config", "set", "maxmemory", "2mb", "hz", "x"), ReplyError, "argument 'hz'");
  assertEquals(client.command("config", "get", "maxmemory"), ["maxmemory", "1048576"]);
  assertThrows(() => client.command("config", "set", "maxmemory", "2mb", "hz"), ReplyError, "ERR syntax error");
  server.kill();
});

Deno.test("CONFIG REWRITE: puts the settings in use into the file and keeps its comments", async () => {
  const { server, storage, client } = await opened("# mine\nmaxmemory 5mb\n");
  client.command("config", "set", "maxmemory", "7mb");
  client.command("config", "rewrite");
  assert(textOf(storage, PATH).startsWith("# mine\nmaxmemory 7mb\n"));
  assertEquals(storage.list("/").filter((name) => name.includes(".tmp")), []);
  server.kill();
});

Deno.test("CONFIG REWRITE: a failing disk leaves the old file and nothing beside it", async () => {
  const { server, storage, client } = await opened("maxmemory 5mb\n");
  storage.fails = true;
  assertThrows(() => client.command("config", "rewrite"), ReplyError, "Rewriting config file: Input/output error");
  assertEquals(textOf(storage, PATH), "maxmemory 5mb\n");
  assertEquals(storage.list("/").filter((name) => name.includes(".tmp")), []);
  server.kill();
});

Deno.test("CONFIG REWRITE: without a file it is refused", async () => {
  const server = await openServer({ clock: new ManualClock() }), client = server.connect();
  assertThrows(
    () => client.command("config", "rewrite"),
    ReplyError,
    "ERR The server is running without a config file",
  );
  server.kill();
});

Deno.test("CONFIG RESETSTAT: sets counters of commands, keys and errors to zero", async () => {
  const { server, client } = await opened("");
  client.command("get", "missing");
  assertThrows(() => client.command("incr"), ReplyError);
  client.command("config", "resetstat");
  const info = String(client.command("info", "stats", "commandstats", "errorstats"));
  assert(info.includes("keyspace_misses:0\r\n"));
  assert(info.includes("total_error_replies:0\r\n"));
  assert(!info.includes("cmdstat_get") && !info.includes("errorstat_ERR"), info);
  server.kill();
});
