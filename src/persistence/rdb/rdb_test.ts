import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { ascii, latin1Decode, latin1Encode } from "../../base/bytes.ts";
import { Crc64 } from "../../base/crc64.ts";
import { formatI64, I64, parseI64 } from "../../base/integer.ts";
import { Prng } from "../../base/prng.ts";
import { KeyedHash } from "../../base/siphash.ts";
import { debugDigest } from "../../keyspace/digest.ts";
import { ENCODING, encodingOf, expiresAtMs } from "../../keyspace/entry.ts";
import { Keyspace, NO_EXPIRY } from "../../keyspace/keyspace.ts";
import { registerTypes } from "../../keyspace/values/mod.ts";
import { Allocator, DebugMemory, NONE, OutOfArenaError } from "../../memory/mod.ts";
import { FunctionLibraries } from "./function_libraries.ts";
import { dumpPayload, isPayloadIntact, loadPayload } from "./dump_payload.ts";
import { OPCODE, RDB_VERSION_MAX } from "./rdb_format.ts";
import { RdbLoad, type RdbLoadOptions } from "./rdb_loader.ts";
import { type FileSum, RdbCorruptError, RdbReader, RdbTruncatedError } from "./rdb_reader.ts";
import { saveRdb } from "./rdb_saver.ts";
import { RdbWriter } from "./rdb_writer.ts";
import { loadBytes, openKeyspace, saveToBytes } from "./testing.ts";

const NOW_MS = 1_700_000_000_000;

function open(arenaMaxBytes = 256 << 20) {
  const memory = new DebugMemory({ arenaMaxBytes, pageBytes: 4096 }), allocator = new Allocator(memory, true);
  memory.allocator = allocator;
  const keyspace = new Keyspace({ memory, allocator, hash: new KeyedHash(3, 4), databases: 4, random: () => 0 });
  keyspace.nowMs = NOW_MS;
  registerTypes(keyspace);
  return { memory, allocator, keyspace };
}

type Opened = ReturnType<typeof open>;

function set({ keyspace }: Opened, db: number, key: string, value: string, atMs: number = NO_EXPIRY): void {
  const k = latin1Encode(key), v = latin1Encode(value);
  keyspace.setString(keyspace.databases[db], k, 0, k.length, v, 0, v.length, atMs);
}

function get({ keyspace, memory }: Opened, db: number, key: string): string | null {
  const k = latin1Encode(key), entry = keyspace.lookupQuiet(keyspace.databases[db], k, 0, k.length);
  if (entry === NONE) return null;
  if (encodingOf(memory, entry) === ENCODING.int) {
    const integer = new I64(), text = new Uint8Array(20);
    keyspace.readInteger(entry, integer);
    return latin1Decode(text, 0, formatI64(integer, text, 0));
  }
  keyspace.place.locate(memory, entry);
  const bytes = new Uint8Array(keyspace.place.lengthBytes);
  memory.copyOut(keyspace.place.block, keyspace.place.offsetBytes, bytes, 0, bytes.length);
  return latin1Decode(bytes);
}

function digestOf({ memory, keyspace }: Opened): string {
  return debugDigest(memory, keyspace.databases);
}

/** Empties all databases; with a key in each, so that tables that RESIZEDB reserved go away too. */
function emptyAll(opened: Opened): void {
  for (const db of opened.keyspace.databases) set(opened, db.index, "last", ""), opened.keyspace.empty(db, false);
}

/** What `write` writes, with or without compression and checksum. */
function written(write: (writer: RdbWriter) => void, compress = true, checksum = false): Uint8Array {
  const parts: number[] = [];
  const writer = new RdbWriter(
    (bytes, start, end) => {
      for (let i = start; i < end; i++) parts.push(bytes[i]);
    },
    compress,
    checksum,
  );
  write(writer);
  writer.flush();
  return Uint8Array.from(parts);
}

