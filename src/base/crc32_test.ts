import { assertEquals } from "@std/assert";
import { ascii } from "./bytes.ts";
import { crc32, flippedBit } from "./crc32.ts";

Deno.test("crc32: the check value, in one piece and in several", () => {
  const bytes = ascii("..123456789.");
  assertEquals(crc32(bytes, 2, 11), 0xcbf43926);
  for (let cut = 2; cut <= 11; cut++) assertEquals(crc32(bytes, cut, 11, crc32(bytes, 2, cut)), 0xcbf43926);
});

Deno.test("flippedBit: finds each flipped bit of a range, and none where two are flipped", () => {
  const bytes = ascii("a few bytes, of which one is wrong"), right = crc32(bytes, 0, bytes.length);
  const change = () => (right ^ crc32(bytes, 0, bytes.length)) >>> 0;
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const offsetBytes = bit >>> 3, xor = 1 << (bit & 7), other = (offsetBytes + 7) % bytes.length;
    bytes[offsetBytes] ^= xor;
    assertEquals(flippedBit(change(), bytes.length), { offsetBytes, xor });
    bytes[other] ^= 1;
    assertEquals(flippedBit(change(), bytes.length).xor, 0);
    bytes[other] ^= 1, bytes[offsetBytes] ^= xor;
  }
});
