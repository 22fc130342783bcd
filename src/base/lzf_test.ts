/** Golden bytes, as redis-server 7.0.15 stores these strings. */
import { assertEquals } from "@std/assert";
import { ascii } from "./bytes.ts";
import { lzfCompress, lzfDecompress } from "./lzf.ts";

function compressed(text: string): Uint8Array {
  const out = new Uint8Array(text.length - 4);
  return out.slice(0, lzfCompress(ascii(text), 0, text.length, out));
}

Deno.test("lzfCompress: a long match runs on to the end of the input, a short one stops two bytes before it", () => {
  const nineteen = "abcdefghijklmnopqrs", eighteen = nineteen.slice(1);
  assertEquals(compressed("-" + nineteen + nineteen), Uint8Array.of(19, ...ascii("-" + nineteen), 0xe0, 10, 18));
  assertEquals(
    compressed("-" + eighteen + eighteen),
    Uint8Array.of(18, ...ascii("-" + eighteen), 0xe0, 7, 17, 1, 0x72, 0x73),
  );
});

Deno.test("lzfCompress: the first byte of the input is never part of a match", () => {
  assertEquals(
    compressed("abcdefabcdefabcdefabcdef"),
    Uint8Array.of(6, ...ascii("abcdefa"), 0xe0, 6, 5, 1, 0x65, 0x66),
  );
});

Deno.test("lzfCompress: what an earlier input left in the table is not seen", () => {
  const text = "user:1000:name=foo,user:1001:name=bar,user:1002:name=foo";
  const before = compressed(text);
  compressed("zzzz".repeat(3000) + text);
  assertEquals(compressed(text), before);
});

Deno.test("lzfDecompress: refuses what points before the output, ends early, or expands to another length", () => {
  const out = new Uint8Array(16);
  const expands = (bytes: number[], length: number) =>
    lzfDecompress(Uint8Array.from(bytes), 0, bytes.length, out, 4, length);
  assertEquals(expands([1, 0x61, 0x62, 0x20, 1], 5), true);
  assertEquals(out.subarray(4, 9), ascii("ababa"));
  assertEquals(expands([1, 0x61, 0x62, 0x20, 2], 5), false);
  assertEquals([expands([1, 0x61], 2), expands([0, 0x61, 0x20], 4), expands([0, 0x61, 0xe0, 0], 10)], [
    false,
    false,
    false,
  ]);
  assertEquals([expands([1, 0x61, 0x62], 1), expands([1, 0x61, 0x62], 3), expands([], 0)], [false, false, true]);
});
