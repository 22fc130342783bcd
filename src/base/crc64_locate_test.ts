import { assertEquals } from "@std/assert";
import { Crc64 } from "./crc64.ts";
import { locateDamagedByte } from "./crc64_locate.ts";
import { Prng } from "./prng.ts";

const DATA_BYTES = 300;

/** Random data with its CRC behind it. */
function sealed(prng: Prng): Uint8Array {
  const bytes = new Uint8Array(DATA_BYTES + 8), crc = new Crc64();
  for (let i = 0; i < DATA_BYTES; i++) bytes[i] = prng.below(256);
  crc.update(bytes, 0, DATA_BYTES);
  crc.writeLittleEndian(bytes, DATA_BYTES);
  return bytes;
}

function locate(bytes: Uint8Array) {
  const crc = new Crc64();
  crc.update(bytes, 0, DATA_BYTES);
  return locateDamagedByte(crc, bytes.subarray(DATA_BYTES), DATA_BYTES);
}

Deno.test("crc64 locate: every damage of every single byte is found, in the data and in the CRC", () => {
  const bytes = sealed(new Prng(1));
  assertEquals(locate(bytes), null);
  for (let at = 0; at < bytes.length; at++) {
    for (let xor = 1; xor < 256; xor++) {
      bytes[at] ^= xor;
      assertEquals(locate(bytes), { offsetBytes: at, xor });
      bytes[at] ^= xor;
    }
  }
});

Deno.test("crc64 locate: two damaged bytes are never taken for one", () => {
  const prng = new Prng(2), bytes = sealed(prng);
  for (let round = 0; round < 2000; round++) {
    const a = prng.below(bytes.length), b = (a + 1 + prng.below(bytes.length - 1)) % bytes.length;
    const x = 1 + prng.below(255), y = 1 + prng.below(255);
    bytes[a] ^= x, bytes[b] ^= y;
    assertEquals(locate(bytes), null);
    bytes[a] ^= x, bytes[b] ^= y;
  }
});
