/**
 * The kinds of configuration value: how each is read from arguments, printed for CONFIG GET, written to redis.conf, and
 * handed to the server. Error texts are Redis 7.0's.
 * Invariant: `parse` is pure; it returns a new value or throws ConfigValueError, and never touches the current one.
 * Never knows the name of a directive.
 */

import {
  asciiLower,
  bytesOfByteString,
  type ByteString,
  byteStringOfText,
  quoteArgument,
  textOfByteString,
} from "./config_text.ts";
import {
  formatDecimal,
  formatMemory,
  parseDecimal,
  parseLooseInteger,
  parseMemory,
  parseOctal,
  parseStrictInteger,
} from "./config_numbers.ts";
import {
  type OutputBufferLimit,
  type OutputBufferLimits,
  type SavePoint,
  SHUTDOWN_OPTIONS,
  type ShutdownOption,
} from "./settings.ts";

/** A value was refused; `message` is the reason as Redis words it. */
export class ConfigValueError extends Error {
  override readonly name = "ConfigValueError";
}

/** The outcome of entering a directory: its absolute path, or the system's words for what is wrong. */
export type DirectoryOutcome = { readonly path: string } | { readonly error: string };
/** Checks `path`, taken relative to the absolute path `from`. */
export type EnterDirectory = (path: string, from: string) => DirectoryOutcome;

export interface ParseContext {
  /** An earlier line of the same load set this directive: a `save` line then adds to it instead of replacing it. */
  readonly isRepeated: boolean;
  readonly enterDirectory: EnterDirectory;
}

/** One line for redis.conf, without the directive's name. A forced line is added where the file has none. */
export interface RewriteLine {
  readonly text: ByteString;
  readonly isForced: boolean;
}

/** V is the parsed value, S what the server reads of it. */
export interface Kind<V, S = V> {
  readonly defaultValue: V;
  /** @throws {ConfigValueError} */
  parse(args: readonly ByteString[], current: V, context: ParseContext): V;
  format(value: V): ByteString;
  /** No line at all means: drop the directive from the file. */
  rewrite(value: V): readonly RewriteLine[];
  setting(value: V): S;
}

const WRONG_NUMBER_OF_ARGUMENTS = "wrong number of arguments";
const BIND_ADDRESSES_MAX = 16;

function single(text: ByteString, isForced: boolean): readonly RewriteLine[] {
  return [{ text, isForced }];
}

function identity<V>(value: V): V {
  return value;
}

export function boolKind(defaultValue: boolean, validate: (value: boolean) => void = () => {}): Kind<boolean> {
  const format = (value: boolean) => value ? "yes" : "no";
  return {
    defaultValue,
    parse(args) {
      const word = asciiLower(args[0]);
      if (word !== "yes" && word !== "no") throw new ConfigValueError("argument must be 'yes' or 'no'");
      validate(word === "yes");
      return word === "yes";
    },
    format,
    rewrite: (value) => single(format(value), value !== defaultValue),
    setting: identity,
  };
}

/** `synonyms` are further spellings, each of an option. */
export function enumKind<T extends string>(
  options: readonly T[],
  defaultValue: NoInfer<T>,
  synonyms: Readonly<Record<string, NoInfer<T>>> = {},
): Kind<T> {
  const words = new Map<string, T>(options.map((option) => [option, option]));
  for (const [synonym, option] of Object.entries(synonyms)) words.set(synonym, option);
  return {
    defaultValue,
    parse(args) {
      const value = args.length === 1 ? words.get(asciiLower(args[0])) : undefined;
      if (value === undefined) throw enumError(words.keys());
      return value;
    },
    format: identity,
    rewrite: (value) => single(value, value !== defaultValue),
    setting: identity,
  };
}

function enumError(words: Iterable<string>): ConfigValueError {
  return new ConfigValueError(`argument(s) must be one of the following: ${[...words].join(", ")}`);
}

/** A set of shutdown options, "default" being the empty one. */
export function shutdownOptionsKind(): Kind<readonly ShutdownOption[]> {
  const format = (value: readonly ShutdownOption[]) => value.length === 0 ? "default" : value.join(" ");
  return {
    defaultValue: [],
    parse(args) {
      const words = args.map(asciiLower);
      const isKnown = (word: string) => word === "default" || (SHUTDOWN_OPTIONS as readonly string[]).includes(word);
      if (words.length === 0 || !words.every(isKnown)) throw enumError(["default", ...SHUTDOWN_OPTIONS]);
      if (words.includes("save") && words.includes("nosave")) {
        throw new ConfigValueError("shutdown options SAVE and NOSAVE can't be used simultaneously");
      }
      return SHUTDOWN_OPTIONS.filter((option) => words.includes(option));
    },
    format,
    rewrite: (value) => single(format(value), value.length > 0),
    setting: identity,
  };
}

