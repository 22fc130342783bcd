import { assertEquals, assertThrows } from "@std/assert";
import { Config, enterAnyDirectory } from "./config.ts";
import {
  configError,
  ConfigFileError,
  type ConfigSource,
  joinConfigText,
  loadConfig,
  readConfigFile,
} from "./config_loader.ts";
import { bytesOfByteString } from "./config_text.ts";

function newConfig(): Config {
  return new Config({ workingDirectory: "/srv", enterDirectory: enterAnyDirectory });
}

function sourceOf(files: Record<string, string>): ConfigSource {
  return {
    readFile: (path) =>
      Object.hasOwn(files, path) ? { bytes: bytesOfByteString(files[path]) } : { error: "No such file or directory" },
    listDirectory: (path) =>
      Object.keys(files).filter((file) => file.startsWith(path + "/")).map((file) => file.slice(path.length + 1)),
    isCommand: (name) => ["get", "set", "config"].includes(name),
  };
}

function load(text: string, files: Record<string, string> = {}): Config {
  const config = newConfig();
  loadConfig(config, text, sourceOf(files));
  return config;
}

function reportOf(text: string, files: Record<string, string> = {}): string {
  return assertThrows(() => load(text, files), ConfigFileError).report;
}

Deno.test("loadConfig: accepts what Redis's test suite starts servers with", () => {
  const config = load(`
    # a comment
    always-show-logo yes
    notify-keyspace-events KEA
    daemonize no
    pidfile /var/run/redis.pid
    port 21111
    timeout 0
    bind 127.0.0.1
    loglevel verbose
    logfile ''
    databases 16
    latency-monitor-threshold 1
    repl-diskless-sync-delay 0
    save 900 1
    rdbcompression yes
    dbfilename dump.rdb
    dir ./tmp/server.1
    slave-serve-stale-data yes
    appendonly no
    appendfsync everysec
    no-appendfsync-on-rewrite no
    activerehashing yes
    enable-protected-configs yes
    enable-debug-command yes
    enable-module-command yes
    propagation-error-behavior panic
    unixsocket /srv/tmp/server.1/socket
    appendfilename " file seq \\n\\n.aof "
    slowlog-log-slower-than 1000000
    key-load-delay 50
    loading-process-events-interval-bytes 1024
    lua-time-limit 1
    requirepass foobar
    lua-replicate-commands yes
  `);
  assertEquals(config.dir, "/srv/tmp/server.1");
  assertEquals(config.savePoints, [{ seconds: 900, changes: 1 }]);
  assertEquals(config.appendfilename, " file seq \n\n.aof ");
  assertEquals(config.logfile, "");
  assertEquals(config.requirepass, bytesOfByteString("foobar"));
});

Deno.test("loadConfig: save lines replace the defaults and add up; an empty one starts over", () => {
  assertEquals(load("save 10 1\nsave 20 2").textOf("save"), "10 1 20 2");
  assertEquals(load("save 10 1 20 2").textOf("save"), "10 1 20 2");
  assertEquals(load('save "10 1 20 2"').textOf("save"), "10 1 20 2");
  assertEquals(load('save 10 1\nsave ""').textOf("save"), "");
  assertEquals(load('save 10 1\nsave ""\nsave 30 3').textOf("save"), "30 3");
  assertEquals(load("port 1").textOf("save"), "3600 1 300 100 60 10000");
});

Deno.test("loadConfig: include reads one file relative to dir, or every file that matches, in order", () => {
  const files = { "/srv/one.conf": "port 1\nsave 10 1\n", "/srv/d/a.conf": "port 2\n", "/srv/d/b.conf": "hz 77\n" };
  assertEquals(load("include one.conf\nsave 20 2", files).textOf("save"), "10 1 20 2");
  const config = load("port 9\ninclude /srv/d/*.conf\ninclude none/*.conf", files);
  assertEquals([config.port, config.hz], [2, 77]);
});

