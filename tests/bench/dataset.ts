/**
 * Fills a server with `keys` SET requests, or with keys of all types, over one pipelined connection.
 *
 * DEBUG POPULATE is no alternative: its values differ between servers. The filler keeps writing while it counts reply lines,
 * and throws at the first error reply, so a dataset is either complete or the run stops.
 */

import { mixedCommand } from "../support/mixed_dataset.ts";
import { RequestBuffer, RespClient, RespError } from "../support/resp_client.ts";
import { SetRequests } from "./set_requests.ts";

const CHUNK_BYTES = 256 * 1024;
const MIXED_BATCH = 1000;
const LF = 0x0a;
const MINUS = 0x2d;

export interface DatasetSize {
  keys: number;
  valueBytes: number;
}

export async function fillServer(port: number, { keys, valueBytes }: DatasetSize): Promise<void> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await Promise.all([sendRequests(connection, keys, valueBytes), countReplies(connection, keys)]);
}

/** Sets keys 0 to `keys` - 1 of the mixed data set. */
export async function fillMixed(port: number, keys: number): Promise<void> {
  await using client = await RespClient.connect({ port });
  for (let from = 0; from < keys; from += MIXED_BATCH) {
    const requests = new RequestBuffer(), end = Math.min(keys, from + MIXED_BATCH);
    for (let key = from; key < end; key++) requests.add(mixedCommand(key));
    const failed = (await client.exchange(requests.take(), end - from)).find((reply) => reply instanceof RespError);
    if (failed !== undefined) throw failed;
  }
}

async function sendRequests(connection: Deno.Conn, keys: number, valueBytes: number): Promise<void> {
  const requests = new SetRequests(valueBytes);
  const perChunk = Math.max(1, Math.floor(CHUNK_BYTES / requests.requestBytes));
  const chunk = new Uint8Array(perChunk * requests.requestBytes);
  for (let key = 0; key < keys;) {
    let endBytes = 0;
    for (const chunkEnd = Math.min(keys, key + perChunk); key < chunkEnd; key++) {
      endBytes = requests.write(chunk, endBytes, key);
    }
    await writeAll(connection, chunk.subarray(0, endBytes));
  }
}

async function countReplies(connection: Deno.Conn, expected: number): Promise<void> {
  const chunk = new Uint8Array(64 * 1024);
  const lines = new ReplyLines();
  while (lines.count < expected) {
    const count = await connection.read(chunk);
    if (count === null) throw new Error(`Server closed the connection after ${lines.count} of ${expected} replies`);
    lines.add(chunk.subarray(0, count));
    if (lines.errors > 0) throw new Error(`Server answered SET with an error: ${lines.firstError}`);
  }
}

/** Counts one-line replies in a byte stream that may be split anywhere. */
export class ReplyLines {
  count = 0;
  errors = 0;
  firstError = "";
  #atLineStart = true;
  #inError = false;

  /** Returns how many lines `bytes` completed. */
  add(bytes: Uint8Array): number {
    const before = this.count;
    for (let index = 0; index < bytes.length; index++) {
      const byte = bytes[index];
      if (this.#atLineStart) this.#startLine(byte);
      if (this.#inError && this.errors === 1 && byte !== LF) this.firstError += String.fromCharCode(byte);
      this.#atLineStart = byte === LF;
      if (byte === LF) this.count++;
    }
    return this.count - before;
  }

  #startLine(byte: number): void {
    this.#inError = byte === MINUS;
    if (this.#inError) this.errors++;
  }
}

export async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let sent = 0; sent < bytes.length;) sent += await connection.write(bytes.subarray(sent));
}
