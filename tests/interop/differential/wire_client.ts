/** A pipelining client that returns replies as bytes. One exchange at a time; a server that stays silent is an error. */

import { ReplySplitter } from "./wire_reply.ts";

const SILENCE_MAX_MS = 30_000;

/** The server closed the connection, or did not reply in time. `replies` came before. */
export class NoReplyError extends Error {
  readonly replies: readonly Uint8Array[];

  constructor(reason: string, replies: readonly Uint8Array[]) {
    super(`${reason} after ${replies.length} replies`);
    this.name = "NoReplyError";
    this.replies = replies;
  }
}

export class WireClient {
  readonly #connection: Deno.TcpConn;
  readonly #splitter = new ReplySplitter();
  readonly #chunk = new Uint8Array(1 << 18);

  #isClosed = false;

  private constructor(connection: Deno.TcpConn) {
    this.#connection = connection;
  }

  static async connect(port: number): Promise<WireClient> {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port });
    connection.setNoDelay(true);
    return new WireClient(connection);
  }

  /** Sends encoded commands and returns as many replies. @throws {NoReplyError} */
  async exchange(requests: Uint8Array, count: number): Promise<Uint8Array[]> {
    const replies: Uint8Array[] = [];
    const sending = this.#send(requests);
    while (replies.length < count) {
      const reply = this.#splitter.next();
      if (reply !== undefined) replies.push(reply);
      else await this.#receive(replies);
    }
    await sending;
    return replies;
  }

  close(): void {
    if (!this.#isClosed) this.#connection.close();
    this.#isClosed = true;
  }

  /** A connection that breaks while sending is reported by the reading side. */
  async #send(requests: Uint8Array): Promise<void> {
    try {
      for (let sent = 0; sent < requests.length;) sent += await this.#connection.write(requests.subarray(sent));
    } catch {
      return;
    }
  }

  async #receive(replies: readonly Uint8Array[]): Promise<void> {
    let silent = false;
    const timer = setTimeout(() => {
      silent = true;
      this.close();
    }, SILENCE_MAX_MS);
    try {
      const count = await this.#connection.read(this.#chunk);
      if (count === null) throw new NoReplyError("connection closed by the server", replies);
      this.#splitter.push(this.#chunk.subarray(0, count));
    } catch (error) {
      if (error instanceof NoReplyError) throw error;
      throw new NoReplyError(silent ? `no reply within ${SILENCE_MAX_MS} ms` : "connection broken", replies);
    } finally {
      clearTimeout(timer);
    }
  }
}
