import { assertEquals } from "@std/assert";
import { FINISHED, FirstTouch } from "./first_touch.ts";

Deno.test("first touch: goes as far as it is told, not beyond the segments, and changes nothing", () => {
  const control = new SharedArrayBuffer(4), segment = new SharedArrayBuffer(1 << 30), bytes = new Uint8Array(segment);
  bytes[0] = 1, bytes[4096] = 2, bytes[8191] = 3;
  const touch = new FirstTouch(control);
  touch.addSegment(segment);
  touch.touchTo(8000);
  assertEquals(touch.touchedBytes, 8192);
  touch.touchTo(4096);
  assertEquals(touch.touchedBytes, 8192);
  assertEquals([bytes[0], bytes[4096], bytes[8191], bytes[8192]], [1, 2, 3, 0]);
});

Deno.test("first touch: ends when the load does, and when it needs another segment", () => {
  const control = new SharedArrayBuffer(4), front = new Int32Array(control);
  const touch = new FirstTouch(control);
  // No segment yet: it must return, or it would never hear of one.
  touch.run();
  assertEquals(touch.touchedBytes, 0);
  touch.addSegment(new SharedArrayBuffer(1 << 30));
  front[0] = FINISHED;
  touch.run();
  assertEquals(touch.touchedBytes, 0);
});
