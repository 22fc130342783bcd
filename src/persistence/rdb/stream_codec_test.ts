import { assert, assertEquals } from "@std/assert";
import { ascii } from "../../base/bytes.ts";
import { Prng } from "../../base/prng.ts";
import { valueDigest } from "../../keyspace/digest.ts";
import { type Keyspace, NO_EXPIRY } from "../../keyspace/keyspace.ts";
import { TYPE, valueOf } from "../../keyspace/entry.ts";
import { registerTypes } from "../../keyspace/values/mod.ts";
import type { StreamValue } from "../../keyspace/values/stream_value.ts";
import { FrozenMemory, NONE } from "../../memory/mod.ts";
import { TrimRule } from "../../structures/stream.ts";
import { newStreamId, setId } from "../../structures/stream_id.ts";
import { STREAM } from "../../structures/stream_layout.ts";
import { dumpPayload, loadPayload } from "./dump_payload.ts";
import { find, openKeyspace } from "./testing.ts";

/**
 * DUMP of redis-server 7.0.15: five entries "field value<n> n <n>" of ids <n>-1 of which 2-1 was deleted, one more of other fields with
 * the largest sequence, groups "idle" and "workers", in the latter bob with 1-1 and 3-1, alice with 4-1 (delivered 300 times), and zoe.
 */
const REDIS_DUMP =
  "13011000000000000000010000000000000001c34072408b168b0000002b00050101010201856669656c6406816e0200200d000020010c" +
  "8676616c7565310701010501032023c01102320702201100022001c0110233070360110003e000110234070460110004e000110235070520110000200314dffe" +
  "020101856f74686572068474657874050601ff050681ffffffffffffffff0101020106020469646c650681ffffffffffffffff81ffffffffffffffff00000777" +
  "6f726b657273040181ffffffffffffffff03000000000000000100000000000000010068e5cf8b01000003000000000000000300000000000000010068e5cf8b" +
  "0100000300000000000000040000000000000001f469e5cf8b010000412c0305616c69636580d09c0da201000001000000000000000400000000000000010362" +
  "6f626ed09c0da2010000020000000000000001000000000000000100000000000000030000000000000001037a6f6591d09c0da2010000000a001384a7860a48" +
  "e5a6";

function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g)!, (byte) => parseInt(byte, 16));
}

function open(): Keyspace {
  const keyspace = openKeyspace();
  registerTypes(keyspace);
  return keyspace;
}

/** Loads a payload at key "s"; returns why not, or "". */
function load(keyspace: Keyspace, payload: Uint8Array): string {
  const key = ascii("s"), db = keyspace.databases[0];
  return loadPayload(payload, {
    keyspace,
    db,
    key,
    keyLength: 1,
    expiresAtMs: NO_EXPIRY,
    deep: true,
    sanitizations: 0,
  });
}

function remove(keyspace: Keyspace): void {
  keyspace.remove(keyspace.databases[0], ascii("s"), 0, 1, false);
}

Deno.test("streamCodec: gives back the very bytes that Redis wrote, groups and all", () => {
  const keyspace = open(), payload = bytesOf(REDIS_DUMP);
  assertEquals(load(keyspace, payload), "");
  assertEquals(dumpPayload(keyspace.memory, find(keyspace, 0, "s"), true), payload);
});

Deno.test("streamCodec: reads streams of Redis 5, which have no counters, and of 7.2, whose consumers have a time more", () => {
  const keyspace = open(), listpack = REDIS_DUMP.slice(4, REDIS_DUMP.indexOf("050681"));
  const footer = "0a000000000000000000";
  // Length and last id, no groups.
  assertEquals(load(keyspace, bytesOf("0f01" + listpack + "050681ffffffffffffffff" + "00" + footer)), "");
  const stream = valueOf(keyspace.memory, find(keyspace, 0, "s"));
  assertEquals(keyspace.memory.u64(stream, STREAM.added), 5);
  assertEquals([4, 12].map((at) => keyspace.memory.u32(stream, STREAM.firstId + at)), [1, 1]);
  const before = "050681ffffffffffffffff" + "01010201" + "06" + "01" + "0167" + "0000" + "00" + "00";
  const consumer = "0163" + "0100000000000000" + "0200000000000000" + "00";
  assertEquals(load(keyspace, bytesOf("1501" + listpack + before + "01" + consumer + footer)), "");
  // The later of the two times is not kept.
  assertEquals(
    dumpPayload(keyspace.memory, find(keyspace, 0, "s"), true).subarray(0, -10),
    bytesOf("1301" + listpack + before + "01" + "0163" + "0100000000000000" + "00"),
  );
});

