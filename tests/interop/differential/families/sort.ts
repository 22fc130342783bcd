/** SORT over lists, sets and sorted sets, with weights and results from other keys. */

import type { Argument } from "../../../support/resp_client.ts";
import type { Draw } from "../draw.ts";
import { Family } from "../family.ts";
import { group, plain, type Step, unordered } from "../step.ts";

const IDS = 12;
const id = (d: Draw) => d.below(IDS);

function source(d: Draw): string {
  return d.chance(92) ? d.pick(["sort:list", "sort:list", "sort:set", "sort:zset"]) : d.anyKey();
}

function gets(d: Draw): Argument[] {
  if (d.chance(60)) return [];
  return d.several(1, 3, () => ["GET", d.pick(["#", "name_*", "object_*->name", "object_*->", "constant", "weight_*"])])
    .flat();
}

function order(d: Draw): Argument[] {
  return d.shuffled([
    d.maybe(40, d.pick(["ASC", "DESC"])),
    d.maybe(40, "LIMIT", d.between(-2, 5), d.between(-2, 8)),
    gets(d),
  ]).flat();
}

/** By numbers, of which equal ones are ordered by element, or by the elements' own text. */
function by(d: Draw): Argument[] {
  return d.chance(40) ? d.maybe(30, "ALPHA") : ["BY", d.pick(["weight_*", "object_*->weight"])];
}

/** A mistake in BY may mean "as it comes", which for a set is any order. */
function sort(d: Draw): Step {
  const from = source(d), step = plain(d.chance(75) ? "SORT" : "SORT_RO", from, ...by(d), ...order(d));
  return from === "sort:set" ? { ...step, fixed: true } : step;
}

/** By text: no two may be equal, for Redis's order of equal ones is that of an unstable sort. */
function sortByNames(d: Draw): Step {
  const names = Array.from({ length: IDS }, (_, i) => [`name_${i}`, `name${d.unique() * 7919 % 1000}`]).flat();
  const from = d.pick(["named:set", "named:list"]), members = d.several(1, 9, () => id(d));
  const fill = from === "named:set" ? ["SADD", from, ...members] : ["RPUSH", from, ...new Set(members)];
  return group(["MSET", ...names], ["DEL", from], fill, ["SORT", from, "BY", "name_*", "ALPHA", ...order(d)]);
}

function sortUnsorted(d: Draw): Step {
  const name = d.pick(["sort:list", "sort:zset"]);
  if (d.chance(20)) return unordered("SORT", "sort:set", "BY", "nosort");
  return plain("SORT", name, "BY", "nosort", ...order(d));
}

/** To a key that nothing dumps: Redis gives this list its default node size, whatever the configuration says. */
function sortStore(d: Draw): Step {
  const from = source(d), to = d.pick(["sort:stored", "sort:list"]);
  const step = plain("SORT", from, ...by(d), ...order(d), "STORE", to);
  return from === "sort:set" ? { ...step, fixed: true } : step;
}

export const sortFamily = new Family("sort", [
  [6, (d) => plain("RPUSH", "sort:list", ...d.several(1, 5, () => id(d)))],
  [3, (d) => plain("SADD", "sort:set", ...d.several(1, 5, () => id(d)))],
  [3, (d) => plain("ZADD", "sort:zset", ...d.several(1, 4, () => [d.between(-30, 30), id(d)]).flat())],
  [1, (d) => plain("RPUSH", "sort:list", d.pick(["text", "1.5", "-3"]))],
  [1, () => plain("LTRIM", "sort:list", -40, -1)],
  [5, (d) => plain("SET", `weight_${id(d)}`, d.float())],
  [4, (d) => plain("HSET", `object_${id(d)}`, "name", d.member(), "weight", d.float())],
  [1, (d) => plain("DEL", `weight_${id(d)}`, `object_${id(d)}`)],
  [1, (d) => plain("SET", `weight_${id(d)}`, "heavy")],
  [14, sort],
  [4, sortByNames],
  [4, sortUnsorted],
  [5, sortStore],
  [2, () => plain("LRANGE", "sort:stored", 0, -1)],
  [2, (d) => plain("DEL", d.pick(["sort:list", "sort:set", "sort:zset", "sort:stored"]))],
]);
