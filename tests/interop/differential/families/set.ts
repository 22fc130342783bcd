/** Sets of integers and of anything; what SPOP and SRANDMEMBER choose is checked by what Redis holds. */

import type { Argument } from "../../../support/resp_client.ts";
import type { Draw } from "../draw.ts";
import { Family } from "../family.ts";
import {
  bytesOf,
  differ,
  elements,
  plain,
  randomChoice,
  SCAN_MISTAKES,
  scanAll,
  type Step,
  unordered,
  type Words,
} from "../step.ts";
import { isError, showReply, type WireReply } from "../wire_reply.ts";

const key = (d: Draw) => d.key("set");

function members(d: Draw): Argument[] {
  const kind = d.below(20);
  if (kind < 10) return d.several(1, 5, () => d.between(-10, 40));
  if (kind < 16) return d.several(1, 5, () => d.member());
  if (kind < 18) return d.several(1, 4, () => d.integerText());
  return d.several(50, 600, () => d.between(0, 2000));
}

function spop(d: Draw): Step {
  const popped = key(d), words: Words = ["SPOP", popped, ...d.maybe(50, d.chance(90) ? d.between(0, 4) : d.oddWord())];
  return {
    commands: [["SCARD", popped], words],
    forRedis: ([, ours]) => {
      const chosen = elements(ours);
      return [["SCARD", popped], chosen.length === 0 ? words : ["SREM", popped, ...chosen.map(bytesOf)]];
    },
    compare: (ours, redis) => checkPopped(words, ours, redis),
  };
}

/** As many members as there should be, all of them members of Redis's set too. */
function checkPopped(words: Words, ours: readonly WireReply[], redis: readonly WireReply[]): string | undefined {
  const chosen = elements(ours[1]);
  if (ours[0].text !== redis[0].text) return differ(ours[0], redis[0]);
  if (chosen.length === 0) return showReply(ours[1]) === showReply(redis[1]) ? undefined : differ(ours[1], redis[1]);
  const wanted = Math.min(Number(words[2] ?? 1), Number(ours[0].text));
  if (chosen.length === wanted && redis[1].text === String(wanted)) return undefined;
  return `ours popped ${showReply(ours[1])}, should be ${wanted}; redis had ${redis[1].text} of them`;
}

/** A count so large that all of it goes: the whole set in any order. */
function spopAll(d: Draw): Step {
  return { ...unordered("SPOP", key(d), 100_000), fixed: true };
}

function srandmember(d: Draw): Step {
  const name = key(d), count = d.maybe(75, d.between(-8, 8));
  return randomChoice(
    ["SRANDMEMBER", name, ...count],
    (ours) => elements(ours).length === 0 ? null : ["SMISMEMBER", name, ...elements(ours).map(bytesOf)],
    (ours, found) => elements(found).every((one) => one.text === "1") && (Number(count[0]) < 0 || allDifferent(ours)),
  );
}

export function allDifferent(reply: WireReply): boolean {
  const texts = elements(reply).map((one) => one.text);
  return isError(reply) || new Set(texts).size === texts.length;
}

function sintercard(d: Draw): Step {
  const keys = d.keys("set", 1, 4);
  return plain(
    "SINTERCARD",
    d.chance(95) ? keys.length : d.oddWord(),
    ...keys,
    ...d.maybe(40, "LIMIT", d.between(-1, 5)),
  );
}

export const setFamily = new Family("set", [
  [24, (d) => plain("SADD", key(d), ...members(d))],
  [8, (d) => plain("SREM", key(d), ...d.several(1, 4, () => d.member()))],
  [4, (d) => plain("SCARD", key(d))],
  [6, (d) => plain("SISMEMBER", key(d), d.member())],
  [4, (d) => plain("SMISMEMBER", key(d), ...d.several(1, 5, () => d.member()))],
  [6, (d) => unordered("SMEMBERS", key(d))],
  [5, (d) => plain("SMOVE", key(d), key(d), d.member())],
  [8, spop],
  [1, spopAll],
  [8, srandmember],
  [9, (d) => unordered(d.pick(["SINTER", "SUNION", "SDIFF"]), ...d.keys("set", 1, 4))],
  [9, (d) => plain(d.pick(["SINTERSTORE", "SUNIONSTORE", "SDIFFSTORE"]), key(d), ...d.keys("set", 1, 4))],
  [4, sintercard],
  [
    4,
    (d) =>
      scanAll(false, "SSCAN", key(d), 0, ...d.maybe(40, "MATCH", d.pick(["m*", "*1*", "[0-9]"])), "COUNT", 100_000),
  ],
  [1, (d) => ({ ...plain("SSCAN", key(d), ...d.pick(SCAN_MISTAKES)), fixed: true })],
  [6, (d) => plain("OBJECT", "ENCODING", key(d))],
  [1, (d) => plain("DEL", key(d))],
]);
