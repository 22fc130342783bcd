import { assertEquals } from "@std/assert";
import { toText } from "@std/streams";

Deno.test("toText: joins chunks, also where a character is split between them", async () => {
  const bytes = new TextEncoder().encode("héllo");
  assertEquals(await toText(ReadableStream.from([bytes.slice(0, 2), bytes.slice(2)])), "héllo");
  assertEquals(await toText(ReadableStream.from(["a", "b"])), "ab");
});
