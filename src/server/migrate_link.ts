/**
 * Connections to other servers that MIGRATE sends keys through. One link serves one MIGRATE at a time; an idle one is kept for the next
 * to the same server, for ten seconds.
 *
 * A link's promises are rejected with `LinkError` and nothing else, and one that failed is closed.
 */
import { latin1Decode } from "../base/bytes.ts";
import type { Clock } from "../io/clock.ts";
import { ConnectError, type Connection, type ConnectionSink, type Network } from "../io/network.ts";

/** A slow peer has the whole timeout for each piece. */
const PIECE_BYTES = 64 * 1024;
const READ_BUFFER_BYTES = 16 * 1024;
const LINE_BYTES_MAX = 64 * 1024;
const IDLE_LINKS_MAX = 64;
const IDLE_MS_MAX = 10_000;
/** Of a link whose selected database is not known. */
export const NO_DATABASE = -1;

export class LinkError extends Error {
  override readonly name = "LinkError";
  readonly phase: "connecting" | "writing" | "reading";
  readonly timedOut: boolean;

  constructor(phase: LinkError["phase"], timedOut: boolean) {
    super(timedOut ? `timeout ${phase}` : `error ${phase}`);
    this.phase = phase, this.timedOut = timedOut;
  }
}

interface Waiter<T> {
  resolve(value: T): void;
  reject(error: LinkError): void;
}

export class MigrateLink implements ConnectionSink {
  readonly target: string;
  selectedDb = NO_DATABASE;
  lastUsedMs = 0;
  isClosed = false;
  readonly #connection: Connection;
  readonly #clock: Clock;
  readonly #buffer = new Uint8Array(READ_BUFFER_BYTES);
  /** Received and not read yet. */
  #text = "";
  #lineWaiter: Waiter<string> | null = null;
  #writeWaiter: Waiter<void> | null = null;

  constructor(target: string, connection: Connection, clock: Clock) {
    this.target = target, this.#connection = connection, this.#clock = clock;
    connection.setNoDelay(true);
    connection.start(this);
  }

  /** Sends all of it. @throws {LinkError} (rejects) */
  async write(bytes: Uint8Array, timeoutMs: number): Promise<void> {
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
      const piece = bytes.subarray(at, at + PIECE_BYTES);
      await this.#within("writing", timeoutMs, (waiter: Waiter<void>) => {
        this.#writeWaiter = waiter;
        this.#connection.write(piece, piece.length);
      });
    }
  }

  /** The next line, without its end. @throws {LinkError} (rejects) */
  line(timeoutMs: number): Promise<string> {
    return this.#within("reading", timeoutMs, (waiter: Waiter<string>) => {
      this.#lineWaiter = waiter;
      this.#deliverLine();
    });
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#connection.close();
    this.#fail();
  }

  // ---- ConnectionSink ------------------------------------------------------------------------------------------

  readBuffer(): Uint8Array {
    return this.#buffer;
  }

  onData(n: number): void {
    this.#text += latin1Decode(this.#buffer, 0, n);
    this.#deliverLine();
    if (this.#text.length > LINE_BYTES_MAX) this.close();
  }

  onClosed(): void {
    this.close();
  }

  onWriteDone(): void {
    const waiter = this.#writeWaiter;
    this.#writeWaiter = null;
    waiter?.resolve();
  }

  #deliverLine(): void {
    const end = this.#text.indexOf("\n"), waiter = this.#lineWaiter;
    if (end < 0 || waiter === null) return;
    const line = this.#text.slice(0, end).replace(/\r$/, "");
    this.#text = this.#text.slice(end + 1);
    this.#lineWaiter = null;
    waiter.resolve(line);
  }

  #fail(): void {
    this.#lineWaiter?.reject(new LinkError("reading", false));
    this.#writeWaiter?.reject(new LinkError("writing", false));
    this.#lineWaiter = this.#writeWaiter = null;
  }

  #within<T>(phase: LinkError["phase"], timeoutMs: number, begin: (waiter: Waiter<T>) => void): Promise<T> {
    if (this.isClosed) return Promise.reject(new LinkError(phase, false));
    return new Promise((resolve, reject) => {
      const timer = this.#clock.setTimer(timeoutMs, () => {
        reject(new LinkError(phase, true));
        this.close();
      });
      begin({
        resolve: (value) => (this.#clock.clearTimer(timer), resolve(value)),
        reject: (error) => (this.#clock.clearTimer(timer), reject(error)),
      });
    });
  }
}

export class MigrateLinks {
  readonly #network: Network;
  readonly #clock: Clock;
  readonly #idle = new Map<string, MigrateLink>();
  readonly #busy = new Set<MigrateLink>();

  constructor(network: Network, clock: Clock) {
    this.#network = network, this.#clock = clock;
  }

  /** Connections that are open, in use or not. */
  get count(): number {
    return this.#idle.size + this.#busy.size;
  }

  /** A link to the server, for the caller alone until `release`. @throws {LinkError} (rejects) */
  async open(host: string, port: number, timeoutMs: number): Promise<MigrateLink> {
    const target = `${host}:${port}`, idle = this.#idle.get(target);
    this.#idle.delete(target);
    const link = idle ?? new MigrateLink(target, await this.#connect(host, port, timeoutMs), this.#clock);
    this.#busy.add(link);
    return link;
  }

  /** The caller is done with the link. */
  release(link: MigrateLink): void {
    this.#busy.delete(link);
    link.lastUsedMs = this.#clock.nowMs();
    if (link.isClosed) return;
    if (this.#idle.has(link.target) || this.#idle.size >= IDLE_LINKS_MAX) return link.close();
    this.#idle.set(link.target, link);
  }

  closeIdle(nowMs: number): void {
    for (const [target, link] of this.#idle) {
      if (!link.isClosed && nowMs - link.lastUsedMs <= IDLE_MS_MAX) continue;
      link.close();
      this.#idle.delete(target);
    }
  }

  closeAll(): void {
    for (const link of [...this.#idle.values(), ...this.#busy]) link.close();
    this.#idle.clear();
  }

  #connect(host: string, port: number, timeoutMs: number): Promise<Connection> {
    return new Promise((resolve, reject) => {
      let isLate = false;
      const timer = this.#clock.setTimer(timeoutMs, () => {
        isLate = true;
        reject(new LinkError("connecting", true));
      });
      this.#network.connectTcp(host, port).then((connection) => {
        if (isLate) return connection.close();
        this.#clock.clearTimer(timer);
        resolve(connection);
      }, (error) => {
        if (!(error instanceof ConnectError)) throw error;
        this.#clock.clearTimer(timer);
        reject(new LinkError("connecting", false));
      });
    });
  }
}
