/**
 * Sorted sets. Ranges by lex need members of one score, so they have keys of their own: over mixed scores Redis's answer depends on the
 * heights that its skiplist has drawn. Scores are never -0: whether Redis keeps its sign depends on the way to the encoding.
 */

import type { Argument } from "../../../support/resp_client.ts";
import type { Draw } from "../draw.ts";
import { Family } from "../family.ts";
import { bytesOf, elements, group, plain, randomChoice, SCAN_MISTAKES, scanAll, type Step } from "../step.ts";
import { canonical, isNull, type WireReply } from "../wire_reply.ts";
import { flatPairs } from "./hash.ts";

const key = (d: Draw) => d.key("zset");
const lexKey = (d: Draw) => `lex:${d.below(3)}`;

function score(d: Draw): string {
  return d.chance(94) ? d.float() : d.pick(["inf", "-inf", "+inf", "nan", "abc", "-Infinity"]);
}

function scoredMembers(d: Draw): Argument[] {
  if (d.chance(88)) return d.several(1, 4, () => [score(d), d.member()]).flat();
  return d.several(20, 150, () => [d.between(-50, 50), `member ${d.below(400)}`]).flat();
}

function zadd(d: Draw): Step {
  const options = d.shuffled([
    d.maybe(20, d.pick(["NX", "XX"])),
    d.maybe(20, d.pick(["GT", "LT"])),
    d.maybe(20, "CH"),
    d.maybe(8, "INCR"),
  ]);
  return plain("ZADD", key(d), ...options.flat(), ...scoredMembers(d));
}

/** No mistakes: all scores must be the same. */
function zaddLex(d: Draw): Step {
  return { ...plain("ZADD", lexKey(d), ...d.several(1, 6, () => [0, d.letters(d.below(4))]).flat()), fixed: true };
}

function scoreLimit(d: Draw): string {
  return d.maybe(25, "(").join("") + (d.chance(80) ? d.float() : d.pick(["inf", "-inf", "+inf", "x"]));
}

function lexLimit(d: Draw): string {
  if (d.chance(25)) return d.pick(["-", "+"]);
  return (d.chance(97) ? d.pick(["[", "("]) : "") + d.letters(d.below(3));
}

function lexOfAnotherType(d: Draw): Step {
  const name = d.pick(["ZRANGEBYLEX", "ZREVRANGEBYLEX", "ZLEXCOUNT", "ZREMRANGEBYLEX"]);
  return group(
    ["DEL", "missing:lex"],
    d.pick([["SET", "missing:lex", "text"], ["SADD", "missing:lex", "a"], ["PING"]]),
    [
      ...[name, "missing:lex", lexLimit(d), lexLimit(d)],
    ],
    ["DEL", "missing:lex"],
  );
}

function limit(d: Draw, percent: number): Argument[] {
  return d.maybe(percent, "LIMIT", d.between(-1, 6), d.between(-2, 8));
}

function byScore(d: Draw): Step {
  const name = d.pick(["ZRANGEBYSCORE", "ZREVRANGEBYSCORE"]);
  return plain(
    name,
    key(d),
    scoreLimit(d),
    scoreLimit(d),
    ...d.shuffled([d.maybe(40, "WITHSCORES"), limit(d, 30)]).flat(),
  );
}

/** ZRANGE by any criterion, reversed or limited. */
function rangeWords(d: Draw): { source: string; rest: Argument[] } {
  const reversed = d.maybe(30, "REV"), kind = d.below(10);
  if (kind < 5) return { source: key(d), rest: [d.index(), d.index(), ...reversed] };
  if (kind < 8) {
    return { source: key(d), rest: [scoreLimit(d), scoreLimit(d), "BYSCORE", ...reversed, ...limit(d, 30)] };
  }
  return { source: lexKey(d), rest: [lexLimit(d), lexLimit(d), "BYLEX", ...reversed, ...limit(d, 30)] };
}

function zrange(d: Draw): Step {
  const { source, rest } = rangeWords(d);
  return plain("ZRANGE", source, ...rest, ...d.maybe(40, "WITHSCORES"));
}

function zrangestore(d: Draw): Step {
  const { source, rest } = rangeWords(d);
  return plain("ZRANGESTORE", rest.includes("BYLEX") ? "zset:lex" : key(d), source, ...rest);
}

function operands(d: Draw): { count: number; words: Argument[] } {
  const words = d.several(1, 3, () => d.chance(85) ? key(d) : d.ownKey("set"));
  return { count: words.length, words };
}

function aggregation(d: Draw, count: number): Argument[] {
  const weights = d.chance(30)
    ? ["WEIGHTS", ...d.several(count, count, () => d.chance(95) ? d.pick([-3, -1, 1, 2, 4]) : score(d))]
    : [];
  return d.shuffled([weights, d.maybe(30, "AGGREGATE", d.pick(["SUM", "MIN", "MAX", "min", "AVG"]))]).flat();
}

function combine(d: Draw): Step {
  const { count, words } = operands(d), name = d.pick(["ZUNION", "ZINTER", "ZDIFF"]);
  const options = name === "ZDIFF" && d.chance(90) ? [] : aggregation(d, count);
  return plain(name, count, ...words, ...options, ...d.maybe(50, "WITHSCORES"));
}