Deno.test("loadConfig: a missing include, or one that includes itself, ends the load", () => {
  assertEquals(
    reportOf("include none.conf"),
    "Fatal error, can't open config file '/srv/none.conf': No such file or directory\n",
  );
  const report = reportOf("include loop.conf", { "/srv/loop.conf": "include loop.conf" });
  assertEquals(report.endsWith("Too many nested includes\n"), true);
});

Deno.test("loadConfig: an error names the line and the reason", () => {
  assertEquals(
    reportOf("# x\n\n  port abc  \nhz 1"),
    "\n*** FATAL CONFIG FILE ERROR (Redis 7.0.15) ***\nReading the configuration file, at line 3\n" +
      ">>> 'port abc'\nargument couldn't be parsed into an integer\n",
  );
});

Deno.test("loadConfig: every way a line can be wrong", () => {
  const reasonOf = (text: string) => reportOf(text).trimEnd().split("\n").at(-1);
  assertEquals(reasonOf('port "1'), "Unbalanced quotes in configuration line");
  assertEquals(reasonOf("port 1 2"), "wrong number of arguments");
  assertEquals(reasonOf("port"), "wrong number of arguments");
  assertEquals(reasonOf("nonsense 1"), "Bad directive or wrong number of arguments");
  assertEquals(reasonOf("constructor 1"), "Bad directive or wrong number of arguments");
  assertEquals(reasonOf("include a b"), "Bad directive or wrong number of arguments");
  assertEquals(reasonOf("save 10"), "Invalid save parameters");
  assertEquals(reasonOf("rename-command nothing x"), "No such command in rename-command");
  assertEquals(reasonOf("rename-command get SET"), "Target command name already exists");
  assertEquals(reasonOf("loadmodule a.so"), "loadmodule is not available: this server loads no modules");
  assertEquals(reasonOf("user alice on"), "user is not available: this server has no ACL users yet, use requirepass");
  assertEquals(reasonOf("sentinel monitor m 1 2 3"), "sentinel is not available: this server has no Sentinel mode");
  assertEquals(
    reasonOf("module.option 1"),
    "Module configuration is not available: this server loads no modules",
  );
  assertEquals(reasonOf("cluster-enabled yes"), "cluster-enabled must stay 'no': this server has no cluster mode yet");
});

Deno.test("loadConfig: the default user's line of a rewritten redis.conf changes nothing", () => {
  load("user default on nopass sanitize-payload ~* &* +@all");
  assertThrows(() => load("user default on nopass ~* -@all"), ConfigFileError);
});

Deno.test("loadConfig: rename-command chains, and an empty name removes", () => {
  const config = load('rename-command GET fetch\nrename-command fetch get2\nrename-command config ""');
  assertEquals(config.renamedCommands, [
    { from: "get", to: "fetch" },
    { from: "fetch", to: "get2" },
    { from: "config", to: "" },
  ]);
  assertThrows(() => load("rename-command get a\nrename-command get b"), ConfigFileError);
});

Deno.test("joinConfigText: options come last and win", () => {
  const text = joinConfigText(bytesOfByteString("port 1\n"), bytesOfByteString("hz 5\nport 2\n"), "port 3");
  assertEquals(load(text).port, 3);
  assertEquals(load(text).hz, 5);
});

Deno.test("readConfigFile: a file that cannot be read is one clear line", () => {
  const error = assertThrows(() => readConfigFile("/none.conf", sourceOf({})), ConfigFileError);
  assertEquals(error.report, "Fatal error, can't open config file '/none.conf': No such file or directory\n");
});

Deno.test("configError: a fatal error without a line", () => {
  assertEquals(
    configError("Can't open the log file: Is a directory").report,
    "\n*** FATAL CONFIG FILE ERROR (Redis 7.0.15) ***\nCan't open the log file: Is a directory\n",
  );
});
