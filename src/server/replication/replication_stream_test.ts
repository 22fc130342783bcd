import { assertEquals } from "@std/assert";
import { latin1Decode, latin1Encode } from "../../base/bytes.ts";
import { ReplicationStream, type StreamCursor } from "./replication_stream.ts";

const SELECT_0 = "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n";

function opened(replBacklogBytes = 0): ReplicationStream {
  let ids = 0;
  const stream = new ReplicationStream({ replBacklogBytes }, () => String(++ids).padStart(40, "0"));
  stream.open();
  return stream;
}

function append(stream: ReplicationStream, text: string, db = 0): void {
  const bytes = latin1Encode(text);
  stream.append(db, bytes, 0, bytes.length);
}

function receive(stream: ReplicationStream, text: string): void {
  const bytes = latin1Encode(text);
  stream.receive(bytes, 0, bytes.length);
}

function rest(stream: ReplicationStream, cursor: StreamCursor): string {
  let text = "";
  for (let bytes = stream.take(cursor, 1000); bytes !== null; bytes = stream.take(cursor, 1000)) {
    text += latin1Decode(bytes);
  }
  return text;
}

Deno.test("ReplicationStream: a cursor reads everything since, with the databases selected", () => {
  const stream = opened(), start = stream.cursorAt(0)!;
  append(stream, "a"), append(stream, "b"), append(stream, "c", 12), append(stream, "d", 12);
  assertEquals(rest(stream, start), SELECT_0 + "ab" + "*2\r\n$6\r\nSELECT\r\n$2\r\n12\r\ncd");
  assertEquals(stream.offset, start.offset);
  stream.reselect();
  append(stream, "e", 12);
  assertEquals(rest(stream, start), "*2\r\n$6\r\nSELECT\r\n$2\r\n12\r\ne");
});

Deno.test("ReplicationStream: keeps about the backlog, and more as long as a replica is slower", () => {
  const stream = opened(64 * 1024), slow = stream.cursorAt(0)!;
  let slowest = 0;
  stream.slowestOffset = () => slowest;
  let all = SELECT_0;
  for (let i = 0; i < 300; i++) {
    const text = String(i).padEnd(1000, ".");
    all += text, append(stream, text);
  }
  assertEquals(rest(stream, slow), all);
  assertEquals(stream.backlogOffset, 0);
  slowest = Infinity;
  stream.trim();
  const keptBytes = stream.offset - stream.backlogOffset;
  assertEquals(keptBytes >= 64 * 1024 && keptBytes < 64 * 1024 + 2 * 16 * 1024, true, `${keptBytes}`);
  assertEquals(stream.cursorAt(stream.backlogOffset - 1), null);
  assertEquals(stream.cursorAt(stream.offset + 1), null);
  assertEquals(rest(stream, stream.cursorAt(stream.backlogOffset)!), all.slice(stream.backlogOffset));
  assertEquals(rest(stream, stream.cursorAt(stream.offset - 5)!), all.slice(-5));
});

Deno.test("ReplicationStream: what was received is seen when it is published, and a rewind drops the rest", () => {
  const stream = opened(), cursor = stream.cursorAt(0)!;
  const whole = "w".repeat(40_000), partial = "p".repeat(40_000);
  receive(stream, whole + partial);
  assertEquals([stream.offset, rest(stream, cursor)], [0, ""]);
  stream.publish(whole.length);
  assertEquals(rest(stream, cursor), whole);
  stream.rewind();
  receive(stream, "next");
  stream.publish(whole.length + 4);
  assertEquals(rest(stream, cursor), "next");
  assertEquals(rest(stream, stream.cursorAt(39_999)!), "wnext");
});

Deno.test("ReplicationStream: a branch can be continued from the history before it, a new one cannot", () => {
  const stream = opened(), first = stream.id;
  append(stream, "x");
  stream.branch();
  assertEquals([stream.id2, stream.secondOffset], [first, stream.offset + 1]);
  stream.renew();
  assertEquals([stream.id2, stream.secondOffset], ["0".repeat(40), -1]);
});
