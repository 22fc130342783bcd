/**
 * The arguments of the server program, with Redis 7.0's rules: `[file|-] [--directive value ...] [-]`.
 * Invariant: options become lines of configuration text, loaded after the file and standard input, so they win.
 * Never knows which directives exist: the loader judges the lines.
 */

import { type ByteString, byteStringOfText, quoteArgument, splitArguments } from "./config_text.ts";

export type CommandLine =
  | { readonly kind: "version" }
  | { readonly kind: "help" }
  /** Something that Redis can and this server cannot. */
  | { readonly kind: "refused"; readonly message: string }
  | StartCommandLine;

export interface StartCommandLine {
  readonly kind: "start";
  readonly configFile: string | null;
  readonly readsStdin: boolean;
  /** Lines of configuration made from the options. */
  readonly options: ByteString;
  /** --disk-faults: the file of a plan of faults; it is no directive. */
  readonly diskFaultsFile: string | null;
}

/** Goes to standard output, exit status 0. Programs read the version after "v=". */
export const VERSION_TEXT = "Redis server v=7.0.15 sha=00000000:0 malloc=afterimage bits=64 build=0\n";

/** Goes to standard error, exit status 1 as in Redis. */
export const USAGE_TEXT = `Usage: deno task start [/path/to/redis.conf] [options] [-]
       deno task start - (read config from stdin)
       deno task start -v or --version
       deno task start -h or --help

Examples:
       deno task start (run the server with default conf)
       echo 'maxmemory 128mb' | deno task start -
       deno task start /etc/redis/6379.conf
       deno task start --port 7777
       deno task start --appendonly yes --appendfsync always
       deno task start /etc/myredis.conf --loglevel verbose -
       deno task start /etc/myredis.conf --loglevel verbose
       deno task start --appendonly yes --disk-faults plan.json
`;

const REFUSALS: Readonly<Record<string, string>> = {
  "--test-memory": "--test-memory is not available: test the memory with redis-server or memtest86",
  "--check-system": "--check-system is not available: check the system with redis-server",
};

/** @param args the arguments after the program's name */
export function parseCommandLine(args: readonly string[]): CommandLine {
  const first = args[0] ?? "";
  if (first === "-v" || first === "--version") return { kind: "version" };
  if (first === "-h" || first === "--help") return { kind: "help" };
  if (Object.hasOwn(REFUSALS, first)) return { kind: "refused", message: REFUSALS[first] };
  if (args.includes("--sentinel")) {
    return { kind: "refused", message: "--sentinel is not available: this server has no Sentinel mode" };
  }
  const hasFile = args.length > 0 && !first.startsWith("-");
  const options = parseOptions(args, hasFile ? 1 : 0);
  if (options.diskFaultsFile === undefined) {
    return { kind: "refused", message: "--disk-faults needs the path of a plan" };
  }
  return { kind: "start", configFile: hasFile ? first : null, ...options, diskFaultsFile: options.diskFaultsFile };
}

/** `diskFaultsFile` is undefined where its path is missing. */
function parseOptions(
  args: readonly string[],
  from: number,
): { readsStdin: boolean; options: ByteString; diskFaultsFile: string | null | undefined } {
  const lines = new OptionLines();
  let readsStdin = false, diskFaultsFile: string | null | undefined = null;
  for (let i = from; i < args.length; i++) {
    const isAtAnEnd = i === 0 || i === args.length - 1;
    if (args[i] === "-" && isAtAnEnd) readsStdin = true;
    else if (args[i] === "--disk-faults" && !lines.expectsValue) diskFaultsFile = args[++i];
    else lines.add(byteStringOfText(args[i]), args[i + 1]);
  }
  return { readsStdin, options: lines.text, diskFaultsFile };
}

/** Turns option arguments into lines. An argument is an option only when the option before it has a value. */
class OptionLines {
  text: ByteString = "";
  expectsValue = false;

  add(arg: ByteString, next: string | undefined): void {
    if (this.expectsValue || !arg.startsWith("--")) this.#addValue(arg);
    else this.#addName(arg, next);
  }

  #addValue(arg: ByteString): void {
    this.text += quoteArgument(arg) + " ";
    this.expectsValue = false;
  }

  /** "--port" waits for its value; "--port 6380" as one argument has it. `--save` alone means `--save ""`. */
  #addName(arg: ByteString, next: string | undefined): void {
    if (this.text !== "") this.text += "\n";
    this.text += arg.slice(2) + " ";
    const isNameOnly = splitArguments(arg)?.length === 1;
    const isEmptySave = isNameOnly && arg.toLowerCase() === "--save" && (next === undefined || next.startsWith("--"));
    if (isEmptySave) this.text += '""';
    this.expectsValue = isNameOnly && !isEmptySave;
  }
}
