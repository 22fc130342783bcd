/**
 * The real redis-server, where one is installed, started on files that the model left: twice, as a supervisor would. It listens on a
 * socket file in a temporary folder, which is removed with it.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname } from "node:path";
import { encodeCommand, type Reply, ReplyError, ReplyParser } from "../../src/mod.ts";
import type { Found } from "./gaps.ts";

const STARTS_WITHIN_MS = 10_000;
const POLL_MS = 20;
const decoder = new TextDecoder();

/** `7.0.15`, or null where Redis is not installed. */
export function redisVersion(): string | null {
  try {
    const { stdout } = new Deno.Command("redis-server", { args: ["--version"], stdout: "piped", stderr: "null" })
      .outputSync();
    return /v=([0-9.]+)/.exec(decoder.decode(stdout))?.[1] ?? null;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

export class RealRedis {
  readonly #directory: string = mkdtempSync(`${tmpdir()}/power-cut-`);
  #process: Deno.ChildProcess | null = null;

  /** Kills what runs and removes all files. */
  close(): void {
    this.#kill();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** Starts on these files; again, on what that left, when it refuses. */
  async startTwice(image: ReadonlyMap<string, Uint8Array>): Promise<{ first: Found; second: Found | null }> {
    rmSync(this.#directory, { recursive: true, force: true });
    mkdirSync(this.#directory);
    for (const [path, bytes] of image) {
      const target = `${this.#directory}/${path}`;
      mkdirSync(dirname(target), { recursive: true });
      writeFileSync(target, bytes);
    }
    const first = await this.#start();
    return { first, second: first.refusal === null ? null : await this.#start() };
  }

  async #start(): Promise<Found> {
    const socket = `${this.#directory}/socket`;
    const directives = { dir: this.#directory, unixsocket: socket, port: "0", appendonly: "yes", save: "" };
    const server = this.#process = new Deno.Command("redis-server", {
      args: Object.entries(directives).flatMap(([name, value]) => [`--${name}`, value]),
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const log = new Response(server.stdout).text();
    let hasEnded = false;
    server.status.then(() => hasEnded = true);
    const data = await this.#data(socket, () => hasEnded);
    this.#kill();
    await server.status;
    return data === null ? { data: new Map(), refusal: whyRefused(await log) } : (await log, { data, refusal: null });
  }

  /** Null when it ends before it serves. */
  async #data(socket: string, hasEnded: () => boolean): Promise<Map<string, string> | null> {
    const untilMs = performance.now() + STARTS_WITHIN_MS;
    while (!hasEnded()) {
      if (performance.now() > untilMs) throw new Error("redis-server neither started nor ended");
      const keys = await ask(socket, ["KEYS", "*"]);
      if (!Array.isArray(keys)) {
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
        continue;
      }
      const data = new Map<string, string>();
      for (const key of keys as string[]) data.set(key, String(await ask(socket, ["GET", key])));
      return data;
    }
    return null;
  }

  #kill(): void {
    try {
      this.#process?.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
    this.#process = null;
  }
}

/** One command on a connection of its own; null when nobody listens yet, it still loads, or it has just ended. */
async function ask(socket: string, words: readonly string[]): Promise<Reply | null> {
  try {
    using connection = await Deno.connect({ transport: "unix", path: socket });
    await connection.write(encodeCommand(words));
    const reply = await replyFrom(connection);
    return reply instanceof ReplyError ? null : reply;
  } catch (error) {
    const { NotFound, ConnectionRefused, ConnectionReset, BrokenPipe } = Deno.errors;
    if ([NotFound, ConnectionRefused, ConnectionReset, BrokenPipe].some((kind) => error instanceof kind)) return null;
    throw error;
  }
}

async function replyFrom(connection: Deno.UnixConn): Promise<Reply | null> {
  const parser = new ReplyParser(), bytes = new Uint8Array(1 << 16);
  for (;;) {
    const read = await connection.read(bytes);
    if (read === null) return null;
    parser.push(bytes.slice(0, read), read);
    const reply = parser.next();
    if (reply !== undefined) return reply;
  }
}

/** The line of the log that says it. */
function whyRefused(log: string): string {
  const warnings = log.split("\n").filter((line) => / # /.test(line)).map((line) => line.replace(/^.*? # /, ""));
  const isReason = (line: string) => /^(Fatal|Bad file format|Unexpected end|The AOF file|\*\*\*)/i.test(line);
  return (warnings.find(isReason) ?? warnings.at(-1) ?? "it ended").replace(/: make a backup.*/, "");
}
