/** All families, and the mixture of them with transactions around. */

import type { Draw } from "../draw.ts";
import type { Family } from "../family.ts";
import { isPlain, plain, type Step } from "../step.ts";
import { bitmapFamily } from "./bitmap.ts";
import { expiryFamily } from "./expiry.ts";
import { databaseFamily, genericFamily } from "./generic.ts";
import { geoFamily } from "./geo.ts";
import { hashFamily } from "./hash.ts";
import { hyperloglogFamily } from "./hyperloglog.ts";
import { listFamily } from "./list.ts";
import { setFamily } from "./set.ts";
import { sortFamily } from "./sort.ts";
import { sortedSetFamily } from "./sorted_set.ts";
import { streamFamily } from "./stream.ts";
import { stringFamily } from "./string.ts";

/** Of one type each, and with keys of all. */
export const FAMILIES: readonly Family[] = [
  ...[stringFamily, bitmapFamily, hyperloglogFamily, listFamily, setFamily, hashFamily, sortedSetFamily, geoFamily],
  ...[streamFamily, sortFamily, expiryFamily],
];

/** How many steps of a hundred are of the families for keys and for databases, whatever else they are of. */
export interface Mixture {
  readonly genericPercent: number;
  readonly databasePercent: number;
}

export const MOSTLY_TYPES: Mixture = { genericPercent: 8, databasePercent: 1 };
export const MOSTLY_KEYS: Mixture = { genericPercent: 45, databasePercent: 8 };

const TRANSACTION_PER_MILLE = 15;
const TRANSACTION_STEPS_MAX = 8;

/** `count` steps, or a few more, of the families by chance; now and then some of them in a transaction. */
export function generate(draw: Draw, families: readonly Family[], mixture: Mixture, count: number): Step[] {
  const steps: Step[] = [];
  const next = () => choose(draw, families, mixture).next(draw);
  while (steps.length < count) {
    if (draw.below(1000) < TRANSACTION_PER_MILLE) steps.push(...transaction(draw, next));
    else steps.push(next());
  }
  return steps;
}

function choose(draw: Draw, families: readonly Family[], { genericPercent, databasePercent }: Mixture): Family {
  const percent = draw.below(100);
  if (percent < genericPercent) return genericFamily;
  return percent < genericPercent + databasePercent ? databaseFamily : draw.pick(families);
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
