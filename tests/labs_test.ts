/** The labs, run as a learner runs them, on less data. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fileURLToPath } from "node:url";
import { runProgram } from "./support/server_fixture.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

function lab(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  return runProgram(ROOT, "labs/lab.ts", args);
}

const HOT_SETS = ["cow", "--experiment", "hot-sets", "--json"];

Deno.test("lab cow: memory grows by the pages written during the save, and is normal again after it", async () => {
  const { out, err } = await lab(...HOT_SETS, "--keys", "200000", "--hot", "0.1,100", "--seconds", "0.3");
  assert(out.startsWith("{"), err);
  const { "hot-sets": rows } = JSON.parse(out);
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
    ...HOT_SETS,
    "--type",
    "mix",
    "--keys",
    "60000",
    "--hot",
    "100",
    "--seconds",
    "0.2",
  );
  assertEquals(code, 0, err);
  const [row] = JSON.parse(out)["hot-sets"];
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

Deno.test("lab cow: recorded traces give the same counts for the same seed, and every claim holds", async () => {
  const args = ["cow", "--experiment", "page-size,attribution", "--quick", "--json", "--seed", "5"];
  const runs = [await lab(...args), await lab(...args)].map(({ code, out, err }) => {
    assertEquals(code, 0, err);
    return JSON.parse(out);
  });
  const counts = runs.map((run) => [
    run["page-size"].rows.map((row: { pagesCopied: number }) => row.pagesCopied),
    run.attribution.commands.map(({ command, pages }: { command: string; pages: number }) => [command, pages]),
    run.claims.map(({ holds }: { holds: boolean }) => holds),
  ]);
  assertEquals(counts[0], counts[1]);
  assert(counts[0][0].length === 7 && counts[0][2].every((holds: boolean) => holds));
});

Deno.test("lab: an unknown lab or option says what there is, and exits with 2", async () => {
  const unknownLab = await lab("cwo"),
    unknownOption = await lab("cow", "--kesy", "5"),
    badValue = await lab("cow", "--page-size", "1000"),
    badType = await lab("cow", "--type", "tree"),
    unknownExperiment = await lab("cow", "--experiment", "skew,page-sise");
  const codes = [unknownLab, unknownOption, badValue, badType, unknownExperiment].map(({ code }) => code);
  assertEquals(codes, [2, 2, 2, 2, 2]);
  assertStringIncludes(unknownExperiment.err, 'no experiment "page-sise". Did you mean "page-size"?');
  assertStringIncludes(badType.err, "--type takes string, list, hash, set, zset, stream or mix");
  assertStringIncludes(unknownLab.err, 'Did you mean "cow"?');
  assertStringIncludes(unknownOption.err, "--kesy");
  assertStringIncludes(badValue.err, "power of two");
});

const POWER_CUT = ["power-cut", "--seed", "7", "--quick", "--json"];

Deno.test("lab power-cut: always loses nothing, everysec at most two seconds, a kill only what no file holds", async () => {
  const { code, out, err } = await lab(...POWER_CUT, "--during", "rewrite", "--multi", "3");
  assertEquals(code, 0, err);
  const { policies, cut } = JSON.parse(out);
  const [always, everysec, no, rdb] = policies;
  assertEquals(policies.map((row: { policy: string }) => row.policy), ["always", "everysec", "no", "rdb"]);
  assertEquals([always.lost, always.lostAsDrawn, always.windowMaxMs], [0, 0, 0]);
  assert(everysec.lost > 0 && everysec.windowMaxMs <= 2000, `everysec: ${everysec.lost} in ${everysec.windowMaxMs} ms`);
  assert(no.windowMaxMs > everysec.windowMaxMs && no.lost > everysec.lost);
  assertEquals([always.lostByKill, everysec.lostByKill, no.lostByKill], [0, 0, 0]);
  assert(rdb.lostByKill > 0 && rdb.lost === rdb.lostByKill);
  for (const row of policies) assertEquals([row.broken, row.refused], [0, 0], row.policy);
  assertEquals(cut.kill.lost, 0);
  assertEquals(
    cut.powerCut.recovered.length,
    cut.powerCut.durable,
    "the worst disk keeps what was durable and no more",
  );
});

Deno.test("lab power-cut: Redis's order shows each gap, this server's none, and the real one does the same on the files", async () => {
  const { code, out, err } = await lab(...POWER_CUT, "--cuts", "1");
  assertEquals(code, 0, err);
  const { gaps } = JSON.parse(out);
  const shown = Object.fromEntries(
    gaps.map((
      { gap, redis: { example } }: { gap: string; redis: { example: { verdict: string; secondVerdict: string } } },
    ) => [
      gap,
      [example.verdict, example.secondVerdict],
    ]),
  );
  assertEquals(shown, {
    G1: ["refused", "refused"],
    G2: ["refused", "refused"],
    G3: ["refused", "wrong"],
    G4: ["refused", "refused"],
    G5: ["wrong", null],
    G6: ["lost", null],
    G8: ["wrong", null],
  });
  for (const { gap, ours, realRedis } of gaps) {
    assert(ours.images > 5, `${gap}: ${ours.images} images`);
    assertEquals([ours.bad, ours.example], [0, null], gap);
    if (realRedis?.version === "7.0.15") assert(realRedis.isReproduced, gap);
  }
});

Deno.test("lab power-cut: the same seed gives the same figures", async () => {
  const args = [...POWER_CUT, "--cuts", "3", "--policy", "no"], [one, two] = [await lab(...args), await lab(...args)];
  assertEquals(one.code, 0, one.err);
  assertEquals(one.out, two.out);
});

Deno.test("lab power-cut: an option or value that makes no sense is named, with what there is", async () => {
  const option = await lab("power-cut", "--polcy", "no"),
    policy = await lab("power-cut", "--policy", "sometimes"),
    save = await lab("power-cut", "--save", "often"),
    at = await lab("power-cut", "--at", "9000"),
    seed = await lab("power-cut", "--seed", "x");
  assertEquals([option.code, policy.code, save.code, at.code, seed.code], [2, 2, 2, 2, 2]);
  assertStringIncludes(option.err, 'Did you mean "--policy"?');
  assertStringIncludes(policy.err, 'takes always, everysec, no or rdb, not "sometimes"');
  assertStringIncludes(save.err, "--save takes seconds and changes");
  assertStringIncludes(at.err, "--at takes a number from 1 to 4000");
  assertStringIncludes(seed.err, "--seed takes a number");
});

Deno.test("lab rdb-bytes: the checksum catches every flip and the check names its byte; the structure catches lengths, not content", async () => {
  const { code, out, err } = await lab("rdb-bytes", "--seed", "7", "--quick", "--samples", "0", "--json");
  assertEquals(code, 0, err);
  const { bytes, flips, tallies, faults } = JSON.parse(out);
  assertEquals([flips.length, faults], [bytes * 8, []]);
  assert(flips.every((flip: { isRefusedByChecksum: boolean }) => flip.isRefusedByChecksum));
  const checked = flips.filter((flip: { check: string | null }) => flip.check !== null);
  assertEquals(checked.length, bytes);
  assert(checked.every((flip: { check: string }) => flip.check === "named"));
  const bitsOf = (kind: string) => tallies.find((one: { kind: string }) => one.kind === kind).bits;
  assertEquals([bitsOf("key").refused, bitsOf("checksum")["same data"]], [0, 64]);
  assert(bitsOf("length").refused > 9 * bitsOf("length")["other data"]);
});

Deno.test("lab rdb-bytes: one flip is explained, and a place that the file has not is refused", async () => {
  const flip = await lab("rdb-bytes", "--flip", "80.0"), beyond = await lab("rdb-bytes", "--flip", "9999.0");
  assertEquals([flip.code, beyond.code], [0, 2], flip.err);
  assertStringIncludes(flip.out, "SELECTDB");
  assertStringIncludes(flip.out, "serves OTHER DATA");
  assertStringIncludes(flip.out, "names byte 80, and that it was 0xfe");
  assertStringIncludes(beyond.err, "--flip takes a byte from 0 to");
});