/** "memory" takes units, "memory or percent" keeps n% as -n, "octal" is written and printed in base 8. */
export type NumberUnit = "none" | "memory" | "memory or percent" | "octal";

export interface NumberRange {
  readonly min: bigint;
  readonly max: bigint;
  /** C's unsigned types: a negative number is a huge one. */
  readonly isUnsigned?: boolean;
  readonly unit?: NumberUnit;
  /** Values outside are accepted and moved to the nearest end. */
  readonly clamp?: readonly [bigint, bigint];
  readonly validate?: (value: bigint) => void;
}

export function numberKind(defaultValue: bigint, range: NumberRange): Kind<bigint, number> {
  const unit = range.unit ?? "none";
  return {
    defaultValue,
    parse(args) {
      const signed = parseNumber(args[0], unit);
      const value = range.isUnsigned ? BigInt.asUintN(64, signed) : signed;
      checkRange(value, range, unit);
      range.validate?.(value);
      return range.clamp === undefined ? value : clamp(value, range.clamp);
    },
    format: (value) => formatNumber(value, unit),
    rewrite: (value) => single(rewriteNumber(value, unit), value !== defaultValue),
    setting: Number,
  };
}

function clamp(value: bigint, [low, high]: readonly [bigint, bigint]): bigint {
  return value < low ? low : value > high ? high : value;
}

function parseNumber(text: ByteString, unit: NumberUnit): bigint {
  switch (unit) {
    case "none":
      return parsed(parseStrictInteger(text), "argument couldn't be parsed into an integer");
    case "octal":
      return parsed(parseOctal(text), "argument couldn't be parsed as an octal number");
    case "memory":
      return BigInt.asIntN(64, parsed(parseMemory(text), "argument must be a memory value"));
    case "memory or percent":
      return BigInt.asIntN(
        64,
        parsed(parseMemory(text) ?? parsePercent(text), "argument must be a memory or percent value"),
      );
  }
}

function parsed(value: bigint | null, reason: string): bigint {
  if (value === null) throw new ConfigValueError(reason);
  return value;
}

/** "n%" as -n. */
function parsePercent(text: ByteString): bigint | null {
  if (!text.endsWith("%")) return null;
  const percent = parseStrictInteger(text.slice(0, -1));
  return percent === null || percent < 0n ? null : -percent;
}

function checkRange(value: bigint, range: NumberRange, unit: NumberUnit): void {
  if (unit === "memory or percent" && value < 0n) {
    if (value >= range.min) return;
    throw new ConfigValueError(`percentage argument must be less or equal to ${-range.min}`);
  }
  if (value >= range.min && value <= range.max) return;
  const base = unit === "octal" ? 8 : 10;
  throw new ConfigValueError(
    `argument must be between ${range.min.toString(base)} and ${range.max.toString(base)} inclusive`,
  );
}

function formatNumber(value: bigint, unit: NumberUnit): string {
  if (unit === "memory or percent" && value < 0n) return `${-value}%`;
  return value.toString(unit === "octal" ? 8 : 10);
}

function rewriteNumber(value: bigint, unit: NumberUnit): string {
  return value >= 0n && unit.startsWith("memory") ? formatMemory(value) : formatNumber(value, unit);
}

export interface StringRules {
  readonly defaultValue?: ByteString;
  /** An empty value means "not set" and is never written to redis.conf. */
  readonly isUnsetWhenEmpty?: boolean;
  readonly validate?: (value: ByteString) => void;
}

/** A C string: it ends at its first NUL. The server reads it as UTF-8. */
export function stringKind(rules: StringRules): Kind<ByteString, string> {
  return { ...byteStringBasics(rules, cutAtNul), setting: textOfByteString };
}

/** A binary-safe string (sds): the server reads bytes. */
export function bytesKind(rules: StringRules): Kind<ByteString, Uint8Array> {
  return { ...byteStringBasics(rules, identity), setting: bytesOfByteString };
}

function cutAtNul(text: ByteString): ByteString {
  const end = text.indexOf("\0");
  return end < 0 ? text : text.slice(0, end);
}

function byteStringBasics(rules: StringRules, read: (text: ByteString) => ByteString) {
  const defaultValue = rules.defaultValue ?? "";
  return {
    defaultValue,
    parse(args: readonly ByteString[]): ByteString {
      const value = read(args[0]);
      rules.validate?.(value);
      return value;
    },
    format: (value: ByteString): ByteString => value,
    rewrite(value: ByteString): readonly RewriteLine[] {
      if (rules.isUnsetWhenEmpty && value === "") return [];
      return single(quoteArgument(value), value !== defaultValue);
    },
  };
}

