/** Keyspace events: the same ones as Redis's, in the same order, and only those that are asked for. */
import { assertEquals } from "@std/assert";
import { type Client, ManualClock, openServer, type Reply } from "../mod.ts";
import { RespClient } from "../../tests/support/resp_client.ts";
import { oracleTest, type ServerKind, withServer } from "../../tests/support/server_fixture.ts";

/** Commands of every type, as they come, fail, find nothing, empty a key, and overwrite. */
const COMMANDS = `
  set s v | set s v ex 100 | setex s 100 v | psetex s 100000 v | set s v keepttl get | set s2 v nx | set s2 v nx | set none v xx
  setnx s3 1 | setnx s3 1 | getset s3 2 | getset s4 2 | getex s3 ex 100 | getex s3 persist | getex s3 persist | getex s3 exat 1
  getdel s4 | getdel s4 | append s5 x | append s5 y | setrange s5 3 zz | setrange s5 0 "" | setrange s6 0 "" | incr n | decr n
  incrby n 3 | decrby n 3 | incrbyfloat n 1.5 | incr s5 | mset a 1 b 2 | msetnx a 1 c 2 | msetnx d 1 e 2 | mget a none
  setbit bits 3 1 | setbit bits 3 1 | setbit bits 100 0 | bitfield bits set u8 0 255 incrby u8 0 0 | bitfield bits set u8 0 255
  bitfield bits get u8 0 | bitop or dest bits a | bitop and dest none none2 | bitop and none none2 | bitcount none | bitpos none 1
  pfadd hll a b | pfadd hll a | pfadd hll2 | pfmerge hll3 hll hll2 | pfcount hll none | pfadd s5 x
  expire a 100 | pexpire a 100000 | expireat a 99999999999 | expire none 1 | persist a | persist a | expire a -1 | ttl none | pttl b
  rename b b2 | rename none x | renamenx b2 b3 | set b4 x | rename b3 b4 | renamenx b4 s | move b4 1 | move none 1 | copy s s7
  copy s s7 | copy s s7 replace | copy s s7 db 1 | exists s none | type none | touch s none | object encoding none | dump none
  del s s7 none | unlink s2 none | object freq s | randomkey | keys *
  rpush l a b c | lpush l z | lpushx l y | lpushx none y | rpushx l w | linsert l before a q | linsert l before none q | lset l 0 first
  lset none 0 x | lrem l 0 a | lrem l 0 none | ltrim l 0 3 | ltrim l 0 -1 | lpop l | rpop l | lpop l 0 | lpop none | lmove l l2 left right
  lmove l l left right | rpoplpush l l2 | rpoplpush l l2 | lmove none l2 left right | blpop l2 0 | brpop l2 0 | rpush l3 a b c d e
  lmpop 2 none l3 left count 2 | blmpop 0 1 l3 right | blmove l3 l4 left left 0 | brpoplpush l3 l4 0 | ltrim l4 5 6 | rpush l5 a a | lrem l5 0 a
  rpush l5 a b | lpop l5 5 | lrange none 0 1
  sadd set2 x | sadd set1 a b c | sadd set1 a | srem set1 a none | smove set1 set2 b | smove set1 set2 none | smove set1 set2 c | sadd set3 1 2 3 4
  spop set3 | spop set3 0 | spop set3 2 | spop set3 5 | spop set3 | sadd set4 a b | sadd set5 b c | sinterstore set6 set4 set5
  sunionstore set6 set4 set5 | sdiffstore set6 set4 set5 | sinterstore set6 set4 none | sinterstore set6 set4 none | sdiffstore set6 set4 set4
  sunionstore set6 none | srem set4 a b | smembers none | spop set5 1 | spop none 1
  hset h f v | hset h f v g w | hmset h f v | hsetnx h f v | hsetnx h n 1 | hincrby h n 1 | hincrbyfloat h n 1.5 | hdel h f none | hdel h none
  hget none f | hdel h g n | hgetall none
  zadd z 1 a 2 b 3 c | zadd z 1 a | zadd z ch 5 a | zadd z incr 1 a | zincrby z 1 b | zadd z nx 1 a | zrem z a none | zrem z none | zadd z xx 1 zz
  zadd z 1 d 2 e 3 f 4 g | zremrangebyscore z 1 1 | zremrangebyrank z 0 0 | zremrangebylex z [x [y | zadd zl 0 a 0 b | zremrangebylex zl [a [b
  zunionstore zu 2 z none | zinterstore zi 2 z zu | zdiffstore zd 2 z zu | zdiffstore zu 2 z z | zrangestore zr z 0 1 | zrangestore zr none 0 1
  zpopmin z | zpopmax z 2 | zpopmin z 0 | zmpop 1 zi min count 1 | bzpopmin zi 0 | bzmpop 0 1 zi max | zpopmin none | zadd zq 1 a
  bzpopmax zq 0 | zrem none a | zadd zw 1 a | zrem zw a
  geoadd g 13 38 a 15 37 b | geoadd g 13 38 a | geosearchstore g2 g fromlonlat 15 37 byradius 200 km asc
  geosearchstore g2 g fromlonlat 0 0 byradius 1 km | georadius g 15 37 200 km store g3 | georadiusbymember g a 1 km storedist g3
  geosearchstore g3 none fromlonlat 0 0 byradius 1 km | geopos none a
  rpush so 3 1 2 | sort so store so2 | sort none store so2 | sort none store so2 | sort so by w_* get v_*
  xadd x 1-1 f v | xadd x 2-1 f v | xadd x maxlen 1 3-1 f v | xadd x maxlen 5 4-1 f v | xadd x nomkstream 5-1 f v | xadd xn nomkstream * f v
  xadd x 1-1 f v | xtrim x maxlen 1 | xtrim x maxlen 1 | xdel x 5-1 9-9 | xdel x 9-9 | xsetid x 10-1 | xadd x 11-1 f v | xgroup create x gr 0
  xgroup create x gr 0 | xgroup create xm gr $ mkstream | xgroup setid x gr 0 | xgroup createconsumer x gr c1 | xgroup createconsumer x gr c1
  xreadgroup group gr c2 streams x > | xreadgroup group gr c3 noack streams x > | xclaim x gr c4 0 11-1 | xautoclaim x gr c5 0 0 | xack x gr 11-1
  xgroup delconsumer x gr c1 | xgroup delconsumer x gr none | xgroup destroy x gr | xgroup destroy x gr | xread streams none 0 | xlen none
  restore r 0 bad | select 2 | set in2 v | del in2 | select 0 | multi | set q 1 | incr q | del q | exec | eval x 0 | set q 1 px 1 | debug sleep 0.01
  get q | exists q | set q 1 px 1 | debug sleep 0.01 | set q 2 | flushdb | set q 1 | swapdb 0 1 | flushall
`.split(/[|\n]/).map((one) => one.trim()).filter((one) => one !== "");

