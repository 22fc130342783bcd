/**
 * What a power cut may leave of a disk, at one point: for each effect that is not durable a choice, all within what the profile allows.
 *
 *   page       bits of the sectors that made it, 0xff for all    size, cut, names   0 or 1
 *
 * On ext4 (and `kill`, which has no power cuts of its own) the choices of metadata are a prefix: ones, then zeros.
 */
import type { Randomness } from "../randomness.ts";
import { type DiskProfile, type Effect, isMetadata, type PageEffect } from "./effect.ts";
import { ALL_SECTORS } from "./page.ts";

/** One outcome. `choices` belong to the effects of the disk at that point, in order. */
export type CrashOutcome =
  | { readonly kind: "kill" }
  | { readonly kind: "powerCut"; readonly choices: Uint8Array };

const NAMES_IN_SUBSETS_MAX = 6;

export const KILL: CrashOutcome = { kind: "kill" };

export class CrashStates {
  readonly profile: DiskProfile;
  readonly effects: readonly Effect[];
  /** Indexes into `effects`. */
  readonly #metadata: readonly number[];
  /** Numbers of the operations that have effects beside metadata. */
  readonly #operations: readonly number[];
  readonly #durableSectors: readonly number[];

  /** @param durableSectors for each effect on a page: how many sectors of the file, from that page on, its durable size covers */
  constructor(profile: DiskProfile, effects: readonly Effect[], durableSectors: readonly number[]) {
    this.profile = profile, this.effects = effects, this.#durableSectors = durableSectors;
    this.#metadata = effects.flatMap((effect, index) => isMetadata(effect) ? [index] : []);
    const chosen = profile === "strict" ? effects : effects.filter((effect) => !isMetadata(effect));
    this.#operations = [...new Set(chosen.map((effect) => effect.operation))];
  }

  /**
   * The outcomes that find most: all kept and all lost, each operation alone kept and alone lost, all up to each operation, sizes without
   * data and data without sizes, each operation's pages torn at and around each sector; on ext4 all that for each prefix of the metadata,
   * on a strict disk also each subset of it.
   * Some come more than once.
   */
  *systematic(): Generator<CrashOutcome> {
    yield KILL;
    if (this.profile === "kill") return;
    if (this.profile === "strict") {
      yield* this.#nameOutcomes();
      return yield* this.#dataOutcomes(0);
    }
    for (let prefix = 0; prefix <= this.#metadata.length; prefix++) yield* this.#dataOutcomes(prefix);
  }

  /** Any outcome at all: each is drawn now and then. */
  sample(randomness: Randomness): CrashOutcome {
    if (this.profile === "kill") return KILL;
    const prefix = randomness.below(this.#metadata.length + 1), mood = randomness.below(4);
    const choices = this.#base(prefix, (effect) => {
      // Mostly kept, mostly lost, or anything.
      const isKept = mood === 0
        ? randomness.below(8) !== 0
        : mood === 1
        ? randomness.below(8) === 0
        : randomness.below(2) === 0;
      if (effect.kind !== "page" || randomness.below(3) !== 0) return isKept;
      return randomness.below(ALL_SECTORS + 1);
    });
    return powerCut(choices);
  }

  /** Whether this is one of them. */
  allows(outcome: CrashOutcome): boolean {
    if (outcome.kind === "kill") return true;
    if (this.profile === "kill" || outcome.choices.length !== this.effects.length) return false;
    const isInRange = this.effects.every((effect, i) => effect.kind === "page" || outcome.choices[i] <= 1);
    if (this.profile === "strict" || !isInRange) return isInRange;
    return this.#metadata.every((index, i) =>
      i === 0 || outcome.choices[this.#metadata[i - 1]] >= outcome.choices[index]
    );
  }

