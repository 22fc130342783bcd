/** Golden values, each as redis-server 7.0.15 on x86-64 gives it. */
import { assertEquals } from "@std/assert";
import { formatDouble17, incrByFloat } from "./double.ts";

function sum(a: string, b: string): string {
  const result = incrByFloat(a, b);
  return result.kind === "number" ? result.text : result.kind;
}

Deno.test("formatDouble17: halfway between two texts, the even digit is taken", () => {
  assertEquals(formatDouble17(1 + 2 ** -17), "1.0000076293945312");
  assertEquals(formatDouble17(-45392368650881.5625), "-45392368650881.562");
  assertEquals(formatDouble17(69494114355879.8125 + 2 ** -5), "69494114355879.844");
});

Deno.test("formatDouble17: 17 digits before the point need no point, 18 need an exponent", () => {
  assertEquals(formatDouble17(10775387200000000), "10775387200000000");
  assertEquals(formatDouble17(107753872000000000), "1.07753872e+17");
  assertEquals([formatDouble17(0.0001), formatDouble17(0.00001)], ["0.0001", "1.0000000000000001e-05"]);
  assertEquals([formatDouble17(5e-324), formatDouble17(-0), formatDouble17(NaN)], [
    "4.9406564584124654e-324",
    "-0",
    "nan",
  ]);
});

Deno.test("incrByFloat: a text out of a long double's range is no float, a sum out of it is not finite", () => {
  for (const text of ["1e4933", "-1e4933", "0x1p16384", "0x1.ffffffffffffffffp16383", "1e99999999999999999999"]) {
    assertEquals(sum(text, "1"), "invalid", text);
  }
  for (const text of ["1e-4960", "0x1p-16446", "1e-99999999999999999999"]) {
    assertEquals(sum(text, "1"), "invalid", text);
  }
  assertEquals([sum("1e4932", "1e4932"), sum("inf", "-inf"), sum("-Infinity", "1")], [
    "not-finite",
    "not-finite",
    "not-finite",
  ]);
  assertEquals(sum("1e4932", "-1e4932"), "0");
  assertEquals([sum("1e-4950", "1"), sum("0x1p-16445", "2"), sum("0e99999", "3"), sum("0x0p99999", "4")], [
    "1",
    "2",
    "3",
    "4",
  ]);
});

Deno.test("incrByFloat: Redis reads at most 5119 bytes", () => {
  assertEquals(sum("1" + "0".repeat(5100) + "e-5100", "1"), "2");
  assertEquals(sum("0." + "0".repeat(5117), "1"), "1");
  assertEquals(sum("0." + "0".repeat(5118), "1"), "invalid");
});

Deno.test("incrByFloat: hexadecimal and unusual spellings as strtold has them", () => {
  assertEquals([sum("0x1.8p3", "0"), sum("0X1F", "0"), sum(".5", "5."), sum("+1", "0x.8p-2")], [
    "12",
    "31",
    "5.5",
    "1.125",
  ]);
  for (const text of ["", "-", "++1", "1e", "0x", "0x.p1", "0x1p", "1 ", "1\0", "nan", "NaN(1)", "infx", "1e5.5"]) {
    assertEquals(sum(text, "1"), "invalid", JSON.stringify(text));
  }
  assertEquals([sum("-1e-30", "0"), sum("-0", "0")], ["0", "0"]);
});

Deno.test("incrByFloat: 64 bits of mantissa, no more and no fewer", () => {
  assertEquals(sum("9223372036854775807", "1"), "9223372036854775808");
  assertEquals(sum("18446744073709551615", "1"), "18446744073709551616");
  assertEquals(sum("18446744073709551616", "1"), "18446744073709551616");
  assertEquals(sum("-634.4", "0"), "-634.40000000000000002");
});
