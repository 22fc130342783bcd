import { assertEquals } from "@std/assert";
import { sparkline } from "./sparkline.ts";

Deno.test("sparkline: the lowest sample is a line, the highest fills four rows, labels run down", () => {
  const graph = sparkline([{ value: 1, label: "12s" }, { value: 13, label: "3m" }, { value: 7, label: "1h" }]);
  assertEquals(graph, [" # ", " |_", " ||", "_||", "   ", "131", "2mh", "s  "].map((line) => line + "\n").join(""));
});

Deno.test("sparkline: equal samples are flat, and long series are cut into parts", () => {
  const parts = sparkline(new Array(81).fill({ value: 5, label: "1s" })).split("\n\n");
  assertEquals(parts.length, 2);
  assertEquals(parts[0]!.split("\n")[3], "_".repeat(80));
});
