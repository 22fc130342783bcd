import { assert, assertEquals, assertThrows } from "@std/assert";
import { ascii, latin1Decode } from "../../base/bytes.ts";
import { ENCODING_NAMES, encodingOf } from "../../keyspace/entry.ts";
import { type Keyspace, NO_EXPIRY } from "../../keyspace/keyspace.ts";
import { SortedSetWalk } from "../../keyspace/values/sorted_set_walk.ts";
import { type Address, NONE, OutOfArenaError } from "../../memory/mod.ts";
import { CommandWriter } from "../aof/aof_base_writer.ts";
import { rewriteSortedSet } from "../aof/sorted_set_rewrite.ts";
import { RdbCorruptError, RdbReader } from "./rdb_reader.ts";
import { RdbWriter } from "./rdb_writer.ts";
import { sortedSetCodec } from "./sorted_set_codec.ts";
import { concatenated, openKeyspace } from "./testing.ts";

const TEXT_PAIRS = 3, PAIRS = 5, LISTPACK = 17;
type Pair = readonly [string, number];

function collect(write: (writer: RdbWriter) => void): Uint8Array {
  const parts: Uint8Array[] = [];
  const writer = new RdbWriter((bytes, start, end) => void parts.push(bytes.slice(start, end)), true, false);
  write(writer);
  writer.flush();
  return concatenated(parts);
}

function payload(pairs: readonly Pair[], count = pairs.length): Uint8Array {
  return collect((writer) => {
    writer.length(count);
    for (const [member, score] of pairs) {
      writer.string(ascii(member), 0, member.length);
      writer.raw(new Uint8Array(new Float64Array([score]).buffer), 0, 8);
    }
  });
}

function textPayload(pairs: readonly (readonly [string, string | number])[]): Uint8Array {
  return collect((writer) => {
    writer.length(pairs.length);
    for (const [member, score] of pairs) {
      writer.string(ascii(member), 0, member.length);
      writer.byte(typeof score === "number" ? score : score.length);
      if (typeof score === "string") writer.raw(ascii(score), 0, score.length);
    }
  });
}

function read(keyspace: Keyspace, typeByte: number, bytes: Uint8Array): Address {
  const target = {
    keyspace,
    db: keyspace.databases[0],
    key: ascii("key"),
    keyLength: 3,
    expiresAtMs: NO_EXPIRY,
    deep: true,
    sanitizations: 0,
  };
  return sortedSetCodec.read(RdbReader.ofBytes(bytes), typeByte, target);
}

/** From the highest score down. */
function contentOf(keyspace: Keyspace, entry: Address): Pair[] {
  const walk = new SortedSetWalk(), found: Pair[] = [];
  walk.start(keyspace.memory, entry);
  while (walk.next()) found.push([latin1Decode(walk.bytes, walk.at, walk.at + walk.length), walk.score]);
  return found;
}

function encodingName(keyspace: Keyspace, entry: Address): string {
  return ENCODING_NAMES[encodingOf(keyspace.memory, entry)];
}

const many = (count: number): Pair[] => Array.from({ length: count }, (_, i) => [`member:${i}`, count - i]);

Deno.test("sortedSetCodec: what is few and short becomes a listpack, the rest large, and each is written as Redis writes it", () => {
  const keyspace = openKeyspace(), { memory } = keyspace;
  const cases: [Pair[], string, number][] = [
    [[["b", 2.5], ["a", -Infinity]], "listpack", LISTPACK],
    [many(128), "listpack", LISTPACK],
    [many(129), "skiplist", PAIRS],
    [[["x".repeat(65), 1]], "skiplist", PAIRS],
  ];
  for (const [pairs, encoding, typeByte] of cases) {
    const entry = read(keyspace, PAIRS, payload(pairs));
    assertEquals([encodingName(keyspace, entry), sortedSetCodec.typeByteOf(memory, entry)], [encoding, typeByte]);
    assertEquals(contentOf(keyspace, entry), pairs);
    const written = collect((writer) => sortedSetCodec.write(writer, memory, entry));
    if (typeByte === PAIRS) assertEquals(written, payload(pairs));
    const again = read(keyspace, typeByte, written);
    assertEquals(contentOf(keyspace, again), pairs);
    keyspace.freeEntry(entry, false), keyspace.freeEntry(again, false);
  }
});

