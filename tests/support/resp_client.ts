/**
 * A minimal pipelining Redis client for tests and benchmarks, over TCP or a Unix socket.
 *
 * Replies answer requests in the order they were sent; requests issued in one turn leave in one write. Out-of-band pushes
 * go to `pushes`. It never reconnects, retries or hides an error reply.
 */

import { Push, type Reply, RespError, RespParser } from "./resp_parser.ts";
import type { BulkKind } from "./resp_parser.ts";

export { Push, type Reply, RespError };

export type Argument = string | number | bigint | Uint8Array;

export interface ConnectOptions {
  /** TCP port on `host`; ignored when `path` is given. */
  port?: number;
  host?: string;
  /** Unix socket. */
  path?: string;
  /** How bulk strings are returned; "string" unless given. */
  bulk?: BulkKind;
}

interface Waiter {
  resolve(reply: Reply): void;
  reject(error: Error): void;
}

const ENCODER = new TextEncoder();
// deno-lint-ignore no-control-regex -- the whole of ASCII, control characters included
const ASCII_ONLY = /^[\x00-\x7f]*$/;

/** The connection ended while a reply was awaited. */
export class ConnectionClosedError extends Error {
  constructor() {
    super("Connection closed by the server before it replied");
    this.name = "ConnectionClosedError";
  }
}

export class RespClient {
  /** RESP3 pushes, in order of arrival. */
  readonly pushes: Push[] = [];
  /** Settles when the connection has ended, from either side. */
  readonly closed: Promise<void>;
  readonly #connection: Deno.Conn;
  readonly #parser: RespParser;
  /** Replies that arrived before anyone asked for them (see `readReply`). */
  readonly #unclaimed: Reply[] = [];
  #waiters: Waiter[] = [];
  #waitersHead = 0;
  #outgoing: Uint8Array[] = [];
  #writing: Promise<void> | undefined;
  #endReason: Error | undefined;

  private constructor(connection: Deno.Conn, bulk: BulkKind) {
    this.#connection = connection;
    this.#parser = new RespParser(bulk);
    this.closed = this.#readLoop();
  }

  /** @throws {Deno.errors.ConnectionRefused} when nobody listens */
  static async connect(options: ConnectOptions): Promise<RespClient> {
    if (options.path !== undefined) {
      return new RespClient(await Deno.connect({ transport: "unix", path: options.path }), options.bulk ?? "string");
    }
    const connection = await Deno.connect({ hostname: options.host ?? "127.0.0.1", port: options.port ?? 6379 });
    connection.setNoDelay(true);
    return new RespClient(connection, options.bulk ?? "string");
  }

  /**
   * Sends one command.
   * @throws {RespError} for an error reply, {ConnectionClosedError} when the connection ends first
   */
  async command(...args: Argument[]): Promise<Reply> {
    const reply = await this.#request(encodeCommand(args));
    if (reply instanceof RespError) throw reply;
    return reply;
  }

  /** Sends all commands at once and returns their replies; an error reply is a `RespError` value in its place. */
  async pipeline(commands: readonly Argument[][]): Promise<Reply[]> {
    if (commands.length === 0) return [];
    const requests = new RequestBuffer();
    for (const command of commands) requests.add(command);
    return await this.exchange(requests.take(), commands.length);
  }

  /** Sends encoded commands and returns their replies, as many as told; an error reply is a `RespError` value in its place. */
  exchange(requests: Uint8Array, count: number): Promise<Reply[]> {
    const replies = Promise.all(Array.from({ length: count }, () => this.readReply()));
    this.sendRaw(requests);
    return replies;
  }

  /** Sends bytes as they are: inline commands, broken requests. Pair with `readReply`. */
  sendRaw(bytes: string | Uint8Array): void {
    if (this.#endReason !== undefined) return;
    this.#outgoing.push(typeof bytes === "string" ? ENCODER.encode(bytes) : bytes);
    this.#writing ??= this.#writeLoop();
  }

  /** The next reply that no earlier call claims; an error reply is a `RespError` value. */
  readReply(): Promise<Reply> {
    if (this.#unclaimed.length > 0) return Promise.resolve(this.#unclaimed.shift()!);
    if (this.#endReason !== undefined) return Promise.reject(this.#endReason);
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }));
  }

