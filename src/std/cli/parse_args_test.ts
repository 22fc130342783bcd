import { assertEquals } from "@std/assert";
import { parseArgs } from "@std/cli";

Deno.test("parseArgs: values that look like numbers become numbers, unless the option is a string", () => {
  const args = parseArgs(["--keys", "1000", "--name", "12", "5", "x"], { string: ["name"] });
  assertEquals(args, { _: [5, "x"], keys: 1000, name: "12" });
});

Deno.test("parseArgs: flags, negation, equals signs, aliases, defaults and the end of options", () => {
  const args = parseArgs(["-q", "--no-color", "--size=2", "--", "--keys"], {
    boolean: ["quick", "color"],
    negatable: ["color"],
    alias: { quick: "q" },
    default: { keys: 7 },
  });
  assertEquals(args, { _: ["--keys"], quick: true, q: true, color: false, size: 2, keys: 7 });
});

Deno.test("parseArgs: unknown options are told, and left out when the caller says so", () => {
  const told: string[] = [];
  const args = parseArgs(["--kesy", "5", "--keys", "6"], {
    default: { keys: 1 },
    unknown: (arg) => {
      told.push(arg);
      return false;
    },
  });
  assertEquals([told, args], [["--kesy"], { _: [], keys: 6 }]);
});
