/** Hashes on both sides of the listpack thresholds, by count and by size. */

import type { Argument } from "../../../support/resp_client.ts";
import type { Draw } from "../draw.ts";
import { Family } from "../family.ts";
import {
  bytesOf,
  elements,
  plain,
  randomChoice,
  SCAN_MISTAKES,
  scanAll,
  type Step,
  unordered,
  unorderedPairs,
} from "../step.ts";
import { isNull, type WireReply } from "../wire_reply.ts";

const key = (d: Draw) => d.key("hash");

function field(d: Draw): Argument {
  const kind = d.below(20);
  if (kind < 12) return `f${d.below(12)}`;
  if (kind < 17) return d.member();
  if (kind < 19) return d.between(-3, 12);
  return `field ${d.below(400)}`;
}

function pairs(d: Draw): Argument[] {
  if (d.chance(91)) return d.several(1, 4, () => [field(d), d.chance(80) ? d.member() : d.value()]).flat();
  return d.several(20, 150, () => [`field ${d.below(400)}`, d.member()]).flat();
}

function hrandfield(d: Draw): Step {
  const name = key(d), count = d.maybe(80, d.between(-8, 8)), withValues = count.length > 0 && d.chance(40);
  const fieldsOf = (reply: WireReply) => flatPairs(reply, withValues).filter((_, i) => !withValues || i % 2 === 0);
  return randomChoice(
    ["HRANDFIELD", name, ...count, ...(withValues ? ["WITHVALUES"] : [])],
    (ours) => fieldsOf(ours).length === 0 ? null : ["HMGET", name, ...fieldsOf(ours).map(bytesOf)],
    (ours, found) => {
      const fields = fieldsOf(ours), values = elements(found), flat = flatPairs(ours, withValues);
      const distinct = new Set(fields.map((one) => one.text)).size === fields.length;
      const held = values.every((value, i) =>
        !isNull(value) &&
        (!withValues || value.text === flat[2 * i + 1].text)
      );
      return held && (Number(count[0]) < 0 || distinct);
    },
  );
}

/** RESP3 nests each pair in an array of its own. */
export function flatPairs(reply: WireReply, paired: boolean): readonly WireReply[] {
  const items = elements(reply);
  return paired && items.length > 0 && items[0].items !== null ? items.flatMap((pair) => pair.items!) : items;
}

export const hashFamily = new Family("hash", [
  [20, (d) => plain(d.pick(["HSET", "HSET", "HMSET"]), key(d), ...pairs(d))],
  [4, (d) => plain("HSETNX", key(d), field(d), d.value())],
  [7, (d) => plain("HGET", key(d), field(d))],
  [5, (d) => plain("HMGET", key(d), ...d.several(1, 5, () => field(d)))],
  [6, (d) => unorderedPairs("HGETALL", key(d))],
  [5, (d) => unordered(d.pick(["HKEYS", "HVALS"]), key(d))],
  [8, (d) => plain("HDEL", key(d), ...d.several(1, 4, () => field(d)))],
  [4, (d) => plain("HEXISTS", key(d), field(d))],
  [3, (d) => plain("HLEN", key(d))],
  [3, (d) => plain("HSTRLEN", key(d), field(d))],
  [8, (d) => plain("HINCRBY", key(d), field(d), d.chance(85) ? d.between(-30, 30) : d.integerText())],
  [6, (d) => plain("HINCRBYFLOAT", key(d), field(d), d.float())],
  [7, hrandfield],
  [
    4,
    (d) => scanAll(true, "HSCAN", key(d), 0, ...d.maybe(40, "MATCH", d.pick(["f*", "*1*", "[0-9]"])), "COUNT", 100_000),
  ],
  [1, (d) => ({ ...plain("HSCAN", key(d), ...d.pick(SCAN_MISTAKES)), fixed: true })],
  [6, (d) => plain("OBJECT", "ENCODING", key(d))],
  [1, (d) => plain("DEL", key(d))],
]);
