/**
 * Lab 07, the bytes of an RDB file. Explains every byte of a dump of one key of each type, flips every bit of it, and shows who notices: this
 * server with its checksum and without, the check, and Redis's own tools where they are installed.
 */
import { SeededRandomness } from "../../src/mod.ts";
import { redisVersion } from "../kit/redis_process.ts";
import { ask, isTerminal, onInterrupt, Progress, table, wrapped } from "../kit/terminal.ts";
import { byteMap, KINDS, type Part } from "./byte_map.ts";
import {
  conclusions,
  faultsOf,
  KIND_HEADINGS,
  KIND_NOTE,
  kindCells,
  percent,
  spanOf,
  talliesOf,
  type ToolSample,
  WHO_HEADINGS,
  whoRows,
} from "./findings.ts";
import { FlipRun } from "./flips.ts";
import { hexOf, mapText } from "./map_text.ts";
import { type Options, options } from "./options.ts";
import { RedisTools } from "./redis_tools.ts";
import { report } from "./report.ts";
import { makeSample, type Sample } from "./sample.ts";

function flipped(bytes: Uint8Array, offset: number, bit: number): Uint8Array {
  const copy = bytes.slice();
  copy[offset] ^= 1 << bit;
  return copy;
}

/** What Redis's tools say to some flips of each kind. */
async function askTools(
  sample: Sample,
  parts: readonly Part[],
  o: Options,
  tools: RedisTools,
  progress: Progress,
): Promise<ToolSample[]> {
  const random = new SeededRandomness(o.seed), found: ToolSample[] = [], { bytes } = sample;
  for (const [i, kind] of KINDS.entries()) {
    const offsets = parts.flatMap(({ spans }) => spans).filter((span) => span.kind === kind).flatMap(({ from, to }) =>
      Array.from({ length: to - from }, (_, at) => from + at)
    );
    for (let n = 0; n < o.samples; n++) {
      progress.update("Redis's tools", (i + n / o.samples) / KINDS.length, kind);
      const offset = offsets[random.below(offsets.length)], bit = random.below(8), copy = flipped(bytes, offset, bit);
      found.push({ offset, bit, check: tools.check(copy), server: await tools.start(copy, bytes) });
    }
  }
  return found;
}

/** One flip, and what everybody says to it. */
async function oneFlip(sample: Sample, parts: readonly Part[], o: Options, tools: RedisTools | null): Promise<void> {
  const { offset, bit } = o.flip!,
    run = new FlipRun(sample),
    copy = flipped(sample.bytes, offset, bit),
    span = spanOf(parts, offset);
  const flip = await run.flip(offset, bit, await run.original(), true);
  const server = flip.outcome === "refused"
    ? `refuses: ${flip.reason}`
    : `serves ${flip.outcome === "same data" ? "the same data" : "OTHER DATA"}`;
  const lines: [string, string][] = [
    ["this server", flip.isRefusedByChecksum ? "refuses" : "serves it"],
    ["  rdbchecksum no", server],
    [
      "deno task check",
      flip.check === "named" ? `names byte ${offset}, and that it was 0x${hexOf(sample.bytes[offset])}` : flip.check!,
    ],
  ];
  if (tools !== null) {
    lines.push(["redis-check-rdb", tools.check(copy) ?? "not installed"]);
    lines.push(["redis-server", `with rdbchecksum no: ${await tools.start(copy, sample.bytes)}`]);
  }
  console.log(
    wrapped(
      `Byte ${offset}, ${span.kind}: ${span.text}. Bit ${bit} flipped: 0x${hexOf(sample.bytes[offset])} becomes 0x${
        hexOf(copy[offset])
      }.`,
    ),
  );
  for (const [who, says] of lines) console.log(`  ${who.padEnd(16)}  ${says}`);
}

function predicted(o: Options, bytes: number): string | null {
  return o.json ? null : ask(
    `${bytes * 8} bits are flipped, one at a time, and the server looks at no checksum.\n` +
      "Of how many of the flips, in percent, will it refuse the file? ",
  );
}

async function whole(
  sample: Sample,
  parts: readonly Part[],
  o: Options,
  tools: RedisTools | null,
  version: string | null,
): Promise<number> {
  const { bytes } = sample, prediction = predicted(o, bytes.length), progress = new Progress(o.json);
  const flips = await new FlipRun(sample).all(o.checkedBits, progress);
  const samples = tools === null ? [] : await askTools(sample, parts, o, tools, progress);
  progress.clear();
  const tallies = talliesOf(parts, flips), who = whoRows(flips, samples), faults = faultsOf(tallies, flips);
  if (o.json) console.log(JSON.stringify({ options: o, bytes: bytes.length, parts, tallies, samples, flips, faults }));
  else {
    const seen = conclusions(tallies, flips);
    if (isTerminal || o.map) console.log(`${mapText(bytes, parts, flips, isTerminal)}\n`);
    console.log(`${table(KIND_HEADINGS, tallies.map(kindCells))}\n${wrapped(KIND_NOTE)}\n`);
    console.log(`${table(WHO_HEADINGS, who, true)}\n`);
    const refused = flips.filter(({ outcome }) => outcome === "refused").length;
    if (prediction !== null) {
      console.log(`You predicted ${prediction} %; it was ${percent(refused, flips.length)} %.\n`);
    }
    console.log(`${seen.map((text) => wrapped(text)).join("\n")}\n`);
    console.log(`The report with the map: ${report(bytes, parts, flips, tallies, who, seen, version)}`);
    for (const fault of faults) console.error(`This should not be: ${fault}.`);
  }
  return faults.length === 0 ? 0 : 1;
}

const sample = await makeSample(), o = options(sample.bytes.length), parts = byteMap(sample.bytes);
const version = redisVersion(), tools = version === null ? null : new RedisTools(sample.keys);
onInterrupt(() => tools?.close());
let code = 0;
try {
  if (o.flip !== null) await oneFlip(sample, parts, o, tools);
  else code = await whole(sample, parts, o, tools, version);
} finally {
  tools?.close();
  sample.redis.kill();
}
Deno.exit(code);
