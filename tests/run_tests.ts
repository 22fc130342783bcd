/**
 * Runs the tests and ends with `N passed, N failed`, counted from the runner's own report (JUnit), skipped ones named.
 *
 *   deno task test [what deno test takes]
 */
import { toText } from "@std/streams";

const report = await Deno.makeTempFile({ suffix: ".xml" });
const run = new Deno.Command(Deno.execPath(), {
  args: ["test", "-A", "--no-check", `--junit-path=${report}`, ...Deno.args],
  stdout: "piped",
  stderr: "inherit",
}).spawn();
const [forPrinting, forCounting] = run.stdout.tee();
const printing = forPrinting.pipeTo(Deno.stdout.writable, { preventClose: true });
const [output, status] = await Promise.all([toText(forCounting), run.status, printing]);
const xml = await Deno.readTextFile(report);
await Deno.remove(report);
const skipped = (xml.match(/<skipped/g) ?? []).length;
let failed = (xml.match(/<failure/g) ?? []).length + (xml.match(/<error/g) ?? []).length;
const passed = (xml.match(/<testcase/g) ?? []).length - failed - skipped;
// A module that does not load, or a crash, is no test case; it is a failure all the same.
if (!status.success && failed === 0) failed = 1;
if (skipped > 0) console.log(`${skipped} skipped (interop tests need redis-server 7.0 and redis-tools)`);
if (output === "") console.log("the runner printed nothing");
console.log(`${passed} passed, ${failed} failed`);
Deno.exit(status.success && failed === 0 ? 0 : 1);
