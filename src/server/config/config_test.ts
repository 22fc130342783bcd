import { assertEquals } from "@std/assert";
import { allowsProtectedAction, Config, type ConfigCaller, enterAnyDirectory } from "./config.ts";

const REMOTE: ConfigCaller = { isLocal: false, isLoading: false };

function newConfig(): Config {
  return new Config({ workingDirectory: "/srv/data", enterDirectory: enterAnyDirectory });
}

function set(config: Config, words: string[], caller = REMOTE): string {
  const pairs = [];
  for (let i = 0; i < words.length; i += 2) pairs.push({ name: words[i], value: words[i + 1] });
  return config.set(pairs, caller)?.reply ?? "OK";
}

function get(config: Config, ...patterns: string[]): Record<string, string> {
  return Object.fromEntries(config.get(patterns).map(({ name, value }) => [name, value]));
}

Deno.test("Config: fields hold the defaults of Redis, parsed", () => {
  const config = newConfig();
  assertEquals(config.port, 6379);
  assertEquals(config.bind, ["*", "-::*"]);
  assertEquals(config.appendfsync, "everysec");
  assertEquals(config.protoMaxBulkBytes, 512 * 1024 * 1024);
  assertEquals(config.savePoints[1], { seconds: 300, changes: 100 });
  assertEquals(config.clientOutputBufferLimits.pubsub, { hardBytes: 33554432, softBytes: 8388608, softSeconds: 60 });
  assertEquals(config.dir, "/srv/data");
  assertEquals(config.pageSizeBytes, 4096);
});

Deno.test("Config.get: a pattern lists aliases too but nothing hidden; an exact name is given back as it was asked for", () => {
  const config = newConfig();
  assertEquals(get(config, "*-priority"), { "replica-priority": "100", "slave-priority": "100" });
  assertEquals(get(config, "rdb-key-save*"), {});
  assertEquals(get(config, "RDB-Key-Save-Delay"), { "RDB-Key-Save-Delay": "0" });
  assertEquals(get(config, "port", "p?rt", "PORT", "none"), { port: "6379" });
});

Deno.test("Config.set: several directives at once, through aliases and in any case", () => {
  const config = newConfig();
  assertEquals(set(config, ["MaxMemory", "1gb", "slave-priority", "7", "save", "60 1 10 2"]), "OK");
  assertEquals(config.maxmemoryBytes, 1 << 30);
  assertEquals(get(config, "replica-priority", "save"), { "replica-priority": "7", save: "60 1 10 2" });
});

Deno.test("Config.set: one bad value leaves everything as it was", () => {
  const config = newConfig();
  const reply = set(config, ["maxmemory", "1mb", "save", "", "maxclients", "0"]);
  assertEquals(
    reply,
    "ERR CONFIG SET failed (possibly related to argument 'maxclients') - " +
      "argument must be between 1 and 4294967295 inclusive",
  );
  assertEquals(config.maxmemoryBytes, 0);
  assertEquals(config.savePoints.length, 3);
});

Deno.test("Config.set: a hook that rejects puts everything back, then every hook runs on the old values", () => {
  const config = newConfig();
  const seen: string[] = [];
  config.onChange("maxmemory", () => (seen.push(`maxmemory ${config.maxmemoryBytes}`), null));
  config.onChange("port", () => {
    seen.push(`port ${config.port}`);
    return config.port === 1 ? "Unable to listen on this port. Check server logs." : null;
  });
  const failure = config.set([{ name: "maxmemory", value: "5" }, { name: "port", value: "1" }], REMOTE);
  assertEquals(failure, {
    reply: "ERR CONFIG SET failed (possibly related to argument 'port') - " +
      "Unable to listen on this port. Check server logs.",
    log: "Failed applying new configuration. Possibly related to new port setting. Restoring previous settings.",
  });
  assertEquals(seen, ["maxmemory 5", "port 1", "maxmemory 0", "port 6379"]);
});

Deno.test("Config.set: a hook runs once for several directives, and not when nothing changed", () => {
  const config = newConfig();
  let calls = 0;
  const hook = () => (calls++, null);
  config.onChange("lfu-log-factor", hook);
  config.onChange("lfu-decay-time", hook);
  assertEquals(set(config, ["lfu-log-factor", "10"]), "OK");
  assertEquals(calls, 0);
  assertEquals(set(config, ["lfu-log-factor", "11", "lfu-decay-time", "2"]), "OK");
  assertEquals(calls, 1);
});

