/**
 * A network without sockets: clients in the same process, and other networks like it. Deterministic: bytes that a client sends are
 * delivered, executed and answered before `send` returns, unless the server holds the reply back. Between two servers everything takes a
 * microtask, so that neither acts within a turn of the other.
 */
import type { Connection, ConnectionSink, Listener, Network, NetworkHooks } from "./network.ts";
import { ConnectError } from "./network.ts";

export class MemoryNetwork implements Network {
  #hooks: NetworkHooks | null = null;
  #turnQueued = false;
  #inTurn = false;
  #nextNumber = 1;
  /** Networks of other servers, by "host:port". */
  readonly #others = new Map<string, MemoryNetwork>();
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

  /** The server of another network is at this address from here on. */
  join(host: string, port: number, other: MemoryNetwork): void {
    this.#others.set(`${host}:${port}`, other);
  }

  connectTcp(host: string, port: number): Promise<Connection> {
    const other = this.#others.get(`${host}:${port}`);
    if (other !== undefined && other.#hooks !== null) return Promise.resolve(new OutgoingConnection(this, other));
    return Promise.reject(new ConnectError(`Cannot connect to ${host}:${port}: nobody listens there`, "ECONNREFUSED"));
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
  readonly sharesTurns = false;
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

/** A server's own end of a connection to the server of another network. */
class OutgoingConnection implements Connection {
  readonly remoteAddress: string;
  readonly localAddress = "127.0.0.1:0";
  readonly isUnix = false;
  readonly sharesTurns = false;
  readonly readsInPlace = false;
  readonly fd: number;
  readonly #network: MemoryNetwork;
  readonly #far: InProcessConnection;
  #sink: ConnectionSink | null = null;
  #received: Uint8Array[] = [];
  #isPaused = false;
  #isClosed = false;
  #farIsClosed = false;
  readonly #deliverLater = () => this.#deliver();

  constructor(network: MemoryNetwork, other: MemoryNetwork) {
    this.#network = network;
    this.#far = other.connect((bytes, length) => this.#onBytes(bytes.slice(0, length)), () => this.#onFarClosed());
    this.fd = this.#far.fd;
    this.remoteAddress = `127.0.0.1:${this.fd}`;
  }

  start(sink: ConnectionSink): void {
    this.#sink = sink;
    queueMicrotask(this.#deliverLater);
  }

  pauseReading(): void {
    this.#isPaused = true;
  }

  resumeReading(): void {
    this.#isPaused = false;
    queueMicrotask(this.#deliverLater);
  }

  write(bytes: Uint8Array, lengthBytes: number): void {
    queueMicrotask(() => {
      if (this.#isClosed || this.#farIsClosed) return;
      this.#far.send(bytes, lengthBytes);
      this.#sink!.onWriteDone();
      this.#network.requestTurnEnd();
    });
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    queueMicrotask(() => this.#farIsClosed || this.#far.hangUp());
  }

  closeAfterWrite(): void {
    this.close();
  }

  setNoDelay(): void {}

  setKeepAlive(): void {}

  #onBytes(bytes: Uint8Array): void {
    this.#received.push(bytes);
    queueMicrotask(this.#deliverLater);
  }

  #onFarClosed(): void {
    this.#farIsClosed = true;
    queueMicrotask(this.#deliverLater);
  }

  /** One turn for each piece; the end comes after all of them. */
  #deliver(): void {
    while (this.#sink !== null && !this.#isClosed && !this.#isPaused && this.#received.length > 0) {
      const bytes = this.#received.shift()!;
      this.#network.turn(() => this.#give(this.#sink!, bytes));
    }
    if (!this.#farIsClosed || this.#isClosed || this.#isPaused || this.#sink === null) return;
    this.#isClosed = true;
    this.#network.turn(() => this.#sink!.onClosed(null));
  }

  #give(sink: ConnectionSink, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length && !this.#isClosed;) {
      if (this.#isPaused) return void this.#received.unshift(bytes.subarray(at));
      const room = sink.readBuffer(1), step = Math.min(room.length, bytes.length - at);
      room.set(bytes.subarray(at, at + step));
      sink.onData(step);
      at += step;
    }
  }
}
