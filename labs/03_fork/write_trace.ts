/**
 * A recorded trace of writes: which key each one is to, drawn from a skew with a seed. The same trace goes to every server and model.
 * Popular keys are scattered over the order in which keys were loaded, unless they are to be neighbours.
 */
import { SeededRandomness } from "../../src/mod.ts";

export interface WriteTrace {
  readonly skew: string;
  /** Number of the key that each write is to. */
  readonly keys: Int32Array;
  /** Of each key: the chance that a write is to it. */
  readonly chances: Float64Array;
}

export interface TraceOptions {
  readonly keys: number;
  readonly writes: number;
  readonly seed: number;
  readonly areNeighbours: boolean;
}

const SKEW = /^(?:uniform|(hot|zipf)(\d{1,3}(?:\.\d{1,4})?))$/;

/** Chance of each key by its rank, the most popular first; null when the text is no skew. */
export function rankChances(skew: string, keys: number): Float64Array | null {
  const match = SKEW.exec(skew), number = Number(match?.[2]);
  if (match === null) return null;
  if (match[1] === undefined) return new Float64Array(keys).fill(1 / keys);
  if (match[1] === "zipf") return zipf(number, keys);
  if (number === 0 || number > 100) return null;
  const hot = Math.max(1, Math.round((keys * number) / 100));
  return new Float64Array(keys).fill(1 / hot, 0, hot);
}

function zipf(exponent: number, keys: number): Float64Array {
  const weights = Float64Array.from({ length: keys }, (_, rank) => (rank + 1) ** -exponent);
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

export function writeTrace(skew: string, o: TraceOptions): WriteTrace {
  const random = new SeededRandomness(o.seed), byRank = rankChances(skew, o.keys);
  if (byRank === null) throw new RangeError(`"${skew}" is no skew`);
  const keyOfRank = o.areNeighbours ? Int32Array.from(byRank, (_, rank) => rank) : shuffled(o.keys, random);
  const chances = new Float64Array(o.keys), cumulated = new Float64Array(o.keys);
  let sum = 0;
  for (let rank = 0; rank < o.keys; rank++) {
    chances[keyOfRank[rank]] = byRank[rank];
    cumulated[rank] = sum += byRank[rank];
  }
  const draw = () => keyOfRank[rankAt(cumulated, (random.nextU32() / 2 ** 32) * sum)];
  return { skew, keys: Int32Array.from({ length: o.writes }, draw), chances };
}

/** Fisher and Yates. */
function shuffled(count: number, random: SeededRandomness): Int32Array {
  const order = Int32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = random.below(i + 1), other = order[j];
    order[j] = order[i], order[i] = other;
  }
  return order;
}

/** First rank whose cumulated chance is above `share`. */
function rankAt(cumulated: Float64Array, share: number): number {
  let low = 0, high = cumulated.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (cumulated[middle] > share) high = middle;
    else low = middle + 1;
  }
  return low;
}
