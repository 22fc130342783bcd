import { assertEquals, assertStringIncludes } from "@std/assert";
import { formatNumber, Report } from "./report.ts";

Deno.test("Report: medians, ratio and verdict on both kinds of target", () => {
  const report = new Report();
  for (const value of [100, 300, 200]) {
    report.add({ name: "SET", unit: "/s", target: { atLeast: 1.2 } }, "redis", value);
  }
  for (const value of [230, 250, 240]) report.add({ name: "SET", unit: "/s", target: { atLeast: 1.2 } }, "ours", value);
  report.add({ name: "SAVE", unit: "ms", target: { atMost: 0.9 } }, "redis", 10);
  report.add({ name: "SAVE", unit: "ms", target: { atMost: 0.9 } }, "ours", 10);
  const [set, save] = report.rows();
  assertEquals([set.medians, set.ratio, set.met], [{ redis: 200, ours: 240 }, 1.2, true]);
  assertEquals([save.ratio, save.met, save.target], [1, false, "≤ 0.9"]);
  assertStringIncludes(report.toMarkdown(), "| SET | /s | 200 (100 – 300) | 240 (230 – 250) | 1.200 | ≥ 1.2 | yes |");
  assertStringIncludes(report.toMarkdown(), "1 of 2 targets met");
});

Deno.test("Report: one server alone, or a zero on redis's side, gives no ratio and no verdict", () => {
  const report = new Report();
  report.add({ name: "a", unit: "", target: { atMost: 1 } }, "ours", 5);
  report.add({ name: "b", unit: "", target: { atMost: 1 } }, "ours", 5);
  report.add({ name: "b", unit: "", target: { atMost: 1 } }, "redis", 0);
  for (const row of report.rows()) assertEquals([row.ratio, row.met], [undefined, undefined]);
});

Deno.test("Report: a limit is about ours alone, and about its worst sample", () => {
  const report = new Report();
  for (const value of [1, 6]) report.add({ name: "gap", unit: "ms", target: { oursAtMost: 5 } }, "ours", value);
  report.add({ name: "other", unit: "ms", target: { oursAtMost: 5 } }, "ours", 5);
  report.add({ name: "none", unit: "ms", target: { oursAtMost: 5 } }, "redis", 1);
  assertEquals(report.rows().map((row) => row.met), [false, true, undefined]);
});

Deno.test("formatNumber: separators for large, four digits for small", () => {
  assertEquals(formatNumber(1234567.8), "1,234,568");
  assertEquals(formatNumber(0.123456), "0.1235");
});
