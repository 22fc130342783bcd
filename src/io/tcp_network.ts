/**
 * The real network: TCP and unix sockets through Deno's listeners, one read loop a connection.
 *
 * A turn: Deno resolves the reads that are ready in one go, their continuations run one after the other, and the microtask that the
 * first of them queued runs when all have delivered; that microtask is the end of the turn.
 *
 * Invariant: a read is in flight while its client idles, and the sink may replace its buffer meanwhile (the server shrinks those of
 * idle clients); the bytes are delivered into the buffer that the sink has when they come.
 */
import {
  ConnectError,
  type Connection,
  type ConnectionSink,
  type Listener,
  ListenError,
  type Network,
  type NetworkHooks,
} from "./network.ts";
import { afterSockets } from "./socket_turn.ts";

const READ_BYTES_MIN = 1;
const NEVER = -1;
/** A read waits in so small a buffer of the connection's own, so that an idle client costs no more; only who sends much reads in place. */
const SMALL_READ_BYTES = 512;
/** After a read that fills the small buffer so many reads are in place: a pipeline must not come in two pieces. */
const READS_IN_PLACE = 64;
/** A connection that keeps filling its buffer, so that its next bytes are there already, lets the others in after this time. */
const FULL_READS_MS_MAX = 2;
/** Below this a loop beats making a view. */
const LOOP_COPY_BYTES = 96;
const ERRNO_TEXT: Record<string, string> = {
  AddrInUse: "Address already in use",
  AddrNotAvailable: "Cannot assign requested address",
  PermissionDenied: "Permission denied",
  NotFound: "No such file or directory",
};

/** Coalesces requests for the end of the turn. */
class Turn {
  #queued = false;
  readonly #hooks: Set<NetworkHooks> = new Set();
  readonly #run = () => {
    this.#queued = false;
    for (const hooks of this.#hooks) hooks.onTurnEnd();
  };

  add(hooks: NetworkHooks): void {
    this.#hooks.add(hooks);
  }

  request(): void {
    if (this.#queued) return;
    this.#queued = true;
    queueMicrotask(this.#run);
  }
}

export class TcpNetwork implements Network {
  readonly #turn = new Turn();
  #nextNumber = 1;

  listenTcp(host: string, port: number, hooks: NetworkHooks): Listener {
    const hostname = host === "*" ? "0.0.0.0" : host;
    const listener = this.#bind(
      `Could not create server TCP listening socket ${host}:${port}`,
      () => Deno.listen({ hostname, port }),
    );
    this.#accept(listener, hooks, (conn) => new SocketConnection(conn, this.#turn, this.#nextNumber++));
    return { port: (listener.addr as Deno.NetAddr).port, close: () => close(listener) };
  }

  listenUnix(path: string, mode: number | null, hooks: NetworkHooks): Listener {
    try {
      if (Deno.statSync(path).isSocket) Deno.removeSync(path);
    } catch {
      // Nothing is there: the usual case.
    }
    const listener = this.#bind(`Opening Unix socket ${path}`, () => Deno.listen({ transport: "unix", path }));
    if (mode !== null) Deno.chmodSync(path, mode);
    this.#accept(listener, hooks, (conn) => new SocketConnection(conn, this.#turn, this.#nextNumber++, path));
    return {
      port: 0,
      close: () => {
        close(listener);
        try {
          Deno.removeSync(path);
        } catch {
          // Somebody removed it already.
        }
      },
    };
  }

  requestTurnEnd(): void {
    this.#turn.request();
  }

  async connectTcp(host: string, port: number): Promise<Connection> {
    try {
      return new SocketConnection(await Deno.connect({ hostname: host, port }), this.#turn, this.#nextNumber++);
    } catch (error) {
      throw new ConnectError(`Cannot connect to ${host}:${port}: ${reasonOf(error)}`, codeOf(error), error);
    }
  }

  #bind(what: string, listen: () => Deno.Listener): Deno.Listener {
    try {
      return listen();
    } catch (error) {
      throw new ListenError(`${what}: bind: ${reasonOf(error)}`, codeOf(error), error);
    }
  }

  async #accept(listener: Deno.Listener, hooks: NetworkHooks, wrap: (conn: Deno.Conn) => Connection): Promise<void> {
    this.#turn.add(hooks);
    while (true) {
      let connection: Connection;
      try {
        connection = wrap(await listener.accept());
      } catch (error) {
        // Closed: the end. Anything else (out of descriptors, a peer that went away) concerns one connection only.
        if (error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted) return;
        await new Promise((resolve) => setTimeout(resolve, 10));
        continue;
      }
      hooks.onConnection(connection);
    }
  }
}

class SocketConnection implements Connection {
  readonly remoteAddress: string;
  readonly localAddress: string;
  readonly isUnix: boolean;
  readonly sharesTurns = true;
  readonly fd: number;
  readonly #conn: Deno.Conn;
  readonly #turn: Turn;
  #sink: ConnectionSink | null = null;
  #closed = false;
  #paused = false;
  #resume: (() => void) | null = null;
  #writing = false;
  readonly #small = new Uint8Array(SMALL_READ_BYTES);
  #readsInPlaceLeft = 0;
  #closeWhenWritten = false;
  #failed = false;

