import { assert, assertEquals } from "@std/assert";
import { latin1Decode, latin1Encode } from "../base/bytes.ts";
import { PARSE, RequestParser } from "./request_parser.ts";

/** Puts text into the parser as the network would, a piece at a time. */
function feed(parser: RequestParser, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) {
    const room = parser.room(1), step = Math.min(room.length, bytes.length - at);
    room.set(bytes.subarray(at, at + step));
    parser.received(step);
    at += step;
  }
}

/** What a parser makes of the bytes so far: requests as lists of latin1 text, then maybe an error. */
function drain(parser: RequestParser, into: (string[] | string)[]): void {
  for (;;) {
    const state = parser.next();
    if (state === PARSE.incomplete) return;
    if (state === PARSE.error) return void into.push(parser.error);
    into.push(Array.from({ length: parser.args.count }, (_, i) => parser.args.latin1(i)));
  }
}

function parse(pieces: readonly (string | Uint8Array)[], parser = new RequestParser()): (string[] | string)[] {
  const found: (string[] | string)[] = [];
  for (const piece of pieces) {
    feed(parser, typeof piece === "string" ? latin1Encode(piece) : piece);
    drain(parser, found);
  }
  return found;
}

function request(...words: string[]): string {
  return `*${words.length}\r\n` + words.map((word) => `$${word.length}\r\n${word}\r\n`).join("");
}

const MIXED = request("SET", "k\r\n", "*1\r\n$4\r\n") + "PING  inline\r\n" + request("GET", "") +
  "\"a\\x41\" 'b c'\r\n" +
  "plain\n" + "\r\n" + "*0\r\n" + "*-1\r\n" + request("E", "\xff\x00");
const MIXED_REQUESTS = [
  ["SET", "k\r\n", "*1\r\n$4\r\n"],
  ["PING", "inline"],
  ["GET", ""],
  ["aA", "b c"],
  ["plain"],
  [],
  [],
  [],
  ["E", "\xff\x00"],
];

Deno.test("RequestParser: arrays and inline requests follow one another in one buffer", () => {
  assertEquals(parse([MIXED]), MIXED_REQUESTS);
});

Deno.test("RequestParser: requests split at any byte, or at every byte, are the same requests", () => {
  for (let at = 1; at < MIXED.length; at++) {
    assertEquals(parse([MIXED.slice(0, at), MIXED.slice(at)]), MIXED_REQUESTS, `split at ${at}`);
  }
  assertEquals(parse([...MIXED]), MIXED_REQUESTS);
});

Deno.test("RequestParser: a RESP request can be logged verbatim, an inline one cannot", () => {
  const parser = new RequestParser(), text = request("SET", "key", "value");
  feed(parser, latin1Encode(request("GET", "x") + text + "SET key value\r\n"));
  parser.next(), parser.next();
  const { bytes, rawStart, rawEnd } = parser.args;
  assertEquals(latin1Decode(bytes, rawStart, rawEnd), text);
  parser.next();
  assertEquals([parser.args.count, parser.args.rawEnd], [3, 0]);
});

const TOO_LONG = "x".repeat(64 * 1024 + 1);
const ERRORS: readonly (readonly [what: string, bytes: string, error: string])[] = [
  ["a count that is no number", "*x\r\n", "invalid multibulk length"],
  ["a count with a plus sign", "*+1\r\n", "invalid multibulk length"],
  ["a count with a leading zero", "*01\r\n", "invalid multibulk length"],
  ["no count at all", "*\r\n", "invalid multibulk length"],
  ["a count beyond an int", "*2147483648\r\n", "invalid multibulk length"],
  ["a count line without end", "*" + TOO_LONG, "too big mbulk count string"],
  ["a bulk without $", "*1\r\n:1\r\n", "expected '$', got ':'"],
  ["a bulk that is an array", "*2\r\n$1\r\na\r\n*1\r\n", "expected '$', got '*'"],
  ["a length that is no number", "*1\r\n$x\r\n", "invalid bulk length"],
  ["a negative length", "*1\r\n$-1\r\n", "invalid bulk length"],
  ["a length beyond proto-max-bulk-len", "*1\r\n$536870913\r\n", "invalid bulk length"],
  ["a length line without end", "*1\r\n$" + TOO_LONG, "too big bulk count string"],
  ["an inline request without end", TOO_LONG, "too big inline request"],
  ["a double quote that stays open", 'SET "a\r\n', "unbalanced quotes in request"],
  ["an apostrophe that stays open", "SET 'a\r\n", "unbalanced quotes in request"],
  ["text right after a closing quote", 'SET "a"b\r\n', "unbalanced quotes in request"],
];

