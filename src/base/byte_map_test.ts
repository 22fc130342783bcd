import { assertEquals } from "@std/assert";
import { ByteMap } from "./byte_map.ts";
import { latin1Encode } from "./bytes.ts";
import { KeyedHash } from "./siphash.ts";

function get(map: ByteMap<number>, key: string): number | undefined {
  const bytes = latin1Encode(`..${key}.`);
  return map.get(bytes, 2, key.length);
}

Deno.test("ByteMap: finds what was set last, by bytes anywhere in a buffer", () => {
  const map = new ByteMap<number>(new KeyedHash(1, 2));
  for (let i = 0; i < 1000; i++) map.set(latin1Encode(`\u00ff${i}`), i);
  map.set(latin1Encode("\u00ff7"), -7), map.set(latin1Encode(""), 0);
  assertEquals([map.size, get(map, "\u00ff7"), get(map, "\u00ff999"), get(map, ""), get(map, "7")], [
    1001,
    -7,
    999,
    0,
    undefined,
  ]);
});

Deno.test("ByteMap: keys whose hashes are equal are told apart, found and removed one by one", () => {
  const map = new ByteMap<number>({ hash: () => 5 } as unknown as KeyedHash);
  for (const [key, value] of [["a", 1], ["b", 2], ["c", 3]] as const) map.set(latin1Encode(key), value);
  assertEquals([...map.values()].sort(), [1, 2, 3]);
  assertEquals(map.delete(latin1Encode("b"), 0, 1), true);
  assertEquals(map.delete(latin1Encode("b"), 0, 1), false);
  assertEquals([get(map, "a"), get(map, "b"), get(map, "c")], [1, undefined, 3]);
  map.delete(latin1Encode("c"), 0, 1), map.delete(latin1Encode("a"), 0, 1);
  assertEquals([map.size, [...map.values()]], [0, []]);
});