  /** Closes the connection and waits until nothing of it is left; pending requests reject. */
  async close(): Promise<void> {
    this.#end(new ConnectionClosedError());
    await this.closed;
    await this.#writing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #request(encoded: Uint8Array): Promise<Reply> {
    const reply = this.readReply();
    this.sendRaw(encoded);
    return reply;
  }

  async #writeLoop(): Promise<void> {
    await Promise.resolve();
    try {
      while (this.#outgoing.length > 0 && this.#endReason === undefined) {
        const bytes = concatenate(this.#outgoing);
        this.#outgoing = [];
        for (let sent = 0; sent < bytes.length;) sent += await this.#connection.write(bytes.subarray(sent));
      }
    } catch {
      // The read loop sees the same broken connection and reports it; replies already sent by the server still count.
    }
    this.#writing = undefined;
  }

  async #readLoop(): Promise<void> {
    const chunk = new Uint8Array(64 * 1024);
    try {
      for (let count = await this.#read(chunk); count !== null; count = await this.#read(chunk)) {
        this.#parser.feed(chunk.subarray(0, count));
        this.#deliverAll();
      }
      this.#end(new ConnectionClosedError());
    } catch (error) {
      this.#end(error as Error);
    }
  }

  /** A reset and a local close are ends like any other. */
  async #read(chunk: Uint8Array): Promise<number | null> {
    try {
      return await this.#connection.read(chunk);
    } catch {
      return null;
    }
  }

  #deliverAll(): void {
    for (let reply = this.#parser.next(); reply !== undefined; reply = this.#parser.next()) {
      if (reply instanceof Push) this.pushes.push(reply);
      else this.#deliver(reply);
    }
  }

  #deliver(reply: Reply): void {
    if (this.#waitersHead === this.#waiters.length) {
      this.#unclaimed.push(reply);
      return;
    }
    this.#waiters[this.#waitersHead++].resolve(reply);
    if (this.#waitersHead === this.#waiters.length) {
      this.#waiters = [];
      this.#waitersHead = 0;
    }
  }

  #end(reason: Error): void {
    if (this.#endReason !== undefined) return;
    this.#endReason = reason;
    const abandoned = this.#waiters.slice(this.#waitersHead);
    this.#waiters = [];
    this.#waitersHead = 0;
    this.#connection.close();
    for (const waiter of abandoned) waiter.reject(reason);
  }
}

/** A command as a RESP array of bulk strings. */
export function encodeCommand(args: readonly Argument[]): Uint8Array {
  const requests = new RequestBuffer(64);
  requests.add(args);
  return requests.take();
}

/** Commands one after another in one buffer. */
export class RequestBuffer {
  #bytes: Uint8Array;
  #lengthBytes = 0;

  constructor(capacityBytes = 64 * 1024) {
    this.#bytes = new Uint8Array(capacityBytes);
  }

  add(args: readonly Argument[]): void {
    this.#text(`*${args.length}\r\n`);
    for (const arg of args) {
      if (arg instanceof Uint8Array) this.#blob(arg);
      else this.#bulkText(String(arg));
    }
  }

  /** The bytes so far, which now belong to the caller. */
  take(): Uint8Array {
    const taken = this.#bytes.subarray(0, this.#lengthBytes);
    this.#bytes = new Uint8Array(this.#bytes.length);
    this.#lengthBytes = 0;
    return taken;
  }

  #bulkText(text: string): void {
    if (ASCII_ONLY.test(text)) this.#text(`$${text.length}\r\n${text}\r\n`);
    else this.#blob(ENCODER.encode(text));
  }

  #blob(blob: Uint8Array): void {
    this.#text(`$${blob.length}\r\n`);
    this.#reserve(blob.length + 2);
    this.#bytes.set(blob, this.#lengthBytes);
    this.#lengthBytes += blob.length;
    this.#text("\r\n");
  }

  #text(text: string): void {
    this.#reserve(text.length);
    this.#lengthBytes += ENCODER.encodeInto(text, this.#bytes.subarray(this.#lengthBytes)).written;
  }

  #reserve(lengthBytes: number): void {
    const neededBytes = this.#lengthBytes + lengthBytes;
    if (neededBytes <= this.#bytes.length) return;
    const larger = new Uint8Array(neededBytes * 2);
    larger.set(this.#bytes.subarray(0, this.#lengthBytes));
    this.#bytes = larger;
  }
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0];
  let lengthBytes = 0;
  for (const part of parts) lengthBytes += part.length;
  const whole = new Uint8Array(lengthBytes);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
