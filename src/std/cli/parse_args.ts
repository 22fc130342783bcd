/**
 * `parseArgs` of @std/cli (minimist's rules): `--name value`, `--name=value`, `--no-name` for negatable flags, `-abc`, `--` ends options.
 * A value that looks like a number becomes one, unless the option is a string. `unknown` hears of every option that is no boolean, string,
 * alias or collected one: a default alone makes no option known. An argument that starts with "-" is never the value of a `--name`.
 * Left out of the real one: dotted names, `stopEarly`, the "--" list and inferred types.
 */

export interface ParseOptions {
  /** Options that take no value. */
  readonly boolean?: readonly string[];
  /** Options whose values stay strings; "_" stands for the positional arguments. */
  readonly string?: readonly string[];
  readonly default?: Readonly<Record<string, unknown>>;
  /** Short names and other spellings. */
  readonly alias?: Readonly<Record<string, string | readonly string[]>>;
  /** Flags that `--no-` turns off. */
  readonly negatable?: readonly string[];
  /** Options that collect their values in an array. */
  readonly collect?: readonly string[];
  /** Called for positional arguments (with `arg` only) and for options that are not known; returning false leaves them out. */
  readonly unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}

export interface Args {
  /** Positional arguments. */
  _: (string | number)[];
  [name: string]: unknown;
}

type Value = string | boolean;

const LONG = /^--(no-)?(.+?)(?:=(.*))?$/s;
const SHORT = /^-[^]+$/;
/** What follows a letter and is its value: `-n5`, `-x-1.5e3`. */
const ENDS_IN_NUMBER = /-?\d+(?:\.\d*)?(?:e-?\d+)?$/;

export function parseArgs(args: readonly string[], options: ParseOptions = {}): Args {
  return new Parser(options).parse(args);
}

class Parser {
  readonly #options: ParseOptions;
  readonly #aliases = new Map<string, ReadonlySet<string>>();
  readonly #booleans: ReadonlySet<string>;
  readonly #strings: ReadonlySet<string>;
  readonly #collected: ReadonlySet<string>;
  readonly #negatable: ReadonlySet<string>;
  readonly #result: Args = { _: [] };

  constructor(options: ParseOptions) {
    this.#options = options;
    for (const [name, others] of Object.entries(options.alias ?? {})) this.#addAliases([name, ...[others].flat()]);
    this.#booleans = this.#withAliases(options.boolean);
    this.#strings = this.#withAliases(options.string);
    this.#collected = this.#withAliases(options.collect);
    this.#negatable = this.#withAliases(options.negatable);
  }

  parse(args: readonly string[]): Args {
    const end = args.indexOf("--"), own = end < 0 ? args : args.slice(0, end);
    for (let i = 0; i < own.length; i++) {
      const long = LONG.exec(own[i]);
      if (long !== null) i += this.#long(own[i], long, own[i + 1]);
      else if (SHORT.test(own[i])) i += this.#short(own[i], own[i + 1]);
      else this.#positional(own[i]);
    }
    if (end >= 0) this.#result._.push(...args.slice(end + 1));
    this.#fillIn();
    return this.#result;
  }

  #addAliases(names: readonly string[]): void {
    for (const name of names) this.#aliases.set(name, new Set(names.filter((other) => other !== name)));
  }

  #withAliases(names: readonly string[] = []): ReadonlySet<string> {
    return new Set(names.flatMap((name) => [name, ...this.#aliases.get(name) ?? []]));
  }

  #positional(arg: string): void {
    if (this.#options.unknown?.(arg) === false) return;
    this.#result._.push(this.#strings.has("_") ? arg : numeric(arg));
  }

  /** Like `#short` and `#valued`, returns how many arguments after this one it used up. */
  #long(arg: string, [, negation, bareName, value]: RegExpExecArray, next: string | undefined): number {
    if (value !== undefined) {
      this.#set(bareName, this.#booleans.has(bareName) ? value !== "false" : value, arg);
      return 0;
    }
    if (negation !== undefined && this.#negatable.has(bareName)) {
      this.#set(bareName, false, arg, false);
      return 0;
    }
    const name = (negation ?? "") + bareName;
    return this.#valued(name, next, arg, next !== undefined && next !== "" && !next.startsWith("-"));
  }

  #short(arg: string, next: string | undefined): number {
    for (let at = 1; at < arg.length - 1; at++) {
      const letter = arg[at], rest = arg.slice(at + 1), isLetter = /[A-Za-z]/.test(letter);
      if (rest === "-") {
        this.#set(letter, rest, arg);
      } else if (rest === "=") {
        this.#set(letter, "", arg);
        return 0;
      } else if (isLetter && /=./s.test(rest)) {
        this.#set(letter, rest.slice(rest.search(/=./s) + 1), arg);
        return 0;
      } else if ((isLetter && ENDS_IN_NUMBER.test(rest)) || (rest.length > 1 && /\W/.test(rest[0]))) {
        this.#set(letter, rest, arg);
        return 0;
      } else {
        this.#set(letter, this.#strings.has(letter) ? "" : true, arg);
      }
    }
    const last = arg[arg.length - 1];
    if (last === "-") return 0;
    return this.#valued(last, next, arg, next !== undefined && next !== "" && !/^--?[^-]/.test(next));
  }

  /** An option whose value, if it takes one and `isValue` says that `next` may be one, is the next argument. */
  #valued(name: string, next: string | undefined, arg: string, isValue: boolean): number {
    if (isValue && !this.#booleans.has(name)) {
      this.#set(name, next!, arg);
      return 1;
    }
    if (next === "true" || next === "false") {
      this.#set(name, next === "true", arg);
      return 1;
    }
    this.#set(name, this.#strings.has(name) ? "" : true, arg);
    return 0;
  }

  #set(name: string, raw: Value, arg: string, collects = true): void {
    const isKnown = this.#booleans.has(name) || this.#strings.has(name) || this.#aliases.has(name) ||
      this.#collected.has(name);
    if (!isKnown && this.#options.unknown?.(arg, name, raw) === false) return;
    const value = typeof raw === "string" && !this.#strings.has(name) ? numeric(raw) : raw;
    const isList = collects && this.#collected.has(name);
    for (const one of [name, ...this.#aliases.get(name) ?? []]) {
      this.#result[one] = isList ? [...(this.#result[one] as unknown[] ?? []), value] : value;
    }
  }

  #fillIn(): void {
    for (const [name, value] of Object.entries(this.#options.default ?? {})) {
      if (name in this.#result) continue;
      for (const one of [name, ...this.#aliases.get(name) ?? []]) this.#result[one] = value;
    }
    for (const name of this.#booleans) this.#result[name] ??= this.#collected.has(name) ? [] : false;
    for (const name of this.#strings) if (this.#collected.has(name)) this.#result[name] ??= [];
  }
}

function numeric(text: string): string | number {
  return /\S/.test(text) && Number.isFinite(Number(text)) ? Number(text) : text;
}
