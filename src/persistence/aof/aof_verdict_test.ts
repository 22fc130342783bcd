/** The verdict on files that are whole, torn, damaged, moved, or gone on with by Redis. Sectors are of 512 bytes. */
import { assertEquals } from "@std/assert";
import { ascii, latin1Decode } from "../../base/bytes.ts";
import { SeededRandomness } from "../../io/randomness.ts";
import { MemoryStorage } from "../../io/memory_storage.ts";
import { writeWhole } from "../../io/storage.ts";
import { fileIdOf, SEAL_BYTES, SealChain } from "./aof_seal.ts";
import { AofVerdict } from "./aof_verdict.ts";

const NAME = "a.1.incr.aof", LOG = 0x1badb002, SECTOR_BYTES = 512;

function command(...words: string[]): string {
  return `*${words.length}\r\n` + words.map((word) => `$${word.length}\r\n${word}\r\n`).join("");
}

/** A file of these blocks; before each, what came before the last one had been synced. Also where the blocks start. */
function sealed(blocks: readonly string[], options: { prefix?: string; name?: string; logId?: number } = {}) {
  const { prefix = "", name = NAME, logId = LOG } = options;
  const chain = new SealChain(fileIdOf(logId, name)), seal = new Uint8Array(SEAL_BYTES), starts: number[] = [];
  let text = "", syncedBytes = 0;
  [prefix, ...blocks].forEach((block, index) => {
    if (index === 0 && prefix === "") return;
    const bytes = ascii(block);
    starts.push(text.length);
    chain.seal(bytes, 0, bytes.length, syncedBytes, seal, 0);
    syncedBytes = text.length;
    text += block + latin1Decode(seal);
  });
  return { text, starts };
}

function verdictOn(bytes: string | Uint8Array, options: { logId?: number | null; mayBeTorn?: boolean } = {}) {
  const { logId = LOG, mayBeTorn = true } = options, storage = new MemoryStorage();
  writeWhole(storage, "/f", typeof bytes === "string" ? ascii(bytes) : bytes);
  const file = storage.open("/f", "read"), sizeBytes = bytes.length;
  const verdict = new AofVerdict({ storage, file, sizeBytes, name: NAME, logId, mayBeTorn });
  while (!verdict.step(1));
  return verdict;
}

const SELECT = command("select", "0");
const BLOCKS = [SELECT + command("set", "a", "1"), command("set", "b", "#AF:"), command("set", "c", "3").repeat(20)];

Deno.test("verdict: what was sealed is sound, whatever the pieces; Redis's files and empty ones are plain", () => {
  const { text } = sealed(BLOCKS), verdict = verdictOn(text);
  assertEquals([verdict.kind, verdict.verifiedBytes, verdict.chain!.sequence], ["sound", text.length, 3]);
  assertEquals(verdictOn("").kind, "plain");
  assertEquals(verdictOn(command("SELECT", "0") + command("set", "a", "1")).kind, "plain");
  const large = sealed([SELECT + command("set", "a", "#AF:".repeat(700_000)), command("set", "b", "1")]);
  assertEquals(verdictOn(large.text).kind, "sound");
});

Deno.test("verdict: without the manifest's word the first seal tells the log", () => {
  const { text } = sealed(BLOCKS), verdict = verdictOn(text, { logId: null });
  assertEquals([verdict.kind, verdict.logId], ["sound", LOG]);
});

Deno.test("verdict: every flipped bit of a file is damage, named by its very byte, with the manifest's word and without", () => {
  const { text } = sealed(BLOCKS), bytes = ascii(text);
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    bytes[bit >>> 3] ^= 1 << (bit & 7);
    const verdict = verdictOn(bytes, { logId: bit % 3 === 0 ? null : LOG });
    assertEquals([verdict.kind, verdict.damage?.offsetBytes], ["damaged", bit >>> 3], `bit ${bit}`);
    bytes[bit >>> 3] ^= 1 << (bit & 7);
  }
});

Deno.test("verdict: a file cut anywhere is sound up to a seal, or torn behind it; damaged when it is not the last one", () => {
  const { text, starts } = sealed(BLOCKS), ends = [...starts.slice(1), text.length];
  for (let cut = SELECT.length; cut < text.length; cut++) {
    const verified = Math.max(0, ...ends.filter((end) => end <= cut)), isWhole = verified === cut;
    const verdict = verdictOn(text.slice(0, cut)), closed = verdictOn(text.slice(0, cut), { mayBeTorn: false });
    assertEquals([verdict.kind, verdict.verifiedBytes], [isWhole ? "sound" : "torn", verified], `cut at ${cut}`);
    assertEquals(closed.kind, isWhole ? "sound" : "damaged");
  }
});

