/** Golden values and models for the small things. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { assert as invariant, InvariantError } from "./assert.ts";
import { ascii } from "./bytes.ts";
import { Crc64 } from "./crc64.ts";
import { formatDouble17, incrByFloat } from "./double.ts";
import { globMatch } from "./glob.ts";
import { formatI64, formatInteger, I64, parseI64, parseSafeInteger } from "./integer.ts";
import { lzfCompress, lzfDecompress } from "./lzf.ts";
import { Prng } from "./prng.ts";
import { Sha1 } from "./sha1.ts";
import { KeyedHash } from "./siphash.ts";

Deno.test("assert: a broken invariant is an InvariantError with its words", () => {
  assertThrows(() => invariant(false, "two is one"), InvariantError, "two is one");
});

Deno.test("Crc64: the check value of the Jones polynomial, whole and in pieces", () => {
  const bytes = ascii("123456789"), out = new Uint8Array(8);
  for (let cut = 0; cut <= 9; cut++) {
    const crc = new Crc64();
    crc.update(bytes, 0, cut), crc.update(bytes, cut, 9);
    crc.writeLittleEndian(out, 0);
    assertEquals(out, Uint8Array.of(0xca, 0xd9, 0xb8, 0xc4, 0x14, 0xd9, 0xc6, 0xe9));
    assert(crc.equalsLittleEndian(out, 0));
  }
});

Deno.test("Crc64: eight bytes at a step give what one at a time gives", () => {
  const bytes = new Uint8Array(1000);
  new Prng(1).bytes(bytes);
  const whole = new Crc64(), single = new Crc64();
  whole.update(bytes, 3, 997);
  for (let i = 3; i < 997; i++) single.update(bytes, i, i + 1);
  assertEquals([whole.low, whole.high], [single.low, single.high]);
});

Deno.test("Sha1: vectors of FIPS 180", () => {
  const digest = (text: string) => {
    const sha = new Sha1(), bytes = ascii(text), out = new Uint8Array(20);
    sha.update(bytes, 0, bytes.length);
    sha.digest(out);
    return Array.from(out, (byte) => byte.toString(16).padStart(2, "0")).join("");
  };
  assertEquals(digest("abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
  assertEquals(digest(""), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
  assertEquals(
    digest("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
    "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
  );
});

Deno.test("lzf: what is compressed expands to the same; damaged input is refused, never overrun", () => {
  const prng = new Prng(7);
  for (let round = 0; round < 500; round++) {
    const length = 1 + prng.below(3000),
      bytes = new Uint8Array(length),
      out = new Uint8Array(length + 64),
      back = new Uint8Array(length);
    for (let i = 0; i < length; i++) {
      bytes[i] = i > 6 && prng.below(10) < 8 ? bytes[i - 1 - prng.below(6)] : prng.below(256);
    }
    const size = lzfCompress(bytes, 0, length, out);
    if (size === 0) continue;
    assert(lzfDecompress(out, 0, size, back, 0, length));
    assertEquals(back, bytes);
    out[prng.below(size)] ^= 1 << prng.below(8);
    lzfDecompress(out, 0, size, back, 0, length);
    assertEquals(lzfDecompress(out, 0, size - 1, back, 0, length + 1), false);
  }
});

Deno.test("lzf: golden bytes of a run", () => {
  const out = new Uint8Array(64), size = lzfCompress(ascii("a".repeat(40)), 0, 40, out);
  // One literal, then a reference to it of length 7 + 30 + 2 at distance 1, then the rest.
  assertEquals(out.slice(0, size), Uint8Array.of(1, 0x61, 0x61, 0xe0, 27, 0, 1, 0x61, 0x61));
});

Deno.test("globMatch: Redis's patterns, and no exponential ones", () => {
  const match = (pattern: string, text: string, fold = false) =>
    globMatch(ascii(pattern), 0, pattern.length, ascii(text), 0, text.length, fold);
  for (
    const [pattern, text] of [["*", ""], ["a*c", "abbc"], ["h[a-c]llo", "hbllo"], ["h[^e]llo", "hallo"], ["\\*", "*"], [
      "a?c",
      "abc",
    ], ["**a", "a"]]
  ) {
    assert(match(pattern, text), `${pattern} matches ${text}`);
  }
  for (
    const [pattern, text] of [["a*c", "abb"], ["h[^e]llo", "hello"], ["a?c", "ac"], ["", "a"], ["abc", "ab"], [
      "h[a-c]llo",
      "hdllo",
    ]]
  ) {
    assert(!match(pattern, text), `${pattern} does not match ${text}`);
  }
  assert(match("ABC*", "abcd", true) && !match("ABC*", "abcd"));
  assert(!match("a*".repeat(30) + "b", "a".repeat(60)));
});

Deno.test("KeyedHash: every byte and the length count, and another key gives another hash", () => {
  const hash = new KeyedHash(0x01020304, 0x05060708), bytes = new Uint8Array(40), seen = new Set<number>();
  for (let length = 0; length <= 32; length++) seen.add(hash.hash(bytes, 4, length));
  for (let i = 0; i < 32; i++) bytes[4 + i] = 1, seen.add(hash.hash(bytes, 4, 32)), bytes[4 + i] = 0;
  assertEquals(seen.size, 33 + 32);
  assert(new KeyedHash(1, 2).hash(bytes, 0, 8) !== hash.hash(bytes, 0, 8));
});

Deno.test("integers: Redis's strict rules, and 64 bits both ways", () => {
  const parse = (text: string) => parseSafeInteger(ascii(text), 0, text.length);
  for (const text of ["0", "7", "-1", "123456789012345", "-9007199254740991"]) assertEquals(parse(text), Number(text));
  for (const text of ["", "-", "+1", "01", "-0", " 1", "1 ", "1.0", "9007199254740993"]) {
    assert(Number.isNaN(parse(text)), text);
  }
  const value = new I64(), out = new Uint8Array(24), prng = new Prng(9);
  for (let i = 0; i < 3000; i++) {
    const wanted = BigInt.asIntN(64, (BigInt(prng.nextU32()) << 32n) | BigInt(prng.nextU32())) >>
      BigInt(prng.below(64));
    const text = wanted.toString();
    assert(parseI64(ascii(text), 0, text.length, value));
    assertEquals(String.fromCharCode(...out.subarray(0, formatI64(value, out, 0))), text);
  }
  assert(!parseI64(ascii("9223372036854775808"), 0, 19, value));
  assertEquals(String.fromCharCode(...out.subarray(0, formatInteger(-1234567890123, out, 0))), "-1234567890123");
});

Deno.test("I64.add: overflow is told and changes nothing", () => {
  const max = new I64().set(0x7fffffff, 0xffffffff), one = new I64().set(0, 1);
  assertEquals(max.add(one), false);
  assertEquals([max.hi, max.lo], [0x7fffffff, 0xffffffff]);
});

Deno.test("incrByFloat: long double arithmetic as Redis prints it", () => {
  const sum = (a: string, b: string) => {
    const result = incrByFloat(a, b);
    return result.kind === "number" ? result.text : result.kind;
  };
  assertEquals(sum("10.50", "0.1"), "10.6");
  assertEquals(sum("5.0e3", "2.0e2"), "5200");
  assertEquals(sum("3", "1.1"), "4.1");
  assertEquals(sum("1", "-1.5"), "-0.5");
  assertEquals(sum("17179869184", "1.5"), "17179869185.5");
  assertEquals([sum("x", "1"), sum("1", " 1"), sum("1", "inf")], ["invalid", "invalid", "not-finite"]);
});

Deno.test("formatDouble17: %.17g", () => {
  assertEquals(
    ["0.10000000000000001", "3.2999999999999998", "1e+21", "inf", "-inf", "5", "9.9999999999999995e-08", "-0.5"],
    [
      0.1,
      3.3,
      1e21,
      Infinity,
      -Infinity,
      5,
      1e-7,
      -0.5,
    ].map(formatDouble17),
  );
});

Deno.test("Prng: the same seed gives the same draws, evenly", () => {
  const a = new Prng(42), b = new Prng(42), counts = new Array(10).fill(0);
  for (let i = 0; i < 10_000; i++) {
    const draw = a.below(10);
    assertEquals(draw, b.below(10));
    counts[draw]++;
  }
  for (const count of counts) assert(count > 850 && count < 1150);
});
