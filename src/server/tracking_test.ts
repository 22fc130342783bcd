/** CLIENT TRACKING: who is told of which keys, once, behind its own replies, and what is forgotten. */
import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { type Afterimage, type Client, ManualClock, openServer, type Reply } from "../mod.ts";

interface Opened {
  server: Afterimage;
  clock: ManualClock;
  /** Speaks RESP3. */
  reader: Client;
  writer: Client;
}

async function open(...directives: string[]): Promise<Opened> {
  const clock = new ManualClock();
  const server = await openServer({ clock, directives: ["--save", "", ...directives] });
  const reader = server.connect(), writer = server.connect();
  reader.command("HELLO", "3");
  return { server, clock, reader, writer };
}

/** Sends commands and returns all that comes, once writes under way are done. */
async function run(client: Client, ...commands: string[]): Promise<Reply[]> {
  for (const command of commands) client.send(...command.split(" "));
  for (let i = 0; i < 10; i++) await Promise.resolve();
  const replies: Reply[] = [];
  for (let reply = client.receive(); reply !== undefined; reply = client.receive()) replies.push(reply);
  return replies;
}

const invalidated = (...keys: string[]): Reply => ["invalidate", keys];

Deno.test("tracking: a reader is told of a change once, and again only after it has read again", async () => {
  const { reader, writer } = await open();
  await run(writer, "MSET a 1 b 2");
  await run(reader, "CLIENT TRACKING ON", "MGET a b");
  await run(writer, "INCR a", "INCR a", "SET c 1", "DEL b");
  assertEquals(await run(reader, "GET a"), [invalidated("a"), invalidated("b"), "3"]);
  await run(writer, "APPEND a x");
  assertEquals(await run(reader, "CLIENT TRACKING OFF"), [invalidated("a"), "OK"]);
});

Deno.test("tracking: what its own command changes is told behind the reply, behind EXEC's as a whole, and with NOLOOP not", async () => {
  const { reader } = await open();
  await run(reader, "CLIENT TRACKING ON", "GET a");
  assertEquals(await run(reader, "SET a 1"), ["OK", invalidated("a")]);
  assertEquals(await run(reader, "MULTI", "GET a", "SET a 2", "GET a", "EXEC"), [
    "OK",
    "QUEUED",
    "QUEUED",
    "QUEUED",
    ["1", "OK", "2"],
    invalidated("a"),
  ]);
  assertEquals(await run(reader, "CLIENT TRACKING ON NOLOOP", "GET a", "SET a 3"), ["OK", "2", "OK"]);
});

Deno.test("tracking: expired keys are told of, and FLUSHALL as a null", async () => {
  const { server, clock, reader, writer } = await open();
  await run(writer, "SET a 1 PX 10");
  await run(reader, "CLIENT TRACKING ON", "GET a");
  clock.advance(1000);
  server.tick();
  assertEquals(await run(reader), [invalidated("a")]);
  await run(writer, "FLUSHALL");
  assertEquals(await run(reader), [["invalidate", null]]);
  assertEquals(await run(reader, "FLUSHALL"), ["OK", ["invalidate", null]]);
});

Deno.test("tracking: BCAST with NOLOOP tells of a key that one's own command found to have expired", async () => {
  const { clock, reader } = await open();
  await run(reader, "CLIENT TRACKING ON BCAST NOLOOP", "SET a 1 PX 10", "SET b 1");
  clock.advance(1000);
  assertEquals(await run(reader, "GET a"), [null, invalidated("a")]);
});

Deno.test("tracking: BCAST tells of all keys under the prefixes, together at the end of the turn, read or not", async () => {
  const { reader, writer } = await open();
  await run(reader, "CLIENT TRACKING ON BCAST PREFIX user: PREFIX obj: NOLOOP");
  await run(writer, "MSET user:1 a user:2 b other c obj:1 d");
  assertEquals(await run(reader), [invalidated("user:1", "user:2"), invalidated("obj:1")]);
  assertEquals(await run(reader, "SET user:1 own"), ["OK"]);
  assertEquals(await run(reader, "CLIENT TRACKINGINFO"), [
    new Map<string, Reply>([["flags", ["on", "bcast", "noloop"]], ["redirect", 0], ["prefixes", ["user:", "obj:"]]]),
  ]);
  const again = () => reader.command("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "use");
  assertThrows(again, Error, "Prefix 'use' overlaps with an existing prefix 'user:'");
});

Deno.test("tracking: OPTIN tracks the command after CACHING YES, or the transaction, and nothing else", async () => {
  const { reader, writer } = await open();
  await run(reader, "CLIENT TRACKING ON OPTIN", "GET a", "CLIENT CACHING YES", "GET b", "GET c");
  await run(reader, "CLIENT CACHING YES", "MULTI", "GET d", "GET e", "EXEC", "GET f");
  await run(writer, "MSET a 1 b 1 c 1 d 1 e 1 f 1");
  assertEquals(await run(reader), [invalidated("b"), invalidated("d"), invalidated("e")]);
});

Deno.test("tracking: a RESP2 client redirects to a subscriber, and is told by flags when that is gone", async () => {
  const { writer, server } = await open(), listener = server.connect(), reader = server.connect();
  const id = listener.command("CLIENT", "ID");
  await run(listener, "SUBSCRIBE __redis__:invalidate");
  await run(reader, `CLIENT TRACKING ON REDIRECT ${id}`, "GET a", "GET b");
  await run(writer, "SET a 1");
  assertEquals(await run(listener), [["message", "__redis__:invalidate", ["a"]]]);
  assertEquals(reader.command("CLIENT", "GETREDIR"), id);
  listener.close();
  await run(writer, "SET b 1");
  assertStringIncludes(String(reader.command("CLIENT", "INFO")), `flags=tR`);
  assertStringIncludes(String(reader.command("CLIENT", "TRACKINGINFO")), "broken_redirect");
});

Deno.test("tracking: a table beyond tracking-table-max-keys forgets keys and tells so; without clients it is empty", async () => {
  const { reader, writer, server } = await open("--tracking-table-max-keys", "2");
  await run(reader, "CLIENT TRACKING ON");
  const replies = await run(reader, "MGET a b c d");
  assertEquals(replies.length, 3);
  assertStringIncludes(String(writer.command("INFO")), "tracking_total_keys:2\r\ntracking_total_items:2");
  reader.close();
  await run(writer, "SET a 1");
  assertEquals([server.server.tracking.keys, server.server.keyspace.tracker], [0, null]);
});
