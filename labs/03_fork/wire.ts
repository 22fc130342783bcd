/** A connection to a server, and a server program started for it. */
import { encodeCommand, type Reply, ReplyError, ReplyParser } from "../../src/mod.ts";

type Words = readonly (string | number)[];

export class Connection {
  readonly #connection: Deno.Conn;
  readonly #parser = new ReplyParser();
  readonly #buffer = new Uint8Array(1 << 16);

  constructor(connection: Deno.Conn) {
    this.#connection = connection;
  }

  async ask(...words: Words): Promise<Reply> {
    return (await this.askAll([words]))[0];
  }

  async askAll(requests: readonly Words[]): Promise<Reply[]> {
    const bytes = requests.map((words) => encodeCommand(words));
    const all = new Uint8Array(bytes.reduce((sum, one) => sum + one.length, 0));
    let at = 0;
    for (const one of bytes) all.set(one, at), at += one.length;
    for (let sent = 0; sent < all.length;) sent += await this.#connection.write(all.subarray(sent));
    const replies: Reply[] = [];
    while (replies.length < requests.length) replies.push(await this.#next());
    return replies;
  }

  async #next(): Promise<Reply> {
    for (;;) {
      const reply = this.#parser.next();
      if (reply instanceof ReplyError) throw reply;
      if (reply !== undefined) return reply;
      const read = await this.#connection.read(this.#buffer);
      if (read === null) throw new Error("the server hung up");
      this.#parser.push(this.#buffer.slice(0, read), read);
    }
  }

  close(): void {
    this.#connection.close();
  }
}
