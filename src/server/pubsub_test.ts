/** Publish/subscribe as clients see it: who is told what, in what order, and what others must not feel of it. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { latin1Decode } from "../base/bytes.ts";
import { readFully } from "../io/storage.ts";
import { type Afterimage, type Client, MemoryStorage, openServer, type Reply, ReplyError } from "../mod.ts";

async function open(...directives: string[]): Promise<Afterimage> {
  return await openServer({ directives: ["--save", "", ...directives] });
}

/** All that has come, errors as text with a dash. */
function received(client: Client): Reply[] {
  const replies: Reply[] = [];
  for (let reply = client.receive(); reply !== undefined; reply = client.receive()) {
    replies.push(reply instanceof ReplyError ? `-${reply.message}` : reply);
  }
  return replies;
}

async function run(client: Client, ...commands: string[]): Promise<Reply[]> {
  for (const command of commands) client.send(...command.split(" "));
  return await told(client);
}

/** What has come once writes under way are done. */
async function told(client: Client): Promise<Reply[]> {
  for (let i = 0; i < 10; i++) await Promise.resolve();
  return received(client);
}

function info(client: Client, field: string): string | undefined {
  return String(client.command("INFO", "stats")).match(new RegExp(`${field}:(\\d+)`))?.[1];
}

Deno.test("PubSub: channels and patterns, with the counts that Redis replies", async () => {
  const server = await open(), listener = server.connect(), publisher = server.connect();
  assertEquals(await run(listener, "SUBSCRIBE a b a", "PSUBSCRIBE a* ?"), [
    ["subscribe", "a", 1],
    ["subscribe", "b", 2],
    ["subscribe", "a", 2],
    ["psubscribe", "a*", 3],
    ["psubscribe", "?", 4],
  ]);
  assertEquals(await run(publisher, "PUBLISH a x", "PUBLISH ab y", "PUBLISH none z"), [3, 1, 0]);
  assertEquals((await told(listener)).map(String).sort(), [
    "message,a,x",
    "pmessage,?,a,x",
    "pmessage,a*,a,x",
    "pmessage,a*,ab,y",
  ]);
  assertEquals(await run(publisher, "PUBSUB NUMSUB a b c", "PUBSUB NUMPAT", "PUBSUB CHANNELS b*"), [
    ["a", 1, "b", 1, "c", 0],
    2,
    ["b"],
  ]);
  assertEquals([info(publisher, "pubsub_channels"), info(publisher, "pubsub_patterns")], ["2", "2"]);
  assertEquals(await run(listener, "UNSUBSCRIBE", "UNSUBSCRIBE", "PUNSUBSCRIBE none ?", "PUNSUBSCRIBE"), [
    ["unsubscribe", "a", 3],
    ["unsubscribe", "b", 2],
    ["unsubscribe", null, 2],
    ["punsubscribe", "none", 2],
    ["punsubscribe", "?", 1],
    ["punsubscribe", "a*", 0],
  ]);
  assertEquals(await run(listener, "GET a"), [null]);
});

Deno.test("PubSub: shard channels are counted and published to by themselves", async () => {
  const server = await open(), listener = server.connect(), publisher = server.connect();
  assertEquals(await run(listener, "SSUBSCRIBE s", "SUBSCRIBE s", "PSUBSCRIBE *"), [
    ["ssubscribe", "s", 1],
    ["subscribe", "s", 1],
    ["psubscribe", "*", 2],
  ]);
  assertEquals(await run(publisher, "SPUBLISH s 1", "PUBSUB SHARDCHANNELS", "PUBSUB SHARDNUMSUB s"), [1, ["s"], [
    "s",
    1,
  ]]);
  assertEquals(await told(listener), [["smessage", "s", "1"]]);
  assertStringIncludes(
    String(publisher.command("CLIENT", "LIST", "TYPE", "pubsub")),
    "flags=P db=0 sub=1 psub=1 ssub=1",
  );
  assertEquals(await run(listener, "SUNSUBSCRIBE s"), [["sunsubscribe", "s", 0]]);
});

