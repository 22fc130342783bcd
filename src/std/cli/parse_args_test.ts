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

Deno.test("parseArgs: unknown options are told, and left out when the caller says so; a default makes none known", () => {
  const told: string[] = [];
  const args = parseArgs(["--kesy", "5", "--keys", "6", "--tag", "a", "--name", "b", "c"], {
    string: ["name"],
    collect: ["tag"],
    default: { keys: 1 },
    unknown: (arg) => {
      told.push(arg);
      return false;
    },
  });
  assertEquals([told, args], [["--kesy", "--keys", "c"], { _: [], keys: 1, tag: ["a"], name: "b" }]);
});

Deno.test("parseArgs: a value never starts with a dash, unless an equals sign ties it to its name", () => {
  assertEquals(parseArgs(["--seconds", "-5"]), { _: [], seconds: true, 5: true });
  assertEquals(parseArgs(["--seconds=-5", "--name="]), { _: [], seconds: -5, name: "" });
});

Deno.test("parseArgs: letters in one argument, the last one with a value", () => {
  assertEquals(parseArgs(["-abc", "x", "-n5", "-o=p", "-q", "false"], { boolean: ["q"] }), {
    _: [],
    a: true,
    b: true,
    c: "x",
    n: 5,
    o: "p",
    q: false,
  });
});
