import { assertEquals } from "@std/assert";
import { FramePool } from "./frame_pool.ts";

Deno.test("FramePool: hands out the frames of its segments in order, up to its limit", () => {
  const pool = new FramePool([31, 30], 4, 6), taken: number[] = [];
  for (let frame = pool.take(); frame >= 0; frame = pool.take()) taken.push(frame);
  assertEquals(taken, [124, 125, 126, 127, 120, 121]);
  assertEquals([pool.takenFrames, pool.take()], [6, -1]);
});

Deno.test("FramePool: without segments there is no frame", () => {
  assertEquals(new FramePool([], 4, 0).take(), -1);
});
