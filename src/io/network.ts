/**
 * Network: how requests reach the server and replies leave it, as an interface, so that TCP, an in-process client and
 * a simulation are interchangeable.
 *
 * Work happens in turns. One turn = every connection with bytes to read delivers them (`onData`, in arrival order), then
 * exactly one `onTurnEnd`. The server executes commands in `onData` and does everything that must come before the replies
 * (append and sync the log), and then the replies themselves, in `onTurnEnd`.
 *
 * Invariants:
 * - `readBuffer` is called right before `onData`, and the bytes are put there between the two. It may also be called earlier, when
 *   a read begins; between that call and the next the sink may move or replace its buffer.
 * - no sink method is called from inside `start`, `write`, `close` or the other methods of its connection.
 * - `onClosed` is called at most once and is the last call, but for a write that fails after `onClosed(null)`: that is told with a
 *   second one. It is not called after the sink's own `close()`.
 * - when the peer only shuts down its sending side, `onClosed(null)` comes after its last bytes were delivered, and
 *   writing still works until `close()` or `closeAfterWrite()`: a client that pipes requests and then ends gets its replies.
 * It never parses, never buffers replies, and never lets a socket error escape as an exception or a rejection.
 */

/** What the server puts behind a connection: its side of a client. */
export interface ConnectionSink {
  /** Where to put the next bytes: at least `minBytes` long, or at least 1 for a sink that wants fewer. Not shared memory. */
  readBuffer(minBytes: number): Uint8Array;
  /** `n` bytes, at least 1, are at the start of what `readBuffer` returned. */
  onData(n: number): void;
  /** The peer ended (`null`) or the connection failed (why, as strerror would say it). Call `close()` when done with it. */
  onClosed(reason: string | null): void;
  /** The last `write` finished: its buffer may be reused. Not called where the connection failed instead. */
  onWriteDone(): void;
}

export interface Connection {
  /** "127.0.0.1:40000" as Redis prints it ("[::1]:40000" for IPv6), or "<socket path>:0" for a unix socket. */
  readonly remoteAddress: string;
  readonly localAddress: string;
  readonly isUnix: boolean;
  /** The descriptor's number where the platform tells it, otherwise a small number unique among open connections. */
  readonly fd: number;

  /** While its bytes are handled others' wait that have come; false in process, where whoever sends waits for it to be handled. */
  readonly sharesTurns: boolean;
  /** A read into the sink's buffer is under way: that memory is taken until bytes come, whatever the sink does with it. */
  readonly readsInPlace: boolean;

  /** Begins reading. Call once. */
  start(sink: ConnectionSink): void;
  /** No `onData` after the current turn until `resumeReading`. Bytes that were read already wait. */
  pauseReading(): void;
  resumeReading(): void;

  /**
   * Sends `bytes[0, lengthBytes)`, all of it, however slow the peer. At most one in flight: wait for `onWriteDone`.
   * `bytes` must stay unchanged until then, and must not be a view of shared memory.
   */
  write(bytes: Uint8Array, lengthBytes: number): void;

  /** Closes now; a write in flight is abandoned. Idempotent. No sink method is called afterwards. */
  close(): void;
  /** Stops reading, and closes once the write in flight (if any) is done. No sink method is called afterwards but `onWriteDone`. */
  closeAfterWrite(): void;

  /** TCP_NODELAY. No effect on a unix socket. */
  setNoDelay(on: boolean): void;
  /** SO_KEEPALIVE, first probe after `idleSeconds`; 0 turns it off. No effect on a unix socket. */
  setKeepAlive(idleSeconds: number): void;
}

export interface Listener {
  /** The port that was bound (tells which, for port 0); 0 for a unix socket. */
  readonly port: number;
  /** Stops accepting; connections stay. Removes the file of a unix socket. Idempotent. */
  close(): void;
}

export interface NetworkHooks {
  /** A peer connected. Call `start` (or `close`) on it before returning. */
  onConnection(connection: Connection): void;
  /** Everything readable in this turn was delivered. */
  onTurnEnd(): void;
}

export interface Network {
  /**
   * @param host an address, or "*" for every IPv4 interface, as in Redis's `bind`
   * @param port 0 picks a free one
   * @throws {ListenError}
   */
  listenTcp(host: string, port: number, hooks: NetworkHooks): Listener;
  /**
   * @param mode permission bits such as 0o700, or null to leave the umask's
   * A socket file nobody listens on any more is replaced.
   * @throws {ListenError}
   */
  listenUnix(path: string, mode: number | null, hooks: NetworkHooks): Listener;
  /** Asks for an `onTurnEnd` although nothing may have arrived: for work done outside a turn, such as in a timer. */
  requestTurnEnd(): void;
  /** @throws {ConnectError} (rejects) */
  connectTcp(host: string, port: number): Promise<Connection>;
}

/** Listening failed; the message is a line for the log, in the words Redis uses. */
export class ListenError extends Error {
  override readonly name = "ListenError";
  readonly code: string;

  constructor(message: string, code: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}

/** Connecting to another server failed. */
export class ConnectError extends Error {
  override readonly name = "ConnectError";
  readonly code: string;

  constructor(message: string, code: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}
