import { assertEquals } from "@std/assert";
import { parseCommandLine } from "./command_line.ts";

function start(...args: string[]) {
  const line = parseCommandLine(args);
  if (line.kind !== "start") throw new Error(`got ${line.kind}`);
  return { file: line.configFile, stdin: line.readsStdin, options: line.options };
}

Deno.test("parseCommandLine: options become lines with quoted values", () => {
  assertEquals(start("--port", "6380", "--loglevel", "debug"), {
    file: null,
    stdin: false,
    options: 'port "6380" \nloglevel "debug" ',
  });
  assertEquals(start("--save", "3600", "1", "--save", "60 10").options, 'save "3600" "1" \nsave "60 10" ');
  assertEquals(start("--port 6380", "--hz 5").options, "port 6380 \nhz 5 ");
});

Deno.test("parseCommandLine: an option that waits for a value takes even one that starts with dashes", () => {
  assertEquals(start("--requirepass", "--secret", "--port", "1").options, 'requirepass "--secret" \nport "1" ');
});

Deno.test("parseCommandLine: a save without a value means no save points", () => {
  assertEquals(start("--save").options, 'save ""');
  assertEquals(start("--save", "").options, 'save "" ');
  assertEquals(start("--save", "--port", "1").options, 'save ""\nport "1" ');
});

Deno.test("parseCommandLine: a file comes first, a dash at either end is standard input", () => {
  assertEquals(start("a.conf", "--port", "1", "-"), { file: "a.conf", stdin: true, options: 'port "1" ' });
  assertEquals(start("-", "--port", "1"), { file: null, stdin: true, options: 'port "1" ' });
  assertEquals(start("--logfile", "-", "--port", "1"), {
    file: null,
    stdin: false,
    options: 'logfile "-" \nport "1" ',
  });
  assertEquals(start(), { file: null, stdin: false, options: "" });
});

Deno.test("parseCommandLine: special first arguments, and what Redis has and this server has not", () => {
  const kinds = ["-v", "--version", "-h", "--help", "--test-memory", "--check-system"].map((arg) =>
    parseCommandLine([arg]).kind
  );
  assertEquals(kinds, ["version", "version", "help", "help", "refused", "refused"]);
  assertEquals(parseCommandLine(["s.conf", "--sentinel"]).kind, "refused");
  assertEquals(start("constructor").file, "constructor");
});

Deno.test("parseCommandLine: --disk-faults takes a path, is no directive, and can be a value", () => {
  const faultsOf = (...args: string[]) => {
    const line = parseCommandLine(args);
    return line.kind === "start" ? [line.diskFaultsFile, line.options] : line.kind;
  };
  assertEquals(faultsOf("--port", "1", "--disk-faults", "p.json", "--hz", "5"), ["p.json", 'port "1" \nhz "5" ']);
  assertEquals(faultsOf("--requirepass", "--disk-faults"), [null, 'requirepass "--disk-faults" ']);
  assertEquals(faultsOf("--disk-faults"), "refused");
});