Deno.test("PubSub: a RESP2 subscriber may only change its subscriptions, PING, QUIT and RESET", async () => {
  const server = await open(), listener = server.connect();
  await run(listener, "SUBSCRIBE a");
  assertEquals(await run(listener, "CLIENT ID", "PING", "PING x", "MULTI"), [
    "-ERR Can't execute 'client|id': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
    ["pong", ""],
    ["pong", "x"],
    "-ERR Can't execute 'multi': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
  ]);
  assertEquals(await run(listener, "RESET", "PING"), ["RESET", "PONG"]);
  assertEquals(server.server.pubsub.channels.channels.size, 0);
});

Deno.test("PubSub: a RESP3 client is pushed its own messages before the reply to PUBLISH, in a transaction too", async () => {
  const server = await open(), client = server.connect();
  client.command("HELLO", "3");
  await run(client, "SUBSCRIBE a");
  assertEquals(await run(client, "PUBLISH a 1", "GET k"), [["message", "a", "1"], 1, null]);
  assertEquals(await run(client, "MULTI", "PUBLISH a 2", "EXEC"), ["OK", "QUEUED", [["message", "a", "2"]], 1]);
});

Deno.test("PubSub: SSUBSCRIBE is refused in a transaction, SUBSCRIBE is not", async () => {
  const server = await open(), client = server.connect();
  const [, , executed] = await run(client, "MULTI", "SSUBSCRIBE s", "EXEC");
  assertEquals(String(executed), "ReplyError: ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client");
  assertEquals(await run(client, "MULTI", "SUBSCRIBE a", "EXEC"), ["OK", "QUEUED", [["subscribe", "a", 1]]]);
});

Deno.test("PubSub: CLIENT REPLY OFF silences replies, not messages", async () => {
  const server = await open(), client = server.connect(), publisher = server.connect();
  client.command("HELLO", "3");
  assertEquals(await run(client, "CLIENT REPLY OFF", "SET k v", "SUBSCRIBE a", "PUBLISH a own", "GET k"), [
    ["subscribe", "a", 1],
    ["message", "a", "own"],
  ]);
  await run(publisher, "PUBLISH a other");
  assertEquals(await run(client, "CLIENT REPLY ON"), [["message", "a", "other"], "OK"]);
});

Deno.test("PubSub: a listener beyond its output limit is closed, and the publisher goes on", async () => {
  const server = await open("--client-output-buffer-limit", "pubsub 100000 0 0");
  const listener = server.connect(), publisher = server.connect(), message = "x".repeat(150000);
  await run(listener, "SUBSCRIBE a");
  assertEquals(publisher.command("PUBLISH", "a", message), 1);
  assertEquals(await run(publisher, "PUBLISH a 1", "PUBSUB CHANNELS", "CLIENT KILL TYPE pubsub"), [0, [], 0]);
});

Deno.test("PubSub: who closes or is killed listens no longer", async () => {
  const server = await open(), first = server.connect(), second = server.connect(), client = server.connect();
  await run(first, "SUBSCRIBE a"), await run(second, "PSUBSCRIBE *");
  first.close();
  assertEquals(await run(client, "PUBLISH a 1", "CLIENT KILL TYPE pubsub", "PUBLISH a 1"), [1, 1, 0]);
});

Deno.test("PubSub: messages are not logged, and what is between MULTI and EXEC is a transaction only with two writes", async () => {
  const storage = new MemoryStorage();
  const server = await openServer({ storage, directives: ["--save", "", "--appendonly", "yes"] });
  await run(server.connect(), "PUBLISH a 1", "MULTI", "SET k v", "PUBLISH a 2", "EXEC");
  const file = storage.open("//appendonlydir/appendonly.aof.1.incr.aof", "read");
  const bytes = new Uint8Array(storage.size(file));
  readFully(storage, file, 0, bytes);
  const text = latin1Decode(bytes);
  assert(text.includes("SET"));
  assert(!text.includes("PUBLISH") && !text.includes("MULTI"), text);
});
