import { assert, assertEquals } from "@std/assert";
import { expandPathPattern, matchesPattern } from "./config_pattern.ts";

Deno.test("matchesPattern: star, question mark, sets, ranges and escapes, in any case", () => {
  for (const pattern of ["*", "p*t", "P?rt", "[o-q]ort", "[^a]ort", "por\\t", "**port**", "[q-o]ort"]) {
    assert(matchesPattern(pattern, "port"), pattern);
  }
  for (const pattern of ["", "por", "?port", "[^p]ort", "p\\*t", "*x*"]) {
    assert(!matchesPattern(pattern, "port"), pattern);
  }
});

Deno.test("matchesPattern: a pattern of many stars stays cheap", () => {
  const started = performance.now();
  assert(!matchesPattern("*a".repeat(2000) + "b", "a".repeat(4000)));
  assert(performance.now() - started < 1000);
});

Deno.test("expandPathPattern: walks the directories that match, sorted, and skips hidden names", () => {
  const tree: Record<string, string[]> = {
    "/etc": ["redis", "redis2", "other"],
    "/etc/redis": ["b.conf", "a.conf", ".hidden.conf", "readme"],
    "/etc/redis2": ["c.conf"],
  };
  const list = (path: string) => tree[path] ?? [];
  assertEquals(expandPathPattern("/etc/redis/*.conf", list), ["/etc/redis/a.conf", "/etc/redis/b.conf"]);
  assertEquals(expandPathPattern("/etc/redis*/[!ab]*.conf", list), ["/etc/redis2/c.conf"]);
  assertEquals(expandPathPattern("/none/*.conf", list), []);
});
