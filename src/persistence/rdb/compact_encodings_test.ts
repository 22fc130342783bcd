/** Old and untrusted compact encodings: what old servers wrote is read; what is damaged is refused, whatever the damage. */
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { latin1Decode, latin1Encode } from "../../base/bytes.ts";
import { I64 } from "../../base/integer.ts";
import { Prng } from "../../base/prng.ts";
import { NO_EXPIRY } from "../../keyspace/keyspace.ts";
import { firstElement, ListpackElement, nextElement, readElement } from "../../structures/listpack.ts";
import { ListpackCheck } from "../../structures/listpack_check.ts";
import {
  readIntsetBytes,
  readListListpack,
  readPairsListpack,
  readSetListpack,
  readStreamListpack,
} from "./compact_encodings.ts";
import type { LoadTarget } from "./rdb_codec.ts";
import { RdbCorruptError, RdbReader } from "./rdb_reader.ts";
import { openKeyspace } from "./testing.ts";

const keyspace = openKeyspace();

function target(deep: boolean): LoadTarget {
  const db = keyspace.databases[0];
  return { keyspace, db, key: new Uint8Array(0), keyLength: 0, expiresAtMs: NO_EXPIRY, deep, sanitizations: 0 };
}

/** The payload as an RDB string. */
function readerOf(payload: string): RdbReader {
  const length = String.fromCharCode(0x80, 0, 0, payload.length >> 8, payload.length & 0xff);
  return RdbReader.ofBytes(latin1Encode(length + payload));
}

function read(typeByte: number, payload: string, deep: boolean): RdbReader {
  const reader = readerOf(payload), to = target(deep);
  if (typeByte === 11) readIntsetBytes(reader, to);
  else if (typeByte === 15) readStreamListpack(reader, to);
  else if (typeByte === 20) readSetListpack(reader, to);
  else if ([10, 14, 18].includes(typeByte)) readListListpack(reader, typeByte, to);
  else readPairsListpack(reader, typeByte, to);
  return reader;
}

function elements(reader: RdbReader): string[] {
  const found: string[] = [], element = new ListpackElement(), { stringBytes, stringAt } = reader;
  for (let at = firstElement(stringBytes, stringAt); at >= 0; at = nextElement(stringBytes, stringAt, at)) {
    readElement(stringBytes, stringAt, at, element);
    const text = element.text(stringBytes);
    found.push(latin1Decode(text, element.start, element.start + element.length));
  }
  return found;
}

/** A listpack: its header for these elements. */
function listpack(count: number, body: string): string {
  return `${u32(body.length + 7)}${String.fromCharCode(count, 0)}${body}\xff`;
}

/** A ziplist: its header for these entries, of which the last one begins at `last` in the body. */
function ziplist(count: number, last: number, body: string): string {
  return `${u32(body.length + 11)}${u32(10 + last)}${String.fromCharCode(count, 0)}${body}\xff`;
}

function u32(value: number): string {
  return String.fromCharCode(value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, value >>> 24);
}

const LONG = "y".repeat(300);
const STREAM_NODE = listpack(
  25,
  "\x02\x01\x01\x01\x02\x01\x81a\x02\x81b\x02\0\x01" + // count 2, deleted 1, fields a and b
    "\x02\x01\0\x01\0\x01\x01\x01\x82xx\x03\x05\x01" + // the master's fields
    "\x03\x01\x01\x01\0\x01\x02\x01\x03\x01\x05\x01" + // deleted
    "\0\x01\x01\x01\x01\x01\x01\x01\x81c\x02\x02\x01\x06\x01", // a field of its own
);
const ALL = "0 12 -1 127 -300 30000 -70000 8388607 -2147483648 2147483647 -9223372036854775808 9223372036854775807"
  .split(" ");
const ALL_BEFORE_Z =
  "\0\xf1\x02\xfd\x02\xfe\xff\x03\xfe\x7f\x03\xc0\xd4\xfe\x04\xc00u\x04\xf0\x90\xee\xfe\x05\xf0\xff\xff\x7f" +
  "\x05\xd0\0\0\0\x80\x06\xd0\xff\xff\xff\x7f\x06\xe0\0\0\0\0\0\0\0\x80\x0a\xe0\xff\xff\xff\xff\xff\xff\xff\x7f" +
  `\x0a\0\x02\x03abc\x05A,${LONG}`;