Deno.test("Config.set: a hook without a reason gives the short error", () => {
  const config = newConfig();
  config.onChange("port", () => "");
  assertEquals(set(config, ["port", "1"]), "ERR CONFIG SET failed (possibly related to argument 'port')");
});

Deno.test("Config.set: unknown, immutable, protected, loading and duplicate arguments", () => {
  const config = newConfig();
  const failed = "ERR CONFIG SET failed (possibly related to argument ";
  assertEquals(set(config, ["foo", "1"]), "ERR Unknown option or number of arguments for CONFIG SET - 'foo'");
  assertEquals(set(config, ["Databases", "1"]), failed + "'Databases') - can't set immutable config");
  assertEquals(set(config, ["dir", "/"]), failed + "'dir') - can't set protected config");
  assertEquals(set(config, ["hz", "1", "HZ", "2"]), failed + "'HZ') - duplicate parameter");
  const loading = { isLocal: true, isLoading: true };
  assertEquals(set(config, ["appendonly", "yes"], loading), "LOADING Redis is loading the dataset in memory");
});

Deno.test("Config.set: dir is resolved, and the machine's objection is the reason", () => {
  const config = new Config({
    workingDirectory: "/srv/data",
    enterDirectory: (path, from) =>
      path === "gone" ? { error: "No such file or directory" } : enterAnyDirectory(path, from),
  });
  config.assignFromLine("enable-protected-configs", ["local"], false);
  const local = { isLocal: true, isLoading: false };
  assertEquals(set(config, ["dir", "./sub/../x"], local), "OK");
  assertEquals(config.dir, "/srv/data/x");
  assertEquals(
    set(config, ["dir", "gone"], local),
    "ERR CONFIG SET failed (possibly related to argument 'dir') - No such file or directory",
  );
  assertEquals(
    set(config, ["dir", "/"]),
    "ERR CONFIG SET failed (possibly related to argument 'dir') - can't set protected config",
  );
});

Deno.test("Config.set: requirepass keeps any bytes", () => {
  const config = newConfig();
  assertEquals(set(config, ["requirepass", "abc\x00\xff"]), "OK");
  assertEquals(config.requirepass, Uint8Array.of(97, 98, 99, 0, 255));
});

Deno.test("Config.set: page-size takes only powers of two, at start", () => {
  const config = newConfig();
  assertEquals(config.assignFromLine("page-size", ["64kb"], false), null);
  assertEquals(config.pageSizeBytes, 65536);
  assertEquals(config.assignFromLine("page-size", ["5000"], false), "argument must be a power of two");
  assertEquals(
    config.assignFromLine("page-size", ["256"], false),
    "argument must be between 512 and 2097152 inclusive",
  );
});

Deno.test("Config.set: our own directives for the start take the value they have, and no other", () => {
  const config = newConfig();
  const failed = "ERR CONFIG SET failed (possibly related to argument 'page-size') - can't set immutable config";
  assertEquals(set(config, ["page-size", "4kb"]), "OK");
  assertEquals(set(config, ["hz", "20", "page-size", "8192"]), failed);
  assertEquals([config.pageSizeBytes, config.hz], [4096, 10]);
});

Deno.test("Config.set: keyspace events are printed in Redis's order and keep what A hides", () => {
  const config = newConfig();
  assertEquals(set(config, ["notify-keyspace-events", "KEA"]), "OK");
  assertEquals(config.textOf("notify-keyspace-events"), "AKE");
  assertEquals(set(config, ["notify-keyspace-events", "nEK$l"]), "OK");
  assertEquals(config.textOf("notify-keyspace-events"), "$lnKE");
});

Deno.test("allowsProtectedAction: yes for all, local for this machine, no for nobody", () => {
  assertEquals([true, false].map((isLocal) => allowsProtectedAction("yes", isLocal)), [true, true]);
  assertEquals([true, false].map((isLocal) => allowsProtectedAction("local", isLocal)), [true, false]);
  assertEquals([true, false].map((isLocal) => allowsProtectedAction("no", isLocal)), [false, false]);
});
