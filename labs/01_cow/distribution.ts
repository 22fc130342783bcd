/**
 * Which keys a load writes, as the probability of each: what traces are drawn from, and what forecasts are computed from. Keys are numbered
 * in the order in which they were loaded, so neighbours share pages. A distribution says where its hot keys are: together, when they are of
 * one age, or scattered over all pages.
 */
import { SeededRandomness } from "../../src/mod.ts";

export type Skew = "uniform" | "hot 1 %" | "hot 10 %" | "hot 1 % scattered" | "zipf 0.99";

/** Hot sets: their part of the keys. */
const HOT_SHARES: Partial<Record<Skew, number>> = { "hot 1 %": 0.01, "hot 10 %": 0.1, "hot 1 % scattered": 0.01 };
/** The exponent that YCSB made customary: the most popular tenth of a million keys gets three quarters and more of the writes. */
const ZIPF_EXPONENT = 0.99;

export interface Distribution {
  readonly skew: Skew;
  /** Hot keys lie anywhere, instead of together. */
  readonly isScattered: boolean;
  /** By key; their sum is 1. */
  readonly probabilities: Float64Array;
}

/** `seed` says where scattered keys lie. */
export function distribution(skew: Skew, keys: number, seed: number): Distribution {
  const probabilities = new Float64Array(keys), hotShare = HOT_SHARES[skew];
  if (skew === "uniform") probabilities.fill(1 / keys);
  else if (hotShare === undefined) fillByZipf(probabilities, scatter(keys, seed));
  else {
    const hot = Math.max(1, Math.round(keys * hotShare)), places = isScattered(skew) ? scatter(keys, seed) : null;
    for (let i = 0; i < hot; i++) probabilities[places?.[i] ?? i] = 1 / hot;
  }
  return { skew, isScattered: isScattered(skew), probabilities };
}

function isScattered(skew: Skew): boolean {
  return skew === "zipf 0.99" || skew === "hot 1 % scattered";
}

function fillByZipf(probabilities: Float64Array, places: Uint32Array): void {
  let sum = 0;
  for (let rank = 1; rank <= places.length; rank++) sum += rank ** -ZIPF_EXPONENT;
  places.forEach((place, i) => probabilities[place] = (i + 1) ** -ZIPF_EXPONENT / sum);
}

/** A random permutation of [0, keys): where the key of each rank lies. */
function scatter(keys: number, seed: number): Uint32Array {
  const places = Uint32Array.from({ length: keys }, (_, i) => i), random = new SeededRandomness(seed);
  for (let i = keys - 1; i > 0; i--) {
    const other = random.below(i + 1), place = places[i];
    places[i] = places[other], places[other] = place;
  }
  return places;
}

/** Keys of `writes` independent writes: the same ones for the same seed. */
export function drawTrace({ probabilities }: Distribution, writes: number, seed: number): Uint32Array {
  const upTo = new Float64Array(probabilities.length), random = new SeededRandomness(seed);
  let sum = 0;
  for (let key = 0; key < probabilities.length; key++) upTo[key] = sum += probabilities[key];
  return Uint32Array.from({ length: writes }, () => firstAbove(upTo, (random.nextU32() / 2 ** 32) * sum));
}

/** Index of the first element of an ascending array that is larger than `value`. */
function firstAbove(ascending: Float64Array, value: number): number {
  let low = 0, high = ascending.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ascending[middle] > value) high = middle;
    else low = middle + 1;
  }
  return low;
}