function saved(
  { memory, keyspace }: Opened,
  access: "none" | "idle" | "frequency" = "none",
  checksum = true,
): Uint8Array {
  const databases = keyspace.databases.map((db) => ({
    index: db.index,
    dict: db.dict,
    keys: keyspace.size(db),
    expires: db.expiry.count,
  }));
  return written(
    (writer) => {
      const options = {
        databases,
        nowMs: NOW_MS,
        usedMemoryBytes: 1000,
        isAofBase: false,
        replication: null,
        timestampSeconds: null,
        access,
        lfuDecayMinutes: 1,
        functions: [],
      };
      for (const _ of saveRdb(writer, memory, options, () => {}));
      writer.finish();
    },
    true,
    checksum,
  );
}

function loader({ keyspace }: Opened, bytes: Uint8Array, options: Partial<RdbLoadOptions> = {}): RdbLoad {
  const readAt = (offset: number, into: Uint8Array) => {
    const piece = bytes.subarray(offset, offset + into.length);
    into.set(piece);
    return piece.length;
  };
  return new RdbLoad("dump.rdb", readAt, bytes.length, {
    keyspace,
    nowMs: NOW_MS,
    deep: false,
    functions: new FunctionLibraries(),
    warn: () => {},
    onDone: () => {},
    onExpired: () => {},
    keepExpired: false,
    verifyChecksum: true,
    usesLfu: false,
    merge: false,
    log: () => {},
    onKey: () => {},
    ...options,
  });
}

function load(opened: Opened, bytes: Uint8Array, options: Partial<RdbLoadOptions> = {}): RdbLoad {
  const loading = loader(opened, bytes, options);
  while (!loading.step(1 << 20));
  return loading;
}

/** A file of version `version` with these bytes as its body, and no checksum. */
function file(body: readonly (number | string)[], version = "0010"): Uint8Array {
  const bytes = [...ascii("REDIS" + version)];
  for (const part of body) typeof part === "number" ? bytes.push(part) : bytes.push(...latin1Encode(part));
  bytes.push(OPCODE.eof, 0, 0, 0, 0, 0, 0, 0, 0);
  return Uint8Array.from(bytes);
}

function refusal(opened: Opened, bytes: Uint8Array, options: Partial<RdbLoadOptions> = {}): RdbCorruptError {
  return assertThrows(() => load(opened, bytes, options), RdbCorruptError);
}

// ---- primitives ----------------------------------------------------------------------------------------------------

const LENGTHS: readonly (readonly [number, readonly number[]])[] = [
  [0, [0]],
  [63, [0x3f]],
  [64, [0x40, 64]],
  [16383, [0x7f, 0xff]],
  [16384, [0x80, 0, 0, 0x40, 0]],
  [2 ** 32 - 1, [0x80, 255, 255, 255, 255]],
  [2 ** 32, [0x81, 0, 0, 0, 1, 0, 0, 0, 0]],
  [2 ** 40 + 5, [0x81, 0, 0, 1, 0, 0, 0, 0, 5]],
];

Deno.test("RdbWriter.length: 6, 14, 32 and 64 bits, the shortest that fits; RdbReader.length reads them back", () => {
  for (const [value, bytes] of LENGTHS) {
    assertEquals(written((w) => w.length(value)), Uint8Array.from(bytes));
    const reader = RdbReader.ofBytes(Uint8Array.from(bytes));
    assertEquals([reader.length(), reader.offsetBytes], [value, bytes.length]);
  }
});

/** As redis-server 7.0.15 writes these values: value, its bytes in the file. */
const STRINGS: readonly (readonly [string, string])[] = [
  ["0", "\xc0\x00"],
  ["-1", "\xc0\xff"],
  ["127", "\xc0\x7f"],
  ["-128", "\xc0\x80"],
  ["128", "\xc1\x80\x00"],
  ["-129", "\xc1\x7f\xff"],
  ["32767", "\xc1\xff\x7f"],
  ["-32768", "\xc1\x00\x80"],
  ["32768", "\xc2\x00\x80\x00\x00"],
  ["2147483647", "\xc2\xff\xff\xff\x7f"],
  ["-2147483648", "\xc2\x00\x00\x00\x80"],
  ["2147483648", "\n2147483648"],
  ["-2147483649", "\x0b-2147483649"],
  ["9223372036854775807", "\x139223372036854775807"],
  ["-9223372036854775808", "\x14-9223372036854775808"],
  ["hello", "\x05hello"],
  ["", "\x00"],
  ["00012345678", "\x0b00012345678"],
  ["-0", "\x02-0"],
  ["a".repeat(20), "\x14" + "a".repeat(20)],
  ["a".repeat(30), "\xc3\t\x1e\x01aa\xe0\x11\x00\x01aa"],
  ["abcd".repeat(20), "\xc3\x0c@P\x04abcda\xe0@\x03\x01cd"],
  ["a".repeat(400), "\xc3\x0cA\x90\x01aa\xe0\xff\x00\xe0{\x00\x01aa"],
  ["abcdefghijklmnopqrstuvwxyz", "\x1aabcdefghijklmnopqrstuvwxyz"],
];

