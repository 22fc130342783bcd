import { assert, assertEquals } from "@std/assert";
import { Prng } from "../../base/prng.ts";
import { SeenKeys } from "./seen_keys.ts";

Deno.test("seen keys: each key is new once for each database, through growth", () => {
  const prng = new Prng(1), seen = new SeenKeys(() => prng.nextU32());
  const key = new TextEncoder().encode("key:000000");
  const add = (n: number, database: number) => {
    for (let digit = 0, rest = n; digit < 6; digit++, rest = Math.floor(rest / 10)) key[9 - digit] = 48 + rest % 10;
    return seen.add(database, key, key.length);
  };
  for (let n = 0; n < 20_000; n++) assert(add(n, n % 3));
  for (let n = 0; n < 20_000; n++) {
    assertEquals(add(n, n % 3), false);
    assert(add(n, 3 + n % 2));
  }
});
