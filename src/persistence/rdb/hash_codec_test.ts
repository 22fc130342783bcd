import { assert, assertEquals, assertThrows } from "@std/assert";
import { ascii, latin1Decode } from "../../base/bytes.ts";
import { Prng } from "../../base/prng.ts";
import { ENCODING_NAMES, encodingOf, TYPE } from "../../keyspace/entry.ts";
import { type Keyspace, NO_EXPIRY } from "../../keyspace/keyspace.ts";
import { HashPairs } from "../../keyspace/values/hash_pairs.ts";
import type { HashValue } from "../../keyspace/values/hash_value.ts";
import { type Address, OutOfArenaError } from "../../memory/mod.ts";
import { CommandWriter } from "../aof/aof_base_writer.ts";
import { rewriteHash } from "../aof/hash_rewrite.ts";
import { hashCodec } from "./hash_codec.ts";
import { RdbCorruptError, RdbReader } from "./rdb_reader.ts";
import { RdbWriter } from "./rdb_writer.ts";
import { concatenated, openKeyspace } from "./testing.ts";

const PAIRS = 4, LISTPACK = 16;

function collect(write: (writer: RdbWriter) => void): Uint8Array {
  const parts: Uint8Array[] = [];
  const writer = new RdbWriter((bytes, start, end) => void parts.push(bytes.slice(start, end)), true, false);
  write(writer);
  writer.flush();
  return concatenated(parts);
}

/** Count and pairs of strings, as type byte 4 has them. */
function pairsPayload(words: readonly string[], count = words.length / 2): Uint8Array {
  return collect((writer) => {
    writer.length(count);
    for (const word of words) writer.string(ascii(word), 0, word.length);
  });
}

function read(keyspace: Keyspace, typeByte: number, payload: Uint8Array, deep = false): Address {
  const target = {
    keyspace,
    db: keyspace.databases[0],
    key: ascii("key"),
    keyLength: 3,
    expiresAtMs: NO_EXPIRY,
    deep,
    sanitizations: 0,
  };
  return hashCodec.read(RdbReader.ofBytes(payload), typeByte, target);
}

function encodingName(keyspace: Keyspace, entry: Address): string {
  return ENCODING_NAMES[encodingOf(keyspace.memory, entry)];
}

function contentOf(keyspace: Keyspace, entry: Address): string[] {
  const pairs = new HashPairs(), found: string[] = [];
  pairs.start(keyspace.memory, entry);
  while (pairs.next()) {
    const { bytes, fieldLength, valueLength } = pairs;
    found.push(`${latin1Decode(bytes, 0, fieldLength)}=${latin1Decode(bytes, fieldLength, fieldLength + valueLength)}`);
  }
  return found.sort();
}

function manyPairs(count: number): string[] {
  return Array.from({ length: count }, (_, i) => [`field:${i}`, String(i)]).flat();
}

Deno.test("hashCodec: pairs become a listpack up to the limits, and a hash table beyond either", () => {
  const keyspace = openKeyspace(), long = "v".repeat(65);
  const cases: [string[], string][] = [
    [["f", "v"], "listpack"],
    [["f", "v".repeat(64), "f".repeat(64), ""], "listpack"],
    [["f", "1", "g", long, "h", "-3"], "hashtable"],
    [["f", "1", long, "2", "h", "3"], "hashtable"],
    [manyPairs(512), "listpack"],
    [manyPairs(513), "hashtable"],
  ];
  for (const [words, encoding] of cases) {
    const entry = read(keyspace, PAIRS, pairsPayload(words));
    const expected = words.flatMap((word, i) => i % 2 === 0 ? [`${word}=${words[i + 1]}`] : []).sort();
    assertEquals([encodingName(keyspace, entry), contentOf(keyspace, entry)], [encoding, expected]);
  }
});

