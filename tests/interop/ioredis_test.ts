/** The npm client ioredis, as an application uses it. */

import { assertEquals, assertRejects } from "@std/assert";
import { Buffer } from "node:buffer";
import { Redis } from "ioredis";
import { type ServerKind, type ServerProcess, withServer } from "../support/server_fixture.ts";

const KIND: ServerKind = "ours";

function ioredisTest(name: string, run: (redis: Redis, server: ServerProcess) => Promise<void>): void {
  Deno.test(`ioredis: ${name}`, () =>
    withServer(KIND, {}, async (server) => {
      const redis = connectTo(server);
      try {
        await run(redis, server);
      } finally {
        await end(redis);
      }
    }));
}

function connectTo(server: ServerProcess): Redis {
  return new Redis({ port: server.port, host: "127.0.0.1", retryStrategy: () => null });
}

async function end(redis: Redis): Promise<void> {
  const ended = new Promise((resolve) => redis.once("end", resolve));
  redis.disconnect();
  await ended;
}

ioredisTest("strings, numbers, binary values and expiries", async (redis) => {
  assertEquals(await redis.set("k", "v", "EX", 100), "OK");
  assertEquals(await redis.ttl("k"), 100);
  assertEquals(await redis.incrby("n", 41), 41);
  assertEquals(await redis.mget("k", "n", "none"), ["v", "41", null]);
  const bytes = [0, 255, 13, 10, 128];
  await redis.set("bytes", Buffer.from(bytes));
  assertEquals(Array.from(await redis.getBuffer("bytes") ?? []), bytes);
  await assertRejects(() => redis.incr("k"), Error, "ERR value is not an integer or out of range");
});

ioredisTest("scanStream delivers every key that exists throughout", async (redis) => {
  const filling = redis.pipeline();
  for (let index = 0; index < 5000; index++) filling.set(`user:${index}`, index);
  for (let index = 0; index < 1000; index++) filling.set(`other:${index}`, index);
  await filling.exec();
  const found = new Set<string>();
  for await (const keys of redis.scanStream({ match: "user:*", count: 100 })) {
    for (const key of keys as string[]) found.add(key);
  }
  assertEquals(found.size, 5000);
});

ioredisTest("pipeline: replies in order, an error in its place", async (redis) => {
  const pipeline = redis.pipeline();
  for (let index = 0; index < 1000; index++) pipeline.set(`p${index}`, index).get(`p${index}`);
  const replies = await pipeline.incr("p0").setrange("p1", -1, "x").exec();
  assertEquals(replies?.length, 2002);
  assertEquals(replies?.[1999], [null, "999"]);
  assertEquals(replies?.[2000], [null, 1]);
  assertEquals(replies?.[2001][0]?.message, "ERR offset is out of range");
});

ioredisTest("MULTI: results of EXEC, and discard", async (redis) => {
  assertEquals(await redis.multi().set("a", 1).incr("a").get("a").exec(), [[null, "OK"], [null, 2], [null, "2"]]);
  await redis.multi({ pipeline: false });
  await redis.set("a", "changed");
  assertEquals(await redis.discard(), "OK");
  assertEquals(await redis.get("a"), "2");
});

ioredisTest("WATCH: EXEC gives null after another client's write, and succeeds without one", async (redis, server) => {
  const rival = connectTo(server);
  await redis.set("balance", 10);
  await redis.watch("balance");
  await rival.set("balance", 20);
  assertEquals(await redis.multi().set("balance", 11).exec(), null);
  assertEquals(await redis.get("balance"), "20");
  await redis.watch("balance");
  assertEquals(await redis.multi().set("balance", 21).exec(), [[null, "OK"]]);
  await end(rival);
});

ioredisTest(
  "subscribers: messages of channels and patterns in order, and the connection serves again",
  async (redis, server) => {
    const subscriber = connectTo(server), seen: string[] = [];
    subscriber.on("message", (channel: string, message: string) => seen.push(`${channel}=${message}`));
    subscriber.on("pmessage", (pattern: string, channel: string, message: string) => {
      seen.push(`${pattern}:${channel}=${message}`);
    });
    assertEquals(await subscriber.subscribe("news", "weather"), 2);
    assertEquals(await subscriber.psubscribe("n*"), 3);
    const publishing = redis.pipeline();
    for (let index = 0; index < 100; index++) publishing.publish("news", String(index));
    assertEquals((await publishing.exec())?.map(([, receivers]) => receivers), new Array(100).fill(2));
    assertEquals(await redis.pubsub("NUMSUB", "news", "sports"), ["news", 1, "sports", 0]);
    // The reply comes behind all messages that were published before.
    assertEquals(await subscriber.unsubscribe("news", "weather"), 1);
    const expected = Array.from({ length: 100 }, (_, index) => [`news=${index}`, `n*:news=${index}`]).flat();
    assertEquals(seen, expected);
    assertEquals(await subscriber.punsubscribe("n*"), 0);
    assertEquals(await subscriber.set("k", "v"), "OK");
    await end(subscriber);
  },
);
