/** Places on the globe: near each other, at its edges, and nowhere. */

import type { Argument } from "../../../support/resp_client.ts";
import type { Draw } from "../draw.ts";
import { Family } from "../family.ts";
import { plain, type Step } from "../step.ts";

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

function radius(d: Draw): Step {
  const byMember = d.chance(50), readOnly = d.chance(30);
  const name = `GEORADIUS${byMember ? "BYMEMBER" : ""}${readOnly ? "_RO" : ""}`;
  const from = byMember ? [place(d)] : position(d);
  const stores = d.chance(15), options = stores ? [d.pick(["STORE", "STOREDIST"]), key(d)] : withOptions(d);
  return plain(name, key(d), ...from, distance(d), unit(d), ...options, ...orderAndCount(d));
}

function searchStore(d: Draw): Step {
  return plain(
    "GEOSEARCHSTORE",
    key(d),
    key(d),
    ...center(d),
    ...area(d),
    ...orderAndCount(d),
    ...d.maybe(30, "STOREDIST"),
  );
}

export const geoFamily = new Family("geo", [
  [25, geoadd],
  [2, geoaddEdge],
  [6, (d) => plain("GEOPOS", key(d), ...d.several(0, 4, () => place(d)))],
  [6, (d) => plain("GEOHASH", key(d), ...d.several(0, 4, () => place(d)))],
  [8, (d) => plain("GEODIST", key(d), place(d), place(d), ...d.maybe(60, unit(d)))],
  [14, (d) => plain("GEOSEARCH", key(d), ...center(d), ...area(d), ...withOptions(d), ...orderAndCount(d))],
  [5, searchStore],
  [10, radius],
  [4, (d) => plain("ZRANGE", key(d), 0, -1, "WITHSCORES")],
  [3, (d) => plain("ZREM", key(d), place(d), place(d))],
  [1, (d) => plain("DEL", key(d))],
]);
