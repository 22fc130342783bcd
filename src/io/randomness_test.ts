import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { type Randomness, RealRandomness, SeededRandomness } from "./randomness.ts";

function draws(randomness: Randomness): number[] {
  return [randomness.nextU32(), randomness.below(1000), randomness.nextU32()];
}

Deno.test("SeededRandomness replays its draws for the same seed, and not for another", () => {
  assertEquals(draws(new SeededRandomness(7)), draws(new SeededRandomness(7)));
  assertNotEquals(draws(new SeededRandomness(7)), draws(new SeededRandomness(8)));
  const one = new Uint8Array(9), two = new Uint8Array(9);
  new SeededRandomness(7).fill(one);
  new SeededRandomness(7).fill(two);
  assertEquals(one, two);
});

Deno.test("below stays below, and reaches every value", () => {
  for (const randomness of [new RealRandomness(), new SeededRandomness(1)]) {
    const seen = new Set<number>();
    for (let i = 0; i < 2_000; i++) seen.add(randomness.below(6));
    assertEquals([...seen].sort(), [0, 1, 2, 3, 4, 5]);
    assertEquals(randomness.below(1), 0);
    assert(randomness.below(2 ** 32) < 2 ** 32);
  }
});

Deno.test("RealRandomness fills more than one call to the system gives", () => {
  const bytes = new Uint8Array(200_000);
  new RealRandomness().fill(bytes);
  for (const at of [0, 65_536, 131_072, 199_900]) assert(bytes.subarray(at, at + 100).some((byte) => byte !== 0));
});

Deno.test("RealRandomness draws anew when its pool is used up", () => {
  const randomness = new RealRandomness(), seen = new Set<number>();
  for (let i = 0; i < 3_000; i++) seen.add(randomness.nextU32());
  assert(seen.size > 2_990); // a repeated pool would leave about 1,024
});
