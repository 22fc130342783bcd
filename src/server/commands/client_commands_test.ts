import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { type Afterimage, type Client, ManualClock, openServer, ReplyError } from "../../mod.ts";

async function opened(): Promise<{ server: Afterimage; clock: ManualClock; a: Client; b: Client }> {
  const clock = new ManualClock(), server = await openServer({ clock });
  return { server, clock, a: server.connect(), b: server.connect() };
}

/** Lets what the in-process network has put off happen. */
function settled(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

Deno.test("CLIENT UNPAUSE: held writes run, and each client gets its own reply", async () => {
  const { server, a, b } = await opened();
  a.command("client", "pause", 100000, "write");
  b.send("set", "k", "v");
  b.send("get", "k");
  assertEquals(b.receive(), undefined);
  assertEquals(a.command("get", "k"), null);
  assertEquals(a.command("client", "unpause"), "OK");
  await settled();
  assertEquals([b.receive(), b.receive(), a.receive()], ["OK", "v", undefined]);
  server.kill();
});

Deno.test("CLIENT PAUSE: ends by itself at its time, however far away", async () => {
  const { server, clock, a, b } = await opened();
  a.command("client", "pause", 5_000_000_000, "write");
  b.send("incr", "n");
  clock.advance(4_999_999_000);
  assertEquals(b.receive(), undefined);
  clock.advance(1000);
  await settled();
  assertEquals(b.receive(), 1);
  server.kill();
});

Deno.test("CLIENT KILL: by id spares the others; skips the caller unless told not to", async () => {
  const { server, a, b } = await opened();
  const id = b.command("client", "id") as number;
  assertEquals(a.command("client", "kill", "id", id), 1);
  assertEquals(server.server.clients.size, 1);
  assertEquals(a.command("client", "kill", "type", "normal"), 0);
  assertEquals(a.command("client", "kill", "type", "normal", "skipme", "no"), 1);
  assertEquals(server.server.clients.size, 0);
  server.kill();
});

Deno.test("CLIENT KILL: an unknown address is an error in the old form only", async () => {
  const { server, a } = await opened();
  assertThrows(() => a.command("client", "kill", "1.2.3.4:5"), ReplyError, "ERR No such client");
  assertEquals(a.command("client", "kill", "addr", "1.2.3.4:5"), 0);
  server.kill();
});

Deno.test("CLIENT REPLY: OFF silences until ON, SKIP silences one command", async () => {
  const { server, a } = await opened();
  a.send("client", "reply", "off");
  a.send("set", "k", "1");
  a.send("client", "reply", "on");
  assertEquals([a.receive(), a.receive()], ["OK", undefined]);
  a.send("client", "reply", "skip");
  a.send("incr", "k");
  a.send("get", "k");
  assertEquals([a.receive(), a.receive()], ["2", undefined]);
  server.kill();
});

Deno.test("CLIENT LIST: describes every client, and INFO only the caller", async () => {
  const { server, a, b } = await opened();
  b.command("client", "setname", "second");
  b.command("select", 3);
  const lines = String(a.command("client", "list")).trimEnd().split("\n");
  assertEquals(lines.length, 2);
  assertMatch(
    lines[1]!,
    /^id=\d+ addr=\S+ laddr=\S+ fd=\d+ name=second .* db=3 .* cmd=select user=default redir=-1 resp=2$/,
  );
  assertMatch(String(a.command("client", "info")), /qbuf=26 .* cmd=client\|info .*\n$/);
  server.kill();
});

Deno.test("MONITOR: shows commands after they ran, EXEC last", async () => {
  const { server, a, b } = await opened();
  a.command("monitor");
  b.command("multi");
  b.command("set", "k", 'a"\n\x01');
  await settled();
  b.command("exec");
  await settled();
  const shown = [a.receive(), a.receive(), a.receive(), a.receive()];
  const words = shown.map((line) => line === undefined ? undefined : String(line).replace(/^.*?\] /, ""));
  assertEquals(words, ['"multi"', '"set" "k" "a\\"\\n\\x01"', '"exec"', undefined]);
  server.kill();
});