for (const [what, bytes, error] of ERRORS) {
  Deno.test(`RequestParser: ${what} is a protocol error, after the requests before it`, () => {
    const first = request("PING");
    assertEquals(parse([first + bytes]), [["PING"], error]);
    const half = first.length + (bytes.length >> 1);
    assertEquals(parse([(first + bytes).slice(0, half), (first + bytes).slice(half)]), [["PING"], error]);
  });
}

Deno.test("RequestParser: the limits themselves are still accepted", () => {
  assertEquals(parse(["*2147483647\r\n"]), []);
  assertEquals(parse(["x".repeat(64 * 1024)]), []);
  const parser = new RequestParser();
  parser.bulkBytesMax = 5;
  assertEquals(parse([request("12345") + request("123456")], parser), [["12345"], "invalid bulk length"]);
});

Deno.test("RequestParser: before AUTH only small requests are accepted", () => {
  const unauthenticated = (text: string) => {
    const parser = new RequestParser();
    parser.unauthenticated = true;
    return parse([text], parser);
  };
  const ten = Array.from({ length: 10 }, (_, i) => String(i)), large = "x".repeat(16384);
  assertEquals(unauthenticated(request(...ten)), [ten]);
  assertEquals(unauthenticated(request(...ten, "10")), ["unauthenticated multibulk length"]);
  assertEquals(unauthenticated(request(large)), [[large]]);
  assertEquals(unauthenticated(request(large + "x")), ["unauthenticated bulk length"]);
});

Deno.test("RequestParser: a large argument in many reads arrives whole, in a buffer at most about twice as large", () => {
  const size = 1 << 20, value = new Uint8Array(size);
  for (let i = 0; i < size; i++) value[i] = i * 31 + (i >> 8);
  const head = `*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$${size}\r\n`;
  for (const pieceBytes of [1447, 65536]) {
    const parser = new RequestParser(), found: (string[] | string)[] = [];
    const all = new Uint8Array(head.length + size + 2 + 14);
    all.set(latin1Encode(head)), all.set(value, head.length);
    all.set(latin1Encode("\r\n" + request("PING")), head.length + size);
    for (let at = 0; at < all.length; at += pieceBytes) {
      feed(parser, all.subarray(at, at + pieceBytes));
      drain(parser, found);
    }
    assertEquals(found, [["SET", "k", latin1Decode(value)], ["PING"]]);
    assert(parser.buffer.length < 2 * size + (16 << 10), `buffer of ${parser.buffer.length} bytes`);
    parser.trim(false), parser.trim(false);
    assertEquals([parser.buffer.length, parser.isMidRequest], [0, false]);
  }
});

Deno.test("RequestParser: a pipeline larger than the buffer comes out in order", () => {
  const expected = Array.from({ length: 5000 }, (_, i) => ["SET", `key:${i}`, "v".repeat(i % 50)]);
  const text = expected.map((words) => request(...words)).join("");
  assertEquals(parse([text]), expected);
  const pieces: string[] = [];
  for (let at = 0; at < text.length; at += 4093) pieces.push(text.slice(at, at + 4093));
  assertEquals(parse(pieces), expected);
});

Deno.test("RequestParser: a request of very many arguments grows the argument lists", () => {
  const words = Array.from({ length: 5000 }, (_, i) => `w${i}`);
  assertEquals(parse([request(...words) + request("PING")]), [words, ["PING"]]);
});

Deno.test("RequestParser: trim loses nothing, wherever in a request it comes, and leaves an idle parser without a buffer", () => {
  const text = request("SET", "k", "v".repeat(100)) + "PING inline\r\n" + request("SET", "k", "w".repeat(40_000)) +
    request("GET", "k");
  for (const pieceBytes of [11, 1000]) {
    for (const isIdle of [true, false]) {
      const parser = new RequestParser(), found: (string[] | string)[] = [];
      for (let at = 0; at < text.length; at += pieceBytes) {
        feed(parser, latin1Encode(text.slice(at, at + pieceBytes)));
        drain(parser, found);
        parser.trim(isIdle);
      }
      assertEquals(found, parse([text]));
      parser.trim(true);
      assertEquals([parser.buffer.length, parser.usedBytes], [0, 0]);
    }
  }
});

Deno.test("RequestParser: the buffer of a busy client is cut down to what it has used lately", () => {
  const parser = new RequestParser();
  parse([request("SET", "k", "v".repeat(400_000))], parser);
  parser.trim(false);
  assert(parser.buffer.length >= 400_000);
  parse([request("SET", "k", "v".repeat(1000))], parser);
  parser.trim(false);
  assert(parser.buffer.length >= 1000 && parser.buffer.length < 2000, `${parser.buffer.length} bytes`);
});