function wordsOf(line: string): string[] {
  return line.split(" ").map((word) => word === '""' ? "" : word);
}

/** Each command with the messages that a listener was pushed. */
async function eventsOf(kind: ServerKind, classes: string): Promise<string[]> {
  const told: string[] = [];
  const args = ["--notify-keyspace-events", classes, "--enable-debug-command", "yes", "--hz", "1"];
  await withServer(kind, { args }, async (server) => {
    await using client = await RespClient.connect({ port: server.port });
    await using listener = await RespClient.connect({ port: server.port });
    await client.command("DEBUG", "SET-ACTIVE-EXPIRE", 0);
    await listener.command("HELLO", 3);
    listener.sendRaw("PSUBSCRIBE __key*\r\n");
    for (const line of COMMANDS) {
      await client.pipeline([wordsOf(line)]);
      // The reply comes behind the messages.
      await listener.command("PING");
      const messages = listener.pushes.splice(0).map(({ items: [kind, , ...message] }) =>
        `${kind} ${message.join(" ")}`
      );
      told.push(`${line}: ${messages.join(", ")}`);
    }
  });
  return told;
}

oracleTest("keyspace events: of every type, the same as Redis's", async () => {
  assertEquals(await eventsOf("ours", "AKEnm"), await eventsOf("redis", "AKEnm"));
});

function open(...directives: string[]) {
  return openServer({ clock: new ManualClock(), directives: ["--save", "", ...directives] });
}

/** What a listener to everything has been told, subscriptions left out. */
async function told(listener: Client): Promise<string[]> {
  for (let i = 0; i < 10; i++) await Promise.resolve();
  const messages: string[] = [];
  for (let reply = listener.receive(); reply !== undefined; reply = listener.receive()) {
    const [kind, , channel, message] = reply as Reply[];
    if (kind === "pmessage") messages.push(`${channel} ${message}`);
  }
  return messages;
}

Deno.test("keyspace events: off until K or E and a class are set, and off again with CONFIG SET", async () => {
  const server = await open(), client = server.connect(), listener = server.connect();
  listener.send("PSUBSCRIBE", "*");
  for (const classes of ["", "KE", "A", "Kg", "E$", "KE$"]) {
    client.command("CONFIG", "SET", "notify-keyspace-events", classes);
    client.command("SET", "k", "v");
    client.command("PUBLISH", classes, "was it");
  }
  assertEquals(await told(listener), [
    " was it",
    "KE was it",
    "A was it",
    "Kg was it",
    "__keyevent@0__:set k",
    "E$ was it",
    "__keyspace@0__:k set",
    "__keyevent@0__:set k",
    "KE$ was it",
  ]);
});

Deno.test("keyspace events: what expires by the clock and what is evicted is told", async () => {
  const server = await open("--notify-keyspace-events", "Exe"), client = server.connect(), listener = server.connect();
  listener.send("PSUBSCRIBE", "*");
  client.command("SET", "short", "v", "PX", 1);
  (server.server.clock as ManualClock).advance(1000);
  server.tick();
  assertEquals(await told(listener), ["__keyevent@0__:expired short"]);
  client.command("SET", "victim", "v");
  client.command("CONFIG", "SET", "maxmemory-policy", "allkeys-random", "maxmemory", 1);
  (server.server.clock as ManualClock).advance(1);
  assertEquals(await told(listener), ["__keyevent@0__:evicted victim"]);
});
