import { assert, assertEquals } from "@std/assert";
import { ManualClock } from "../io/clock.ts";
import { UnixMicroseconds } from "./unix_microseconds.ts";

Deno.test("UnixMicroseconds: agrees with the millisecond clock and never goes back while time passes", () => {
  const clock = new ManualClock(1_700_000_000_000), time = new UnixMicroseconds(clock);
  let last = 0;
  for (let i = 0; i < 1000; i++) {
    clock.advance(0.137);
    const now = time.now();
    assert(now >= last, "went back");
    assertEquals(Math.floor(now / 1000), clock.nowMs());
    last = now;
  }
});

Deno.test("UnixMicroseconds: follows the clock when it is set back", () => {
  const clock = new ManualClock(1_700_000_000_000), time = new UnixMicroseconds(clock);
  time.now();
  clock.setUnixTimeMs(1_600_000_000_000);
  assertEquals(Math.floor(time.now() / 1000), 1_600_000_000_000);
});
