/**
 * Starts and ends a server as a child process: this project's ("ours") or the real redis-server ("redis").
 *
 * Both listen on 127.0.0.1 only, in a directory of their own, with saving off unless `args` say otherwise. A process is only
 * ever ended through its own handle. After `stop` or `kill` has returned, the process is gone and its output has been read.
 */

import { fileURLToPath } from "node:url";
import { type ConnectOptions, RespClient, RespError } from "./resp_client.ts";

export type ServerKind = "ours" | "redis";

export interface ServerOptions {
  /** Working directory of the server; a fresh temporary one, removed by `dispose`, unless given. */
  dir?: string;
  /** A free port unless given. */
  port?: number;
  /** Directives in command-line form, after the defaults: `["--appendonly", "yes"]`. */
  args?: readonly string[];
  /** How long to wait for PONG, loading included. */
  readyTimeoutMs?: number;
}

const MAIN_PATH = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
const READY_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 30_000;
const POLL_INTERVAL_MS = 2;
const START_ATTEMPTS = 3;

/** The server ended, or did not answer in time, before it was ready. `log` is all it had printed. */
export class ServerStartError extends Error {
  readonly log: string;

  constructor(message: string, log: string) {
    super(`${message}; its log:\n${log}`);
    this.name = "ServerStartError";
    this.log = log;
  }
}

export class ServerProcess {
  readonly kind: ServerKind;
  readonly port: number;
  readonly dir: string;
  readonly pid: number;
  /** From the start of the process to the first PONG. */
  readyAfterMs = 0;
  readonly #options: ServerOptions;
  readonly #child: Deno.ChildProcess;
  #ownsDir: boolean;
  readonly #output: Promise<unknown>;
  #log = "";
  #exitCode: number | undefined;

  private constructor(kind: ServerKind, port: number, dir: string, options: ServerOptions, child: Deno.ChildProcess) {
    this.kind = kind;
    this.port = port;
    this.dir = dir;
    this.pid = child.pid;
    this.#options = options;
    this.#ownsDir = options.dir === undefined;
    this.#child = child;
    this.#output = Promise.all([this.#capture(child.stdout), this.#capture(child.stderr), this.#watchExit()]);
  }

  /**
   * Starts a server and waits until it answers PONG (or asks for a password).
   * @throws {ServerStartError} when it ends or stays silent
   */
  static async start(kind: ServerKind, options: ServerOptions = {}): Promise<ServerProcess> {
    for (let attempt = 1;; attempt++) {
      try {
        return await ServerProcess.#startOnce(kind, options);
      } catch (error) {
        const portWasTaken = error instanceof ServerStartError && error.log.includes("in use");
        if (!portWasTaken || options.port !== undefined || attempt === START_ATTEMPTS) throw error;
      }
    }
  }

  static async #startOnce(kind: ServerKind, options: ServerOptions): Promise<ServerProcess> {
    const dir = options.dir ?? await Deno.makeTempDir({ prefix: "afterimage-test-" });
    const port = options.port ?? freePort();
    const startedAtMs = performance.now();
    const child = commandFor(kind, port, dir, options.args ?? []).spawn();
    const server = new ServerProcess(kind, port, dir, options, child);
    try {
      await server.#waitUntilReady(options.readyTimeoutMs ?? READY_TIMEOUT_MS);
    } catch (error) {
      await server.dispose();
      throw error;
    }
    server.readyAfterMs = performance.now() - startedAtMs;
    return server;
  }

  /**
   * Starts a server on the directory and port of this one, which must have ended. The directory now belongs to the new one.
   * `changes` replace the options given at the first start.
   */
  async startAgain(changes: Omit<ServerOptions, "dir" | "port"> = {}, kind = this.kind): Promise<ServerProcess> {
    const options = { ...this.#options, ...changes, dir: this.dir, port: this.port };
    const next = await ServerProcess.start(kind, options);
    next.#ownsDir = this.#ownsDir;
    this.#ownsDir = false;
    return next;
  }

  /** Everything the process has printed so far. */
  get log(): string {
    return this.#log;
  }

  /** Undefined while the process runs. A signal's code is 128 plus its number. */
  get exitCode(): number | undefined {
    return this.#exitCode;
  }

  connect(options: Omit<ConnectOptions, "port" | "host" | "path"> = {}): Promise<RespClient> {
    return RespClient.connect({ port: this.port, ...options });
  }

  /** Sends a signal and waits for the end; SIGKILL follows when it takes too long. */
  async kill(signal: Deno.Signal): Promise<number> {
    if (this.#exitCode === undefined) this.#signal(signal);
    const timer = setTimeout(() => this.#signal("SIGKILL"), STOP_TIMEOUT_MS);
    await this.#output;
    clearTimeout(timer);
    return this.#exitCode!;
  }

  /** A clean shutdown (SIGTERM). */
  stop(): Promise<number> {
    return this.kill("SIGTERM");
  }

  /** Waits for the process to end by itself, and returns its exit code. */
  async ended(): Promise<number> {
    await this.#output;
    return this.#exitCode!;
  }

  /** Ends the process at once if it still runs, and removes its directory if it was made for it. */
  async dispose(): Promise<void> {
    await this.kill("SIGKILL");
    if (this.#ownsDir) await Deno.remove(this.dir, { recursive: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  #signal(signal: Deno.Signal): void {
    try {
      this.#child.kill(signal);
    } catch (error) {
      // It ended between the check and the signal, which is what the signal was for.
      if (!(error instanceof TypeError) && !(error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  async #capture(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) this.#log += decoder.decode(chunk, { stream: true });
  }

  async #watchExit(): Promise<void> {
    this.#exitCode = (await this.#child.status).code;
  }

  async #waitUntilReady(timeoutMs: number): Promise<void> {
    const deadlineMs = performance.now() + timeoutMs;
    while (this.#exitCode === undefined) {
      if (performance.now() > deadlineMs) {
        throw new ServerStartError(`${this.kind} server gave no PONG within ${timeoutMs} ms`, this.#log);
      }
      if (await answersPing(this.port)) return;
      await new Promise((resolve) => setTimeout(resolve, POLL_INTERVAL_MS));
    }
    await this.#output;
    throw new ServerStartError(`${this.kind} server ended with code ${this.#exitCode} before it was ready`, this.#log);
  }
}

/** The command line of a server; also for runs that are expected to fail. */
export function commandFor(kind: ServerKind, port: number, dir: string, args: readonly string[]): Deno.Command {
  const directives = ["--port", String(port), "--bind", "127.0.0.1", "--dir", dir, "--save", "", ...args];
  const program = kind === "redis" ? "redis-server" : Deno.execPath();
  const leading = kind === "redis" ? [] : ["run", "-A", MAIN_PATH];
  return new Deno.Command(program, {
    args: [...leading, ...directives],
    cwd: dir,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
}

/** A TCP port that nobody listens on at the moment. */
export function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  return port;
}

/** True when a server at `port` is ready: it answers PONG, or NOAUTH. False while it loads, or when nobody listens. */
export async function answersPing(port: number): Promise<boolean> {
  let client: RespClient | undefined;
  try {
    client = await RespClient.connect({ port });
    return await client.command("PING") === "PONG";
  } catch (error) {
    return error instanceof RespError && error.code === "NOAUTH";
  } finally {
    await client?.close();
  }
}
