import { assert, assertEquals } from "@std/assert";
import { ascii, latin1Decode } from "../../base/bytes.ts";
import { crcOfSeal, fileIdOf, isSealShaped, logIdOf, Seal, SEAL_BYTES, SealChain, storedCrc } from "./aof_seal.ts";

Deno.test("seal: golden bytes of the first two blocks of a file", () => {
  const chain = new SealChain(0x0badcafe), block = ascii("*1\r\n$4\r\nPING\r\n"), into = new Uint8Array(SEAL_BYTES * 2);
  chain.seal(block, 0, block.length, 0, into, 0);
  chain.seal(block, 0, block.length, 0x1234567890ab, into, SEAL_BYTES);
  const [first, second] = [latin1Decode(into, 0, SEAL_BYTES), latin1Decode(into, SEAL_BYTES)];
  assertEquals(first, "#AF:7ba44254:00000000:0badcafe:00000001:0000000e:000000000000\r\n");
  assertEquals(second, "#AF:2443b6c0:7ba44254:0badcafe:00000002:0000000e:1234567890ab\r\n");
});

Deno.test("seal: what was written is read, and its crc is that of the block and the seal", () => {
  const chain = new SealChain(0xffffffff), bytes = new Uint8Array(10 + SEAL_BYTES).fill(7, 0, 10), seal = new Seal();
  chain.sequence = 0xffffffff, chain.previousCrc = 5;
  chain.seal(bytes, 2, 10, 2 ** 47 + 1, bytes, 10);
  assert(seal.read(bytes, 10));
  const { previousCrc, fileId, sequence, lengthBytes, syncedBytes } = seal;
  assertEquals({ previousCrc, fileId, sequence, lengthBytes, syncedBytes }, {
    previousCrc: 5,
    fileId: 0xffffffff,
    sequence: 0,
    lengthBytes: 8,
    syncedBytes: 2 ** 47 + 1,
  });
  assertEquals([seal.crc, storedCrc(bytes, 10)], [chain.previousCrc, chain.previousCrc]);
});

Deno.test("seal: the form bears one wrong byte, reading none, and both tell a seal from one that does not fit", () => {
  const chain = new SealChain(1), bytes = new Uint8Array(SEAL_BYTES + 5), seal = new Seal();
  chain.seal(bytes, 0, 0, 0, bytes, 5);
  for (let at = 5; at < bytes.length; at++) {
    const right = bytes[at];
    bytes[at] = 0xff;
    assertEquals([isSealShaped(bytes, 5), seal.read(bytes, 5)], [true, false], `byte ${at}`);
    bytes[at === 5 ? 6 : 5] ^= 1;
    assertEquals(isSealShaped(bytes, 5), false);
    bytes[at === 5 ? 6 : 5] ^= 1, bytes[at] = right;
  }
  assertEquals([isSealShaped(bytes, 4), isSealShaped(bytes, 6), isSealShaped(bytes, -1)], [false, false, false]);
});

Deno.test("seal: a changed field is found by the crc", () => {
  const chain = new SealChain(1), bytes = new Uint8Array(SEAL_BYTES), seal = new Seal();
  chain.seal(bytes, 0, 0, 0, bytes, 0);
  for (let at = 13; at < 61; at++) {
    const changed = bytes.slice();
    changed[at] = changed[at] === 0x3a ? 0x3a : changed[at] ^ 1;
    if (changed[at] === bytes[at]) continue;
    assert(seal.read(changed, 0));
    assert(crcOfSeal(0, changed, 0) !== seal.crc, `byte ${at}`);
  }
});

Deno.test("file id: differs by log and by name, and tells the log", () => {
  const id = fileIdOf(0xdeadbeef, "appendonly.aof.1.incr.aof");
  assert(
    id !== fileIdOf(0xdeadbeef, "appendonly.aof.2.incr.aof") &&
      id !== fileIdOf(0xdeadbeee, "appendonly.aof.1.incr.aof"),
  );
  assertEquals(logIdOf(id, "appendonly.aof.1.incr.aof"), 0xdeadbeef);
});
