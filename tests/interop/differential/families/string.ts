/** Strings: values, counters, ranges, LCS. */

import type { Draw } from "../draw.ts";
import { Family } from "../family.ts";
import { plain } from "../step.ts";
import { farTime } from "./expiry.ts";

const key = (d: Draw) => d.key("string");
/** An offset that at most doubles a string of a few KB. */
const offset = (d: Draw) => d.chance(95) ? d.between(0, 60) : d.between(-2, 5000);

function setOptions(d: Draw) {
  return d.shuffled([
    d.maybe(20, d.pick(["NX", "XX"])),
    d.maybe(20, "GET"),
    d.chance(25) ? farTime(d) : d.maybe(10, "KEEPTTL"),
  ]).flat();
}

function number(d: Draw) {
  return d.chance(80) ? d.between(-40, 40) : d.integerText();
}

function lcsOptions(d: Draw) {
  return d.shuffled([
    d.maybe(30, "LEN"),
    d.maybe(50, "IDX"),
    d.maybe(30, "MINMATCHLEN", d.between(0, 5)),
    d.maybe(40, "WITHMATCHLEN"),
  ]).flat();
}

/** Letters that have something in common. */
function genes(d: Draw): string {
  return d.several(0, 30, () => d.pick(["a", "c", "g", "t"])).join("");
}

export const stringFamily = new Family("string", [
  [12, (d) => plain("SET", key(d), d.value())],
  [6, (d) => plain("SET", key(d), d.value(), ...setOptions(d))],
  [3, (d) => plain("SETNX", key(d), d.value())],
  [2, (d) => plain(d.pick(["SETEX", "PSETEX"]), key(d), d.between(20_000_000, 90_000_000), d.value())],
  [8, (d) => plain("GET", key(d))],
  [2, (d) => plain("GETSET", key(d), d.value())],
  [2, (d) => plain("GETDEL", key(d))],
  [3, (d) => plain("GETEX", key(d), ...(d.chance(60) ? farTime(d) : d.maybe(60, "PERSIST")))],
  [3, (d) => plain("MGET", ...d.keys("string", 1, 5))],
  [3, (d) => plain(d.pick(["MSET", "MSETNX"]), ...d.several(1, 4, () => [key(d), d.value()]).flat())],
  [5, (d) => plain("APPEND", key(d), d.value())],
  [5, (d) => plain("SETRANGE", key(d), offset(d), d.value())],
  [5, (d) => plain(d.pick(["GETRANGE", "GETRANGE", "SUBSTR"]), key(d), d.index(), d.index())],
  [3, (d) => plain("STRLEN", key(d))],
  [6, (d) => plain(d.pick(["INCR", "DECR"]), key(d))],
  [6, (d) => plain(d.pick(["INCRBY", "DECRBY"]), key(d), number(d))],
  [5, (d) => plain("INCRBYFLOAT", key(d), d.float())],
  [3, (d) => plain("SET", key(d), genes(d))],
  [4, (d) => plain("LCS", key(d), key(d), ...lcsOptions(d))],
  [6, (d) => plain("OBJECT", "ENCODING", key(d))],
  [2, (d) => plain("DEL", key(d))],
]);
