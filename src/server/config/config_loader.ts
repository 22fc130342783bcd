/**
 * Loads redis.conf text into a Config: lines, comments, quoting, `include`, `rename-command`, and Redis's fatal error
 * report.
 * Invariants: lines take effect in order, the last one wins (`save` lines add up); the first error ends the load.
 * Departs from Redis 7.0.15 in one place: there, an `include` makes each later `save` line replace the ones before it.
 * Never reads a file itself: it asks a ConfigSource.
 */

import { expandPathPattern, isPathPattern } from "./config_pattern.ts";
import {
  asciiLower,
  type ByteString,
  byteStringOfBytes,
  splitArguments,
  textOfByteString,
  trimLine,
} from "./config_text.ts";
import { type Config, enterAnyDirectory, findDirective } from "./config.ts";
import { DEPRECATED_NAMES, STATEMENT_REFUSALS } from "./config_directives.ts";
import type { RenamedCommand } from "./settings.ts";

/** The bytes of a file, or the system's words for why they cannot be read. */
export type FileOutcome = { readonly bytes: Uint8Array } | { readonly error: string };

/** Where the loader finds files and commands. Paths are absolute. */
export interface ConfigSource {
  readFile(path: string): FileOutcome;
  /** Names in a directory, none when it cannot be read. */
  listDirectory(path: string): readonly string[];
  /** Knows a command by its lower-case name, before any renaming. */
  isCommand(name: string): boolean;
}

/** The configuration cannot be used. `report` is what to print on standard error before exiting with status 1. */
export class ConfigFileError extends Error {
  override readonly name = "ConfigFileError";
  readonly report: string;

  constructor(message: string, report: string) {
    super(message);
    this.report = report;
  }
}

interface LineError {
  readonly lineNumber: number;
  readonly line: ByteString;
  readonly reason: string;
}

const INCLUDE_DEPTH_MAX = 32;

/**
 * The text Redis loads at start: the file, then standard input, then the lines made from arguments.
 * Line numbers in errors count through all three.
 */
export function joinConfigText(file: Uint8Array | null, stdin: Uint8Array | null, options: ByteString): ByteString {
  return (file === null ? "" : byteStringOfBytes(file)) + (stdin === null ? "" : byteStringOfBytes(stdin)) +
    "\n" + options;
}

/**
 * Loads `text` into `config`.
 * @throws {ConfigFileError} at the first line that cannot be used
 */
export function loadConfig(config: Config, text: ByteString, source: ConfigSource): void {
  new Load(config, source).text(text, 0);
}

/** Reads the file named on the command line. @throws {ConfigFileError} */
export function readConfigFile(path: string, source: ConfigSource): Uint8Array {
  const outcome = source.readFile(path);
  if ("bytes" in outcome) return outcome.bytes;
  const message = `Fatal error, can't open config file '${path}': ${outcome.error}`;
  throw new ConfigFileError(message, message + "\n");
}

/** A fatal error that belongs to no line, such as a log file that cannot be opened. */
export function configError(reason: string): ConfigFileError {
  return new ConfigFileError(reason, fatalHeading() + `${reason}\n`);
}

function fatalHeading(): string {
  return "\n*** FATAL CONFIG FILE ERROR (Redis 7.0.15) ***\n";
}

function lineError({ lineNumber, line, reason }: LineError): ConfigFileError {
  const where = `Reading the configuration file, at line ${lineNumber}\n>>> '${textOfByteString(line)}'\n`;
  const words = textOfByteString(reason);
  return new ConfigFileError(words, `${fatalHeading()}${where}${words}\n`);
}

/** The state of one load, includes included. */
class Load {
  readonly #config: Config;
  readonly #source: ConfigSource;
  readonly #seen = new Set<string>();
  readonly #renamed: RenamedCommand[] = [];

  constructor(config: Config, source: ConfigSource) {
    this.#config = config;
    this.#source = source;
  }

