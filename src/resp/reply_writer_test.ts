import { assertEquals } from "@std/assert";
import { ascii, latin1Decode, latin1Encode, utf8Encode } from "../base/bytes.ts";
import { I64, parseI64 } from "../base/integer.ts";
import { REPLY_BUFFER_BYTES, ReplyWriter } from "./reply_writer.ts";

function written(protocol: number, write: (reply: ReplyWriter) => void): string {
  const reply = new ReplyWriter();
  reply.protocol = protocol;
  write(reply);
  return latin1Decode(reply.buffer, 0, reply.length);
}

function i64(text: string): I64 {
  const value = new I64();
  parseI64(ascii(text), 0, text.length, value);
  return value;
}

const MEMORY = {
  copyOut(block: string, offset: number, target: Uint8Array, targetBytes: number, length: number): void {
    target.set(ascii(block).subarray(offset, offset + length), targetBytes);
  },
};

const GOLDEN: readonly (readonly [name: string, write: (reply: ReplyWriter) => void, resp2: string, resp3?: string])[] =
  [
    ["ok", (r) => r.ok(), "+OK\r\n"],
    ["status", (r) => r.status("QUEUED"), "+QUEUED\r\n"],
    ["error", (r) => r.error("no such key"), "-ERR no such key\r\n"],
    ["error with a code of its own", (r) => r.error("NOAUTH who?"), "-NOAUTH who?\r\n"],
    ["error of several lines", (r) => r.error("a\r\nb"), "-ERR a  b\r\n"],
    ["errorWithCode", (r) => r.errorWithCode("CUSTOM x"), "-CUSTOM x\r\n"],
    ["integer", (r) => (r.integer(0), r.integer(-7), r.integer(1e15)), ":0\r\n:-7\r\n:1000000000000000\r\n"],
    ["i64", (r) => (r.i64(i64("-9223372036854775808")), r.i64(i64("5"))), ":-9223372036854775808\r\n:5\r\n"],
    ["double", (r) => r.double(1.5), "$3\r\n1.5\r\n", ",1.5\r\n"],
    [
      "infinite doubles",
      (r) => (r.double(Infinity), r.double(-Infinity)),
      "$3\r\ninf\r\n$4\r\n-inf\r\n",
      ",inf\r\n,-inf\r\n",
    ],
    ["boolean", (r) => (r.boolean(true), r.boolean(false)), ":1\r\n:0\r\n", "#t\r\n#f\r\n"],
    ["null", (r) => r.null(), "$-1\r\n", "_\r\n"],
    ["nullArray", (r) => r.nullArray(), "*-1\r\n", "_\r\n"],
    ["bulk", (r) => r.bulk(latin1Encode("xab\r\n\xffy"), 1, 5), "$5\r\nab\r\n\xff\r\n"],
    ["an empty bulk", (r) => r.bulk(ascii("x"), 0, 0), "$0\r\n\r\n"],
    ["bulkFrom", (r) => r.bulkFrom(MEMORY, "hello", 1, 3), "$3\r\nell\r\n"],
    ["bulkInteger", (r) => r.bulkInteger(i64("9223372036854775807")), "$19\r\n9223372036854775807\r\n"],
    ["text", (r) => r.text("ab"), "$2\r\nab\r\n"],
    ["bytes", (r) => r.bytes(latin1Encode("\xfe")), "$1\r\n\xfe\r\n"],
    ["verbatim", (r) => r.verbatim("abc"), "$3\r\nabc\r\n", "=7\r\ntxt:abc\r\n"],
    ["verbatim in markdown", (r) => r.verbatim("abc", "mkd"), "$3\r\nabc\r\n", "=7\r\nmkd:abc\r\n"],
    ["startArray", (r) => (r.startArray(0), r.startArray(123)), "*0\r\n*123\r\n"],
    ["startMap", (r) => r.startMap(6), "*12\r\n", "%6\r\n"],
    ["startSet", (r) => r.startSet(6), "*6\r\n", "~6\r\n"],
    ["startPush", (r) => r.startPush(2), "*2\r\n", ">2\r\n"],
    ["raw", (r) => r.raw(ascii(":1\r\n")), ":1\r\n"],
  ];

for (const [name, write, resp2, resp3] of GOLDEN) {
  Deno.test(`ReplyWriter: ${name} writes these very bytes`, () => {
    assertEquals([written(2, write), written(3, write)], [resp2, resp3 ?? resp2]);
  });
}

