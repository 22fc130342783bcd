import { assertEquals } from "@std/assert";
import { latin1Encode } from "../base/bytes.ts";
import { type Reply, ReplyError, ReplyParser } from "./reply_parser.ts";

const ALL = "+OK\r\n" + "-ERR no\r\n" + ":-42\r\n" + "$5\r\na\r\nb\xff\r\n" + "$0\r\n\r\n" + "$-1\r\n" + "*-1\r\n" +
  "*3\r\n:1\r\n*1\r\n$-1\r\n+x\r\n" + "*0\r\n" + ",1.5\r\n" + ",inf\r\n" + ",-inf\r\n" + "#t\r\n" + "#f\r\n" + "_\r\n" +
  "=7\r\ntxt:abc\r\n" + "%2\r\n+a\r\n:1\r\n$1\r\nb\r\n*1\r\n_\r\n" + "~2\r\n:1\r\n:2\r\n" + ">1\r\n+message\r\n";
const REPLIES: Reply[] = [
  "OK",
  "error: ERR no",
  -42,
  "a\r\nb\xff",
  "",
  null,
  null,
  [1, [null], "x"],
  [],
  1.5,
  Infinity,
  -Infinity,
  true,
  false,
  null,
  "abc",
  new Map<string, Reply>([["a", 1], ["b", [null]]]),
  [1, 2],
  ["message"],
];

function parse(pieces: readonly string[]): Reply[] {
  const parser = new ReplyParser(), replies: Reply[] = [];
  for (const piece of pieces) {
    const bytes = latin1Encode(piece + "rubbish");
    parser.push(bytes, piece.length);
    for (let reply = parser.next(); reply !== undefined; reply = parser.next()) {
      replies.push(reply instanceof ReplyError ? `error: ${reply.message}` : reply);
    }
  }
  return replies;
}

Deno.test("ReplyParser: understands every kind of reply of RESP2 and RESP3", () => {
  assertEquals(parse([ALL]), REPLIES);
});

Deno.test("ReplyParser: replies split at any byte, or at every byte, are the same replies", () => {
  for (let at = 1; at < ALL.length; at++) {
    assertEquals(parse([ALL.slice(0, at), ALL.slice(at)]), REPLIES, `split at ${at}`);
  }
  assertEquals(parse([...ALL]), REPLIES);
});

Deno.test("ReplyParser: more than its buffer holds comes through", () => {
  const value = "v".repeat(100_000), text = `$${value.length}\r\n${value}\r\n`;
  assertEquals(parse([text + text.slice(0, 50_000), text.slice(50_000), text]), [value, value, value]);
});

Deno.test("ReplyParser: an array of many elements in small pieces, which takes hours when each piece begins it anew", () => {
  const count = 300_000, text = `*${count}\r\n${":1\r\n".repeat(count)}`;
  const pieces = Array.from({ length: Math.ceil(text.length / 64) }, (_, i) => text.slice(i * 64, i * 64 + 64));
  const [reply] = parse(pieces);
  assertEquals((reply as Reply[]).length, count);
});
