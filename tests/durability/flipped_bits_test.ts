/** No flipped bit of a log is ever loaded: a server refuses to start, names file and offset, and changes nothing. */
import { assert, assertEquals } from "@std/assert";
import { FlippedBits, sampleFlips } from "./flipped_bits.ts";

const FLIPS = 300;

for (const preamble of ["yes", "no"] as const) {
  Deno.test(`each bit of the manifest, the base and the increment of a small log is refused, aof-use-rdb-preamble ${preamble} (G8)`, async () => {
    const bits = await FlippedBits.open(preamble, [["SET", "a", "1"], ["RPUSH", "l", "x", "y"]], [
      ["SET", "b", "\0\0"],
      ["INCR", "a"],
    ]);
    const { files } = bits.storage;
    assertEquals(files.map(({ path }) => path.replace(/.*\/appendonly.aof.(\d\.)?/, "")), [
      preamble === "yes" ? "base.rdb" : "base.aof",
      "incr.aof",
      "manifest",
    ]);
    for (const { path, sizeBytes } of files) {
      for (let bit = 0; bit < sizeBytes * 8; bit++) assertEquals(await bits.tryBit(path, bit), null);
    }
    assert((await bits.tryBit("//appendonlydir/appendonly.aof.manifest", -8))?.includes("a server started"));
  });

  Deno.test(`sampled bits of a larger log are refused, aof-use-rdb-preamble ${preamble} (G8)`, async () => {
    assertEquals(await sampleFlips(preamble, 500, FLIPS, 1), []);
  });
}
