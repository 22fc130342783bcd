/** The labs, run as a learner runs them, on less data. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

async function lab(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const run = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "labs/lab.ts", ...args],
    cwd: ROOT,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code: run.code, out: text(run.stdout), err: text(run.stderr) };
}

Deno.test("lab cow: memory grows by the pages written during the save, and is normal again after it", async () => {
  const { code, out, err } = await lab("cow", "--keys", "200000", "--hot", "0.1,100", "--seconds", "0.3", "--json");
  assertEquals(code, 0, err);
  const { rows } = JSON.parse(out);
  const [cold, hot] = rows.map((row: { peakBytes: number; normalBytes: number }) => row.peakBytes / row.normalBytes);
  assert(cold <= 1.1 && hot >= 1.5, `peak ÷ normal: ${cold} at 0.1 %, ${hot} at 100 %`);
  for (const row of rows) {
    assertEquals(row.afterBytes, row.normalBytes);
    const attributed = row.owners.reduce((sum: number, one: { pages: number }) => sum + one.pages, 0);
    assertEquals(attributed, row.pagesCopied, "every copy has an owner");
  }
});

Deno.test("lab cow --type mix: every type's writes copy pages, and every copy is of a structure and of a type", async () => {
  const { code, out, err } = await lab(
    "cow",
    "--type",
    "mix",
    "--keys",
    "60000",
    "--hot",
    "100",
    "--seconds",
    "0.2",
    "--json",
  );
  assertEquals(code, 0, err);
  const [row] = JSON.parse(out).rows;
  const pages = (of: { pages: number }[]) => of.reduce((sum, one) => sum + one.pages, 0);
  assertEquals([pages(row.owners), pages(row.types)], [row.pagesCopied, row.pagesCopied]);
  for (const one of row.types) {
    assert(one.pages > 0 && one.writtenBytes > 0, `${one.type}: ${one.pages} pages, ${one.writtenBytes} bytes`);
  }
  const owners = row.owners.map((one: { owner: string }) => one.owner);
  for (const owner of ["listpack", "field entry", "stream node", "sorted index node", "entry"]) {
    assert(owners.includes(owner), owner);
  }
});

Deno.test("lab: an unknown lab or option says what there is, and exits with 2", async () => {
  const unknownLab = await lab("cwo"),
    unknownOption = await lab("cow", "--kesy", "5"),
    badValue = await lab("cow", "--page-size", "1000"),
    badType = await lab("cow", "--type", "tree");
  assertEquals([unknownLab.code, unknownOption.code, badValue.code, badType.code], [2, 2, 2, 2]);
  assertStringIncludes(badType.err, "--type takes string, list, hash, set, zset, stream or mix");
  assertStringIncludes(unknownLab.err, 'Did you mean "cow"?');
  assertStringIncludes(unknownOption.err, "--kesy");
  assertStringIncludes(badValue.err, "power of two");
});
