/** What happens to a key of the file beyond its bytes: expiry, access stamps, merging, and where the file ends. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { ascii, latin1Decode } from "../../base/bytes.ts";
import { lfuStamp, lruStamp } from "../../keyspace/access_clock.ts";
import { accessOf, expiresAtMs } from "../../keyspace/entry.ts";
import { NONE } from "../../memory/mod.ts";
import { concatenated, digestOf, find, loadBytes, NOW_MS, openKeyspace, saveToBytes, setText } from "./testing.ts";

/** A file without checksum; one character is one byte. */
function file(body: string): Uint8Array {
  return Uint8Array.from(`REDIS0010${body}\xff${"\0".repeat(8)}`, (char) => char.charCodeAt(0));
}

const LONG_AGO = "\xfc\x01\0\0\0\0\0\0\0";

Deno.test("RdbLoad: negative expiry times have passed, except -1, which is none", () => {
  const keyspace = openKeyspace(), minus = (low: string) => `\xfc${low}${"\xff".repeat(7)}`;
  const body = `\xfe\0${minus("\xfe")}\0\x01a\x01v${minus("\xff")}\0\x01b\x01v\xfd\xfe\xff\xff\xff\0\x01c\x01v`;
  const load = loadBytes(keyspace, file(body));
  assertEquals([load.keysLoaded, load.keysExpired], [1, 2]);
  assertEquals(expiresAtMs(keyspace.memory, find(keyspace, 0, "b")), -1);
  const base = openKeyspace();
  loadBytes(base, file(body), { keepExpired: true });
  assertEquals(expiresAtMs(base.memory, find(base, 0, "a")), 0);
});

Deno.test("RdbLoad: a merge replaces what is there, but never by what has expired", () => {
  const keyspace = openKeyspace(), expected = openKeyspace();
  setText(keyspace, 0, "live", "stays");
  setText(keyspace, 0, "both", "old", NOW_MS * 2);
  loadBytes(keyspace, file(`\xfe\0${LONG_AGO}\0\x04live\x04gone\0\x04both\x03new`), { merge: true });
  setText(expected, 0, "live", "stays"), setText(expected, 0, "both", "new");
  assertEquals(digestOf(keyspace), digestOf(expected));
  assertEquals(keyspace.databases[0].expiry.count, 0);
});

Deno.test("RdbLoad: IDLE counts with an LRU policy, FREQ with an LFU policy, and each only for its own key", () => {
  const body = "\xfe\0\xf8\x2a\0\x04idle\x01v\xf9\x07\0\x04freq\x01v\0\x05plain\x01v";
  for (const usesLfu of [false, true]) {
    const keyspace = openKeyspace();
    keyspace.accessStamp = 77;
    loadBytes(keyspace, file(body), { usesLfu });
    const stamps = ["idle", "freq", "plain"].map((key) => accessOf(keyspace.memory, find(keyspace, 0, key)));
    assertEquals(stamps, usesLfu ? [77, lfuStamp(7, NOW_MS), 77] : [lruStamp(NOW_MS - 42_000), 77, 77]);
  }
});

Deno.test("saveRdb: idle times in seconds, and frequencies as they have decayed", () => {
  const keyspace = openKeyspace(), entry = setText(keyspace, 0, "k", "v");
  keyspace.setAccess(entry, lruStamp(NOW_MS - 300_000));
  assertStringIncludes(latin1Decode(saveToBytes(keyspace, { access: "idle" })), "\xf8\x41\x2c\0\x01k\x01v\xff");
  keyspace.setAccess(entry, lfuStamp(100, NOW_MS - 30 * 60_000));
  const file = saveToBytes(keyspace, { access: "frequency", lfuDecayMinutes: 1 });
  assertStringIncludes(latin1Decode(file), "\xf9\x46\0\x01k\x01v\xff");
});

Deno.test("RdbLoad: ends after the checksum, where a log's commands may follow", () => {
  const source = openKeyspace(), log: string[] = [];
  setText(source, 0, "k", "v");
  const base = saveToBytes(source, { isAofBase: true });
  const load = loadBytes(openKeyspace(), concatenated([base, ascii("*1\r\n$4\r\nPING\r\n")]), {
    keepExpired: true,
    log: (text) => log.push(text),
  });
  assertEquals([load.loadedBytes, load.keysLoaded], [base.length, 1]);
  assertEquals(log.at(-1), "RDB is base AOF");
});

Deno.test("RdbLoad: a table grows on the way when the file gives no hint, or a wrong one", () => {
  const bytes = (value: number) => String.fromCharCode(value >> 8, value & 255);
  const entries = Array.from({ length: 9999 }, (_, i) => `\0\x02${bytes(i)}\x01v`).join("");
  for (const hint of ["", "\xfb\x01\0", "\xfb\x80\x7f\xff\xff\xff\0"]) {
    const keyspace = openKeyspace();
    loadBytes(keyspace, file(`\xfe\0${hint}${entries}`));
    assertEquals(keyspace.size(keyspace.databases[0]), 9999);
    assert(keyspace.dict.slots(keyspace.databases[0].dict) >= 8192, "chains stay short");
    for (let i = 0; i < 9999; i++) if (find(keyspace, 0, bytes(i)) === NONE) throw new Error(`key ${i} is gone`);
  }
});
