import { assert, assertEquals } from "@std/assert";
import { byteMap, KINDS } from "./byte_map.ts";
import { makeSample } from "./sample.ts";

Deno.test("byte map: its spans cover the file without gaps, name every key, and explain every byte", async () => {
  const { redis, bytes, keys } = await makeSample(),
    parts = byteMap(bytes),
    spans = parts.flatMap((part) => part.spans);
  redis.kill();
  let at = 0;
  for (const { from, to } of spans) {
    assertEquals(from, at);
    assert(to > from);
    at = to;
  }
  assertEquals(at, bytes.length);
  const named = parts.flatMap(({ title }) => title.startsWith("key ") ? [title.slice(4)] : []);
  assertEquals(named.sort(), [...keys].sort());
  assertEquals(spans.filter(({ text }) => text.includes("not explained")), []);
  assertEquals(new Set(spans.map(({ kind }) => kind)), new Set(KINDS));
});

Deno.test("byte map: what stands in a file is what the map says", async () => {
  const { redis, bytes } = await makeSample(), spans = byteMap(bytes).flatMap((part) => part.spans);
  redis.kill();
  const texts = spans.map(({ text }) => text);
  for (
    const text of [
      'value "hello"',
      "value 12345",
      "value of 30 bytes, compressed",
      "at 2096-10-02T07:06:40.000Z",
      "integer 300; top bits 110: 13 bits",
      "member 257",
      'member "red"',
      '"Ada"',
      '"2.5"',
      "last id: ms 1; top bits 00: 6 bits",
    ]
  ) assert(texts.includes(text), text);
});