for (const [value, bytes] of STRINGS) {
  const shown = value.length > 24 ? `${value.slice(0, 8)}… of ${value.length}` : value;
  Deno.test(`RDB string "${shown}" has the bytes Redis writes, and they read back`, () => {
    const text = latin1Encode(value);
    assertEquals(latin1Decode(written((w) => w.string(text, 0, text.length))), bytes);
    const integer = new I64();
    if (parseI64(text, 0, text.length, integer)) {
      assertEquals(latin1Decode(written((w) => w.integer(integer))), bytes);
    }
    const reader = RdbReader.ofBytes(latin1Encode(bytes));
    assertEquals([reader.stringText(), reader.offsetBytes], [value, bytes.length]);
  });
}

Deno.test("RdbWriter: without compression a string is as it is, and long ones in paged memory too", () => {
  const value = latin1Encode("a".repeat(30));
  assertEquals(latin1Decode(written((w) => w.string(value, 0, 30), false)), "\x1e" + "a".repeat(30));
  const opened = open(), long = "xyz".repeat(60_000);
  set(opened, 0, "k", long);
  const { keyspace, memory } = opened, entry = keyspace.lookupQuiet(keyspace.databases[0], ascii("k"), 0, 1);
  keyspace.place.locate(memory, entry);
  const { block, offsetBytes, lengthBytes } = keyspace.place;
  const bytes = written((w) => w.stringFrom(memory, block, offsetBytes, lengthBytes), false);
  assertEquals(latin1Decode(bytes), "\x80\x00\x02\xbf\x20" + long);
});

Deno.test("RdbReader: impossible lengths and encodings are refused, with the offset", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["\x82\x00", "unknown length encoding 130"],
    ["\xc4", "unknown string encoding 4"],
    ["\xc3\x01\x80\x7f\xff\xff\xff\x00", "compressed string claims an impossible length"],
    ["\xc3\x02\x05\x20\x00", "invalid LZF compressed string"],
    ["\x05abc", "unexpected end of file"],
    ["\x80\xff\xff\xff\xffabc", "unexpected end of file"],
  ];
  for (const [bytes, message] of cases) {
    const error = assertThrows(() => RdbReader.ofBytes(latin1Encode(bytes)).string(), RdbCorruptError, message);
    assert(error.offsetBytes > 0 && error.offsetBytes <= bytes.length, `${message}: offset ${error.offsetBytes}`);
  }
  assertThrows(() => RdbReader.ofBytes(Uint8Array.of(0xc0, 1)).length(), RdbCorruptError, "where a length must be");
});

// ---- files ---------------------------------------------------------------------------------------------------------

Deno.test("saveRdb: a small file, byte for byte", () => {
  const opened = open();
  set(opened, 2, "key", "value", 0x0123456789a);
  const body = "REDIS0010" +
    "\xfa\x09redis-ver\x067.0.15" +
    "\xfa\x0aredis-bits\xc0\x40" +
    "\xfa\x05ctime\xc2\x00\xf1\x53\x65" +
    "\xfa\x08used-mem\xc1\xe8\x03" +
    "\xfa\x08aof-base\xc0\x00" +
    "\xfe\x02\xfb\x01\x01" +
    "\xfc\x9a\x78\x56\x34\x12\x00\x00\x00\x00\x03key\x05value" +
    "\xff";
  const bytes = saved(opened), crc = new Crc64();
  assertEquals(latin1Decode(bytes, 0, bytes.length - 8), body);
  crc.update(bytes, 0, bytes.length - 8);
  assert(crc.equalsLittleEndian(bytes, bytes.length - 8));
  assertEquals(latin1Decode(saved(opened, "none", false)), body + "\0".repeat(8));
});

