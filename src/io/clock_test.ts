import { assert, assertEquals } from "@std/assert";
import { ManualClock, RealClock } from "./clock.ts";

Deno.test("ManualClock stands still until it is advanced", () => {
  const clock = new ManualClock(5_000);
  assertEquals([clock.nowMs(), clock.nowUs()], [5_000, 0]);
  clock.advance(1.5);
  assertEquals([clock.nowMs(), clock.nowUs()], [5_001, 1_500]);
});

Deno.test("ManualClock runs timers by due time, then by creation, each at its own moment", () => {
  const clock = new ManualClock(0), ran: string[] = [];
  const note = (name: string) => () => void ran.push(`${name}@${clock.nowMs()}`);
  clock.setTimer(20, note("late"));
  clock.setTimer(10, note("first"));
  clock.setTimer(10, note("second"));
  clock.setTimer(10, () => void clock.setTimer(5, note("set by a timer")));
  clock.advance(30);
  assertEquals(ran, ["first@10", "second@10", "set by a timer@15", "late@20"]);
  assertEquals(clock.nowMs(), 30);
});

Deno.test("ManualClock leaves out cleared timers and those not due", () => {
  const clock = new ManualClock(0), ran: string[] = [];
  const id = clock.setTimer(1, () => void ran.push("cleared"));
  clock.setTimer(10, () => void ran.push("due later"));
  clock.clearTimer(id);
  clock.clearTimer(id);
  clock.advance(9);
  assertEquals(ran, []);
  assertEquals(clock.nextTimerInMs(), 1);
  clock.advance(1);
  assertEquals(ran, ["due later"]);
  assertEquals(clock.nextTimerInMs(), null);
});

Deno.test("ManualClock: setting the Unix time moves neither monotonic time nor timers", () => {
  const clock = new ManualClock(1_000);
  let ran = false;
  clock.setTimer(10, () => ran = true);
  clock.advance(4);
  clock.setUnixTimeMs(500);
  assertEquals([clock.nowMs(), clock.nowUs(), ran], [500, 4_000, false]);
  clock.advance(6);
  assertEquals([clock.nowMs(), ran], [506, true]);
});

Deno.test("RealClock gives whole milliseconds, never goes back in microseconds, and runs timers later", async () => {
  const clock = new RealClock(), startUs = clock.nowUs();
  assert(Number.isInteger(clock.nowMs()));
  const cleared = clock.setTimer(0, () => {
    throw new Error("a cleared timer ran");
  });
  clock.clearTimer(cleared);
  let inside = true;
  await new Promise<void>((resolve) => {
    clock.setTimer(1, () => {
      assertEquals(inside, false);
      resolve();
    });
    inside = false;
  });
  assert(clock.nowUs() > startUs);
});