function combineStore(d: Draw): Step {
  const { count, words } = operands(d), name = d.pick(["ZUNIONSTORE", "ZINTERSTORE", "ZDIFFSTORE"]);
  const options = name === "ZDIFFSTORE" && d.chance(90) ? [] : aggregation(d, count);
  return plain(name, key(d), count, ...words, ...options);
}

function zintercard(d: Draw): Step {
  const { count, words } = operands(d);
  return plain("ZINTERCARD", count, ...words, ...d.maybe(40, "LIMIT", d.between(-1, 4)));
}

function zrandmember(d: Draw): Step {
  const name = key(d), count = d.maybe(80, d.between(-8, 8)), withScores = count.length > 0 && d.chance(40);
  const membersOf = (reply: WireReply) => flatPairs(reply, withScores).filter((_, i) => !withScores || i % 2 === 0);
  return randomChoice(
    ["ZRANDMEMBER", name, ...count, ...(withScores ? ["WITHSCORES"] : [])],
    (ours) => membersOf(ours).length === 0 ? null : ["ZMSCORE", name, ...membersOf(ours).map(bytesOf)],
    (ours, found) => {
      const members = membersOf(ours), scores = elements(found), flat = flatPairs(ours, withScores);
      const distinct = new Set(members.map((one) => one.text)).size === members.length;
      const held = scores.every((one, i) =>
        !isNull(one) &&
        (!withScores || canonical(one) === canonical(flat[2 * i + 1]))
      );
      return held && (Number(count[0]) < 0 || distinct);
    },
  );
}

function zmpop(d: Draw): Step {
  const keys = d.keys("zset", 1, 3);
  return plain(
    "ZMPOP",
    keys.length,
    ...keys,
    d.pick(["MIN", "MAX", "max", "MID"]),
    ...d.maybe(50, "COUNT", d.between(1, 5)),
  );
}

/** A blocking command finds a member, or gives up quickly. */
function blocking(d: Draw): Step {
  const full = d.ownKey("zset"), empty = "missing:zset", patient = d.chance(75);
  const keys = patient ? [empty, full] : [empty], timeout = patient ? 0 : 0.001;
  const pop = d.chance(50)
    ? [d.pick(["BZPOPMIN", "BZPOPMAX"]), ...keys, timeout]
    : ["BZMPOP", timeout, keys.length, ...keys, d.pick(["MIN", "MAX"]), ...d.maybe(50, "COUNT", d.between(1, 3))];
  return group(["ZADD", full, ...scoredMembers(d)], ["ZADD", full, 1, "m1"], ["DEL", empty], pop);
}

function rank(d: Draw): Step {
  return plain(d.pick(["ZRANK", "ZREVRANK"]), key(d), d.member());
}

export const sortedSetFamily = new Family("zset", [
  [20, zadd],
  [6, zaddLex],
  [5, (d) => plain("ZINCRBY", key(d), score(d), d.member())],
  [5, (d) => plain("ZREM", key(d), ...d.several(1, 4, () => d.member()))],
  [2, (d) => plain("ZCARD", key(d))],
  [4, (d) => plain("ZSCORE", key(d), d.member())],
  [2, (d) => plain("ZMSCORE", key(d), ...d.several(1, 4, () => d.member()))],
  [5, rank],
  [3, (d) => plain("ZCOUNT", key(d), scoreLimit(d), scoreLimit(d))],
  [2, (d) => plain("ZLEXCOUNT", lexKey(d), lexLimit(d), lexLimit(d))],
  [10, zrange],
  [4, (d) => plain(d.pick(["ZRANGE", "ZREVRANGE"]), key(d), d.index(), d.index(), ...d.maybe(50, "WITHSCORES"))],
  [6, byScore],
  [3, (d) => plain(d.pick(["ZRANGEBYLEX", "ZREVRANGEBYLEX"]), lexKey(d), lexLimit(d), lexLimit(d), ...limit(d, 30))],
  [1, lexOfAnotherType],
  [4, zrangestore],
  [2, (d) => plain("ZREMRANGEBYRANK", key(d), d.index(), d.index())],
  [2, (d) => plain("ZREMRANGEBYSCORE", key(d), scoreLimit(d), scoreLimit(d))],
  [1, (d) => plain("ZREMRANGEBYLEX", lexKey(d), lexLimit(d), lexLimit(d))],
  [3, (d) => plain(d.pick(["ZPOPMIN", "ZPOPMAX"]), key(d), ...d.maybe(60, d.count()))],
  [2, zmpop],
  [2, blocking],
  [6, combine],
  [6, combineStore],
  [2, zintercard],
  [5, zrandmember],
  [3, (d) => scanAll(true, "ZSCAN", key(d), 0, ...d.maybe(40, "MATCH", d.pick(["m*", "*1*"])), "COUNT", 100_000)],
  [4, (d) => plain("SADD", d.ownKey("set"), ...d.several(1, 4, () => d.member()))],
  [1, (d) => ({ ...plain("ZSCAN", key(d), ...d.pick(SCAN_MISTAKES)), fixed: true })],
  [6, (d) => plain("OBJECT", "ENCODING", key(d))],
  [1, (d) => plain("DEL", key(d))],
]);
