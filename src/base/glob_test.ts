/** Corners of the patterns, each as redis-server 7.0.15 on x86-64 decides it. */
import { assertEquals, assertLess } from "@std/assert";
import { latin1Encode } from "./bytes.ts";
import { globMatch } from "./glob.ts";

function match(pattern: string, text: string, ignoreCase = false): boolean {
  return globMatch(latin1Encode(pattern), 0, pattern.length, latin1Encode(text), 0, text.length, ignoreCase);
}

Deno.test("globMatch: the ends of a range are signed bytes, in either order", () => {
  assertEquals([match("[A-\xff]", "?"), match("[A-\xff]", "A"), match("[A-\xff]", "B")], [true, true, false]);
  assertEquals([match("[\xff-?]", "-"), match("[\x80-\xff]", "\x90"), match("[\x80-\xff]", "a")], [true, true, false]);
  assertEquals([match("[c-a]", "b"), match("[C-A]", "b", true), match("[C-A]", "b")], [true, true, false]);
});

Deno.test("globMatch: only a single star matches the empty text", () => {
  assertEquals([match("*", ""), match("**", ""), match("", ""), match("a*", "a"), match("?", "")], [
    true,
    false,
    true,
    true,
    false,
  ]);
});

Deno.test("globMatch: an unclosed class ends with the pattern", () => {
  assertEquals([match("[", "a"), match("[^", "a"), match("[ab", "b"), match("[a-", "-"), match("[]", "]")], [
    false,
    true,
    true,
    true,
    false,
  ]);
  assertEquals([match("[\\]]", "]"), match("[\\", "\\"), match("\\", "\\"), match("[\\A]", "a", true)], [
    true,
    true,
    true,
    false,
  ]);
});

Deno.test("globMatch: matches inside its ranges only", () => {
  const pattern = latin1Encode("xa*bx"), text = latin1Encode("yaccby");
  assertEquals(globMatch(pattern, 1, 3, text, 1, 4, false), true);
  assertEquals(globMatch(pattern, 1, 2, text, 2, 2, false), false);
});

Deno.test("globMatch: ten thousand stars take their turn, not their power", () => {
  const start = performance.now();
  assertEquals(match("a*".repeat(10_000) + "b", "a".repeat(10_001)), false);
  assertEquals(match("a*".repeat(10_000) + "b", "a".repeat(10_000) + "b"), true);
  assertLess(performance.now() - start, 2000);
});
