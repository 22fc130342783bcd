/**
 * Streams with consumer groups. IDs are small and given, so that they meet; "*" has a key of its own, where Redis gets the ID that ours
 * chose. Idle times are either 0 or far from every limit asked for.
 */

import type { Argument } from "../../../support/resp_client.ts";
import type { Draw } from "../draw.ts";
import { Family } from "../family.ts";
import { equalBy, group, plain, type Step, timed } from "../step.ts";
import { canonical, isError, isNull, type WireReply } from "../wire_reply.ts";

const NOW_KEY = "stream:now";
const TIME_TOLERANCE_MS = 40_000;
const IDLE_STEPS_MS = [0, 100_000, 10_000_000];
const IDLE_LIMITS_MS = [0, 0, 50_000, 5_000_000];
/** Times are ms since 1970; counts never get there. */
const TIMES_FROM = 1_000_000_000_000;

const key = (d: Draw) => d.chance(96) ? d.key("stream") : NOW_KEY;
const groupName = (d: Draw) => `group${d.below(3)}`;
const consumer = (d: Draw) => d.pick(["alice", "bob", "carol"]);
const seconds = (d: Draw) => d.below(60);

function id(d: Draw): string {
  const kind = d.below(20);
  if (kind < 14) return `${seconds(d)}-${d.below(4)}`;
  if (kind < 18) return `${seconds(d)}`;
  return d.pick(["0-0", "0", "18446744073709551615-18446744073709551615", "1-", "-", "+", "a-b", "1-2-3"]);
}

/** Mostly above what is there. */
function newId(d: Draw): string {
  const kind = d.below(20), ms = Math.floor(d.unique() / 8);
  if (kind < 9) return `${ms}-*`;
  if (kind < 17) return `${ms}-${d.below(6)}`;
  if (kind < 19) return `${ms}`;
  return id(d);
}

function fields(d: Draw): Argument[] {
  const sameFields = d.chance(60), pairs = sameFields ? 2 : d.between(1, 4);
  return Array.from(
    { length: pairs },
    (_, i) => [sameFields ? `field${i}` : d.member(), d.chance(90) ? d.member() : d.value()],
  )
    .flat();
}

function trimming(d: Draw): Argument[] {
  const [what, threshold] = d.chance(60) ? ["MAXLEN", d.below(60)] : ["MINID", id(d)];
  const approximate = d.maybe(60, d.pick(["~", "=", "~"]));
  return [what, ...approximate, threshold, ...d.maybe(approximate[0] === "~" ? 30 : 4, "LIMIT", d.below(50))];
}

function xadd(d: Draw): Step {
  const options = d.shuffled([d.maybe(8, "NOMKSTREAM"), d.chance(12) ? trimming(d) : []]).flat();
  return plain("XADD", key(d), ...options, newId(d), ...fields(d));
}

function xaddNow(d: Draw): Step {
  const rest = fields(d);
  return {
    commands: [["XADD", NOW_KEY, "*", ...rest]],
    forRedis: ([ours]) => [["XADD", NOW_KEY, isError(ours) || isNull(ours) ? "*" : ours.text, ...rest]],
  };
}

/** Many entries, so that nodes fill up. */
function xaddMany(d: Draw): Step {
  const name = d.ownKey("stream"), ms = Math.floor(d.unique() / 8);
  return group(...d.several(20, 120, () => ["XADD", name, `${ms}-*`, "field0", d.member(), "field1", d.member()]));
}

function rangeLimit(d: Draw): string {
  return d.chance(30) ? d.pick(["-", "+"]) : d.maybe(15, "(").join("") + id(d);
}

function xrange(d: Draw): Step {
  return plain(
    d.pick(["XRANGE", "XREVRANGE"]),
    key(d),
    rangeLimit(d),
    rangeLimit(d),
    ...d.maybe(50, "COUNT", d.count()),
  );
}

function xread(d: Draw): Step {
  const keys = d.several(1, 2, () => key(d));
  return plain(
    "XREAD",
    ...d.maybe(60, "COUNT", d.between(0, 5)),
    "STREAMS",
    ...keys,
    ...keys.map(() => d.chance(95) ? id(d) : "$"),
  );
}

function xreadgroup(d: Draw): Step {
  const keys = d.several(1, 2, () => key(d)), ids = keys.map(() => d.chance(75) ? ">" : d.chance(95) ? id(d) : "$");
  return plain(
    ...["XREADGROUP", "GROUP", groupName(d), consumer(d), ...d.maybe(60, "COUNT", d.between(0, 5))],
    ...[...d.maybe(20, "NOACK"), "STREAMS", ...keys, ...ids],
  );
}

/** Entries are there already, or BLOCK gives up quickly. */
function blockingRead(d: Draw): Step {
  const name = d.ownKey("stream"), patient = d.chance(50);
  const read = patient
    ? ["XREAD", "BLOCK", 0, "STREAMS", name, "0"]
    : ["XREAD", "BLOCK", 1, "STREAMS", "missing:stream", "$"];
  return group(["DEL", "missing:stream"], ["DEL", name], ["XADD", name, "1-1", ...fields(d)], read);
}