Deno.test("streamCodec: refuses counts that contradict each other, and pending entries without an owner or with two", () => {
  const keyspace = open(), startBytes = keyspace.allocator.liveBytes;
  const damages: readonly (readonly [from: string, to: string, reason: string])[] = [
    ["ff050681ff", "ff060681ff", "Stream length inconsistent with its entries"],
    ["0469646c65", "07776f726b657273", "Duplicated consumer group name"],
    ["0103626f62", "0105616c696365", "Duplicate stream consumer detected."],
  ];
  for (const [from, to, reason] of damages) {
    assert(REDIS_DUMP.includes(from));
    assertEquals(load(keyspace, bytesOf(REDIS_DUMP.replace(from, to))), reason);
  }
  const ownAt = REDIS_DUMP.lastIndexOf("02000000000000000100000000000000010000000000000003");
  const withOne = REDIS_DUMP.slice(0, ownAt) + "01" + REDIS_DUMP.slice(ownAt + 34);
  assertEquals(load(keyspace, bytesOf(withOne)), "Stream CG PEL entry without consumer");
  const withTwice = REDIS_DUMP.slice(0, ownAt + 2) + REDIS_DUMP.slice(ownAt + 34, ownAt + 66) +
    REDIS_DUMP.slice(ownAt + 34);
  assertEquals(load(keyspace, bytesOf(withTwice)), "Duplicated consumer PEL entry loading a stream consumer group");
  assertEquals(find(keyspace, 0, "s"), NONE);
  assertEquals(keyspace.allocator.liveBytes, startBytes);
});

Deno.test("streamCodec: a damaged payload is refused, or makes a stream that can be read and freed", () => {
  const keyspace = open(), random = new Prng(17), original = bytesOf(REDIS_DUMP);
  load(keyspace, original), remove(keyspace);
  const startBytes = keyspace.allocator.liveBytes;
  let loaded = 0;
  for (let round = 0; round < 3000; round++) {
    const payload = original.slice();
    for (let flips = 1 + random.below(3); flips > 0; flips--) {
      const at = 1 + random.below(payload.length - 11);
      payload[at] = random.below(2) === 0 ? random.below(256) : payload[at] ^ (1 << random.below(8));
    }
    if (load(keyspace, payload) === "") {
      loaded++;
      const entry = find(keyspace, 0, "s");
      valueDigest(keyspace.memory, entry), dumpPayload(keyspace.memory, entry, true);
      remove(keyspace);
    }
    assertEquals(keyspace.allocator.liveBytes, startBytes, `round ${round}`);
  }
  assert(loaded > 100 && loaded < 2900);
});

Deno.test("streamCodec: a snapshot writes the stream and its groups as they were, whatever changes meanwhile", () => {
  const keyspace = open(), { memory } = keyspace, random = new Prng(31), id = newStreamId(), rule = new TrimRule();
  assertEquals(load(keyspace, bytesOf(REDIS_DUMP)), "");
  const tools = keyspace.types[TYPE.stream] as StreamValue, { streams } = tools, { groups } = streams;
  const entry = find(keyspace, 0, "s"), stream = valueOf(memory, entry), fields = fieldsOf("field", "value");
  const group = groups.find(stream, ascii("workers"), 0, 7);
  let last = 10;
  for (let round = 0; round < 6; round++) {
    const before = dumpPayload(memory, entry, true), frozen = new FrozenMemory(memory.freeze(0));
    for (let i = 0; i < 300; i++) {
      tools.append(stream, setId(id, 0, ++last, 0, 0), fields, 0, 1, 10);
      const consumer = groups.findConsumer(group, ascii(random.below(2) === 0 ? "bob" : "zoe"), 0, 3);
      groups.assign(group, consumer, setId(id, 0, random.below(last), 0, 0));
      if (random.below(3) === 0) streams.delete(stream, setId(id, 0, random.below(last), 0, 0));
      if (groups.findPending(group, setId(id, 0, random.below(last), 0, 0))) groups.removePending(group, id);
    }
    rule.lengthMax = 50 + random.below(400);
    streams.trim(stream, rule);
    assertEquals(dumpPayload(frozen, entry, true), before);
    assert(dumpPayload(memory, entry, true).length !== before.length);
    memory.endSnapshot();
  }
});

/** Words as `Args` has them. */
function fieldsOf(...words: string[]): { bytes: Uint8Array; offsets: Int32Array; lengths: Int32Array } {
  const offsets = words.map((_, i) => words.slice(0, i).join("").length);
  return {
    bytes: ascii(words.join("")),
    offsets: Int32Array.from(offsets),
    lengths: Int32Array.from(words, (word) => word.length),
  };
}