/** Strings of every size and encoding, in three databases, some that expire. */
function fill(opened: Opened, keys: number, seed: number): void {
  const prng = new Prng(seed);
  for (let i = 0; i < keys; i++) {
    const kind = prng.below(4), length = prng.below(8) === 0 ? prng.below(70_000) : prng.below(200);
    const value = kind === 0
      ? String(prng.below(1 << 20) - 1000)
      : kind === 1
      ? "ab".repeat(length / 2)
      : Array.from({ length: Math.min(length, 3000) }, () => String.fromCharCode(prng.below(256))).join("");
    const key = prng.below(5) === 0 ? `${"k".repeat(prng.below(2000))}${i}` : `${i}`;
    set(opened, prng.below(3), key, value, prng.below(3) === 0 ? NOW_MS + 1 + prng.below(1e9) : NO_EXPIRY);
  }
}

Deno.test("saveRdb, RdbLoad: what was saved is loaded, in one step or in many", () => {
  const source = open();
  fill(source, 2500, 5);
  const bytes = saved(source);
  for (const budget of [1, 5000, 1 << 30]) {
    const target = open(), loading = loader(target, bytes);
    while (!loading.step(budget)) assert(loading.loadedBytes <= loading.totalBytes);
    assertEquals(digestOf(target), digestOf(source));
    assertEquals([loading.keysLoaded, loading.keysExpired, loading.loadedBytes], [2500, 0, bytes.length]);
    for (const db of [0, 1, 2]) {
      assertEquals(target.keyspace.databases[db].expiry.count, source.keyspace.databases[db].expiry.count);
    }
  }
});

Deno.test("RdbLoad: keys that have expired are left out and leave nothing behind, except in the base of a log", () => {
  const source = open();
  set(source, 0, "gone", "x".repeat(3000), NOW_MS - 1);
  set(source, 0, "edge", "v", NOW_MS);
  set(source, 0, "stays", "v", NOW_MS + 1);
  const bytes = saved(source), target = open(), startBytes = target.allocator.liveBytes;
  target.keyspace.expiryEnabled = false;
  const loading = load(target, bytes);
  assertEquals([loading.keysLoaded, loading.keysExpired, get(target, 0, "gone")], [2, 1, null]);
  emptyAll(target);
  assertEquals(target.allocator.liveBytes, startBytes);
  assertEquals(load(target, bytes, { keepExpired: true }).keysLoaded, 3);
  assertEquals(get(target, 0, "gone")?.length, 3000);
});

Deno.test("RdbLoad: expiry in seconds, access stamps, slot hints and unknown aux fields of other versions", () => {
  const seconds = NOW_MS / 1000 + 100,
    le = [seconds & 255, (seconds >> 8) & 255, (seconds >> 16) & 255, seconds >>> 24];
  const body = [
    ...[OPCODE.aux, "\x03new\x03aux"],
    ...[OPCODE.selectDb, 1, OPCODE.resizeDb, 3, 1, OPCODE.slotInfo, 7, 1, 1],
    ...[OPCODE.expireTime, ...le, OPCODE.idle, 0x40, 100, 0, "\x01a\x01x"],
    ...[OPCODE.frequency, 200, 0, "\x01b\x01y"],
    ...[OPCODE.moduleAux, 5, 2, 1, 1, 7, 3, 1, 2, 3, 4, 4, 1, 2, 3, 4, 5, 6, 7, 8, 5, "\x02hi", 0],
    ...[0, "\x01c\xc0\x05"],
  ];
  const opened = open(), logged: string[] = [];
  load(opened, file(body, "0012"), { log: (text) => logged.push(text) });
  assertEquals(["a", "b", "c"].map((key) => get(opened, 1, key)), ["x", "y", "5"]);
  const { keyspace, memory } = opened;
  const entry = keyspace.lookupQuiet(keyspace.databases[1], ascii("a"), 0, 1);
  assertEquals(expiresAtMs(memory, entry), seconds * 1000);
  assert(logged.some((line) => line.includes("module")), "what is left out is logged");
});

