/**
 * Places on the globe: near each other, at its edges, and nowhere. Distances may differ in their last digit: sines are not rounded alike
 * everywhere. So a set of distances (STOREDIST) has a key of its own, which no digest sees.
 */

import type { Argument } from "../../../support/resp_client.ts";
import type { Draw } from "../draw.ts";
import { Family } from "../family.ts";
import { differ, plain, type Step } from "../step.ts";
import type { WireReply } from "../wire_reply.ts";

const DISTANCES_KEY = "distances";
const LAST_DIGIT = 0.00011;
const RELATIVE_ERROR = 1e-12;

const key = (d: Draw) => d.key("geo");
const place = (d: Draw) => `place ${d.below(25)}`;
const unit = (d: Draw) => d.chance(97) ? d.pick(["m", "km", "ft", "mi", "KM"]) : "yd";

/** Where no two places are equally far from a third: Redis's order of those is that of an unstable sort. */
function position(d: Draw): Argument[] {
  const kind = d.below(20);
  if (kind < 12) return [`13.${d.below(1_000_000)}`, `38.${d.below(1_000_000)}`];
  if (kind < 18) return [d.between(-180_000_000, 180_000_000) / 1e6, d.between(-85_000_000, 85_000_000) / 1e6];
  return [d.pick(["181", "abc", "0", "nan"]), d.pick(["86", "-90", "abc", "inf"])];
}

/** At the edges of what there is; one place only. */
function geoaddEdge(d: Draw): Step {
  const longitude = d.pick(["180", "-180", "179.999", "0", "-0.00001"]);
  return plain("GEOADD", key(d), longitude, d.pick(["85.05112878", "-85.05112878", "0"]), "place 0");
}

function distance(d: Draw): number | string {
  return d.chance(95) ? d.pick([0, 1, 50, 100, 200, 500, 1000, 5000, 20_000, 0.5]) : d.pick(["-1", "abc"]);
}

function geoadd(d: Draw): Step {
  const options = d.shuffled([d.maybe(20, d.pick(["NX", "XX"])), d.maybe(20, "CH")]).flat();
  return plain("GEOADD", key(d), ...options, ...d.several(1, 5, () => [...position(d), place(d)]).flat());
}

function withOptions(d: Draw): Argument[] {
  return d.shuffled([d.maybe(40, "WITHDIST"), d.maybe(30, "WITHCOORD"), d.maybe(30, "WITHHASH")]).flat();
}

function orderAndCount(d: Draw): Argument[] {
  const count = d.chance(40) ? ["COUNT", d.between(1, 6), ...d.maybe(20, "ANY")] : [];
  return d.shuffled([d.maybe(70, d.pick(["ASC", "DESC"])), count]).flat();
}

function center(d: Draw): Argument[] {
  return d.chance(50) ? ["FROMMEMBER", place(d)] : ["FROMLONLAT", ...position(d)];
}

function area(d: Draw): Argument[] {
  return d.chance(50) ? ["BYRADIUS", distance(d), unit(d)] : ["BYBOX", distance(d), distance(d), unit(d)];
}

/** Equal but for the last digits of numbers with a fraction. */
function alike(ours: WireReply, redis: WireReply): boolean {
  if (ours.type !== redis.type) return false;
  if (ours.items === null || redis.items === null) {
    return ours.text === redis.text || closeNumbers(ours.text, redis.text);
  }
  const theirs = redis.items;
  return ours.items.length === theirs.length && ours.items.every((item, i) => alike(item, theirs[i]));
}

function closeNumbers(a: string, b: string): boolean {
  const [x, y] = [Number(a), Number(b)];
  return a.includes(".") && b.includes(".") && Math.abs(x - y) <= Math.max(LAST_DIGIT, Math.abs(x) * RELATIVE_ERROR);
}

function measured(...words: Argument[]): Step {
  return { commands: [words], compare: ([ours], [redis]) => alike(ours, redis) ? undefined : differ(ours, redis) };
}

function radius(d: Draw): Step {
  const byMember = d.chance(50), readOnly = d.chance(30);
  const name = `GEORADIUS${byMember ? "BYMEMBER" : ""}${readOnly ? "_RO" : ""}`;
  const from = byMember ? [place(d)] : position(d), stores = d.chance(10);
  const options = stores ? ["STORE", key(d)] : withOptions(d);
  return measured(name, key(d), ...from, distance(d), unit(d), ...options, ...orderAndCount(d));
}

function searchStore(d: Draw): Step {
  return plain("GEOSEARCHSTORE", key(d), key(d), ...center(d), ...area(d), ...orderAndCount(d));
}

function storeDistances(d: Draw): Step {
  const store = d.chance(50)
    ? ["GEOSEARCHSTORE", DISTANCES_KEY, key(d), ...center(d), ...area(d), ...orderAndCount(d), "STOREDIST"]
    : ["GEORADIUS", key(d), ...position(d), distance(d), unit(d), ...orderAndCount(d), "STOREDIST", DISTANCES_KEY];
  return {
    commands: [store, ["ZRANGE", DISTANCES_KEY, 0, -1, "WITHSCORES"], ["DEL", DISTANCES_KEY]],
    compare: (ours, redis) => {
      const at = ours.findIndex((reply, i) => !alike(reply, redis[i]));
      return at < 0 ? undefined : differ(ours[at], redis[at]);
    },
    fixed: true,
  };
}

export const geoFamily = new Family("geo", [
  [25, geoadd],
  [2, geoaddEdge],
  [6, (d) => plain("GEOPOS", key(d), ...d.several(0, 4, () => place(d)))],
  [6, (d) => plain("GEOHASH", key(d), ...d.several(0, 4, () => place(d)))],
  [8, (d) => measured("GEODIST", key(d), place(d), place(d), ...d.maybe(60, unit(d)))],
  [14, (d) => measured("GEOSEARCH", key(d), ...center(d), ...area(d), ...withOptions(d), ...orderAndCount(d))],
  [4, searchStore],
  [4, storeDistances],
  [10, radius],
  [4, (d) => plain("ZRANGE", key(d), 0, -1, "WITHSCORES")],
  [3, (d) => plain("ZREM", key(d), place(d), place(d))],
  [1, (d) => plain("DEL", key(d))],
]);
