/** The process and machine, for whoever wires a program together. */

import { constants } from "node:os";
import v8 from "node:v8";
import vm from "node:vm";

export const process = {
  pid: Deno.pid,

  args(): readonly string[] {
    return Deno.args;
  },

  workingDirectory(): string {
    return Deno.cwd();
  },

  exit(code: number): never {
    Deno.exit(code);
  },

  isTerminal(): boolean {
    return Deno.stdout.isTerminal();
  },

  /** Columns of the terminal; 0 where there is none. */
  columns(): number {
    return Deno.stdout.isTerminal() ? Deno.consoleSize().columns : 0;
  },

  /** Writes all of it to standard output; gives up quietly when nobody reads any more. */
  writeOut(bytes: Uint8Array): void {
    writeAll(Deno.stdout, bytes);
  },

  writeError(bytes: Uint8Array): void {
    writeAll(Deno.stderr, bytes);
  },

  /** Everything on standard input. */
  readStdin(): Uint8Array {
    const parts: Uint8Array[] = [], piece = new Uint8Array(64 * 1024);
    for (let n = Deno.stdin.readSync(piece); n !== null; n = Deno.stdin.readSync(piece)) parts.push(piece.slice(0, n));
    const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) all.set(part, at), at += part.length;
    return all;
  },

  onSignal(signal: "SIGTERM" | "SIGINT", handler: () => void): void {
    Deno.addSignalListener(signal, handler);
  },

  physicalMemoryBytes(): number {
    return Deno.systemMemoryInfo().total;
  },

  residentBytes(): number {
    return Deno.memoryUsage().rss;
  },

  cpuSeconds(): { user: number; system: number } {
    try {
      // Fields 14 and 15 of proc(5) stat, in ticks of 1/100 s; the name in field 2 may hold spaces.
      const fields = Deno.readTextFileSync("/proc/self/stat").split(") ")[1].split(" ");
      return { user: Number(fields[11]) / 100, system: Number(fields[12]) / 100 };
    } catch {
      return { user: 0, system: 0 };
    }
  },

  /**
   * Runs the garbage collector of this thread, so that shared memory nobody refers to any more goes back to the operating system. The
   * engine does not see how much memory hangs on those objects, and may not run it for hours. Takes some milliseconds.
   */
  collectGarbage(): void {
    collect ??= exposeCollector();
    collect();
  },

  osText(): string {
    const name = { linux: "Linux", darwin: "Darwin", windows: "Windows" }[Deno.build.os as string] ?? Deno.build.os;
    return `${name} ${Deno.osRelease()} ${Deno.build.arch}`;
  },

  executable(): string {
    return Deno.execPath();
  },

  /** The bytes of a file, or the system's words for why they cannot be read. */
  readFile(path: string): { bytes: Uint8Array } | { error: string } {
    try {
      return { bytes: Deno.readFileSync(path) };
    } catch (error) {
      return {
        error: error instanceof Deno.errors.NotFound ? "No such file or directory" : String((error as Error).message),
      };
    }
  },

  listDirectory(path: string): readonly string[] {
    try {
      return [...Deno.readDirSync(path)].map((entry) => entry.name);
    } catch {
      return [];
    }
  },

  /** Absolute path of a directory that exists. */
  enterDirectory(path: string, from: string): { path: string } | { error: string } {
    const whole = path.startsWith("/") ? path : `${from}/${path}`;
    try {
      const real = Deno.realPathSync(whole);
      return Deno.statSync(real).isDirectory ? { path: real } : { error: "Not a directory" };
    } catch (error) {
      return {
        error: error instanceof Deno.errors.NotFound ? "No such file or directory" : String((error as Error).message),
      };
    }
  },

  /** Opens a file that lines are added to. @throws with the system's words */
  openLog(path: string): (bytes: Uint8Array) => void {
    const file = Deno.openSync(path, { append: true, create: true });
    return (bytes) => writeAll(file, bytes);
  },

  writeFile(path: string, text: string): void {
    Deno.writeTextFileSync(path, text);
  },
};

/** SIGUSR1: Redis's way to end a child without meaning that anything is wrong. Its number is the system's. */
export const USER_SIGNAL: number = constants.signals.SIGUSR1;

/** Starts processes that do nothing but stand for work of a thread: what `ps` shows and `kill` reaches. */
export interface StandInProcesses {
  /** Makes a later `start` quick. */
  prepare(): void;
  /** Never waits, and never throws: what becomes of it comes through `events`, later. */
  start(title: string, events: StandInEvents): StandIn;
  terminate(): void;
}

/** Nothing comes after `end` was called. */
export interface StandInEvents {
  started(pid: number): void;
  /** Somebody else ended it: the signal's number. */
  killed(signal: number): void;
  /** There is no such process, and why. */
  missing(reason: string): void;
}

export interface StandIn {
  end(): void;
}

let collect: (() => void) | null = null;

function exposeCollector(): () => void {
  v8.setFlagsFromString("--expose-gc");
  return vm.runInNewContext("gc") as () => void;
}

function writeAll(target: { writeSync(bytes: Uint8Array): number }, bytes: Uint8Array): void {
  try {
    for (let at = 0; at < bytes.length;) at += target.writeSync(bytes.subarray(at));
  } catch {
    // Nobody reads it any more.
  }
}
