/** Commands on keys of any type, and on whole databases. */

import type { Draw } from "../draw.ts";
import { Family } from "../family.ts";
import { differ, group, plain, SCAN_MISTAKES, scanAll, type Step, timed, unordered } from "../step.ts";
import { isNull, showReply } from "../wire_reply.ts";

const DATABASES = 3;
const IDLE_TOLERANCE_SECONDS = 60;
/** Not of strings: Redis shares small integers between keys, and an old one tells its own age. */
const IDLE_KEYS = ["list:0", "set:0", "hash:0", "zset:0", "stream:0", "missing:0"];
/** Their order in a dump is that of a hash table; the rest is Redis's byte for byte. */
const UNORDERED_ENCODINGS = ["hashtable"];
/** Its consumers carry the times of their reads. */
const TIMED_ENCODINGS = ["stream"];

const key = (d: Draw) => d.chance(95) ? d.anyKey() : "missing:0";

function isHyperLogLog(name: string): boolean {
  return name.startsWith("hll:");
}

/** Two keys, mostly of one type, so that types do not all end up in all keys. */
export function pairOfKeys(d: Draw): [string, string] {
  const from = key(d), to = d.chance(85) ? from.split(":")[0] + ":" + d.below(4) : key(d);
  // What strings do to a HyperLogLog would damage it.
  return isHyperLogLog(from) === isHyperLogLog(to) ? [from, to] : [from, from];
}

function dump(d: Draw): Step {
  const name = key(d);
  return {
    commands: [["OBJECT", "ENCODING", name], ["DUMP", name]],
    compare: ([oursEncoding, ours], [redisEncoding, redis]) => {
      if (showReply(oursEncoding) !== showReply(redisEncoding)) return differ(oursEncoding, redisEncoding);
      const inexact = [...UNORDERED_ENCODINGS, ...TIMED_ENCODINGS].includes(redisEncoding.text);
      const equal = inexact ? ours.text.length === redis.text.length : ours.text === redis.text;
      return equal ? undefined : `${redisEncoding.text}, ${differ(ours, redis)}`;
    },
  };
}

function copy(d: Draw): Step {
  const [from, to] = pairOfKeys(d);
  return plain("COPY", from, to, ...d.shuffled([d.maybe(20, "DB", d.below(DATABASES)), d.maybe(60, "REPLACE")]).flat());
}

/** SCAN first: it removes what has expired, so that no server's choice finds it. */
function randomKey(): Step {
  const scan = ["SCAN", 0, "COUNT", 100_000];
  return {
    commands: [scan, ["RANDOMKEY"]],
    forRedis: ([, ours]) => [scan, ["EXISTS", ours.text], ["DBSIZE"]],
    compare: ([, ours], [, exists, size]) => {
      const empty = isNull(ours);
      const right = empty ? size.text === "0" : exists.text === "1";
      return right ? undefined : `ours chose ${showReply(ours)}, redis has ${size.text} keys`;
    },
  };
}

function scan(d: Draw): Step {
  const options = d.shuffled([
    ["COUNT", 100_000],
    d.maybe(40, "MATCH", d.pick(["*", "s*", "*:[0-2]", "?et:*", "*:\\1"])),
    d.maybe(40, "TYPE", d.pick(["string", "list", "set", "hash", "zset", "stream", "ZSET", "module"])),
  ]);
  return scanAll(false, "SCAN", 0, ...options.flat());
}

function objectSubcommand(d: Draw): Step {
  const kind = d.below(10);
  if (kind < 7) return plain("OBJECT", "ENCODING", key(d));
  if (kind < 8) return plain("OBJECT", "FREQ", key(d));
  return timed(IDLE_TOLERANCE_SECONDS, () => true, "OBJECT", "IDLETIME", d.pick(IDLE_KEYS));
}

function restore(d: Draw): Step {
  const payload = d.bytes(d.below(40));
  return plain(
    "RESTORE",
    key(d),
    d.pick(["0", "-1", "abc"]),
    payload,
    ...d.maybe(50, d.pick(["REPLACE", "ABSTTL", "X"])),
  );
}

export const genericFamily = new Family("generic", [
  [3, (d) => plain(d.pick(["DEL", "UNLINK"]), ...d.several(1, 3, () => key(d)))],
  [4, (d) => plain(d.pick(["EXISTS", "TOUCH"]), ...d.several(1, 4, () => key(d)))],
  [5, (d) => plain("TYPE", key(d))],
  [6, (d) => plain(d.pick(["RENAME", "RENAME", "RENAMENX"]), ...pairOfKeys(d))],
  [9, copy],
  [8, objectSubcommand],
  [14, dump],
  [3, randomKey],
  [3, (d) => unordered("KEYS", d.pick(["*", "s*", "*:[0-2]", "?et:*", "nothing"]))],
  [3, scan],
  [1, (d) => ({ ...plain("SCAN", ...d.pick(SCAN_MISTAKES.filter((words) => !words.includes("TYPE")))), fixed: true })],
  [3, () => plain("DBSIZE")],
  [2, restore],
]);

/** These scatter keys over databases, or take them all away: a few go a long way. */
export const databaseFamily = new Family("database", [
  [4, (d) => plain("MOVE", key(d), d.below(DATABASES))],
  [3, (d) => plain("SELECT", d.below(DATABASES))],
  [6, () => plain("SELECT", 0)],
  [2, (d) => plain("SWAPDB", d.below(DATABASES), d.below(DATABASES))],
  [1, (d) => group(["FLUSHDB", d.pick(["SYNC", "ASYNC"])])],
]);
