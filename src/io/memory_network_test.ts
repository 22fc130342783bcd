import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ascii, latin1Decode } from "../base/bytes.ts";
import { MemoryNetwork } from "./memory_network.ts";
import { ConnectError, type Connection, type ConnectionSink } from "./network.ts";

/** A server that answers, at the end of the turn, with what it got in the turn. */
class Echo implements ConnectionSink {
  readonly events: string[] = [];
  readonly #connection: Connection;
  readonly #buffer: Uint8Array;
  #reply = "";

  constructor(connection: Connection, bufferBytes: number) {
    this.#connection = connection, this.#buffer = new Uint8Array(bufferBytes);
    connection.start(this);
  }

  readBuffer(): Uint8Array {
    return this.#buffer;
  }

  onData(n: number): void {
    const text = latin1Decode(this.#buffer, 0, n);
    this.events.push(text);
    this.#reply += text;
    if (text === "throw!") throw new Error("a bug");
  }

  onTurnEnd(): void {
    this.events.push("turn");
    if (this.#reply !== "") this.#connection.write(ascii(this.#reply), this.#reply.length);
    this.#reply = "";
  }

  onClosed(reason: string | null): void {
    this.events.push(`closed: ${reason}`);
  }

  onWriteDone(): void {
    this.events.push("written");
  }
}

function open(bufferBytes = 6) {
  const network = new MemoryNetwork(), sinks: Echo[] = [], connections: Connection[] = [];
  network.listenTcp("", 0, {
    onConnection: (connection) => {
      connections.push(connection);
      sinks.push(new Echo(connection, bufferBytes));
    },
    onTurnEnd: () => sinks.forEach((sink) => sink.onTurnEnd()),
  });
  let received = "", closed = 0;
  const client = network.connect(
    (bytes, length) => received += latin1Decode(bytes, 0, length),
    () => closed++,
  );
  return {
    network,
    client,
    sink: sinks[0],
    connection: connections[0],
    received: () => received,
    closed: () => closed,
  };
}

Deno.test("MemoryNetwork: what is sent is delivered and answered before send returns, in one turn", () => {
  const { client, sink, received } = open();
  client.send(ascii("0123456789abcd--"), 14);
  assertEquals(received(), "0123456789abcd");
  assertEquals(sink.events, ["012345", "6789ab", "cd", "turn", "written"]);
  client.send(ascii("x"));
  assertEquals(received(), "0123456789abcdx");
});

Deno.test("MemoryNetwork: a turn end that is asked for outside a turn comes once, with the next microtask", async () => {
  const { network, sink } = open();
  network.requestTurnEnd(), network.requestTurnEnd();
  assertEquals(sink.events, []);
  await Promise.resolve();
  assertEquals(sink.events, ["turn"]);
});

Deno.test("MemoryNetwork: an exception of the server reaches who sent, and turns go on afterwards", async () => {
  const { network, client, sink } = open();
  assertThrows(() => client.send(ascii("throw!")), Error, "a bug");
  network.requestTurnEnd();
  await Promise.resolve();
  assertEquals(sink.events, ["throw!", "turn"]);
});

Deno.test("MemoryNetwork: bytes sent while reading is paused wait, in order", async () => {
  const { client, connection, sink, received } = open();
  connection.pauseReading();
  client.send(ascii("one")), client.send(ascii("two"));
  assertEquals([sink.events, received()], [[], ""]);
  connection.resumeReading();
  await Promise.resolve();
  await Promise.resolve();
  assertEquals(received(), "onetwo");
});

Deno.test("MemoryNetwork: bytes sent right after resuming do not overtake those that wait", async () => {
  const { client, connection, received } = open();
  connection.pauseReading();
  client.send(ascii("1")), client.send(ascii("2"));
  connection.resumeReading();
  client.send(ascii("3"));
  await Promise.resolve();
  await Promise.resolve();
  assertEquals(received(), "123");
});

Deno.test("MemoryNetwork: hanging up tells the server, which closes; then nothing can be sent", () => {
  const { client, connection, sink, closed } = open();
  client.hangUp();
  assertEquals([sink.events, client.isClosed], [["closed: null", "turn"], false]);
  connection.close(), connection.close();
  assertEquals([closed(), client.isClosed], [1, true]);
  client.hangUp();
  const error = assertThrows(() => client.send(ascii("x")), ConnectError);
  assertEquals([error.code, sink.events.length], ["EPIPE", 2]);
});

Deno.test("MemoryNetwork: without a server, or to another one, there is no connection", async () => {
  const network = new MemoryNetwork();
  assertEquals(assertThrows(() => network.connect(() => {}), ConnectError).code, "ECONNREFUSED");
  assertEquals((await assertRejects(() => network.connectTcp("h", 1), ConnectError)).code, "ECONNREFUSED");
  network.listenTcp("", 7, { onConnection: () => {}, onTurnEnd: () => {} }).close();
  assertThrows(() => network.connect(() => {}), ConnectError);
});
