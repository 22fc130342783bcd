/**
 * A network without sockets: clients in the same process. Deterministic: bytes that a client sends are delivered, executed and answered
 * before `send` returns, unless the server holds the reply back.
 */
import type { Connection, ConnectionSink, Listener, Network, NetworkHooks } from "./network.ts";
import { ConnectError } from "./network.ts";

export class MemoryNetwork implements Network {
  #hooks: NetworkHooks | null = null;
  #turnQueued = false;
  #inTurn = false;
  #nextNumber = 1;
  readonly #runTurn = () => {
    this.#turnQueued = false;
    this.endTurn();
  };

  listenTcp(_host: string, port: number, hooks: NetworkHooks): Listener {
    this.#hooks = hooks;
    return { port, close: () => void (this.#hooks = null) };
  }

  listenUnix(_path: string, _mode: number | null, hooks: NetworkHooks): Listener {
    return this.listenTcp("", 0, hooks);
  }

  /** Whoever has work for the end of a turn: at once after a delivery, else with the next microtask. */
  requestTurnEnd(): void {
    if (this.#inTurn || this.#turnQueued) return;
    this.#turnQueued = true;
    queueMicrotask(this.#runTurn);
  }

  connectTcp(host: string, port: number): Promise<Connection> {
    return Promise.reject(
      new ConnectError(`Cannot connect to ${host}:${port}: this network has no other servers`, "ECONNREFUSED"),
    );
  }

  /** Connects a client of this process. `onBytes` gets what the server writes: bytes [0, length), valid during the call. */
  connect(onBytes: (bytes: Uint8Array, length: number) => void, onClosed: () => void = () => {}): InProcessConnection {
    if (this.#hooks === null) throw new ConnectError("Cannot connect: no server listens", "ECONNREFUSED");
    const connection = new InProcessConnection(this, this.#nextNumber++, onBytes, onClosed);
    this.#hooks.onConnection(connection);
    return connection;
  }

  /** Runs a delivery, then ends the turn. */
  turn(deliver: () => void): void {
    this.#inTurn = true;
    try {
      deliver();
    } finally {
      this.#inTurn = false;
    }
    this.endTurn();
  }

  endTurn(): void {
    this.#hooks?.onTurnEnd();
  }
}

/** Both ends of one connection: the server sees a `Connection`, the client calls `send`. */
export class InProcessConnection implements Connection {
  readonly remoteAddress: string;
  readonly localAddress = "127.0.0.1:0";
  readonly isUnix = false;
  readonly readsInPlace = false;
  readonly fd: number;
  readonly #network: MemoryNetwork;
  readonly #onBytes: (bytes: Uint8Array, length: number) => void;
  readonly #onClosed: () => void;
  #sink: ConnectionSink | null = null;
  #closed = false;
  #paused = false;
  /** Sent while paused, oldest first; later bytes queue up behind them. */
  #waiting: Uint8Array[] = [];
  readonly #deliverNext = () => this.#deliverWaiting();
  #written = false;

  constructor(
    network: MemoryNetwork,
    fd: number,
    onBytes: (bytes: Uint8Array, length: number) => void,
    onClosed: () => void,
  ) {
    this.#network = network, this.fd = fd, this.#onBytes = onBytes, this.#onClosed = onClosed;
    this.remoteAddress = `127.0.0.1:${fd}`;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** Sends bytes [0, length) to the server. */
  send(bytes: Uint8Array, length = bytes.length): void {
    if (this.#closed) throw new ConnectError("Cannot send: the connection is closed", "EPIPE");
    if (this.#paused || this.#waiting.length > 0) {
      this.#waiting.push(bytes.slice(0, length));
      return;
    }
    this.#runTurn(bytes, length);
  }

  /** The client goes away. */
  hangUp(): void {
    if (this.#closed) return;
    this.#sink?.onClosed(null);
    this.#network.endTurn();
  }

  start(sink: ConnectionSink): void {
    this.#sink = sink;
  }

  pauseReading(): void {
    this.#paused = true;
  }

  resumeReading(): void {
    this.#paused = false;
    if (this.#waiting.length > 0) queueMicrotask(this.#deliverNext);
  }

  write(bytes: Uint8Array, lengthBytes: number): void {
    this.#onBytes(bytes, lengthBytes);
    this.#written = true;
    // Outside a delivery nobody else reports that the write is done.
    queueMicrotask(() => this.#finishWrite());
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#onClosed();
  }

  closeAfterWrite(): void {
    this.close();
  }

  setNoDelay(): void {}

  setKeepAlive(): void {}

  #runTurn(bytes: Uint8Array, length: number): void {
    this.#network.turn(() => this.#deliver(bytes, length));
    this.#finishWrite();
  }

  /** One turn for each piece that waited, until the server pauses again. */
  #deliverWaiting(): void {
    while (!this.#closed && !this.#paused && this.#waiting.length > 0) {
      const bytes = this.#waiting.shift()!;
      this.#runTurn(bytes, bytes.length);
    }
  }

  #deliver(bytes: Uint8Array, length: number): void {
    for (let at = 0; at < length && !this.#closed;) {
      const target = this.#sink!.readBuffer(1), step = Math.min(target.length, length - at);
      target.set(bytes.subarray(at, at + step));
      this.#sink!.onData(step);
      at += step;
    }
  }

  #finishWrite(): void {
    if (!this.#written || this.#closed) return;
    this.#written = false;
    this.#sink!.onWriteDone();
  }
}
