import { assert, assertEquals, assertMatch } from "@std/assert";
import { process } from "./process.ts";

const ONE_MIB = 1024 * 1024;

async function inTemporaryDirectory(check: (directory: string) => void): Promise<void> {
  const directory = await Deno.realPath(await Deno.makeTempDir({ prefix: "afterimage-process-" }));
  try {
    check(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("memory and processor figures are plausible", () => {
  assert(process.residentBytes() > ONE_MIB);
  assert(process.physicalMemoryBytes() > process.residentBytes());
  const before = process.cpuSeconds();
  const untilMs = performance.now() + 60;
  while (performance.now() < untilMs);
  const after = process.cpuSeconds();
  assert(after.user + after.system > before.user + before.system);
  assert(after.user + after.system < 3600);
});

Deno.test("osText is the system's name, release and machine, as INFO prints it", () => {
  assertMatch(process.osText(), /^(Linux|Darwin|Windows) \S+ (x86_64|aarch64)$/);
});

Deno.test("readFile gives the bytes, or why not", () =>
  inTemporaryDirectory((directory) => {
    process.writeFile(`${directory}/a`, "text");
    assertEquals(process.readFile(`${directory}/a`), { bytes: new TextEncoder().encode("text") });
    assertEquals(process.readFile(`${directory}/none`), { error: "No such file or directory" });
  }));

Deno.test("enterDirectory gives the absolute path, and refuses what is no directory", () =>
  inTemporaryDirectory((directory) => {
    Deno.mkdirSync(`${directory}/sub`);
    process.writeFile(`${directory}/file`, "");
    assertEquals(process.enterDirectory("sub", directory), { path: `${directory}/sub` });
    assertEquals(process.enterDirectory(`${directory}/sub/..`, "/"), { path: directory });
    assertEquals(process.enterDirectory("none", directory), { error: "No such file or directory" });
    assertEquals(process.enterDirectory("file", directory), { error: "Not a directory" });
  }));

Deno.test("openLog adds to what is there", () =>
  inTemporaryDirectory((directory) => {
    const path = `${directory}/log`, encoder = new TextEncoder();
    process.writeFile(path, "old\n");
    process.openLog(path)(encoder.encode("new\n"));
    assertEquals(Deno.readTextFileSync(path), "old\nnew\n");
    assertEquals(process.listDirectory(directory), ["log"]);
    assertEquals(process.listDirectory(`${directory}/none`), []);
  }));
