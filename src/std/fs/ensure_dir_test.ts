import { assert, assertEquals, assertThrows } from "@std/assert";
import { ensureDir, ensureDirSync, existsSync } from "@std/fs";

Deno.test("ensureDir: makes parents, and is content with a directory that is there", async () => {
  const root = Deno.makeTempDirSync();
  await ensureDir(`${root}/a/b`);
  ensureDirSync(`${root}/a/b`);
  assert(existsSync(`${root}/a/b`));
  assertEquals(existsSync(`${root}/a/c`), false);
  Deno.writeTextFileSync(`${root}/file`, "");
  assertThrows(() => ensureDirSync(`${root}/file`));
  Deno.removeSync(root, { recursive: true });
});