/** The working directory, always absolute; the table's default is replaced by the one the server starts in. */
export function directoryKind(): Kind<ByteString, string> {
  return {
    defaultValue: "",
    parse(args, current, context) {
      if (args.length !== 1) throw new ConfigValueError(WRONG_NUMBER_OF_ARGUMENTS);
      const outcome = context.enterDirectory(textOfByteString(cutAtNul(args[0])), textOfByteString(current));
      if ("error" in outcome) throw new ConfigValueError(outcome.error);
      return byteStringOfText(outcome.path);
    },
    format: identity,
    rewrite: (value) => single(quoteArgument(value), true),
    setting: textOfByteString,
  };
}

export function savePointsKind(defaultValue: readonly SavePoint[]): Kind<readonly SavePoint[]> {
  const formatPoint = (point: SavePoint) => `${point.seconds} ${point.changes}`;
  return {
    defaultValue,
    parse(args, current, context) {
      const isReset = args.length === 1 && args[0] === "";
      const kept = context.isRepeated && !isReset ? current : [];
      return [...kept, ...parseSavePoints(isReset ? [] : args)];
    },
    format: (value) => value.map(formatPoint).join(" "),
    rewrite(value) {
      if (value.length === 0) return single('""', true);
      return value.map((point) => ({ text: formatPoint(point), isForced: true }));
    },
    setting: identity,
  };
}

function parseSavePoints(args: readonly ByteString[]): SavePoint[] {
  const numbers = args.map(parseLooseInteger);
  const points: SavePoint[] = [];
  for (let i = 0; i < numbers.length; i += 2) {
    const seconds = numbers[i];
    const changes = numbers[i + 1] ?? null;
    if (seconds === null || changes === null || seconds < 1n || changes < 0n) {
      throw new ConfigValueError("Invalid save parameters");
    }
    points.push({ seconds: Number(seconds), changes: Number(changes) });
  }
  return points;
}

interface ExactLimit {
  readonly hardBytes: bigint;
  readonly softBytes: bigint;
  readonly softSeconds: bigint;
}

/** In Redis's order of client classes. */
const LIMITED_CLASSES = ["normal", "replica", "pubsub"] as const;
type LimitedClass = (typeof LIMITED_CLASSES)[number];
type ExactLimits = Readonly<Record<LimitedClass, ExactLimit>>;

export function outputBufferLimitsKind(defaultValue: ExactLimits): Kind<ExactLimits, OutputBufferLimits> {
  // CONFIG GET says "slave" where redis.conf says "replica".
  const className = (name: LimitedClass) => name === "replica" ? "slave" : name;
  return {
    defaultValue,
    parse(args, current) {
      if (args.length % 4 !== 0) {
        throw new ConfigValueError("Wrong number of arguments in buffer limit configuration.");
      }
      const limits = { ...current };
      for (let i = 0; i < args.length; i += 4) limits[limitedClass(args[i])] = parseLimit(args.slice(i + 1, i + 4));
      return limits;
    },
    format: (value) =>
      LIMITED_CLASSES.map((name) => {
        const { hardBytes, softBytes, softSeconds } = value[name];
        return `${className(name)} ${hardBytes} ${softBytes} ${softSeconds}`;
      }).join(" "),
    rewrite: (value) =>
      LIMITED_CLASSES.map((name) => ({
        text: `${name} ${rewriteLimit(value[name])}`,
        isForced: rewriteLimit(value[name]) !== rewriteLimit(defaultValue[name]),
      })),
    setting: (value) => ({
      normal: limitSetting(value.normal),
      replica: limitSetting(value.replica),
      pubsub: limitSetting(value.pubsub),
    }),
  };
}

function limitedClass(word: ByteString): LimitedClass {
  const name = asciiLower(word) === "slave" ? "replica" : asciiLower(word);
  const found = LIMITED_CLASSES.find((candidate) => candidate === name);
  if (found === undefined) throw new ConfigValueError("Invalid client class specified in buffer limit configuration.");
  return found;
}

function parseLimit([hard, soft, seconds]: readonly ByteString[]): ExactLimit {
  const hardBytes = parseMemory(hard);
  const softBytes = parseMemory(soft);
  const softSeconds = parseLooseInteger(seconds);
  if (hardBytes === null || softBytes === null || softSeconds === null || softSeconds < 0n) {
    throw new ConfigValueError("Error in hard, soft or soft_seconds setting in buffer limit configuration.");
  }
  return { hardBytes, softBytes, softSeconds };
}

