import { assert, assertEquals } from "@std/assert";
import { Prng } from "./prng.ts";
import { parseBound, parseDouble } from "./strtod.ts";

function double(text: string): number {
  const bytes = Uint8Array.from(`x${text}y`, (one) => one.charCodeAt(0));
  return parseDouble(bytes, 1, text.length);
}

function bound(text: string): number {
  const bytes = Uint8Array.from(`9${text}9`, (one) => one.charCodeAt(0));
  return parseBound(bytes, 1, text.length);
}

Deno.test("strtod: reads what C reads", () => {
  const cases: [string, number][] = [
    ["0", 0],
    ["-0", -0],
    ["+5", 5],
    ["007", 7],
    ["3.", 3],
    [".5", 0.5],
    ["1e3", 1000],
    ["1E-2", 0.01],
    ["0.1", 0.1],
    ["9007199254740993", 9007199254740992],
    ["123456789012345678", 123456789012345680],
    ["0.30000000000000004", 0.30000000000000004],
    ["1.7976931348623157e308", Number.MAX_VALUE],
    ["5e-324", 5e-324],
    ["inf", Infinity],
    ["-INFINITY", -Infinity],
    ["0x10", 16],
    ["-0x1.8p1", -3],
    ["0x.8", 0.5],
    ["0x1p-1074", 5e-324],
    ["0x1.8p-1074", 1e-323],
    ["0x1fffffffffffff8p-3", 2 ** 54],
    ["0e999", 0],
  ];
  for (const [text, value] of cases) assert(Object.is(double(text), value), `${text}: ${double(text)}`);
});

Deno.test("strtod: refuses what is no number as a whole, out of range, or begins with white space", () => {
  const refused = [
    "",
    " 1",
    "1 ",
    "+",
    "-",
    ".",
    "e5",
    "1e",
    "1e+",
    "1x",
    "nan",
    "-nan",
    "0x",
    "0xg",
    "in",
    "infx",
    "--1",
  ];
  for (const text of [...refused, "1e400", "-1e400", "1e-400", "0x1p2000", "0x1p-2000", "1\0"]) {
    assert(Number.isNaN(double(text)), `${text}: ${double(text)}`);
  }
});

Deno.test("strtod: bounds skip white space, end at a zero byte, and go to infinity", () => {
  const cases: [string, number][] = [["", 0], ["  2", 2], ["3\0x", 3], ["1e400", Infinity], ["1e-400", 0], [
    "-inf",
    -Infinity,
  ]];
  for (const [text, value] of cases) assertEquals(bound(text), value);
  for (const text of [" ", "1 ", "a", "nan"]) assert(Number.isNaN(bound(text)), text);
});

Deno.test("strtod: short decimals are the nearest double", () => {
  const random = new Prng(4);
  for (let i = 0; i < 20_000; i++) {
    const text = `${random.below(2) ? "-" : ""}${random.below(1e6)}.${random.below(1e9)}`;
    assertEquals(double(text), Number(text));
  }
});

Deno.test("strtod: decimals of up to 19 digits are the nearest double, ties and neighbours of ties included", () => {
  const random = new Prng(5), view = new DataView(new ArrayBuffer(8));
  for (let i = 0; i < 60_000; i++) {
    const digits = 16 + random.below(4), point = random.below(20);
    let text = "";
    for (let j = 0; j < digits; j++) text += String(random.below(10));
    if (i % 3 === 0) {
      // The middle between a double and the next, cut after 19 digits: what is hardest to round.
      view.setUint32(4, random.below(2 ** 32)), view.setUint32(0, 0x3f000000 + random.below(0x03000000));
      const one = view.getFloat64(0);
      view.setUint32(4, view.getUint32(4) ^ 1);
      text = ((one + view.getFloat64(0)) / 2).toPrecision(16 + random.below(4));
    } else if (point < digits) text = `${text.slice(0, point)}.${text.slice(point)}`;
    assertEquals(double(text), Number(text), text);
  }
  for (const text of ["9007199254740993", "9007199254740992.5", "9007199254740993.5", "4503599627370497.5"]) {
    assertEquals(double(text), Number(text), text);
  }
});