Deno.test("RdbLoad: versions 1 to 12 are read, all others are refused by number", () => {
  for (let version = 1; version <= RDB_VERSION_MAX; version++) {
    const opened = open(1 << 20), text = String(version).padStart(4, "0");
    load(opened, file([0, "\x01k\x01v"], text));
    assertEquals(get(opened, 0, "k"), "v");
  }
  const opened = open(1 << 20);
  for (const text of ["0013", "0000", "9999", "00 1", "abcd"]) {
    const number = /^[0-9]{4}$/.test(text) ? Number(text) : 0;
    const error = refusal(opened, file([0, "\x01k\x01v"], text));
    assertEquals([error.message, error.offsetBytes], [`Can't handle RDB format version ${number}`, 5]);
  }
  assertEquals(refusal(opened, ascii("RUDIS0010")).message, "Wrong signature trying to load DB from file");
});

Deno.test("RdbLoad: before version 5 there is no checksum at the end", () => {
  const opened = open(1 << 20), bytes = file([0, "\x01k\x01v"], "0004");
  load(opened, bytes.subarray(0, bytes.length - 8));
  assertEquals(get(opened, 0, "k"), "v");
});

Deno.test("RdbLoad: a type that Redis 7.0 has not is refused by name, with its key and offset", () => {
  const opened = open(1 << 20);
  for (const type of [8, 22, 23, 24, 25, 26, 99, 240]) {
    const error = refusal(opened, file([0, "\x01a\x01b", type, "\x04hash\x00\x00\x00"]));
    assertStringIncludes(error.message, "'hash'");
    assertStringIncludes(error.message, type >= 22 && type <= 25 ? "whose fields expire" : `type ${type}`);
    assertEquals(error.offsetBytes, 14);
    emptyAll(opened);
  }
});

Deno.test("RdbLoad: a module's value is refused with the module's name", () => {
  for (const type of [6, 7]) {
    const error = refusal(open(1 << 20), file([type, "\x01g\x81\x82\xb6\xa9\x85\xd6\xad\x68\x05\0"]));
    assertStringIncludes(error.message, "no matching module type 'graphdata' (at key 'g')");
  }
});

Deno.test("RdbLoad: function libraries are kept, those of release candidates as Redis 7.0 keeps them, and saved again", () => {
  const opened = open(1 << 20), functions = new FunctionLibraries(), logged: string[] = [];
  functions.add(ascii("#!lua name=gone\n"));
  const code = "#!lua name=a\nreturn 1";
  const old = "\x01b\x03LUA\x01\x04what\x08return 2";
  load(opened, file([OPCODE.function2, String.fromCharCode(code.length) + code, OPCODE.functionPreGa, old]), {
    functions,
    log: (text) => logged.push(text),
  });
  assertEquals(functions.codes.map((kept) => latin1Decode(kept)), [code, "#!LUA name=b\nreturn 2"]);
  assert(logged.some((line) => line.includes("2 function libraries")), "what cannot run is logged");
  const again = new FunctionLibraries();
  loadBytes(openKeyspace(), saveToBytes(opened.keyspace, { functions: functions.codes }), { functions: again });
  assertEquals(again.codes, functions.codes);
});

Deno.test("RdbLoad: a key that comes twice is refused by name, unless files are merged", () => {
  const twice = file([0, "\x03key\x01a", 0, "\x03key\x01b"]), opened = open(1 << 20);
  const error = refusal(opened, twice);
  assertEquals([error.message, error.offsetBytes], ["RDB has duplicated key 'key' in DB 0", 16]);
  emptyAll(opened);
  load(opened, twice, { merge: true });
  assertEquals([get(opened, 0, "key"), opened.keyspace.size(opened.keyspace.databases[0])], ["b", 1]);
});

