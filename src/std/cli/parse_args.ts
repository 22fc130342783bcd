/**
 * `parseArgs` of @std/cli (minimist's rules): `--name value`, `--name=value`, `--no-name` for negatable flags, `-abc`, `--` ends options.
 * A value that looks like a number becomes one, unless the option is a string: the real one does that too.
 */

export interface ParseOptions {
  /** Options that take no value. */
  readonly boolean?: readonly string[];
  /** Options whose values stay strings. */
  readonly string?: readonly string[];
  readonly default?: Readonly<Record<string, unknown>>;
  /** Short names and other spellings. */
  readonly alias?: Readonly<Record<string, string | readonly string[]>>;
  /** Flags that `--no-` turns off. */
  readonly negatable?: readonly string[];
  /** Options that collect their values in an array. */
  readonly collect?: readonly string[];
  /** Called for options that are not named above; returning false leaves them out. */
  readonly unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}

export interface Args {
  /** Positional arguments. */
  _: (string | number)[];
  [name: string]: unknown;
}

const NUMBER = /^(?:0x[0-9a-f]+|[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e[-+]?[0-9]+)?)$/i;

export function parseArgs(args: readonly string[], options: ParseOptions = {}): Args {
  return new Parser(options).parse(args);
}

class Parser {
  readonly #options: ParseOptions;
  readonly #booleans: ReadonlySet<string>;
  readonly #strings: ReadonlySet<string>;
  readonly #aliases = new Map<string, readonly string[]>();
  readonly #result: Args = { _: [] };
  readonly #seen = new Set<string>();

  constructor(options: ParseOptions) {
    this.#options = options;
    for (const [name, others] of Object.entries(options.alias ?? {})) {
      const all = [name, ...(typeof others === "string" ? [others] : others)];
      for (const one of all) this.#aliases.set(one, all);
    }
    const withAliases = (names: readonly string[] = []) =>
      new Set(names.flatMap((name) => this.#aliases.get(name) ?? [name]));
    this.#booleans = withAliases(options.boolean);
    this.#strings = withAliases(options.string);
  }

  parse(args: readonly string[]): Args {
    const end = args.indexOf("--"), own = end < 0 ? args : args.slice(0, end);
    for (let i = 0; i < own.length; i++) {
      const arg = own[i];
      if (arg.startsWith("--")) i += this.#long(arg.slice(2), own[i + 1]);
      else if (/^-[^0-9-]/.test(arg)) i += this.#short(arg.slice(1), own[i + 1]);
      else if (this.#isKnown(arg, undefined, arg)) this.#result._.push(this.#strings.has("_") ? arg : numeric(arg));
    }
    if (end >= 0) this.#result._.push(...args.slice(end + 1));
    this.#defaults();
    return this.#result;
  }

  #long(text: string, next: string | undefined): number {
    const equals = text.indexOf("=");
    if (equals >= 0) {
      const name = text.slice(0, equals), value = text.slice(equals + 1);
      this.#set(name, this.#booleans.has(name) ? value !== "false" : value, `--${text}`);
      return 0;
    }
    if (text.startsWith("no-") && (this.#options.negatable ?? []).includes(text.slice(3))) {
      this.#set(text.slice(3), false, `--${text}`);
      return 0;
    }
    return this.#valued(text, next, `--${text}`);
  }

  #short(letters: string, next: string | undefined): number {
    for (const letter of letters.slice(0, -1)) this.#set(letter, true, `-${letters}`);
    return this.#valued(letters[letters.length - 1], next, `-${letters}`);
  }

  /** An option whose value, if it takes one, is the next argument; returns how many arguments that used up. */
  #valued(name: string, next: string | undefined, arg: string): number {
    if (!this.#booleans.has(name) && next !== undefined && !/^-[^0-9]/.test(next)) {
      this.#set(name, next, arg);
      return 1;
    }
    if (this.#booleans.has(name) && (next === "true" || next === "false")) {
      this.#set(name, next === "true", arg);
      return 1;
    }
    this.#set(name, this.#strings.has(name) ? "" : true, arg);
    return 0;
  }

  #set(name: string, raw: unknown, arg: string): void {
    const value = typeof raw === "string" && !this.#strings.has(name) ? numeric(raw) : raw;
    if (!this.#isKnown(arg, name, value)) return;
    for (const one of this.#aliases.get(name) ?? [name]) {
      if ((this.#options.collect ?? []).includes(one)) {
        this.#result[one] = [...(this.#result[one] as unknown[] ?? []), value];
      } else this.#result[one] = value;
      this.#seen.add(one);
    }
  }

  #isKnown(arg: string, name: string | undefined, value: unknown): boolean {
    const { unknown, collect = [], default: defaults = {} } = this.#options;
    if (unknown === undefined) return true;
    const known = name !== undefined &&
      (this.#booleans.has(name) || this.#strings.has(name) || this.#aliases.has(name) || collect.includes(name) ||
        name in defaults);
    return known || unknown(arg, name, value) !== false;
  }

  #defaults(): void {
    for (const [name, value] of Object.entries(this.#options.default ?? {})) {
      for (const one of this.#aliases.get(name) ?? [name]) if (!this.#seen.has(one)) this.#result[one] = value;
    }
    for (const name of this.#booleans) if (!(name in this.#result)) this.#result[name] = false;
    for (const name of this.#options.collect ?? []) this.#result[name] ??= [];
  }
}

function numeric(text: string): string | number {
  return NUMBER.test(text) ? Number(text) : text;
}
