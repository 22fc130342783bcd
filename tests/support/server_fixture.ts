/**
 * Test fixtures around real server processes.
 *
 * `oracleTest` wraps `Deno.test`: such a test needs redis-server 7.0 and is skipped with a message where it
 * is not installed, except with CI=true, where a missing oracle is a failure: a suite that compares nothing must not pass.
 */

import { ServerProcess } from "./server_process.ts";
import type { ServerKind, ServerOptions } from "./server_process.ts";

export { type ServerKind, type ServerOptions, ServerProcess };

const ORACLE_VERSION = /v=7\.0\./;
let oracleFound: boolean | undefined;

/** True when redis-server 7.0 is on the PATH. */
export function redisInstalled(): boolean {
  oracleFound ??= ORACLE_VERSION.test(versionOf("redis-server"));
  return oracleFound;
}

function versionOf(program: string): string {
  try {
    const { stdout } = new Deno.Command(program, { args: ["--version"], stderr: "null" }).outputSync();
    return new TextDecoder().decode(stdout);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

/** A test that compares with, or uses the tools of, the real Redis. */
export function oracleTest(name: string, run: () => Promise<void>): void {
  const missing = !redisInstalled();
  const required = Deno.env.get("CI") === "true";
  if (missing && !required) console.warn(`skipped, redis-server 7.0 is not installed: ${name}`);
  Deno.test({
    name,
    ignore: missing && !required,
    async fn() {
      if (missing) throw new Error("Cannot run: CI=true needs redis-server 7.0 (Debian: redis-server, redis-tools)");
      await run();
    },
  });
}

/** Runs `body` with a server of the given kind, which is gone when this returns. A failure is shown with the server's log. */
export async function withServer(
  kind: ServerKind,
  options: ServerOptions,
  body: (server: ServerProcess) => Promise<void>,
): Promise<void> {
  await using server = await ServerProcess.start(kind, options);
  try {
    await body(server);
  } catch (error) {
    console.error(`${kind} server on port ${server.port}, log:\n${server.log}`);
    throw error;
  }
}

/** Runs a program to its end and returns what it printed; `input` goes to its standard input. */
export async function runTool(
  program: string,
  args: readonly string[],
  input?: string | ReadableStream<Uint8Array>,
): Promise<{ code: number; output: string }> {
  const command = new Deno.Command(program, {
    args: [...args],
    stdin: input === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  });
  const child = command.spawn();
  const feeding = input === undefined ? undefined : toStream(input).pipeTo(child.stdin);
  const { code, stdout, stderr } = await child.output();
  await feeding;
  const decoder = new TextDecoder();
  return { code, output: decoder.decode(stdout) + decoder.decode(stderr) };
}

/** Runs one of this project's programs to its end, in a folder. */
export async function runProgram(
  cwd: string,
  program: string,
  args: readonly string[],
): Promise<{ code: number; out: string; err: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", program, ...args],
    cwd,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  const decoder = new TextDecoder();
  return { code, out: decoder.decode(stdout), err: decoder.decode(stderr) };
}

function toStream(input: string | ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  return typeof input === "string" ? new Blob([input]).stream() : input;
}

/** A temporary directory that is removed when the scope ends. */
export async function temporaryDirectory(): Promise<{ path: string } & AsyncDisposable> {
  const path = await Deno.makeTempDir({ prefix: "afterimage-test-" });
  return {
    path,
    async [Symbol.asyncDispose]() {
      await Deno.remove(path, { recursive: true });
    },
  };
}

/** Runs `use` with a temporary directory. */
export async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  await using directory = await temporaryDirectory();
  await use(directory.path);
}