  /**
   * Whether data of a file survives while earlier data of that file does not: in a sector before it, or another page. What is not synced
   * yet may do that to itself; what a failed sync called clean may be missing before what was synced since.
   */
  leavesHole(outcome: CrashOutcome): boolean {
    if (outcome.kind === "kill") return false;
    const ended = new Set<number>();
    return this.effects.some((effect, i) => {
      if (effect.kind !== "page") return false;
      const kept = outcome.choices[i] & effect.changedSectors, lost = effect.changedSectors & ~kept;
      const isBehind = kept !== 0 && (ended.has(effect.node) || (lost !== 0 && kept > (lost & -lost)));
      if (lost !== 0) ended.add(effect.node);
      return isBehind || (effect.isLost && lost !== 0 && lowestBit(lost) < this.#durableSectors[i]);
    });
  }

  /** What became of each effect, for people. */
  describe(outcome: CrashOutcome): string[] {
    if (outcome.kind === "kill") return ["the process was killed, and the cache survived"];
    return this.effects.map((effect, i) =>
      `#${effect.operation} ${describeEffect(effect)}: ${fate(effect, outcome.choices[i])}`
    );
  }

  /** On a strict disk: each subset of the metadata (of the newest operations, where there are many), with all, none or half of the data. */
  *#nameOutcomes(): Generator<CrashOutcome> {
    const free = this.#metadata.slice(-NAMES_IN_SUBSETS_MAX).map((index) => this.effects[index]);
    for (let subset = 0; subset < 1 << free.length; subset++) {
      const isKept = (effect: Effect) => {
        const index = free.indexOf(effect as (typeof free)[number]);
        return index < 0 || (subset >> index & 1) === 1;
      };
      for (const data of ["page size", "", "page", "size"]) {
        yield powerCut(this.#base(0, (effect) => isMetadata(effect) ? isKept(effect) : data.includes(effect.kind)));
      }
    }
  }

  *#dataOutcomes(prefix: number): Generator<CrashOutcome> {
    const outcome = (keep: (effect: Effect) => boolean | number) => powerCut(this.#base(prefix, keep));
    yield outcome(() => false);
    yield outcome(() => true);
    yield outcome((effect) => effect.kind !== "page");
    yield outcome((effect) => effect.kind !== "size");
    for (const operation of this.#operations) {
      yield outcome((effect) => effect.operation === operation);
      yield outcome((effect) => effect.operation !== operation);
      yield outcome((effect) => effect.operation <= operation);
      yield outcome((effect) => effect.operation < operation || effect.kind === "size");
      yield outcome((effect) => effect.operation !== operation || effect.kind !== "page");
    }
    for (const effect of this.effects) if (effect.kind === "page") yield* this.#tears(prefix, effect);
  }

  /** The page of an operation torn, with all before it kept, and what comes after it lost or kept. */
  *#tears(prefix: number, torn: PageEffect): Generator<CrashOutcome> {
    for (const mask of tearsOf(torn.changedSectors)) {
      for (const isLaterKept of [false, true]) {
        yield powerCut(this.#base(prefix, (effect) => {
          if (effect === torn) return mask;
          return effect.operation <= torn.operation || (isLaterKept && !isSamePage(effect, torn));
        }));
      }
    }
  }

  #base(prefix: number, keep: (effect: Effect) => boolean | number): Uint8Array {
    const choices = new Uint8Array(this.effects.length);
    let metadata = 0;
    for (let i = 0; i < choices.length; i++) {
      const effect = this.effects[i];
      if (this.profile !== "strict" && isMetadata(effect)) choices[i] = metadata++ < prefix ? 1 : 0;
      else choices[i] = choiceOf(effect, keep(effect));
    }
    return choices;
  }
}

/** Number of the lowest bit that is set. */
function lowestBit(mask: number): number {
  return 31 - Math.clz32(mask & -mask);
}

function powerCut(choices: Uint8Array): CrashOutcome {
  return { kind: "powerCut", choices };
}

function choiceOf(effect: Effect, kept: boolean | number): number {
  if (typeof kept === "number") return kept;
  if (!kept) return 0;
  return effect.kind === "page" ? ALL_SECTORS : 1;
}

function isSamePage(effect: Effect, page: PageEffect): boolean {
  return effect.kind === "page" && effect.node === page.node && effect.number === page.number;
}

/** Each changed sector alone lost and alone kept, and each prefix of them. */
function tearsOf(changed: number): Set<number> {
  const sectors = [0, 1, 2, 3, 4, 5, 6, 7].filter((sector) => (changed >> sector & 1) === 1), masks = new Set<number>();
  if (sectors.length < 2) return masks;
  let prefix = 0;
  for (const sector of sectors) {
    masks.add(1 << sector), masks.add(changed & ~(1 << sector));
    if (prefix !== 0) masks.add(prefix);
    prefix |= 1 << sector;
  }
  return masks;
}

function describeEffect(effect: Effect): string {
  switch (effect.kind) {
    case "page":
      return `page ${effect.number}`;
    case "size":
      return `size ${effect.sizeBytes}`;
    case "cut":
      return `cut to ${effect.sizeBytes}`;
    case "names":
      return effect.changes.map(({ name, node }) => node === null ? `no "${name}"` : `"${name}"`).join(", ");
  }
}

function fate(effect: Effect, choice: number): string {
  if (choice === 0) return "lost";
  if (effect.kind !== "page" || (choice & effect.changedSectors) === effect.changedSectors) return "kept";
  const kept = [0, 1, 2, 3, 4, 5, 6, 7].filter((sector) => (effect.changedSectors & choice) >> sector & 1);
  return kept.length === 0 ? "lost" : `torn, sectors ${kept.join(" ")} kept`;
}
