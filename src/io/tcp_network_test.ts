import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { ascii, latin1Decode } from "../base/bytes.ts";
import { ConnectError, type Connection, type ConnectionSink, ListenError, type NetworkHooks } from "./network.ts";
import { TcpNetwork } from "./tcp_network.ts";

/** What a server sees of one connection, in order; answers when the test says so. */
class Recorder implements ConnectionSink {
  readonly connection: Connection;
  readonly events: string[];
  onText: (text: string) => void = () => {};
  buffer = new Uint8Array(8);

  constructor(connection: Connection, events: string[]) {
    this.connection = connection, this.events = events;
    connection.start(this);
  }

  readBuffer(): Uint8Array {
    return this.buffer;
  }

  onData(n: number): void {
    const text = latin1Decode(this.buffer, 0, n);
    this.events.push(text);
    this.onText(text);
  }

  onClosed(reason: string | null): void {
    this.events.push(`closed: ${reason}`);
  }

  onWriteDone(): void {
    this.events.push("written");
  }
}

/** A listening network that records. */
class Host implements NetworkHooks {
  readonly network = new TcpNetwork();
  readonly events: string[] = [];
  readonly sinks: Recorder[] = [];

  onConnection(connection: Connection): void {
    this.sinks.push(new Recorder(connection, this.events));
  }

  onTurnEnd(): void {
    this.events.push("turn");
  }