Deno.test("verdict: any sectors of what was not synced may be missing: torn, up to the last whole block", () => {
  const blocks = Array.from(
    { length: 40 },
    (_, i) => (i === 0 ? SELECT : "") + command("set", `k${i}`, "v".repeat(i * 9)),
  );
  const { text, starts } = sealed(blocks), random = new SeededRandomness(1), kinds = new Set<string>();
  for (let round = 0; round < 300; round++) {
    // A seal says how far the block before the one before it goes: nothing behind is known to be durable.
    const bytes = ascii(text), first = starts[starts.length - 2];
    let lost = bytes.length;
    for (let at = first; at < bytes.length; at = (Math.floor(at / SECTOR_BYTES) + 1) * SECTOR_BYTES) {
      if (random.below(3) !== 0) continue;
      bytes.fill(0, at, Math.min(bytes.length, (Math.floor(at / SECTOR_BYTES) + 1) * SECTOR_BYTES));
      lost = Math.min(lost, at);
    }
    const end = lost < bytes.length ? Math.max(...starts.filter((start) => start <= lost)) : bytes.length;
    const verdict = verdictOn(bytes);
    kinds.add(verdict.kind);
    assertEquals(
      [verdict.kind, verdict.verifiedBytes],
      [lost < bytes.length ? "torn" : "sound", end],
      `round ${round}`,
    );
  }
  assertEquals([...kinds].sort(), ["sound", "torn"]);
});

Deno.test("verdict: a hole in what a later block calls durable is damage", () => {
  const { text } = sealed([SELECT + command("set", "a", "x".repeat(2000)), BLOCKS[1], BLOCKS[1], BLOCKS[1]]);
  const bytes = ascii(text).fill(0, 512, 1024), verdict = verdictOn(bytes);
  assertEquals([verdict.kind, verdict.damage!.offsetBytes], ["damaged", 0]);
});

Deno.test("verdict: a block that is old, repeated, left out, or of another file or log is damage", () => {
  const blocks = ["1", "2", "3", "4"].map((n) => (n === "1" ? SELECT : "") + command("set", "k", n)),
    { text, starts } = sealed(blocks);
  const block = (n: number) => text.slice(starts[n], starts[n + 1]);
  const wrong = {
    "left out": block(0) + block(2) + block(3),
    "repeated": block(0) + block(1) + block(1) + block(2) + block(3),
    "in another order": block(0) + block(2) + block(1) + block(3),
    "of another file": block(0) + sealed(blocks, { name: "a.2.incr.aof" }).text.slice(starts[1]),
    "of another log": sealed(blocks, { logId: LOG + 1 }).text,
    "old": block(0) + sealed([blocks[0], command("set", "k", "0")]).text.slice(starts[1]) + block(2) + block(3),
  };
  for (const [what, file] of Object.entries(wrong)) assertEquals(verdictOn(file).kind, "damaged", what);
});

Deno.test("verdict: what Redis added is foreign; also behind what it made of a torn block", () => {
  const { text } = sealed(BLOCKS), added = command("SELECT", "0") + command("set", "d", "4");
  for (const between of ["", "#TS:1700000000\r\n", command("set", "torn", "1")]) {
    for (const mayBeTorn of [true, false]) {
      const verdict = verdictOn(text + between + added, { mayBeTorn });
      assertEquals([verdict.kind, verdict.verifiedBytes], ["foreign", text.length], between);
    }
  }
});

Deno.test("verdict: a plain file that was gone on with is one block up to its first seal", () => {
  const { text } = sealed(BLOCKS, { prefix: command("SELECT", "0") + command("set", "old", "1") });
  assertEquals(verdictOn(text).kind, "sound");
  assertEquals(verdictOn(text.replace("old", "odd")).kind, "damaged");
});

Deno.test("verdict: zero bytes in values do not make a flipped bit a torn write", () => {
  const { text } = sealed([SELECT + command("set", "a", "\0".repeat(3000))]), bytes = ascii(text);
  for (const at of [100, 511, 2000, text.length - 1, text.length - 20, text.length - 60]) {
    bytes[at] ^= 4;
    assertEquals([verdictOn(bytes).kind, verdictOn(bytes).damage?.offsetBytes], ["damaged", at]);
    bytes[at] ^= 4;
  }
});