/** Written by Redis 2.4 (zipmaps), 6.2 (ziplists) and 7.0, and one of 7.2; what each holds is what Redis 7.0 reads from it. */
const SAMPLES: readonly (readonly [typeByte: number, payload: string, holds: readonly string[]])[] = [
  [9, "\x02\x02f1\x02\0v1\x02f2\x02\0v2\xff", ["f1", "v1", "f2", "v2"]],
  [9, "\x01\x01f\xfe\x02\0\0\0\x03v1xyz\xff", ["f", "v1"]],
  [10, ziplist(16, ALL_BEFORE_Z.length, `${ALL_BEFORE_Z}\xfe\x2f\x01\0\0\x01z`), [...ALL, "", "abc", LONG, "z"]],
  [12, ziplist(4, 12, "\0\x03one\x05\xf2\x02\x03two\x05\xf3"), ["one", "1", "two", "2"]],
  [13, ziplist(4, 12, "\0\x02f1\x04\x02v1\x04\x02f2\x04\x02v2"), ["f1", "v1", "f2", "v2"]],
  [14, ziplist(1, 0, "\0\xf8"), ["7"]],
  [14, ziplist(0, 0, ""), []],
  [16, listpack(4, "\x82a1\x03\x82b1\x03\x82c1\x03\x82d1\x03"), ["a1", "b1", "c1", "d1"]],
  [17, listpack(4, "\x81a\x02\x01\x01\x81b\x02\x832.5\x04"), ["a", "1", "b", "2.5"]],
  [18, listpack(3, "\x81a\x02\xf1\x34\x12\x03\x07\x01"), ["a", "4660", "7"]],
  [20, listpack(2, "\x81a\x02\xf1\x34\x12\x03"), ["a", "4660"]],
  [15, STREAM_NODE, "2 1 2 a b 0 2 0 0 1 xx 5 3 1 0 2 3 5 0 1 1 1 c 2 6".split(" ")],
];

Deno.test("compact encodings: what old and new servers wrote is read, at both levels", () => {
  for (const [typeByte, payload, holds] of SAMPLES) {
    for (const deep of [false, true]) assertEquals(elements(read(typeByte, payload, deep)), holds);
  }
});

Deno.test("compact encodings: what is read is a sound listpack in Redis's encodings", () => {
  const check = new ListpackCheck();
  for (const [typeByte, payload] of SAMPLES) {
    const reader = read(typeByte, payload, false);
    assertEquals(check.fault(reader.stringBytes, reader.stringAt, reader.stringLength), "");
    assert(check.isCanonical);
  }
});

Deno.test("compact encodings: integers in encodings that Redis does not choose are rebuilt", () => {
  const spelled = listpack(3, "\x825x\x03\x815\x02\x05\x01");
  assertEquals(elements(read(18, spelled, false)), ["5x", "5", "5"]);
  const wide = listpack(4, "\xc0\x05\x02\xf1\xff\x0f\x03\xf2\xff\x7f\0\x04\xf4\xff\xff\xff\x7f\0\0\0\0\x09");
  const reader = read(18, wide, false), integers = ["5", "4095", "32767", "2147483647"];
  assertEquals(elements(reader), integers);
  assertEquals(reader.stringLength, 6 + 2 + 3 + 4 + 6 + 1);
});

Deno.test("compact encodings: a byte changed or cut off is refused with a reason or gives a sound value; nothing else happens", () => {
  const samples = [...SAMPLES, [11, "\x02\0\0\0\x03\0\0\0\x01\0\x02\0\x80\x00", []] as const];
  const random = new Prng(0x5eed), check = new ListpackCheck();
  for (const [typeByte, payload] of samples) {
    for (let i = 0; i < 3000; i++) {
      const at = random.below(payload.length), cut = i % 8 === 0 ? at : payload.length;
      const damaged = (payload.slice(0, at) + String.fromCharCode(random.below(256)) + payload.slice(at + 1)).slice(
        0,
        cut,
      );
      try {
        const reader = read(typeByte, damaged, i % 2 === 0);
        if (typeByte === 11) continue;
        assertEquals(check.fault(reader.stringBytes, reader.stringAt, reader.stringLength), "");
        assert(reader.stringLength <= payload.length * 1.5, "no larger than the payload accounts for");
      } catch (error) {
        if (!(error instanceof RdbCorruptError)) throw error;
        assertStringIncludes(error.message, "integrity check failed: ");
      }
    }
  }
});

