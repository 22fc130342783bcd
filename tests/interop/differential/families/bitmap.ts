/** Bits of strings. */

import type { Draw } from "../draw.ts";
import { Family } from "../family.ts";
import { plain } from "../step.ts";

const key = (d: Draw) => d.key("bitmap");

function bit(d: Draw) {
  return d.chance(95) ? d.below(400) : d.below(40_000);
}

function range(d: Draw) {
  if (d.chance(20)) return [];
  return [d.index(), d.index(), ...d.maybe(40, d.pick(["BIT", "BYTE", "bit", "BITS"]))];
}

function startAndMore(d: Draw) {
  if (d.chance(25)) return [];
  return [d.index(), ...(d.chance(60) ? [d.index(), ...d.maybe(40, d.pick(["BIT", "BYTE"]))] : [])];
}

function bitfieldType(d: Draw) {
  return d.chance(95)
    ? d.pick(["u", "i"]) + d.between(1, d.chance(20) ? 66 : 20)
    : d.pick(["u64", "u0", "x8", "i65", "8"]);
}

function place(d: Draw) {
  return d.maybe(30, "#").join("") + d.below(d.chance(90) ? 40 : 300);
}

function operation(d: Draw) {
  switch (d.below(4)) {
    case 0:
      return ["GET", bitfieldType(d), place(d)];
    case 1:
      return ["SET", bitfieldType(d), place(d), d.integerText()];
    case 2:
      return ["INCRBY", bitfieldType(d), place(d), d.integerText()];
    default:
      return ["OVERFLOW", d.pick(["WRAP", "SAT", "FAIL", "fail", "NONE"])];
  }
}

function bitop(d: Draw) {
  const name = d.pick(["AND", "OR", "XOR", "NOT", "and", "NAND"]);
  return plain("BITOP", name, key(d), ...d.keys("bitmap", 1, name === "NOT" && d.chance(85) ? 1 : 4));
}

export const bitmapFamily = new Family("bitmap", [
  [12, (d) => plain("SETBIT", key(d), bit(d), d.chance(97) ? d.below(2) : 2)],
  [6, (d) => plain("SET", key(d), d.bytes(d.below(60)))],
  [2, (d) => plain("SET", key(d), d.value())],
  [6, (d) => plain("GETBIT", key(d), bit(d))],
  [10, (d) => plain("BITCOUNT", key(d), ...range(d))],
  [12, (d) => plain("BITPOS", key(d), d.below(2), ...startAndMore(d))],
  [10, bitop],
  [16, (d) => plain("BITFIELD", key(d), ...d.several(1, 4, () => operation(d)).flat())],
  [4, (d) => plain("BITFIELD_RO", key(d), ...d.several(1, 3, () => ["GET", bitfieldType(d), place(d)]).flat())],
  [6, (d) => plain("GET", key(d))],
  [2, (d) => plain("OBJECT", "ENCODING", key(d))],
  [1, (d) => plain("DEL", key(d))],
]);