  constructor(conn: Deno.Conn, turn: Turn, number: number, unixPath?: string) {
    this.#conn = conn, this.#turn = turn, this.fd = number;
    this.isUnix = unixPath !== undefined;
    this.remoteAddress = unixPath === undefined ? addressOf(conn.remoteAddr) : `${unixPath}:0`;
    this.localAddress = unixPath === undefined ? addressOf(conn.localAddr) : `${unixPath}:0`;
  }

  get readsInPlace(): boolean {
    return this.#readsInPlaceLeft > 0;
  }

  start(sink: ConnectionSink): void {
    this.#sink = sink;
    void this.#readLoop(sink);
  }

  pauseReading(): void {
    this.#paused = true;
  }

  resumeReading(): void {
    this.#paused = false;
    this.#resume?.();
    this.#resume = null;
  }

  write(bytes: Uint8Array, lengthBytes: number): void {
    if (this.#closed) return;
    this.#writing = true;
    void this.#writeAll(bytes, lengthBytes);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.resumeReading();
    close(this.#conn);
  }

  closeAfterWrite(): void {
    if (!this.#writing) return this.close();
    this.#closeWhenWritten = true;
    this.pauseReading();
  }

  setNoDelay(on: boolean): void {
    if (!this.isUnix && !this.#closed) ignoreErrors(() => (this.#conn as Deno.TcpConn).setNoDelay(on));
  }

  setKeepAlive(idleSeconds: number): void {
    if (!this.isUnix && !this.#closed) ignoreErrors(() => (this.#conn as Deno.TcpConn).setKeepAlive(idleSeconds > 0));
  }

  /** What the sink throws is our bug, not the peer's: it is not caught here, and ends the process. */
  async #readLoop(sink: ConnectionSink): Promise<void> {
    const conn = this.#conn, turn = this.#turn;
    let fullSinceMs = NEVER;
    while (!this.#closed) {
      if (fullSinceMs !== NEVER && performance.now() - fullSinceMs >= FULL_READS_MS_MAX) {
        await new Promise<void>(afterSockets);
        fullSinceMs = NEVER;
      }
      if (this.#paused) await this.#resumed();
      if (this.#closed || this.#closeWhenWritten) return;
      const buffer = this.#readsInPlaceLeft > 0 ? sink.readBuffer(READ_BYTES_MIN) : this.#small;
      let length: number | null;
      try {
        length = await conn.read(buffer);
      } catch (error) {
        return this.#ended(reasonOf(error));
      }
      if (length !== buffer.length || length === SMALL_READ_BYTES) fullSinceMs = NEVER;
      else if (fullSinceMs === NEVER) fullSinceMs = performance.now();
      if (length !== null && length >= SMALL_READ_BYTES) this.#readsInPlaceLeft = READS_IN_PLACE;
      else if (this.#readsInPlaceLeft > 0) this.#readsInPlaceLeft--;
      for (let at = 0; length === null || at < length;) {
        if (this.#paused) await this.#resumed();
        if (this.#closed || this.#closeWhenWritten) return;
        if (length === null) return this.#ended(null);
        at = deliver(sink, buffer, at, length);
        turn.request();
      }
    }
  }

  /** Pausing again before the read loop has run keeps it waiting. */
  async #resumed(): Promise<void> {
    while (this.#paused && !this.#closed) await new Promise<void>((resolve) => this.#resume = resolve);
  }

  async #writeAll(bytes: Uint8Array, lengthBytes: number): Promise<void> {
    try {
      let sent = await this.#conn.write(lengthBytes === bytes.length ? bytes : bytes.subarray(0, lengthBytes));
      while (sent < lengthBytes) sent += await this.#conn.write(bytes.subarray(sent, lengthBytes));
    } catch (error) {
      return this.#closeWhenWritten ? this.close() : this.#ended(reasonOf(error));
    }
    this.#writing = false;
    if (this.#closed) return;
    this.#sink?.onWriteDone();
    if (this.#closeWhenWritten) this.close();
  }

  #ended(reason: string | null): void {
    if (this.#closed || this.#failed) return;
    // Reading and writing fail together, and it is told once.
    this.#failed = reason !== null;
    this.#sink?.onClosed(reason);
    this.#turn.request();
  }
}

/**
 * Hands over what a read put into `buffer` from `at` on, at the place where the sink wants it by now, and as many bytes as it wants;
 * returns where the rest is.
 */
function deliver(sink: ConnectionSink, buffer: Uint8Array, at: number, length: number): number {
  const wanted = sink.readBuffer(length - at);
  if (at === 0 && wanted.buffer === buffer.buffer && wanted.byteOffset === buffer.byteOffset) {
    sink.onData(length);
    return length;
  }
  const step = Math.min(wanted.length, length - at);
  if (step <= LOOP_COPY_BYTES) { for (let i = 0; i < step; i++) wanted[i] = buffer[at + i]; }
  else wanted.set(step === buffer.length ? buffer : buffer.subarray(at, at + step));
  sink.onData(step);
  return at + step;
}

function addressOf(address: Deno.Addr): string {
  const { hostname, port } = address as Deno.NetAddr;
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}

function close(resource: { close(): void }): void {
  ignoreErrors(() => resource.close());
}

function ignoreErrors(run: () => void): void {
  try {
    run();
  } catch {
    // The socket is gone already; there is nothing left to do with it.
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return ERRNO_TEXT[error.name] ?? error.message.replace(/ \(os error [0-9]+\)$/, "");
}

function codeOf(error: unknown): string {
  return error instanceof Error ? (error as Error & { code?: string }).code ?? error.name : "";
}
