import { assertEquals } from "@std/assert";
import {
  bytesOfByteString,
  byteStringOfBytes,
  byteStringOfText,
  quoteArgument,
  splitArguments,
  textOfByteString,
} from "./config_text.ts";

Deno.test("splitArguments: blanks separate, quotes keep blanks and may open inside an argument", () => {
  assertEquals(splitArguments("  save 900\t1  "), ["save", "900", "1"]);
  assertEquals(splitArguments(`a "b c" 'd "e' f"g h"`), ["a", "b c", 'd "e', "fg h"]);
  assertEquals(splitArguments(`logfile ''`), ["logfile", ""]);
  assertEquals(splitArguments("   "), []);
});

Deno.test("splitArguments: double quotes know escapes, single quotes only \\'", () => {
  assertEquals(splitArguments(String.raw`"\n\r\t\b\a\x41\xZZ\q\""`), ['\n\r\t\b\x07AxZZq"']);
  assertEquals(splitArguments(String.raw`'\n it\'s'`), ["\\n it's"]);
});

Deno.test("splitArguments: unbalanced quotes, or a closing quote without a blank after it, give null", () => {
  for (const line of [`"a`, `'a`, `"a"b`, `'a'b`, `a "b" "c`, `"a\\"`]) assertEquals(splitArguments(line), null, line);
});

Deno.test("quoteArgument: splitArguments gives back any bytes", () => {
  const all = byteStringOfBytes(Uint8Array.from({ length: 256 }, (_, i) => i));
  assertEquals(splitArguments(quoteArgument(all)), [all]);
  assertEquals(quoteArgument('a"\\\x00\n'), String.raw`"a\"\\\x00\n"`);
});

Deno.test("a ByteString holds UTF-8 bytes and decodes to the same text", () => {
  assertEquals(bytesOfByteString(byteStringOfText("é")), Uint8Array.of(0xc3, 0xa9));
  assertEquals(textOfByteString(byteStringOfText("données/π")), "données/π");
});