function rewriteLimit(limit: ExactLimit): string {
  return `${formatMemory(limit.hardBytes)} ${formatMemory(limit.softBytes)} ${limit.softSeconds}`;
}

function limitSetting(limit: ExactLimit): OutputBufferLimit {
  return {
    hardBytes: Number(limit.hardBytes),
    softBytes: Number(limit.softBytes),
    softSeconds: Number(limit.softSeconds),
  };
}

/** Addresses to listen on; none at all is allowed. */
export function bindKind(defaultValue: readonly ByteString[]): Kind<readonly ByteString[], readonly string[]> {
  return {
    defaultValue,
    parse(args) {
      if (args.length > BIND_ADDRESSES_MAX) throw new ConfigValueError("Too many bind addresses specified.");
      return args.length === 1 && args[0] === "" ? [] : [...args];
    },
    format: (value) => value.join(" "),
    rewrite(value) {
      if (value.join(" ") === defaultValue.join(" ")) return [];
      return single(value.length === 0 ? '""' : value.join(" "), true);
    },
    setting: (value) => value.map(textOfByteString),
  };
}

/** How much more likely the kernel should kill a master, a replica, a background child. */
export function oomScoreAdjValuesKind(defaultValue: readonly number[]): Kind<readonly number[]> {
  return {
    defaultValue,
    parse(args) {
      if (args.length !== defaultValue.length) throw new ConfigValueError(WRONG_NUMBER_OF_ARGUMENTS);
      return args.map((text) => {
        const value = parseLooseInteger(text);
        if (value === null || value < -2000n || value > 2000n) {
          throw new ConfigValueError("Invalid oom-score-adj-values, elements must be between -2000 and 2000.");
        }
        return Number(value);
      });
    },
    format: (value) => value.join(" "),
    rewrite: (value) => single(value.join(" "), value.join(" ") !== defaultValue.join(" ")),
    setting: identity,
  };
}

export function percentilesKind(defaultValue: readonly number[]): Kind<readonly number[]> {
  const format = (value: readonly number[]) => value.map(formatDecimal).join(" ");
  return {
    defaultValue,
    parse: (args) => args.length === 1 && args[0] === "" ? [] : args.map(parsePercentile),
    format,
    rewrite: (value) => single(value.length === 0 ? '""' : format(value), true),
    setting: identity,
  };
}

function parsePercentile(text: ByteString): number {
  const value = parseDecimal(text);
  if (value === null) throw new ConfigValueError("Invalid latency-tracking-info-percentiles parameters");
  if (value < 0 || value > 100) {
    throw new ConfigValueError("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]");
  }
  return value;
}

/** Every class of keyspace events in the order Redis prints them. */
const EVENT_CLASSES = "g$lshzxetdnKEm";
/** The classes that "A" stands for. */
const EVENTS_OF_A = "g$lshzxetd";

/** The value lists classes without repeats, "A" where it stands for all of its own. */
export function keyspaceEventsKind(): Kind<ByteString> {
  return {
    defaultValue: "",
    parse(args) {
      if (args.length !== 1) throw new ConfigValueError(WRONG_NUMBER_OF_ARGUMENTS);
      return canonicalEvents(args[0]);
    },
    // Redis forgets to print "n" next to "A".
    format: (value) => value.startsWith("A") ? value.replace("n", "") : value,
    rewrite: (value) => single(quoteArgument(value), value !== ""),
    setting: identity,
  };
}

function canonicalEvents(text: ByteString): ByteString {
  const wanted = new Set<string>();
  for (const char of text) {
    if (char !== "A" && !EVENT_CLASSES.includes(char)) {
      throw new ConfigValueError("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.");
    }
    for (const event of char === "A" ? EVENTS_OF_A : char) wanted.add(event);
  }
  const isAll = [...EVENTS_OF_A].every((event) => wanted.has(event));
  const isListed = (event: string) => wanted.has(event) && !(isAll && EVENTS_OF_A.includes(event));
  return (isAll ? "A" : "") + [...EVENT_CLASSES].filter(isListed).join("");
}

/** "host port" of a master, empty for none. */
export function replicaofKind(): Kind<ByteString> {
  return {
    defaultValue: "",
    parse(args) {
      if (args.length !== 2) throw new ConfigValueError(WRONG_NUMBER_OF_ARGUMENTS);
      if (asciiLower(args[0]) === "no" && asciiLower(args[1]) === "one") return "";
      const port = parseLooseInteger(args[1]);
      if (port === null || port < 0n || port > 65535n) throw new ConfigValueError("Invalid master port");
      return `${args[0]} ${port}`;
    },
    format: identity,
    rewrite: (value) => value === "" ? [] : single(value, true),
    setting: identity,
  };
}
