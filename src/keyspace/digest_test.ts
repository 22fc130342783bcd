import { assertEquals } from "@std/assert";
import { ascii } from "../base/bytes.ts";
import { KeyedHash } from "../base/siphash.ts";
import { Allocator, DebugMemory, FrozenMemory } from "../memory/mod.ts";
import { debugDigest, valueDigest } from "./digest.ts";
import { Keyspace } from "./keyspace.ts";

function open() {
  const memory = new DebugMemory({ arenaMaxBytes: 16 << 20, pageBytes: 512 });
  const allocator = memory.allocator = new Allocator(memory, true);
  const keyspace = new Keyspace({ memory, allocator, hash: new KeyedHash(1, 2), databases: 4, random: () => 0 });
  const set = (db: number, key: string, value: string, atMs = -1) =>
    keyspace.setString(keyspace.databases[db], ascii(key), 0, key.length, ascii(value), 0, value.length, atMs);
  return { keyspace, memory, set, digest: () => debugDigest(memory, keyspace.databases) };
}

// The values are those of redis-server 7.0.15 for the same data.
Deno.test("debugDigest: Redis's digests: of nothing, a string, an integer, an expiry, a second database", () => {
  const { set, digest } = open(), seen = [digest()];
  set(0, "key", "value");
  seen.push(digest());
  set(0, "n", "-12345678901234567");
  seen.push(digest());
  set(0, "n", "-12345678901234567", 4_102_444_800_000);
  seen.push(digest());
  set(3, "key", "x".repeat(300));
  seen.push(digest());
  assertEquals(seen, [
    "0000000000000000000000000000000000000000",
    "f149f3abd419a8d7d8c5673c73a100bb87404213",
    "88a944c97962322e868d3d8e6c6f82c0c74a7722",
    "f6590b256db3c94f25493c1155267d4b82a3a4e6",
    "896eff3e94138b68dd4232e6b8c44ce20319ac8e",
  ]);
});

Deno.test("valueDigest: Redis's digests of a value, without and with expiry", () => {
  const { memory, set } = open();
  assertEquals(valueDigest(memory, set(3, "key", "x".repeat(300))), "5b5ddd94ac991d9d6c62716e23b8d3143abbae7d");
  assertEquals(
    valueDigest(memory, set(0, "n", "-12345678901234567", 4_102_444_800_000)),
    "f21622339cc453ef1c1bbbce29b357cf72a474ab",
  );
});

Deno.test("debugDigest: does not depend on the order of keys, nor on how the table stands, live or frozen", () => {
  const one = open(), other = open(), keys = Array.from({ length: 500 }, (_, i) => `key:${i}`);
  for (const key of keys) one.set(0, key, key);
  other.keyspace.dict.reserve(other.keyspace.databases[0].dict, 5000);
  for (const key of keys.toReversed()) other.set(0, key, key);
  assertEquals(other.digest(), one.digest());
  const before = one.digest(), frozen = new FrozenMemory(one.memory.freeze(0)), { databases } = one.keyspace;
  const image = databases.map(({ index, dict }) => ({ index, dict }));
  for (const key of keys) one.set(0, key, "changed");
  assertEquals(debugDigest(frozen, image), before);
  one.memory.endSnapshot();
});
