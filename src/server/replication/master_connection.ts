/**
 * One connection to a master: commands and reply lines first, then a file, then the stream, which belongs to a client.
 *
 * Bytes that come before anybody asks for them wait. A promise is rejected with `MasterLinkError`, and nothing else, when the connection
 * is closed from either side.
 */
import { EMPTY_BYTES, latin1Decode } from "../../base/bytes.ts";
import { StorageError } from "../../io/storage.ts";
import type { Connection, ConnectionSink } from "../../io/network.ts";
import { encodeCommand } from "../../resp/encode_command.ts";
import type { Client } from "../client.ts";
import type { RdbReceiver } from "./rdb_receiver.ts";

const READ_BUFFER_BYTES = 64 * 1024;
const LF = 10;

/** The link to the master did not come about, or broke. */
export class MasterLinkError extends Error {
  override readonly name = "MasterLinkError";
}

interface Waiter<T> {
  resolve(value: T): void;
  reject(error: MasterLinkError): void;
}

export interface MasterConnectionHost {
  /** Something came. */
  masterSpoke(bytes: number): void;
  /** Bytes of the stream are at [start, end), and are applied next. */
  streamReceived(bytes: Uint8Array, start: number, end: number): void;
}

export class MasterConnection implements ConnectionSink {
  isClosed = false;
  readonly #connection: Connection;
  readonly #host: MasterConnectionHost;
  readonly #buffer = new Uint8Array(READ_BUFFER_BYTES);
  /** Received, and wanted by nobody yet. */
  #waiting: Uint8Array = EMPTY_BYTES;
  #line: Waiter<string> | null = null;
  #receiver: RdbReceiver | null = null;
  #received: Waiter<void> | null = null;
  #client: Client | null = null;
  #isWriting = false;
  readonly #unsent: Uint8Array[] = [];

  constructor(connection: Connection, host: MasterConnectionHost) {
    this.#connection = connection, this.#host = host;
    connection.setNoDelay(true);
    connection.start(this);
  }

  get connection(): Connection {
    return this.#connection;
  }

  // ---- what the link does --------------------------------------------------------------------------------------

  /** Sends a command and waits for the line that answers it. @throws {MasterLinkError} (rejects) */
  ask(...words: (string | Uint8Array)[]): Promise<string> {
    this.send(encodeCommand(words));
    return this.line();
  }

  send(bytes: Uint8Array): void {
    if (this.#isWriting) return void this.#unsent.push(bytes);
    this.#isWriting = true;
    this.#connection.write(bytes, bytes.length);
  }

  /** The next line that is not empty, without its end: an empty one only says that the master is there. @throws {MasterLinkError} (rejects) */
  line(): Promise<string> {
    return this.#promise((waiter: Waiter<string>) => {
      this.#line = waiter;
      this.#deliverLine();
    });
  }

  /** Fills the receiver, and then reads nothing more until `handTo`. @throws {MasterLinkError} (rejects) */
  receive(receiver: RdbReceiver): Promise<void> {
    return this.#promise((waiter: Waiter<void>) => {
      this.#receiver = receiver, this.#received = waiter;
      const waiting = this.#waiting;
      this.#waiting = EMPTY_BYTES;
      this.#fill(waiting, waiting.length);
    });
  }

  /** From here on everything is the client's. */
  handTo(client: Client): void {
    const waiting = this.#waiting;
    this.#waiting = EMPTY_BYTES;
    this.#client = client;
    client.writing = this.#isWriting;
    for (let at = 0; at < waiting.length && !client.closed;) {
      const room = client.readBuffer(waiting.length - at), step = Math.min(room.length, waiting.length - at);
      room.set(waiting.subarray(at, at + step));
      this.onData(step);
      at += step;
    }
    this.#connection.resumeReading();
  }

  close(reason = "closed"): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#connection.close();
    const error = new MasterLinkError(reason);
    this.#line?.reject(error), this.#received?.reject(error);
    this.#line = this.#received = this.#receiver = null;
  }

  #promise<T>(begin: (waiter: Waiter<T>) => void): Promise<T> {
    if (this.isClosed) return Promise.reject(new MasterLinkError("closed"));
    return new Promise((resolve, reject) => begin({ resolve, reject }));
  }

  // ---- ConnectionSink ------------------------------------------------------------------------------------------

  readBuffer(minBytes: number): Uint8Array {
    return this.#client === null ? this.#buffer : this.#client.readBuffer(minBytes);
  }

  onData(n: number): void {
    this.#host.masterSpoke(n);
    const client = this.#client;
    if (client !== null) {
      const { parser } = client;
      this.#host.streamReceived(parser.buffer, parser.end, parser.end + n);
      client.onData(n);
    } else if (this.#receiver !== null) this.#fill(this.#buffer, n);
    else this.#keep(this.#buffer, 0, n), this.#deliverLine();
  }

  onClosed(reason: string | null): void {
    if (this.#client === null) this.close(reason ?? "connection lost");
    else this.#client.close();
  }

  onWriteDone(): void {
    const next = this.#unsent.shift();
    this.#isWriting = next !== undefined;
    if (next !== undefined) this.#connection.write(next, next.length);
    else this.#client?.onWriteDone();
  }

  #keep(bytes: Uint8Array, start: number, end: number): void {
    const joined = new Uint8Array(this.#waiting.length + end - start);
    joined.set(this.#waiting);
    joined.set(bytes.subarray(start, end), this.#waiting.length);
    this.#waiting = joined;
  }

  #deliverLine(): void {
    while (this.#line !== null) {
      const end = this.#waiting.indexOf(LF);
      if (end < 0) return;
      const line = latin1Decode(this.#waiting, 0, end).replace(/\r$/, ""), waiter = this.#line;
      this.#waiting = this.#waiting.slice(end + 1);
      if (line === "") continue;
      this.#line = null;
      waiter.resolve(line);
    }
  }

  #fill(bytes: Uint8Array, length: number): void {
    const receiver = this.#receiver!;
    try {
      const taken = receiver.isDone || length === 0 ? 0 : receiver.add(bytes, 0, length);
      if (taken < length) this.#keep(bytes, taken, length);
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      return this.close(error.message);
    }
    if (!receiver.isDone) return;
    this.#connection.pauseReading();
    this.#receiver = null;
    this.#received!.resolve();
    this.#received = null;
  }
}