Deno.test("RdbLoad: more databases than there are is an error that says so", () => {
  const error = refusal(open(1 << 20), file([OPCODE.selectDb, 4, 0, "\x01k\x01v"]));
  assertStringIncludes(error.message, "database 4");
});

// ---- damage --------------------------------------------------------------------------------------------------------

function smallFile(): Uint8Array {
  const source = open(4 << 20);
  set(source, 0, "plain", "some value");
  set(source, 0, "number", "12345678");
  set(source, 1, "compressed", "abcd".repeat(30), NOW_MS + 5000);
  set(source, 1, "wide", "9223372036854775807");
  return saved(source, "idle");
}

Deno.test("RdbLoad: a file that ends early is refused wherever it ends, and what was read is given back", () => {
  const bytes = smallFile(), target = open(4 << 20), startBytes = target.allocator.liveBytes;
  for (let length = 0; length < bytes.length; length++) {
    const error = refusal(target, bytes.subarray(0, length));
    assert(error instanceof RdbTruncatedError || length < 9, `${length} bytes: ${error.message}`);
    assert(error.offsetBytes <= length);
    emptyAll(target);
    assertEquals(target.allocator.liveBytes, startBytes, `${length} bytes`);
  }
});

Deno.test("RdbLoad: any flipped bit is refused by the checksum; unchecked, it is refused or loads, and nothing else", () => {
  const bytes = smallFile(), target = open(4 << 20), startBytes = target.allocator.liveBytes;
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    bytes[bit >> 3] ^= 1 << (bit & 7);
    const error = refusal(target, bytes);
    assert(error.offsetBytes >= 0 && error.offsetBytes <= bytes.length);
    emptyAll(target);
    try {
      load(target, bytes, { verifyChecksum: false });
    } catch (error) {
      assert(error instanceof RdbCorruptError || error instanceof OutOfArenaError, `bit ${bit}: ${error}`);
    }
    emptyAll(target);
    assertEquals(target.allocator.liveBytes, startBytes, `bit ${bit}`);
    bytes[bit >> 3] ^= 1 << (bit & 7);
  }
  assertEquals(load(target, bytes).keysLoaded, 4);
});

Deno.test("RdbLoad: a CRC that is computed elsewhere is waited for, and refuses what is damaged; where there is none the file is read again", () => {
  const bytes = smallFile(), target = open(4 << 20), lengthBytes = bytes.length - 8;
  const crcOf = (content: Uint8Array) => {
    const crc = new Crc64();
    crc.update(content, 0, lengthBytes);
    return crc;
  };
  const sum: FileSum = { lengthBytes, crc: null };
  const waiting = loader(target, bytes, { fileSum: sum });
  assertEquals([waiting.step(1 << 20), waiting.step(1 << 20), waiting.isWaiting], [false, false, true]);
  sum.crc = crcOf(bytes);
  assertEquals([waiting.step(1 << 20), waiting.isWaiting, waiting.keysLoaded], [true, false, 4]);

  const damaged = bytes.slice();
  damaged[lengthBytes - 10] ^= 1;
  for (const [content, useless] of [[bytes, false], [damaged, false], [bytes, true], [damaged, true]] as const) {
    emptyAll(target);
    for (const length of useless ? [lengthBytes, lengthBytes - 1] : [lengthBytes]) {
      const fileSum: FileSum = {
        lengthBytes: length,
        crc: useless && length === lengthBytes ? "failed" : crcOf(content),
      };
      if (content === bytes) assertEquals(load(target, content, { fileSum, merge: true }).keysLoaded, 4);
      else assertThrows(() => load(target, content, { fileSum, merge: true }), RdbCorruptError);
    }
  }
});

Deno.test("RdbLoad: rubbish of any kind after the header is refused or loads, and never hangs", () => {
  const prng = new Prng(9), target = open(4 << 20), startBytes = target.allocator.liveBytes;
  for (let i = 0; i < 1500; i++) {
    const bytes = new Uint8Array(9 + prng.below(200));
    prng.bytes(bytes);
    // Opcodes more often than chance has them.
    for (let at = 9; at < bytes.length; at++) if (prng.below(4) === 0) bytes[at] = 244 + prng.below(12);
    for (let at = 9; at < bytes.length; at++) if (prng.below(4) === 0) bytes[at] = prng.below(4);
    bytes.set(ascii("REDIS0010"));
    try {
      load(target, bytes, { verifyChecksum: false });
    } catch (error) {
      assert(error instanceof RdbCorruptError, `round ${i}: ${error}`);
    }
    emptyAll(target);
    assertEquals(target.allocator.liveBytes, startBytes, `round ${i}`);
  }
});