Deno.test("ReplyWriter: text that is not ASCII goes out as UTF-8, its length counted in bytes", () => {
  const euro = latin1Decode(utf8Encode("€"));
  assertEquals(written(2, (r) => r.status("5 €")), `+5 ${euro}\r\n`);
  assertEquals(written(2, (r) => (r.ok(), r.error("5 €"))), `+OK\r\n-ERR 5 ${euro}\r\n`);
  assertEquals(written(2, (r) => r.status("€".repeat(100))), `+${euro.repeat(100)}\r\n`);
  assertEquals(written(2, (r) => r.text("€")), `$3\r\n${euro}\r\n`);
  assertEquals(written(3, (r) => r.verbatim("€")), `=7\r\ntxt:${euro}\r\n`);
});

Deno.test("ReplyWriter: errors are counted, and the last one is kept", () => {
  const reply = new ReplyWriter();
  reply.ok(), reply.error("one"), reply.errorWithCode("BUSY two");
  assertEquals([reply.errors, reply.lastError], [2, "BUSY two"]);
});

Deno.test("ReplyWriter: every method grows the buffer when it is full, and keeps what is there", () => {
  for (const [name, write, resp2] of GOLDEN) {
    for (let left = 0; left < 40; left++) {
      const reply = new ReplyWriter(), filler = new Uint8Array(REPLY_BUFFER_BYTES - left).fill(46);
      reply.raw(filler);
      write(reply);
      assertEquals(latin1Decode(reply.buffer, filler.length, reply.length), resp2, `${name}, ${left} bytes left`);
      assertEquals(reply.buffer[filler.length - 1], 46);
    }
  }
});

Deno.test("ReplyWriter: a bulk far larger than the buffer", () => {
  const value = new Uint8Array(200_000).map((_, i) => i);
  const text = written(2, (r) => (r.ok(), r.bytes(value), r.ok()));
  assertEquals(text, `+OK\r\n$200000\r\n${latin1Decode(value)}\r\n+OK\r\n`);
});

Deno.test("ReplyWriter: deferred arrays get their count in front, nested too, and across growth", () => {
  const nested = (r: ReplyWriter) => {
    r.ok();
    const outer = r.deferArray();
    r.integer(1);
    const inner = r.deferArray();
    r.text("x"), r.text("y");
    r.setDeferredArray(inner, 2);
    r.setDeferredArray(outer, 2);
    r.ok();
  };
  assertEquals(written(2, nested), "+OK\r\n*2\r\n:1\r\n*2\r\n$1\r\nx\r\n$1\r\ny\r\n+OK\r\n");
  const items = 10_000;
  const many = written(2, (r) => {
    const mark = r.deferArray();
    for (let i = 0; i < items; i++) r.integer(7);
    r.setDeferredArray(mark, items);
  });
  assertEquals(many, `*${items}\r\n` + ":7\r\n".repeat(items));
  assertEquals(written(2, (r) => r.setDeferredArray(r.deferArray(), 0)), "*0\r\n");
});

Deno.test("ReplyWriter: take hands the bytes over, and what is written next does not touch them", () => {
  const reply = new ReplyWriter();
  reply.ok();
  const first = reply.take();
  assertEquals([latin1Decode(first, 0, 5), reply.length], ["+OK\r\n", 0]);
  reply.status("other");
  assertEquals(latin1Decode(first, 0, 5), "+OK\r\n");
  reply.take();
  reply.reuse(first);
  reply.take();
  assertEquals(reply.buffer, first);
});

Deno.test("ReplyWriter: truncate takes back what a failed command wrote", () => {
  assertEquals(
    written(2, (r) => {
      r.ok();
      const start = r.length;
      r.startArray(3), r.integer(1);
      r.truncate(start);
      r.error("OOM full");
    }),
    "+OK\r\n-OOM full\r\n",
  );
});

Deno.test("ReplyWriter: beyond its overflow limit replies are dropped, and memory stays bounded whatever is still written", () => {
  const reply = new ReplyWriter(), value = new Uint8Array(10_000);
  reply.overflowBytesMax = 100_000;
  for (let i = 0; i < 11; i++) reply.bytes(value);
  assertEquals([reply.overrun, reply.length > 110_000], [false, true]);
  const mark = reply.deferArray();
  for (let i = 0; i < 1000; i++) reply.bytes(value);
  reply.setDeferredArray(mark, 1000);
  reply.bytes(new Uint8Array(500_000));
  reply.ok();
  assertEquals([reply.overrun, reply.memoryBytes < 1_000_000], [true, true]);
});

Deno.test("ReplyWriter: the base can be resized at any time; replies that are there already stay", () => {
  const reply = new ReplyWriter();
  reply.ok();
  reply.resizeBase(1024);
  reply.ok();
  const full = reply.take(), spare = reply.buffer;
  assertEquals(latin1Decode(full, 0, 10), "+OK\r\n+OK\r\n");
  assertEquals([spare.length, reply.unsentBytes, reply.overflowBytes], [1024, 10, 0]);
  reply.reuse(full);
  assertEquals([reply.unsentBytes, reply.memoryBytes, reply.peakBytes], [0, 1024, 10]);
});