Deno.test("compact encodings: what an attacker would claim is refused", () => {
  const refused: readonly (readonly [typeByte: number, payload: string, reason: string, deepOnly?: boolean])[] = [
    [16, listpack(2, "\x81a\x02\x81b\x02").replace("\x0d", "\x0e"), "another size"],
    [16, listpack(4, "\x81a\x02\x81b\x02\x81a\x02\x81d\x02"), "a field twice", true],
    [16, listpack(4, "\x815\x02\0\x01\x05\x01\0\x01"), "a field twice", true],
    [16, listpack(1, "\x81a\x02"), "without a value"],
    [13, ziplist(4, 9, "\0\x01a\x03\x01b\x03\x01a\x03\x01b"), "a field twice"],
    [13, ziplist(2, 4, "\0\x01a\x03\x01b"), "another last entry"],
    [9, "\x02\x01a\x01\0b\x01a\x01\0b\xff", "a field twice"],
    [9, "\x00\xff", "it is empty"],
    [9, "\x01\x01a\xfe\xff\xff\xff\xff\0b\xff", "beyond the end"],
    [17, listpack(2, "\x81a\x02\x83nan\x04"), "a score that is no number"],
    [20, listpack(2, "\x81a\x02\x81a\x02"), "a member twice", true],
    [18, listpack(1, "\xf0\xff\xff\xff\xff\x80\x01"), "beyond the end"],
    [18, listpack(2, "\x81a\x02"), "names 2 elements"],
    [18, listpack(1, "\x81a\x03"), "is not its length"],
    [18, listpack(1, "\xf5\x01"), "unknown encoding"],
    [10, ziplist(1, 0, ""), "names 1 entries"],
    [10, ziplist(1, 0, "\x01\x01a"), "another size for what precedes"],
    [10, ziplist(1, 0, "\0\x81abcd"), "unknown encoding"],
    [11, "\x02\0\0\0\0\0\0\0", "it is empty"],
    [11, "\x03\0\0\0\x01\0\0\0abc", "unknown encoding 3"],
    [11, "\x02\0\0\0\xff\xff\xff\xffab", "another size"],
    [11, "\x02\0\0\0\x02\0\0\0\x01\0\x01\0", "ascending"],
    [15, STREAM_NODE.replace("\x02\x01\x01\x01\x02", "\x02\x01\x02\x01\x02"), "entry 3 is no stream entry"],
    [15, STREAM_NODE.replace("\x82xx\x03\x05\x01", "\x82xx\x03\x06\x01"), "entry 0 is no stream entry"],
    [15, listpack(1, "\x05\x01"), "impossible counts"],
  ];
  for (const [typeByte, payload, reason, deepOnly] of refused) {
    assertStringIncludes(assertThrows(() => read(typeByte, payload, true), RdbCorruptError).message, reason);
    if (deepOnly) read(typeByte, payload, false);
    else assertThrows(() => read(typeByte, payload, false), RdbCorruptError, reason);
  }
});

Deno.test("RdbReader: doubles of sorted sets, old and new, and lengths of 64 bits", () => {
  const old = RdbReader.ofBytes(latin1Encode("\x032.5\x07-1e+300\x03inf\xfd\xfe\xff\x03abc"));
  assertEquals(Array.from({ length: 6 }, () => old.legacyDouble()), [2.5, -1e300, Infinity, NaN, Infinity, -Infinity]);
  assertThrows(() => old.legacyDouble(), RdbCorruptError, "no number");
  assertEquals(RdbReader.ofBytes(latin1Encode("\0\0\0\0\0\0\x04\xc0")).f64(), -2.5);
  const lengths = RdbReader.ofBytes(latin1Encode("\x05\x41\x00\x80\xff\xff\xff\xff\x81\xff\xff\xff\xff\0\0\0\x07\xc0"));
  const read64 = () => (lengths.length64(length), [length.hi >>> 0, length.lo]), length = new I64();
  assertEquals([read64(), read64(), read64(), read64()], [[0, 5], [0, 256], [0, 0xffffffff], [0xffffffff, 7]]);
  assertThrows(() => lengths.length64(length), RdbCorruptError);
});
