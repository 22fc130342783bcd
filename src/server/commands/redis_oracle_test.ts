/** Compares commands about the server with a real redis-server: replies word for word, and INFO by its fields. */
import { assertEquals } from "@std/assert";
import { ManualClock, openServer, type Reply, ReplyError } from "../../mod.ts";
import { RespClient } from "../../../tests/support/resp_client.ts";
import { oracleTest, withServer } from "../../../tests/support/server_fixture.ts";

const DEBUG_ALLOWED = ["--enable-debug-command", "yes"];

/** Commands whose replies are the same whatever the machine; most are mistakes that must get the same answer. */
const COMMANDS = `
  dbsize x
  swapdb 0 99
  swapdb x 1
  swapdb 0 y
  flushdb foo
  flushall sync x
  role
  wait 0 100
  wait 0 -1
  wait x 1
  wait 0 z
  replicaof no one
  slaveof no one
  lolwut version x
  shutdown abort
  shutdown save nosave
  shutdown foo
  shutdown abort now
  bgsave foo
  lastsave x
  client
  client foo
  client getname
  client setname foo
  client getname
  client list type foo
  client list type replica
  client list id x
  client list foo
  client kill 1.2.3.4:5
  client kill id 0
  client kill id x
  client kill id 99999
  client kill type foo
  client kill type replica
  client kill user foo
  client kill skipme maybe
  client kill foo bar
  client kill id 1 addr
  client no-evict on
  client no-evict foo
  client reply foo
  client pause x
  client pause -1
  client pause 1 foo
  client pause 1 write x
  client unpause
  client unblock x
  client unblock 1 foo
  client unblock 1 timeout
  client getredir
  config
  config foo
  config get xxx
  config set maxmemory
  config set maxmemory 1 hz
  config set foo bar
  config set maxmemory x
  config rewrite
  config resetstat
  command count x
  command foo
  command list filterby foo
  command list filterby foo bar
  command list filterby aclcat xxx
  command list foo
  command getkeys
  command getkeys set
  command getkeys foo
  command getkeys ping
  command getkeys mset a b c d
  command getkeysandflags set a b get
  command getkeys memory usage foo
  command getkeys memory foo x
  command getkeys memory
  command docs foo
  command info foo
  slowlog foo
  slowlog get x
  slowlog get -2
  slowlog get 0
  slowlog reset
  latency
  latency foo
  latency history foo
  latency graph foo
  latency reset
  memory
  memory foo
  memory usage nokey
  memory usage nokey samples
  memory usage nokey samples -1
  memory usage nokey samples x
  memory usage nokey foo
  memory purge
  object foo
  debug
  debug foo
  debug sleep
  debug sleep 0
  debug error FOO
  debug protocol string
  debug protocol integer
  debug protocol double
  debug protocol bignum
  debug protocol null
  debug protocol array
  debug protocol set
  debug protocol map
  debug protocol attrib
  debug protocol push
  debug protocol verbatim
  debug protocol true
  debug protocol false
  debug protocol foo
  debug populate 3
  debug populate 2 foo 4
  debug populate x
  debug populate -1
  get key:2
  get foo:1
  debug digest
  debug digest-value key:1 nokey
  debug htstats x
  debug htstats 99
  debug htstats-key nokey
  debug htstats-key key:1
  debug sdslen nokey
  debug object nokey
  debug set-active-expire 1
  debug change-repl-id
  debug reload foo
  info foo
  info cluster
  info keyspace
`.trim().split("\n").map((line) => line.trim().split(" "));

/** Our error replies as the test client reports Redis's. */
function plain(reply: Reply | undefined): unknown {
  return reply instanceof ReplyError ? `-${reply.message}` : reply;
}

/** Names of INFO's fields under their sections, values left out. */
function fieldNames(info: string): string[] {
  return info.split("\r\n").filter((line) => line !== "").map((line) =>
    line.startsWith("#") ? line : line.split(":")[0]!
  );
}

oracleTest("commands about the server: replies equal redis-server's word for word", async () => {
  const ours = await openServer({ clock: new ManualClock(), directives: DEBUG_ALLOWED }), client = ours.connect();
  await withServer("redis", { args: DEBUG_ALLOWED }, async (redis) => {
    await using oracle = await RespClient.connect({ port: redis.port });
    for (const words of COMMANDS) {
      const expected = await oracle.command(...words).catch((error: Error) => `-${error.message}`);
      client.send(...words);
      assertEquals(plain(client.receive()), expected, words.join(" "));
    }
  });
  ours.kill();
});

oracleTest("INFO: every section has redis-server's fields in its order", async () => {
  const ours = await openServer({ clock: new ManualClock() }), client = ours.connect();
  const absent = ["used_cpu_sys_main_thread", "used_cpu_user_main_thread"];
  await withServer("redis", {}, async (redis) => {
    await using oracle = await RespClient.connect({ port: redis.port });
    for (
      const section of ["", "default", "server", "clients", "memory", "persistence", "stats", "replication", "cpu"]
    ) {
      const words = section === "" ? ["info"] : ["info", section];
      const expected = fieldNames(String(await oracle.command(...words))).filter((name) => !absent.includes(name));
      assertEquals(fieldNames(String(client.command(...words))), expected, section);
    }
  });
  ours.kill();
});