  text(text: ByteString, depth: number): void {
    const lines = text.split("\n");
    for (let i = 0; i < lines.length; i++) {
      const line = trimLine(lines[i]);
      if (line === "" || line.startsWith("#")) continue;
      const reason = this.#line(line, depth);
      if (reason !== null) throw lineError({ lineNumber: i + 1, line, reason });
    }
    this.#config.renamedCommands = [...this.#renamed];
  }

  /** Each of these methods returns null or the reason why the line cannot be used. */
  #line(line: ByteString, depth: number): string | null {
    const args = splitArguments(line);
    if (args === null) return "Unbalanced quotes in configuration line";
    if (args.length === 0) return null;
    const name = asciiLower(args[0]);
    const directive = findDirective(name);
    if (directive === null) return this.#statement(name, args.slice(1), depth);
    const isMultiple = directive.flags.has("multi-arg");
    if (!isMultiple && args.length !== 2) return "wrong number of arguments";
    return this.#assign(name, directive.name, isMultiple ? spread(args.slice(1)) : args.slice(1));
  }

  #assign(name: string, primaryName: string, args: ByteString[] | null): string | null {
    if (args === null) return "Unbalanced quotes in configuration line";
    const reason = this.#config.assignFromLine(name, args, this.#seen.has(primaryName));
    this.#seen.add(primaryName);
    return reason;
  }

  #statement(name: string, args: readonly ByteString[], depth: number): string | null {
    if (args.length === 1 && DEPRECATED_NAMES.includes(name)) return null;
    if (name === "include" && args.length === 1) return this.#include(textOfByteString(args[0]), depth);
    if (name === "rename-command" && args.length === 2) return this.#rename(asciiLower(args[0]), asciiLower(args[1]));
    if (name === "user" && isDefaultUser(args)) return null;
    if (Object.hasOwn(STATEMENT_REFUSALS, name)) return `${name} is not available: ${STATEMENT_REFUSALS[name]}`;
    if (name.includes(".")) return moduleConfigRefusal(args);
    return "Bad directive or wrong number of arguments";
  }

  #include(path: string, depth: number): string | null {
    if (depth === INCLUDE_DEPTH_MAX) return "Too many nested includes";
    const absolute = absolutePath(path, this.#config.dir);
    const paths = isPathPattern(path)
      ? expandPathPattern(absolute, (directory) => this.#source.listDirectory(directory))
      : [absolute];
    const texts = paths.map((each) => byteStringOfBytes(readConfigFile(each, this.#source)));
    this.text(texts.join(""), depth + 1);
    return null;
  }

  #rename(from: string, to: string): string | null {
    if (!this.#isCommandNow(from)) return "No such command in rename-command";
    if (to !== "" && to !== from && this.#isCommandNow(to)) return "Target command name already exists";
    this.#renamed.push({ from, to });
    return null;
  }

  #isCommandNow(name: string): boolean {
    for (let i = this.#renamed.length - 1; i >= 0; i--) {
      if (this.#renamed[i].to === name) return true;
      if (this.#renamed[i].from === name) return false;
    }
    return this.#source.isCommand(name);
  }
}

/** One argument with blanks in it stands for several; an empty one stays, it means "none". */
function spread(args: ByteString[]): ByteString[] | null {
  return args.length === 1 && args[0] !== "" ? splitArguments(args[0]) : args;
}

function absolutePath(path: string, from: string): string {
  const outcome = enterAnyDirectory(path, from);
  return "path" in outcome ? outcome.path : path;
}

const DEFAULT_USER_RULES = new Set([
  "on",
  "nopass",
  "sanitize-payload",
  "~*",
  "allkeys",
  "&*",
  "allchannels",
  "+@all",
  "allcommands",
]);

/** CONFIG REWRITE of a Redis without ACL users writes this line: it changes nothing. */
function isDefaultUser([name, ...rules]: readonly ByteString[]): boolean {
  return name === "default" && rules.includes("nopass") && rules.every((rule) => DEFAULT_USER_RULES.has(rule));
}

function moduleConfigRefusal(args: readonly ByteString[]): string {
  if (args.length === 0) return "Module config specified without value";
  return `Module configuration is not available: ${STATEMENT_REFUSALS.loadmodule}`;
}
