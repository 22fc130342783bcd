/** What DUMP gives and what a file says of a key: byte for byte what redis-server gives for the same string. */

import { assert, assertEquals } from "@std/assert";
import { SeededRandomness } from "../../src/mod.ts";
import type { RespClient } from "../support/resp_client.ts";
import { oracleTest, type ServerKind, ServerProcess } from "../support/server_fixture.ts";

const VALUES = 3000;
const KINDS: readonly ServerKind[] = ["redis", "ours"];
const INTEGER_EDGES = [0n, 127n, 128n, 32767n, 32768n, 2n ** 31n - 1n, 2n ** 31n, 10n ** 10n, 2n ** 53n, 2n ** 63n];

function randomString(random: SeededRandomness): string {
  const length = random.below(random.below(10) === 0 ? 20_000 : 150), letters = 1 + random.below(30);
  const period = 1 + random.below(40), unit = Array.from({ length: period }, () => random.below(letters));
  const noise = random.below(3) * 10;
  return Array.from({ length }, (_, i) => {
    const letter = random.below(100) < noise ? random.below(256) : 97 + unit[i % period];
    return String.fromCharCode(letter);
  }).join("");
}

function values(random: SeededRandomness): Uint8Array[] {
  const texts = ["", "-0", "+1", "01", " 1", "1 ", "1e5", "-"];
  for (const edge of INTEGER_EDGES) {
    for (const add of [-1n, 0n, 1n]) texts.push(String(edge + add), String(-edge + add));
  }
  while (texts.length < VALUES) texts.push(randomString(random));
  return texts.map((text) => Uint8Array.from(text, (char) => char.charCodeAt(0)));
}

async function dump(client: RespClient, value: Uint8Array): Promise<unknown> {
  await client.command("SET", "key", value);
  return await client.command("DUMP", "key");
}

oracleTest("DUMP: the bytes that redis-server gives, and each restores the other's", async () => {
  const seed = Number(Deno.env.get("SEED") ?? 10), random = new SeededRandomness(seed);
  await using redis = await ServerProcess.start("redis");
  await using ours = await ServerProcess.start("ours");
  await using a = await redis.connect({ bulk: "bytes" });
  await using b = await ours.connect({ bulk: "bytes" });
  for (const value of values(random)) {
    const expected = await dump(a, value);
    assertEquals(await dump(b, value), expected, `${value.length} bytes; replay with SEED=${seed}`);
    await b.command("RESTORE", "copy", 0, expected as Uint8Array, "REPLACE");
    assertEquals(await b.command("GET", "copy"), value);
    assertEquals(await b.command("OBJECT", "ENCODING", "copy"), await a.command("OBJECT", "ENCODING", "key"));
  }
});

/** The file from database 7 on, without the checksum: what comes before tells the time and the memory in use. */
function keysOf(file: Uint8Array): Uint8Array {
  const text = String.fromCharCode(...file), start = text.indexOf("\xfe\x07\xfb\x01\x01");
  assert(start > 0, "the file has database 7, with one key that expires");
  const keys = file.slice(start, file.length - 8), idle = text.indexOf("\xf8", start) - start;
  // An idle time of 0 or 1 s: a second may have begun between SET and SAVE.
  if (keys[idle + 1] === 1) keys[idle + 1] = 0;
  return keys;
}

for (const policy of ["noeviction", "allkeys-lru", "allkeys-lfu"]) {
  oracleTest(`SAVE: a key with expiry under ${policy} has the bytes that redis-server writes`, async () => {
    const files: Uint8Array[] = [];
    for (const kind of KINDS) {
      await using server = await ServerProcess.start(kind, { args: ["--maxmemory-policy", policy] });
      await using client = await server.connect();
      await client.command("SELECT", 7);
      await client.command("SET", "key", "compressible ".repeat(20), "PXAT", 4_102_444_800_123);
      await client.command("SAVE");
      files.push(keysOf(Deno.readFileSync(`${server.dir}/dump.rdb`)));
    }
    assert(files[0].length > 30);
    assertEquals(files[1], files[0]);
  });
}
