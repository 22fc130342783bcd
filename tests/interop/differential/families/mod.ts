/** All families, and the mixture of them with transactions around. */

import type { Draw } from "../draw.ts";
import type { Family } from "../family.ts";
import { isPlain, plain, type Step } from "../step.ts";
import { bitmapFamily } from "./bitmap.ts";
import { expiryFamily } from "./expiry.ts";
import { genericFamily } from "./generic.ts";
import { geoFamily } from "./geo.ts";
import { hashFamily } from "./hash.ts";
import { hyperloglogFamily } from "./hyperloglog.ts";
import { listFamily } from "./list.ts";
import { setFamily } from "./set.ts";
import { sortFamily } from "./sort.ts";
import { sortedSetFamily } from "./sorted_set.ts";
import { streamFamily } from "./stream.ts";
import { stringFamily } from "./string.ts";

export const FAMILIES: readonly Family[] = [
  ...[stringFamily, bitmapFamily, hyperloglogFamily, listFamily, setFamily, hashFamily, sortedSetFamily, geoFamily],
  ...[streamFamily, sortFamily, genericFamily, expiryFamily],
];

const GENERIC_PERCENT = 10;
const TRANSACTION_PER_MILLE = 15;
const TRANSACTION_STEPS_MAX = 8;

/** `count` steps or a few more of the families, in turn by chance; now and then some of them in a transaction. */
export function generate(draw: Draw, families: readonly Family[], count: number): Step[] {
  const steps: Step[] = [];
  const next = () => (draw.chance(GENERIC_PERCENT) ? genericFamily : draw.pick(families)).next(draw);
  while (steps.length < count) {
    if (draw.below(1000) < TRANSACTION_PER_MILLE) steps.push(...transaction(draw, next));
    else steps.push(next());
  }
  return steps;
}

/** EXEC's reply holds those of the commands, so only plain ones go inside; shrinking may drop any of the steps. */
function transaction(draw: Draw, next: () => Step): Step[] {
  const inside: Step[] = [];
  const count = draw.between(0, TRANSACTION_STEPS_MAX);
  while (inside.length < count) {
    const step = next();
    if (isPlain(step)) inside.push(step);
  }
  const watched = draw.chance(30) ? [plain("WATCH", draw.anyKey(), draw.anyKey()), next()] : [];
  return [...watched, plain("MULTI"), ...inside, plain(draw.chance(90) ? "EXEC" : "DISCARD")];
}
