import { assertEquals } from "@std/assert";
import { ascii } from "./bytes.ts";
import { crc32 } from "./crc32.ts";

Deno.test("crc32: the check value, in one piece and in several", () => {
  const bytes = ascii("..123456789.");
  assertEquals(crc32(bytes, 2, 11), 0xcbf43926);
  for (let cut = 2; cut <= 11; cut++) assertEquals(crc32(bytes, cut, 11, crc32(bytes, 2, cut)), 0xcbf43926);
});