function xgroup(d: Draw): Step {
  const name = key(d), group = groupName(d), kind = d.below(20);
  const from = d.chance(50) ? id(d) : "$", entriesRead = d.maybe(20, "ENTRIESREAD", d.between(-2, 50));
  if (kind < 10) return plain("XGROUP", "CREATE", name, group, from, ...d.maybe(50, "MKSTREAM"), ...entriesRead);
  if (kind < 13) return plain("XGROUP", "SETID", name, group, from, ...entriesRead);
  if (kind < 15) return plain("XGROUP", "DESTROY", name, group);
  if (kind < 18) return plain("XGROUP", "CREATECONSUMER", name, group, consumer(d));
  return plain("XGROUP", "DELCONSUMER", name, group, consumer(d));
}

function xpending(d: Draw): Step {
  const range = [
    ...d.maybe(30, "IDLE", d.pick(IDLE_LIMITS_MS)),
    rangeLimit(d),
    rangeLimit(d),
    d.count(),
    ...d.maybe(40, consumer(d)),
  ];
  return timed(
    TIME_TOLERANCE_MS,
    (path) => path[1] === 2,
    "XPENDING",
    key(d),
    groupName(d),
    ...(d.chance(70) ? range : []),
  );
}

function xclaim(d: Draw): Step {
  const options = d.shuffled([
    d.chance(30) ? ["IDLE", d.pick(IDLE_STEPS_MS)] : d.maybe(20, "TIME", d.pick([0, 1000, 1_600_000_000_000])),
    d.maybe(20, "RETRYCOUNT", d.between(0, 9)),
    d.maybe(20, "FORCE"),
    d.maybe(30, "JUSTID"),
    d.maybe(10, "LASTID", id(d)),
  ]);
  return plain(
    ...["XCLAIM", key(d), groupName(d), consumer(d), d.pick(IDLE_LIMITS_MS)],
    ...[...d.several(1, 5, () => id(d)), ...options.flat()],
  );
}

function xautoclaim(d: Draw): Step {
  return plain(
    ...["XAUTOCLAIM", key(d), groupName(d), consumer(d), d.pick(IDLE_LIMITS_MS), rangeLimit(d)],
    ...[...d.maybe(50, "COUNT", d.between(0, 5)), ...d.maybe(30, "JUSTID")],
  );
}

/** XINFO STREAM counts nodes of a radix tree, which ours need not have. */
function xinfoStream(d: Draw): Step {
  const full = d.chance(50),
    words = ["XINFO", "STREAM", key(d), ...(full ? ["FULL", ...d.maybe(50, "COUNT", d.between(0, 5))] : [])];
  return { commands: [words], compare: ([ours], [redis]) => equalBy((reply) => comparable(reply), ours, redis) };
}

/** Times become the time since then, roughly; those given by XCLAIM TIME stay. */
function comparable(reply: WireReply): string {
  if (reply.items === null) return reply.type === ":" ? ageOf(Number(reply.text)) : canonical(reply);
  const items = reply.items.map((item, i, all) =>
    all[i - 1]?.text === "radix-tree-nodes" ? ":nodes" : comparable(item)
  );
  return `${reply.type}[${items.join(",")}]`;
}

function ageOf(value: number): string {
  const ageMs = Date.now() - value;
  const step = IDLE_STEPS_MS.find((idleMs) => value > TIMES_FROM && Math.abs(ageMs - idleMs) < TIME_TOLERANCE_MS);
  return step === undefined ? `:${value}` : `:now-${step}`;
}

function xinfo(d: Draw): Step {
  if (d.chance(50)) return plain("XINFO", "GROUPS", key(d));
  return timed(TIME_TOLERANCE_MS, (path) => path[1] === 5, "XINFO", "CONSUMERS", key(d), groupName(d));
}

export const streamFamily = new Family("stream", [
  [25, xadd],
  [3, xaddNow],
  [2, xaddMany],
  [2, (d) => plain("XLEN", key(d))],
  [8, xrange],
  [3, (d) => plain("XDEL", key(d), ...d.several(1, 5, () => id(d)))],
  [3, (d) => plain("XTRIM", key(d), ...trimming(d))],
  [2, (d) => plain("XSETID", key(d), id(d), ...d.maybe(40, "ENTRIESADDED", d.below(500), "MAXDELETEDID", id(d)))],
  [5, xread],
  [14, xreadgroup],
  [1, blockingRead],
  [9, xgroup],
  [6, (d) => plain("XACK", key(d), groupName(d), ...d.several(1, 4, () => id(d)))],
  [6, xpending],
  [6, xclaim],
  [5, xautoclaim],
  [5, xinfoStream],
  [4, xinfo],
  [1, (d) => plain("OBJECT", "ENCODING", key(d))],
  [1, (d) => plain("DEL", key(d))],
]);