Deno.test("hashCodec: what it writes it reads, in either encoding; a listpack keeps long values", () => {
  const keyspace = openKeyspace(), hash = keyspace.types[TYPE.hash] as HashValue;
  for (const isTable of [false, true]) {
    hash.create(0, 0);
    if (isTable) hash.prepareFor(65, 0);
    keyspace.limits.hashListpackValueBytesMax = 1000;
    for (const field of ["a", "12", "b".repeat(500)]) {
      hash.set(ascii(field), 0, field.length, ascii("v".repeat(500)), 0, 500);
    }
    keyspace.limits.hashListpackValueBytesMax = 64;
    const written = keyspace.newValue(ascii("key"), 0, 3, TYPE.hash, hash.encoding, hash.value, NO_EXPIRY);
    const typeByte = hashCodec.typeByteOf(keyspace.memory, written);
    assertEquals(typeByte, isTable ? PAIRS : LISTPACK);
    const payload = collect((writer) => hashCodec.write(writer, keyspace.memory, written));
    const entry = read(keyspace, typeByte, payload);
    assertEquals(contentOf(keyspace, entry), contentOf(keyspace, written));
    assertEquals(encodingName(keyspace, entry), isTable ? "hashtable" : "listpack");
  }
});

Deno.test("hashCodec: damaged pairs are refused and leave nothing behind", () => {
  const keyspace = openKeyspace(), { liveBytes } = keyspace.allocator;
  const refuse = (payload: Uint8Array, deep = false) => {
    assertThrows(() => read(keyspace, PAIRS, payload, deep), RdbCorruptError);
    assertEquals(keyspace.allocator.liveBytes, liveBytes);
  };
  const long = "x".repeat(2000);
  for (const words of [["a", "1", "b", "2"], ["a", "1", "b", long, "c", long], manyPairs(600)]) {
    const payload = pairsPayload(words);
    for (let end = 0; end < payload.length; end += words.length > 100 ? 61 : 1) refuse(payload.subarray(0, end));
  }
  refuse(pairsPayload(["a", "1"], 2 ** 40));
  refuse(pairsPayload(["a", "1", "a", "2"]), true);
  refuse(pairsPayload(["a", "1", "a", "2", "long", long]));
  refuse(pairsPayload(["a", "1", "long", long, "a", "2"]));
  refuse(pairsPayload(["long", long, "long", long]));
  refuse(pairsPayload([...manyPairs(600), "field:0", ""]));
  assertEquals(read(keyspace, PAIRS, pairsPayload([])), 0);
});

Deno.test("hashCodec: when the arena is full at any point of loading, nothing is left behind", () => {
  const keyspace = openKeyspace(), { allocator } = keyspace, { liveBytes } = allocator, prng = new Prng(3);
  const allocate = allocator.allocate.bind(allocator);
  let left = 0, refused = 0;
  allocator.allocate = (sizeBytes, owner) => {
    if (--left < 0) throw new OutOfArenaError("no more for this test");
    return allocate(sizeBytes, owner);
  };
  for (const words of [["a", "1"], ["a", "1", "b", "x".repeat(2000), "c", "3"], manyPairs(600)]) {
    const payload = pairsPayload(words);
    for (let i = 0; i < 40; i++) {
      left = prng.below(words.length);
      try {
        keyspace.freeEntry(read(keyspace, PAIRS, payload), false);
      } catch (error) {
        assert(error instanceof OutOfArenaError);
        refused++;
      }
      assertEquals(allocator.liveBytes, liveBytes);
    }
  }
  assert(refused > 60, `${refused}`);
});

Deno.test("rewriteHash: writes HMSET commands of 64 pairs, the last one shorter", () => {
  const keyspace = openKeyspace(), sizes: string[] = [];
  for (const count of [1, 64, 65, 600]) {
    const entry = read(keyspace, PAIRS, pairsPayload(manyPairs(count)));
    const text = latin1Decode(
      collect((writer) => rewriteHash(new CommandWriter(writer, keyspace.memory), keyspace.memory, entry)),
    );
    sizes.push([...text.matchAll(/\*(\d+)\r\n\$5\r\nHMSET\r\n\$3\r\nkey\r\n/g)].map((match) => match[1]).join(" "));
    const words = [...text.matchAll(/\$\d+\r\n(field:\d+)\r\n\$\d+\r\n(\d+)\r\n/g)].map((match) =>
      `${match[1]}=${match[2]}`
    );
    assertEquals(words.sort(), contentOf(keyspace, entry));
  }
  assertEquals(sizes, ["4", "130", "130 4", "130 130 130 130 130 130 130 130 130 50"]);
});
