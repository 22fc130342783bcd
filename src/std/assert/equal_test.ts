import { assertEquals, AssertionError, assertNotEquals, assertThrows } from "@std/assert";

Deno.test("assertEquals: NaN equals NaN, 0 equals -0, and cycles end", () => {
  const a: Record<string, unknown> = { list: [NaN, 0] },
    b: Record<string, unknown> = { list: [NaN, -0] };
  a.self = a, b.self = b;
  assertEquals(a, b);
});

Deno.test("assertEquals: an absent property is not one that is undefined, nor is one class another", () => {
  class Left {
    x = 1;
  }
  class Right {
    x = 1;
  }
  assertNotEquals<unknown>({ a: undefined }, {});
  assertNotEquals<unknown>(new Left(), new Right());
  assertNotEquals<unknown>(new Uint8Array(2), new Int8Array(2));
});

Deno.test("assertEquals: bytes, shared ones too, are compared by content, sets and maps without regard to order", () => {
  const one = new SharedArrayBuffer(2), other = new SharedArrayBuffer(2);
  assertEquals(one, other);
  new Uint8Array(other)[1] = 1;
  assertNotEquals(one, other);
  assertEquals(new Set([{ a: 1 }, { a: 2 }]), new Set([{ a: 2 }, { a: 1 }]));
  assertEquals(new Map([[{ a: 1 }, 2]]), new Map([[{ a: 1 }, 2]]));
  assertNotEquals(new Map([[1, 2]]), new Map([[1, 3]]));
});

Deno.test("assertEquals: two errors with other stacks differ", () => {
  const errors = ["a", "a"].map((text) => new Error(text));
  errors[1].stack = "elsewhere";
  assertNotEquals(errors[0], errors[1]);
});

Deno.test("assertEquals: the failure shows the lines that differ", () => {
  const error = assertThrows(
    () => assertEquals([1, 2, 3], [1, 4, 3]),
    AssertionError,
  );
  assertEquals(
    error.message.split("\n").filter((line) => /[24],/.test(line)).length,
    2,
  );
});
