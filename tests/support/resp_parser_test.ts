import { assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { Push, type Reply, RespError, RespParser } from "./resp_parser.ts";

function parseAll(text: string, chunkBytes = text.length): Reply[] {
  const parser = new RespParser();
  const bytes = new TextEncoder().encode(text);
  const replies: Reply[] = [];
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    parser.feed(bytes.subarray(at, at + chunkBytes));
    for (let reply = parser.next(); reply !== undefined; reply = parser.next()) replies.push(reply);
  }
  return replies;
}

const EVERY_TYPE = "+OK\r\n:-3\r\n:9223372036854775807\r\n$5\r\na\r\nb \r\n$0\r\n\r\n$-1\r\n*-1\r\n*0\r\n" +
  "*2\r\n*1\r\n:1\r\n$1\r\nx\r\n_\r\n#t\r\n#f\r\n,1.5\r\n,-inf\r\n(12345678901234567890\r\n" +
  "=8\r\ntxt:abcd\r\n%1\r\n+k\r\n:1\r\n~2\r\n:1\r\n:2\r\n";
const EVERY_VALUE: Reply[] = [
  "OK",
  -3,
  9223372036854775807n,
  "a\r\nb ",
  "",
  null,
  null,
  [],
  [[1], "x"],
  null,
  true,
  false,
  1.5,
  -Infinity,
  12345678901234567890n,
  "abcd",
  new Map<Reply, Reply>([["k", 1]]),
  new Set<Reply>([1, 2]),
];

Deno.test("RespParser: every RESP2 and RESP3 type", () => assertEquals(parseAll(EVERY_TYPE), EVERY_VALUE));

Deno.test("RespParser: input split at any place gives the same replies", () => {
  for (const chunkBytes of [1, 2, 3, 5, 7, 11]) assertEquals(parseAll(EVERY_TYPE, chunkBytes), EVERY_VALUE);
});

Deno.test("RespParser: errors are values, with their code", () => {
  const [plain, blob] = parseAll("-WRONGTYPE Operation\r\n!9\r\nERR a\r\nbc\r\n");
  assertInstanceOf(plain, RespError);
  assertEquals(plain.code, "WRONGTYPE");
  assertInstanceOf(blob, RespError);
  assertEquals(blob.message, "ERR a\r\nbc");
});

Deno.test("RespParser: a push is marked, an attribute is dropped", () => {
  const [push, next] = parseAll(">2\r\n+invalidate\r\n_\r\n|1\r\n+ttl\r\n:1\r\n*1\r\n:7\r\n");
  assertInstanceOf(push, Push);
  assertEquals(push.items, ["invalidate", null]);
  assertEquals(next, [7]);
});

Deno.test("RespParser: bulk strings as bytes are copies", () => {
  const parser = new RespParser("bytes");
  parser.feed(new TextEncoder().encode("$2\r\nab\r\n"));
  const reply = parser.next();
  parser.feed(new TextEncoder().encode("$2\r\ncd\r\n"));
  assertEquals(reply, new Uint8Array([97, 98]));
});

Deno.test("RespParser: an unknown type byte throws", () => {
  assertThrows(() => parseAll("?what\r\n"), Error, '"?"');
});