  listen(): Disposable & { port: number } {
    const listener = this.network.listenTcp("127.0.0.1", 0, this);
    return { port: listener.port, [Symbol.dispose]: () => listener.close() };
  }
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; !condition(); i++) {
    assert(i < 2000, "it happens within 2 s");
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

async function connected(host: Host, port: number): Promise<{ peer: Deno.TcpConn; sink: Recorder }> {
  const count = host.sinks.length, peer = await Deno.connect({ hostname: "127.0.0.1", port });
  await until(() => host.sinks.length > count);
  return { peer, sink: host.sinks[count] };
}

async function readAll(peer: Deno.Conn): Promise<number> {
  const into = new Uint8Array(65536);
  let total = 0;
  for (let n = await peer.read(into); n !== null; n = await peer.read(into)) total += n;
  return total;
}

Deno.test("TcpNetwork: bytes are delivered, and then the turn ends; the next bytes are another turn", async () => {
  const host = new Host();
  using listener = host.listen();
  const { peer, sink } = await connected(host, listener.port);
  await peer.write(ascii("one"));
  await until(() => host.events.includes("turn"));
  await peer.write(ascii("two"));
  await until(() => host.events.filter((event) => event === "turn").length === 2);
  assertEquals(host.events, ["one", "turn", "two", "turn"]);
  assertMatch(sink.connection.remoteAddress, /^127\.0\.0\.1:[0-9]+$/);
  assertEquals([sink.connection.localAddress, sink.connection.isUnix], [`127.0.0.1:${listener.port}`, false]);
  sink.connection.close(), peer.close();
});

Deno.test("TcpNetwork: a turn end that is asked for comes once, however often it is asked for", async () => {
  const host = new Host();
  using _ = host.listen();
  host.network.requestTurnEnd(), host.network.requestTurnEnd();
  assertEquals(host.events, []);
  await Promise.resolve();
  await Promise.resolve();
  assertEquals(host.events, ["turn"]);
});

Deno.test("TcpNetwork: a peer that only stopped sending still gets what is written", async () => {
  const host = new Host();
  using listener = host.listen();
  const { peer, sink } = await connected(host, listener.port);
  await peer.write(ascii("last"));
  await peer.closeWrite();
  await until(() => host.events.includes("closed: null"));
  assert(host.events.indexOf("last") < host.events.indexOf("closed: null"));
  const reply = new Uint8Array(100_000);
  sink.connection.write(reply, reply.length);
  sink.connection.closeAfterWrite();
  assertEquals(await readAll(peer), reply.length);
  peer.close();
});

Deno.test("TcpNetwork: closeAfterWrite sends everything to a slow peer, then ends; close ends at once", async () => {
  const host = new Host();
  using listener = host.listen();
  const { peer, sink } = await connected(host, listener.port), large = new Uint8Array(8 << 20);
  sink.connection.write(large, large.length - 5);
  sink.connection.closeAfterWrite();
  await new Promise((resolve) => setTimeout(resolve, 5));
  assertEquals(host.events, []);
  assertEquals(await readAll(peer), large.length - 5);
  await until(() => host.events.length > 0);
  assertEquals(host.events, ["written"]);
  peer.close();
  const second = await connected(host, listener.port);
  second.sink.connection.close(), second.sink.connection.close();
  assertEquals(await readAll(second.peer), 0);
  assertEquals(host.events, ["written"]);
  second.peer.close();
});

Deno.test("TcpNetwork: a peer that resets is reported once, in words, and nothing is thrown", async () => {
  const host = new Host();
  using listener = host.listen();
  const { peer, sink } = await connected(host, listener.port), large = new Uint8Array(8 << 20);
  sink.connection.write(large, large.length);
  // Closing with unread bytes sends a reset.
  await new Promise((resolve) => setTimeout(resolve, 5));
  peer.close();
  const failures = () => host.events.filter((event) => event !== "turn" && event !== "closed: null");
  await until(() => failures().length > 0);
  await new Promise((resolve) => setTimeout(resolve, 5));
  sink.connection.close();
  const closed = failures();
  assertEquals(closed.length, 1);
  assertMatch(closed[0], /^closed: (Connection reset by peer|Broken pipe)$/);
});

Deno.test("TcpNetwork: a peer that stops sending and then resets is reported as both", async () => {
  const host = new Host();
  using listener = host.listen();
  const { peer, sink } = await connected(host, listener.port), large = new Uint8Array(8 << 20);
  sink.connection.write(large, large.length);
  await peer.closeWrite();
  await until(() => host.events.includes("closed: null"));
  peer.close();
  await until(() => host.events.length > 2);
  const closed = host.events.filter((event) => event !== "turn");
  assertEquals(closed[0], "closed: null");
  assertMatch(closed[1], /^closed: (Connection reset by peer|Broken pipe)$/);
  sink.connection.close();
});

Deno.test("TcpNetwork: while reading is paused nothing is delivered, and nothing is lost", async () => {
  const host = new Host();
  using listener = host.listen();
  const { peer, sink } = await connected(host, listener.port);
  sink.onText = () => sink.connection.pauseReading();
  await peer.write(ascii("12345678abcdefgh"));
  await until(() => host.events.includes("turn"));
  await new Promise((resolve) => setTimeout(resolve, 10));
  assertEquals(host.events, ["12345678", "turn"]);
  sink.connection.resumeReading();
  await until(() => host.events.length === 4);
  assertEquals(host.events.slice(2), ["abcdefgh", "turn"]);
  sink.connection.close(), peer.close();
});

Deno.test("TcpNetwork: pausing holds back what a read already in flight brings", async () => {
  const host = new Host();
  using listener = host.listen();
  const { peer, sink } = await connected(host, listener.port);
  sink.connection.pauseReading();
  await peer.write(ascii("held"));
  await new Promise((resolve) => setTimeout(resolve, 20));
  assertEquals(host.events, []);
  sink.connection.resumeReading(), sink.connection.pauseReading();
  await new Promise((resolve) => setTimeout(resolve, 5));
  assertEquals(host.events, []);
  sink.connection.resumeReading();
  assertEquals(host.events, []);
  await until(() => host.events.length === 2);
  assertEquals(host.events, ["held", "turn"]);
  sink.connection.close(), peer.close();
});

Deno.test("TcpNetwork: bytes reach the buffer that the sink has when they come, replaced while a read was in flight or not", async () => {
  const host = new Host();
  using listener = host.listen();
  const { peer, sink } = await connected(host, listener.port);
  for (const [i, buffer] of [new Uint8Array(20), new Uint8Array(64).subarray(30), sink.buffer].entries()) {
    await new Promise((resolve) => setTimeout(resolve, 5)); // the read is in flight
    sink.buffer = buffer;
    await peer.write(ascii(`piece ${i}`));
    await until(() => host.events.length === 2 * (i + 1));
  }
  await new Promise((resolve) => setTimeout(resolve, 5));
  sink.buffer = new Uint8Array(sink.buffer.buffer, 1, 7); // overlaps the place that the read knows
  await peer.write(ascii("overlap"));
  await until(() => host.events.length === 8);
  assertEquals(host.events.filter((event) => event !== "turn"), ["piece 0", "piece 1", "piece 2", "overlap"]);
  sink.connection.close(), peer.close();
});

Deno.test("TcpNetwork: what a sink throws is not taken for an error of the connection", async () => {
  const host = new Host(), bugs: unknown[] = [];
  using listener = host.listen();
  const onBug = (event: PromiseRejectionEvent) => (event.preventDefault(), bugs.push(event.reason));
  globalThis.addEventListener("unhandledrejection", onBug);
  const { peer, sink } = await connected(host, listener.port);
  sink.onText = () => {
    throw new Error("a bug of ours");
  };
  await peer.write(ascii("x"));
  await until(() => bugs.length > 0);
  globalThis.removeEventListener("unhandledrejection", onBug);
  assertEquals([(bugs[0] as Error).message, host.events], ["a bug of ours", ["x"]]);
  sink.connection.close(), peer.close();
});

Deno.test("TcpNetwork: a port in use, and a server that is not there, are named errors", async () => {
  const host = new Host(), listener = host.network.listenTcp("127.0.0.1", 0, host), { port } = listener;
  const busy = assertThrows(() => host.network.listenTcp("127.0.0.1", port, host), ListenError);
  assertEquals(
    [busy.code, busy.message],
    [
      "EADDRINUSE",
      `Could not create server TCP listening socket 127.0.0.1:${port}: bind: Address already in use`,
    ],
  );
  listener.close(), listener.close();
  // The accept that waits lets go of the socket a moment later.
  await new Promise((resolve) => setTimeout(resolve, 20));
  const refused = await assertRejects(() => host.network.connectTcp("127.0.0.1", port), ConnectError);
  assertEquals([refused.code, refused.message], [
    "ECONNREFUSED",
    `Cannot connect to 127.0.0.1:${port}: Connection refused`,
  ]);
});

Deno.test("TcpNetwork.connectTcp: speaks to another server", async () => {
  const host = new Host(), mine: string[] = [];
  using listener = host.listen();
  const sink = new Recorder(await host.network.connectTcp("127.0.0.1", listener.port), mine);
  await until(() => host.sinks.length === 1);
  host.sinks[0].connection.write(ascii("hello"), 5);
  await until(() => mine.includes("hello"));
  sink.connection.close();
  await until(() => host.events.includes("closed: null"));
  host.sinks[0].connection.close();
});

Deno.test("TcpNetwork.listenUnix: the file has the mode asked for, replaces a stale one, and goes when closed", async () => {
  const directory = Deno.makeTempDirSync({ prefix: "afterimage-test-" }), path = `${directory}/s`;
  try {
    const host = new Host(), killed = Deno.listen({ transport: "unix", path: `${path}.old` });
    Deno.renameSync(`${path}.old`, path);
    killed.close(); // does not find its file any more, so that it stays, as after a kill
    assertEquals(Deno.statSync(path).isSocket, true);
    const listener = host.network.listenUnix(path, 0o700, host);
    assertEquals([listener.port, Deno.statSync(path).mode! & 0o777], [0, 0o700]);
    const peer = await Deno.connect({ transport: "unix", path });
    await until(() => host.sinks.length === 1);
    const { connection } = host.sinks[0];
    assertEquals([connection.remoteAddress, connection.isUnix], [`${path}:0`, true]);
    connection.setNoDelay(true), connection.setKeepAlive(5);
    await peer.write(ascii("hi"));
    await until(() => host.events.includes("hi"));
    connection.close(), peer.close(), listener.close(), listener.close();
    assertThrows(() => Deno.statSync(path), Deno.errors.NotFound);
    const missing = assertThrows(() => host.network.listenUnix(`${directory}/none/s`, null, host), ListenError);
    assertEquals(missing.message, `Opening Unix socket ${directory}/none/s: bind: No such file or directory`);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});
