/**
 * Every child process and server of a benchmark run, so that an interrupted run leaves nothing behind.
 *
 * Children are ended by their own handles only. After `endAll` no new child can be started.
 */

import { type ServerKind, type ServerOptions, ServerProcess } from "../support/server_fixture.ts";

const CHILD_TIMEOUT_MS = 600_000;

export class ChildProcesses {
  readonly #servers = new Set<ServerProcess>();
  readonly #starting = new Set<Promise<ServerProcess>>();
  readonly #children = new Set<Deno.ChildProcess>();
  #ended = false;

  get ended(): boolean {
    return this.#ended;
  }

  startServer(kind: ServerKind, options: ServerOptions = {}): Promise<ServerProcess> {
    return this.#track(ServerProcess.start(kind, options));
  }

  /** Kills a server without saving and starts another on its directory. */
  async restartServer(server: ServerProcess): Promise<ServerProcess> {
    await server.kill("SIGKILL");
    const restarted = await this.#track(server.startAgain());
    this.#servers.delete(server);
    return restarted;
  }

  /** Ends a server and forgets it; its own temporary directory goes with it. */
  async endServer(server: ServerProcess): Promise<void> {
    await server.dispose();
    this.#servers.delete(server);
  }

  /**
   * Starts a program whose standard output is read by `output`.
   * @throws when it does not exit with code 0 within the time limit
   */
  start(program: string, args: readonly string[]): RunningChild {
    const child = new Deno.Command(program, {
      args: [...args],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
      signal: AbortSignal.timeout(CHILD_TIMEOUT_MS),
    }).spawn();
    this.#children.add(child);
    return new RunningChild(program, child, () => this.#children.delete(child));
  }

  /** Runs a program to its end and returns what it printed. */
  run(program: string, args: readonly string[]): Promise<string> {
    return this.start(program, args).output();
  }

  /** A server that is still starting is ended once it has started. */
  async endAll(): Promise<void> {
    this.#ended = true;
    for (const child of this.#children) child.kill("SIGTERM");
    await Promise.allSettled(this.#starting);
    await Promise.all(Array.from(this.#servers, (server) => server.dispose()));
  }

  async #track(starting: Promise<ServerProcess>): Promise<ServerProcess> {
    this.#starting.add(starting);
    try {
      const server = await starting;
      this.#servers.add(server);
      return server;
    } finally {
      this.#starting.delete(starting);
    }
  }
}

export class RunningChild {
  readonly #program: string;
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #forget: () => void;

  constructor(program: string, child: Deno.ChildProcess, forget: () => void) {
    this.#program = program;
    this.#child = child;
    this.#input = child.stdin.getWriter();
    this.#forget = forget;
  }

  /** Sends one line to its standard input. */
  async tell(line: string): Promise<void> {
    await this.#input.write(new TextEncoder().encode(line + "\n"));
  }

  /** Closes its standard input, waits for its end, and returns its standard output. */
  async output(): Promise<string> {
    await this.#input.close();
    const { code, stdout, stderr } = await this.#child.output();
    this.#forget();
    const decoder = new TextDecoder();
    if (code !== 0) throw new Error(`${this.#program} ended with code ${code}: ${decoder.decode(stderr).trim()}`);
    return decoder.decode(stdout);
  }
}