// ---- DUMP and RESTORE ----------------------------------------------------------------------------------------------

/** As DUMP of redis-server 7.0.15 gives them: value, payload. */
const PAYLOADS: readonly (readonly [string, string])[] = [
  ["0", "\x00\xc0\x00\n\x00\x98@\xa7x\xf8P\x03\b"],
  ["32768", "\x00\xc2\x00\x80\x00\x00\n\x00E\xd8.\xed\xd5\xbd\xa9\x10"],
  ["2147483648", "\x00\n2147483648\n\x00\xe7\xb1)\xa3L\x1dv\xee"],
  ["hello", "\x00\x05hello\n\x00cr\xdfve4 \n"],
  ["", "\x00\x00\n\x00]\x9b\\@\x0f\x7f\xa2\xda"],
  ["abcd".repeat(20), "\x00\xc3\x0c@P\x04abcda\xe0@\x03\x01cd\n\x00j\xd5\xff2\xe5\x15,n"],
];

function restore(opened: Opened, key: string, payload: Uint8Array): boolean {
  const target = {
    keyspace: opened.keyspace,
    db: opened.keyspace.databases[0],
    key: ascii(key),
    keyLength: key.length,
    expiresAtMs: NO_EXPIRY,
    deep: true,
    sanitizations: 0,
  };
  return loadPayload(payload, target) === "";
}

Deno.test("dumpPayload: gives Redis's bytes, and loadPayload takes them", () => {
  const opened = open(4 << 20), { keyspace, memory } = opened;
  for (const [value, payload] of PAYLOADS) {
    set(opened, 0, "k", value);
    const entry = keyspace.lookupQuiet(keyspace.databases[0], ascii("k"), 0, 1);
    assertEquals(latin1Decode(dumpPayload(memory, entry, true)), payload);
    const bytes = latin1Encode(payload);
    assert(isPayloadIntact(bytes, true));
    assert(restore(opened, "restored", bytes));
    assertEquals(get(opened, 0, "restored"), value);
  }
});

Deno.test("isPayloadIntact: short payloads, later versions and any flipped bit are refused", () => {
  const payload = latin1Encode(PAYLOADS[3][1]);
  for (let length = 0; length < payload.length; length++) {
    assertEquals(isPayloadIntact(payload.subarray(0, length), true), false, `${length} bytes`);
  }
  for (let bit = 0; bit < payload.length * 8; bit++) {
    payload[bit >> 3] ^= 1 << (bit & 7);
    assertEquals(isPayloadIntact(payload, true), false, `bit ${bit}`);
    payload[bit >> 3] ^= 1 << (bit & 7);
  }
  const newer = payload.slice();
  newer[newer.length - 10] = 11;
  assertEquals([isPayloadIntact(payload, false), isPayloadIntact(newer, false)], [true, false]);
});

Deno.test("loadPayload: damaged content is refused and changes nothing", () => {
  const opened = open(4 << 20), startBytes = opened.allocator.liveBytes;
  const footer = "\n\0" + "\0".repeat(8);
  set(opened, 0, "k", "old");
  const before = opened.allocator.liveBytes;
  for (
    const body of [
      "\x00\x05hell",
      "\x00\x05hello!",
      "\x00\xc4",
      "\x01\x00",
      "\x63\x01a",
      "\x00\xc3\x02\x05\x20\x00",
      "",
    ]
  ) {
    assertEquals(restore(opened, "k", latin1Encode(body + footer)), false, JSON.stringify(body));
    assertEquals([get(opened, 0, "k"), opened.allocator.liveBytes], ["old", before]);
  }
  emptyAll(opened);
  assertEquals(opened.allocator.liveBytes, startBytes);
});
