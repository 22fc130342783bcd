/** Lists, from one listpack to many nodes, with elements too large for any. */

import type { Draw } from "../draw.ts";
import { Family } from "../family.ts";
import { group, plain, type Step } from "../step.ts";

const key = (d: Draw) => d.key("list");
const side = (d: Draw) => d.pick(["LEFT", "RIGHT", "LEFT", "RIGHT", "right", "MIDDLE"]);

function element(d: Draw) {
  return d.chance(60) ? d.member() : d.value();
}

function elements(d: Draw) {
  return d.several(1, d.chance(92) ? 5 : 200, () => element(d));
}

function push(d: Draw): Step {
  return plain(d.pick(["LPUSH", "RPUSH", "RPUSH", "LPUSHX", "RPUSHX"]), key(d), ...elements(d));
}

/** Mistakes in RANK would include the smallest integer, whose opposite is none: Redis counts on from anywhere. */
function lpos(d: Draw): Step {
  const options = d.shuffled([
    d.maybe(40, "RANK", d.chance(90) ? d.between(-3, 3) : d.pick(["abc", "", "1.5", "9223372036854775807"])),
    d.maybe(40, "COUNT", d.between(0, 4)),
    d.maybe(30, "MAXLEN", d.between(0, 30)),
  ]);
  return { ...plain("LPOS", key(d), d.member(), ...options.flat()), fixed: true };
}

function lposMistake(d: Draw): Step {
  const options = d.pick([["RANK"], ["COUNT", "-1"], ["COUNT", "x"], ["MAXLEN", "-1"], ["MAXLEN"], ["OTHER", "1"], [
    "RANK",
    "0",
  ]]);
  return { ...plain("LPOS", key(d), d.member(), ...options), fixed: true };
}

function lmpop(d: Draw): Step {
  const keys = d.keys("list", 1, 3);
  return plain("LMPOP", keys.length, ...keys, side(d), ...d.maybe(60, "COUNT", d.between(1, 6)));
}

/** A blocking command finds an element, or gives up quickly. */
function blocking(d: Draw): Step {
  const full = d.ownKey("list"), empty = "missing:list";
  const commands = [
    [d.pick(["BLPOP", "BRPOP"]), empty, full, d.ownKey("list"), 0],
    ["BLMOVE", full, d.ownKey("list"), d.pick(["LEFT", "RIGHT"]), d.pick(["LEFT", "RIGHT"]), 0],
    ["BRPOPLPUSH", full, d.ownKey("list"), 0],
    ["BLMPOP", 0, 2, empty, full, d.pick(["LEFT", "RIGHT"]), ...d.maybe(50, "COUNT", d.between(1, 4))],
  ];
  return group(["RPUSH", full, ...elements(d)], d.pick(commands));
}

function givesUp(d: Draw): Step {
  const timeout = d.chance(70) ? 0.001 : d.pick(["-1", "abc", "inf", "0.001 "]);
  const commands = [
    ["BLPOP", "missing:list", timeout],
    ["BRPOPLPUSH", "missing:list", "list:0", timeout],
    ["BLMOVE", "missing:list", "list:0", "LEFT", "RIGHT", timeout],
    ["BLMPOP", timeout, 1, "missing:list", "LEFT"],
  ];
  return group(["DEL", "missing:list"], d.pick(commands));
}

export const listFamily = new Family("list", [
  [25, push],
  [8, (d) => plain(d.pick(["LPOP", "RPOP"]), key(d), ...d.maybe(50, d.count()))],
  [4, (d) => plain("LLEN", key(d))],
  [8, (d) => plain("LRANGE", key(d), d.index(), d.index())],
  [3, (d) => plain("LRANGE", key(d), 0, -1)],
  [6, (d) => plain("LINDEX", key(d), d.index())],
  [6, (d) => plain("LSET", key(d), d.index(), element(d))],
  [6, (d) => plain("LINSERT", key(d), d.pick(["BEFORE", "AFTER", "before", "NEAR"]), d.member(), element(d))],
  [6, (d) => plain("LREM", key(d), d.between(-3, 3), d.member())],
  [3, (d) => plain("LTRIM", key(d), d.index(), d.chance(50) ? d.index() : -1 - d.below(4))],
  [6, lpos],
  [1, lposMistake],
  [4, (d) => plain("RPOPLPUSH", key(d), key(d))],
  [5, (d) => plain("LMOVE", key(d), key(d), side(d), side(d))],
  [4, lmpop],
  [4, blocking],
  [1, givesUp],
  [6, (d) => plain("OBJECT", "ENCODING", key(d))],
  [1, (d) => plain("DEL", key(d))],
]);
