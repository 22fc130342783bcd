/** The server in process: starting again on another storage. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { KILL, LoadFailedError, ManualClock, openServer, SimulatedDisk } from "./mod.ts";

const LOG = { appendonly: ["yes"], appendfsync: ["always"] };

Deno.test("restart: what is on the disk is there, what was only in memory is not, and a client must connect anew", async () => {
  const redis = await openServer({ clock: new ManualClock() }), disk = new SimulatedDisk();
  redis.connect().command("SET", "in memory", "1");
  await redis.restart(disk, LOG);
  assertEquals(redis.connect().command("DBSIZE"), 0);
  redis.connect().command("SET", "on disk", "2");
  await redis.restart(new SimulatedDisk(), LOG);
  assertEquals(redis.connect().command("DBSIZE"), 0);
  await redis.restart(disk.afterCrash(KILL), LOG);
  assertEquals(redis.connect().command("GET", "on disk"), "2");
  redis.kill();
});

Deno.test("restart: during a save that is never finished, and with a directive that makes no sense", async () => {
  const redis = await openServer({ clock: new ManualClock() });
  redis.connect().command("SET", "key", "1");
  assert(String(redis.connect().command("BGSAVE")).includes("started"));
  await redis.restart(new SimulatedDisk());
  assertEquals([redis.server.memory.cow.live, redis.connect().command("DBSIZE")], [false, 0]);
  await assertRejects(() => redis.restart(new SimulatedDisk(), { appendfsync: ["often"] }), Error, "appendfsync often");
  redis.kill();
});

Deno.test("restart: a storage that cannot be loaded is refused, and another one can be started on", async () => {
  const redis = await openServer({ clock: new ManualClock() }), disk = new SimulatedDisk();
  await redis.restart(disk, LOG);
  redis.kill();
  const name = disk.list("appendonlydir").find((name) => name.endsWith(".manifest"))!;
  disk.remove(`appendonlydir/${name.replace(/manifest$/, "1.incr.aof")}`);
  await assertRejects(() => redis.restart(disk.fork(), LOG), LoadFailedError);
  await redis.restart(new SimulatedDisk(), LOG);
  assertEquals(redis.connect().command("PING"), "PONG");
  redis.kill();
});