Deno.test("sortedSetCodec: pairs in any order, scores as text, and a listpack beyond the limit", () => {
  const keyspace = openKeyspace(), pairs = many(300);
  for (const order of [pairs.toReversed(), [...pairs.slice(150), ...pairs.slice(0, 150)]]) {
    assertEquals(contentOf(keyspace, read(keyspace, PAIRS, payload(order))), pairs);
  }
  const old = read(keyspace, TEXT_PAIRS, textPayload([["a", "1.5"], ["b", 254], ["c", 255], ["d", "-3e2"]]));
  assertEquals(contentOf(keyspace, old), [["b", Infinity], ["a", 1.5], ["d", -300], ["c", -Infinity]]);
  const small = read(keyspace, PAIRS, payload(many(100)));
  const listpack = collect((writer) => sortedSetCodec.write(writer, keyspace.memory, small));
  keyspace.limits.zsetListpackEntriesMax = 99;
  const grown = read(keyspace, LISTPACK, listpack);
  assertEquals([encodingName(keyspace, grown), contentOf(keyspace, grown)], ["skiplist", many(100)]);
  assertEquals(read(keyspace, PAIRS, payload([])), NONE);
});

Deno.test("sortedSetCodec: damage is refused, and nothing is left of what was read", () => {
  const keyspace = openKeyspace(), before = keyspace.allocator.liveBytes;
  const twice: Pair[] = [...many(200), ["member:7", 1]];
  const cases: [number, Uint8Array][] = [
    [PAIRS, payload([["a", 1], ["a", 2]])],
    [PAIRS, payload(twice)],
    [PAIRS, payload([["b", 1], ["a", NaN]])],
    [PAIRS, payload(many(150), 2 ** 40)],
    [PAIRS, payload(many(150)).subarray(0, 900)],
    [TEXT_PAIRS, textPayload([["a", 253]])],
    [TEXT_PAIRS, textPayload([["a", "1x"]])],
  ];
  for (const [typeByte, bytes] of cases) assertThrows(() => read(keyspace, typeByte, bytes), RdbCorruptError);
  assertEquals(keyspace.allocator.liveBytes, before);
});

Deno.test("sortedSetCodec: a set that finds no room leaves nothing behind", () => {
  const keyspace = openKeyspace(), bytes = payload(many(3_000)), hogs: Address[] = [];
  const { allocator } = keyspace;
  assertThrows(() => {
    for (;;) hogs.push(allocator.allocate(4096, allocator.ownerOf(keyspace.databases[0].dict)));
  }, OutOfArenaError);
  for (let freed = 0; freed < 40; freed++) {
    allocator.free(hogs.pop()!);
    const before = allocator.liveBytes;
    try {
      keyspace.freeEntry(read(keyspace, PAIRS, bytes), false);
    } catch (error) {
      assert(error instanceof OutOfArenaError);
    }
    assertEquals(allocator.liveBytes, before);
  }
});

Deno.test("sortedSetCodec: the AOF rewrite is ZADD commands of 64 pairs at most", () => {
  const keyspace = openKeyspace(), entry = read(keyspace, PAIRS, payload(many(65)));
  const text = latin1Decode(
    collect((writer) => rewriteSortedSet(new CommandWriter(writer, keyspace.memory), keyspace.memory, entry)),
  );
  assert(text.startsWith("*130\r\n$4\r\nZADD\r\n$3\r\nkey\r\n$2\r\n65\r\n$8\r\nmember:0\r\n"), text.slice(0, 80));
  assert(text.endsWith("*4\r\n$4\r\nZADD\r\n$3\r\nkey\r\n$1\r\n1\r\n$9\r\nmember:64\r\n"), text.slice(-80));
});
