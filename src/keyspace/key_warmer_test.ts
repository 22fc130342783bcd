import { assertEquals } from "@std/assert";
import { ascii } from "../base/bytes.ts";
import { KeyedHash } from "../base/siphash.ts";
import { Allocator, DebugMemory, NONE } from "../memory/mod.ts";
import { RequestParser } from "../resp/request_parser.ts";
import { Keyspace } from "./keyspace.ts";

function smallKeyspace(): Keyspace {
  const memory = new DebugMemory({ arenaMaxBytes: 256 << 20, pageBytes: 4096 }),
    allocator = new Allocator(memory, true);
  memory.allocator = allocator;
  return new Keyspace({ memory, allocator, hash: new KeyedHash(1, 2), databases: 1, random: () => 0 });
}

Deno.test("reading ahead for keys leaves every key where it is, whether it exists or not", () => {
  const keyspace = smallKeyspace(), db = keyspace.databases[0], warmer = keyspace.warmer;
  for (let i = 0; i < 20000; i++) {
    const key = ascii(`key:${i}`);
    keyspace.setString(db, key, 0, key.length, key, 0, key.length);
  }
  assertEquals(warmer.pays(db.dict), true);
  const keys = ascii("key:1key:19999nokey");
  warmer.offsets.set([0, 5, 14]), warmer.lengths.set([5, 9, 5]);
  warmer.warm(db.dict, keys, 3);
  assertEquals(keyspace.lookupQuiet(db, keys, 0, 5) === NONE, false);
  assertEquals(keyspace.lookupQuiet(db, keys, 14, 5), NONE);
  assertEquals(keyspace.size(db), 20000);
});

Deno.test("the parser shows the first arguments of the whole requests that follow, and parses them afterwards", () => {
  const parser = new RequestParser(), offsets = new Int32Array(8), lengths = new Int32Array(8);
  const whole = "*2\r\n$3\r\nGET\r\n$5\r\nalpha\r\n*3\r\n$3\r\nSET\r\n$0\r\n\r\n$1\r\nv\r\n";
  for (const tail of ["*2\r\n$3\r\nGET\r\n$5\r\nbet", "*1\r\n$4\r\nPING\r\n", "PING\r\n", "*2\r\n$x\r\n", ""]) {
    const input = ascii(whole + tail);
    parser.buffer = input, parser.start = 0, parser.end = input.length;
    assertEquals(parser.peekFirstArguments(offsets, lengths, 8), 2);
    assertEquals([offsets[0], lengths[0], offsets[1], lengths[1]], [17, 5, 41, 0]);
    assertEquals(parser.peekFirstArguments(offsets, lengths, 1), 1);
    assertEquals([parser.start, parser.next(), parser.args.latin1(1)], [0, 1, "alpha"]);
    assertEquals([parser.next(), parser.args.latin1(2)], [1, "v"]);
  }
});
