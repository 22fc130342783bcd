/**
 * The random choices that commands are made of. Everything comes from one seed.
 *
 * Names are few, so that commands meet; values sit on both sides of every threshold: 44/45 bytes (embstr), 64/65 (listpack elements),
 * 20 and 2^7…2^63 (integers), and a few of several KB.
 */

import { SeededRandomness } from "../../../src/io/randomness.ts";
import type { Argument } from "../../support/resp_client.ts";

/** Families have keys of their own, which sometimes stray. */
export const KEY_FAMILIES = ["string", "bitmap", "hll", "list", "set", "hash", "zset", "geo", "stream"] as const;
export type KeyFamily = (typeof KEY_FAMILIES)[number];

/** Few, so that commands meet. */
const KEYS_PER_FAMILY = 4;
const STRAY_PERCENT = 7;
/** Not HyperLogLogs: of damaged registers Redis makes other nonsense than ours. */
const STRAY_FAMILIES = KEY_FAMILIES.filter((family) => family !== "hll");
const MISSING_PERCENT = 4;
const INTEGER_EDGES: readonly bigint[] = [7n, 12n, 13n, 15n, 16n, 23n, 24n, 31n, 32n, 53n, 63n];
const LENGTH_EDGES = [0, 1, 20, 21, 43, 44, 45, 63, 64, 65, 127, 128];
/** Arguments that are wrong nearly everywhere, and never a small positive number: that could be a time that passes. */
const ODD_WORDS = [
  ...[
    "",
    "abc",
    "-1",
    "0",
    "1.5",
    "+5",
    " 7",
    "7 ",
    "0x10",
    "1e3",
    "007",
    "nan",
    "inf",
    "-inf",
    "(",
    "[",
    "-",
  ],
  ...["9223372036854775807", "-9223372036854775808", "9223372036854775808", "99999999999999999999"],
];

export class Draw {
  readonly #random: SeededRandomness;
  readonly #keysPerFamily: number;
  #counter = 0;

  constructor(seed: number, keysPerFamily = KEYS_PER_FAMILY) {
    this.#random = new SeededRandomness(seed), this.#keysPerFamily = keysPerFamily;
  }

  below(limit: number): number {
    return this.#random.below(limit);
  }

  /** Inclusive. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)];
  }

  /** `make` called `low` to `high` times. */
  several<T>(low: number, high: number, make: () => T): T[] {
    return Array.from({ length: this.between(low, high) }, make);
  }

  /** The words, or none of them. */
  maybe(percent: number, ...words: Argument[]): Argument[] {
    return this.chance(percent) ? words : [];
  }

  /** Words in random order. */
  shuffled<T>(items: readonly T[]): T[] {
    const result = [...items];
    for (let i = result.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [result[i], result[j]] = [result[j], result[i]];
    }
    return result;
  }

  // ---- keys ----------------------------------------------------------------------------------------------------

  /** Mostly a key of the family, at times one of another, or one that is hardly ever there. */
  key(family: KeyFamily): string {
    if (this.chance(MISSING_PERCENT)) return `missing:${this.below(3)}`;
    return this.ownKey(this.chance(STRAY_PERCENT) ? this.pick(STRAY_FAMILIES) : family);
  }

  ownKey(family: KeyFamily): string {
    return `${family}:${this.below(this.#keysPerFamily)}`;
  }

  anyKey(): string {
    return this.ownKey(this.pick(KEY_FAMILIES));
  }

  keys(family: KeyFamily, low: number, high: number): string[] {
    return this.several(low, high, () => this.key(family));
  }

  // ---- values --------------------------------------------------------------------------------------------------

  /** Text or bytes, mostly short. */
  value(): Argument {
    const kind = this.below(100);
    if (kind < 35) return this.integerText();
    if (kind < 65) return `v${this.below(40)}`;
    if (kind < 75) return this.letters(this.pick(LENGTH_EDGES));
    if (kind < 85) return this.letters(this.below(70));
    if (kind < 92) return this.bytes(this.below(40));
    if (kind < 96) return this.letters(this.between(65, 400));
    if (kind < 99) return "compressible ".repeat(this.between(2, 60));
    return this.letters(this.between(2000, 12_000));
  }

  /** One of few, so that it is found again: what fields, members and list elements are called. */
  member(): Argument {
    const kind = this.below(100);
    if (kind < 45) return `m${this.below(30)}`;
    if (kind < 75) return this.below(30) - 5;
    if (kind < 85) return this.integerText();
    if (kind < 97) return `member ${this.below(300)}`;
    return this.letters(this.pick(LENGTH_EDGES));
  }

  letters(length: number): string {
    return String.fromCharCode(97 + this.below(26)).repeat(length);
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.below(256));
  }

  /** An integer near a power of two, or small. */
  integerText(): string {
    if (this.chance(60)) return String(this.between(-20, 300));
    const power = 2n ** this.pick(INTEGER_EDGES), value = power + BigInt(this.between(-1, 1));
    return String(this.chance(50) ? value : -value);
  }

  /** Finite, mostly with few digits. */
  float(): string {
    const kind = this.below(20);
    if (kind < 9) return String(this.between(-50, 100));
    if (kind < 15) return String(this.between(-400, 400) / 8);
    if (kind < 17) return String(this.between(-1000, 1000) / 1000);
    if (kind < 18) {
      return this.pick(["1e10", "-2.5e-5", "3.0", "1e17", "123456789012", "0.1", "1.7976931348623157e308"]);
    }
    return String((this.below(1 << 30) - (1 << 29)) / 977);
  }

  /** An index into a list or string: near its ends, or beyond. */
  index(): number {
    return this.chance(85) ? this.between(-12, 12) : this.between(-300, 300);
  }

  count(): number {
    return this.chance(85) ? this.between(0, 6) : this.between(-3, 300);
  }

  /** A number that no earlier call returned. */
  unique(): number {
    return ++this.#counter;
  }

  // ---- mistakes ------------------------------------------------------------------------------------------------

  oddWord(): string {
    return this.pick(ODD_WORDS);
  }

  /** The command with a mistake in it. The name stays, though its case may not. */
  spoil(words: readonly Argument[]): readonly Argument[] {
    const name = String(words[0]), rest = words.slice(1);
    switch (this.below(5)) {
      case 0:
        return [name, ...rest.slice(0, -1)];
      case 1:
        return [name, ...rest, this.oddWord()];
      case 2:
        return [this.chance(50) ? name.toLowerCase() : name[0].toLowerCase() + name.slice(1), ...rest];
      default:
        return rest.length === 0 ? words : [name, ...rest.with(this.below(rest.length), this.oddWord())];
    }
  }
}
