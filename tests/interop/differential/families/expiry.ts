/**
 * Expiry: times that are far away, already past, or just over. Active expiry is off while these run, so both servers remove a key at the
 * same command. Relative times hardly ever come twice: which of two is later must not depend on a server's speed.
 */

import type { Argument } from "../../../support/resp_client.ts";
import type { Draw } from "../draw.ts";
import { Family } from "../family.ts";
import { group, plain, type Step, timed } from "../step.ts";
import { pairOfKeys } from "./generic.ts";

/** The year 2100. */
const FAR_SECONDS = 4_102_444_800;
const TOLERANCE_MS = 60_000;

const farSeconds = (d: Draw) => d.between(100_000, 90_000_000);
const key = (d: Draw) => d.anyKey();

/** `EX seconds` and its kin, for SET and GETEX. */
export function farTime(d: Draw): Argument[] {
  switch (d.below(5)) {
    case 0:
      return ["EX", farSeconds(d)];
    case 1:
      return ["PX", farSeconds(d) * 1000 + d.below(1000)];
    case 2:
      return ["EXAT", FAR_SECONDS + d.below(10_000)];
    case 3:
      return ["PXAT", FAR_SECONDS * 1000 + d.below(10_000_000)];
    default:
      return [
        d.pick(["EX", "PX", "EXAT", "PXAT"]),
        d.pick(["0", "-1", "abc", "9223372036854775807", "9223372036854775"]),
      ];
  }
}

function condition(d: Draw): Argument[] {
  return d.chance(60) ? [] : d.several(1, 2, () => d.pick(["NX", "XX", "GT", "LT"]));
}

function expire(d: Draw): Step {
  const kind = d.below(20);
  if (kind < 5) return plain("EXPIRE", key(d), farSeconds(d), ...condition(d));
  if (kind < 10) return plain("PEXPIRE", key(d), farSeconds(d) * 1000, ...condition(d));
  if (kind < 14) return plain("EXPIREAT", key(d), FAR_SECONDS + d.below(1000), ...condition(d));
  if (kind < 18) return plain("PEXPIREAT", key(d), FAR_SECONDS * 1000 + d.below(1000), ...condition(d));
  const past = d.pick(["-1", "0", "-9223372036854775808", "1", "9223372036854775807", "-99999999999"]);
  return plain(d.pick(["EXPIREAT", "PEXPIREAT"]), key(d), past, ...condition(d));
}

function timeToLive(d: Draw): Step {
  const name = d.pick(["TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"]);
  return timed(name.startsWith("P") ? TOLERANCE_MS : TOLERANCE_MS / 1000, () => true, name, key(d));
}

/**
 * Keys are over, and nothing has removed them yet. 3 ms, because Redis reads the clock twice: a key that is over by the second time is
 * removed at once.
 */
function justOver(d: Draw): Step {
  return group(...d.several(2, 6, () => ["PEXPIRE", key(d), 3]), ["DEBUG", "SLEEP", "0.004"]);
}

function useAfterwards(d: Draw): Step {
  const name = key(d);
  return plain(
    ...d.pick<Argument[]>([
      ["EXISTS", name, key(d)],
      ["TYPE", name],
      ["RENAME", ...pairOfKeys(d)],
      ["RENAMENX", ...pairOfKeys(d)],
      ["COPY", ...pairOfKeys(d), "REPLACE"],
      ["MOVE", name, 1],
      ["DEL", name],
      ["TOUCH", name],
      ["APPEND", d.key("string"), "x"],
      ["OBJECT", "ENCODING", name],
      ["DBSIZE"],
    ]),
  );
}

function create(d: Draw): Step {
  const n = d.below(5), field = d.member();
  return plain(
    ...d.pick<Argument[]>([
      ["SET", `string:${n}`, d.value()],
      ["SETEX", `string:${n}`, farSeconds(d), d.value()],
      ["RPUSH", `list:${n}`, field],
      ["SADD", `set:${n}`, field],
      ["HSET", `hash:${n}`, field, d.value()],
      ["ZADD", `zset:${n}`, d.float(), field],
      ["XADD", `stream:${n}`, `${d.unique()}-1`, "f", field],
    ]),
  );
}

export const expiryFamily = new Family("expiry", [
  [20, expire],
  [8, timeToLive],
  [4, (d) => plain("PERSIST", key(d))],
  [1, justOver],
  [20, useAfterwards],
  [20, create],
]);
