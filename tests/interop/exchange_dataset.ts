/**
 * One million string keys of every stored form, a third of them with an expiry, written by pipelined commands.
 *
 * Forms: 8-, 16-, 32-bit and larger integers, short text, text that LZF compresses, bytes that it can't, and an empty value; keys in two
 * databases. Expiries are absolute and far away, so that both servers hold the same data whenever they are compared.
 */

import { type Argument, type Reply, RequestBuffer, type RespClient, RespError } from "../support/resp_client.ts";

/** The year 2100, in ms since 1970. */
const EXPIRY_BASE_MS = 4_102_444_800_000;
const BATCH_KEYS = 2000;
const OTHER_DATABASE = 5;

/** Writes keys `from` (inclusive) to `to` (exclusive). The same numbers always give the same data. */
export async function writeKeys(client: RespClient, from: number, to: number): Promise<void> {
  for (let start = from; start < to; start += BATCH_KEYS) {
    const database = (start / BATCH_KEYS) % 10 === 9 ? OTHER_DATABASE : 0;
    await client.command("SELECT", database);
    await sendBatch(client, start, Math.min(to, start + BATCH_KEYS), setCommand);
  }
  await client.command("SELECT", 0);
}

/** Commands that leave deleted, changed, persisted and re-expired keys behind, as an incremental AOF must carry them. */
export async function changeKeys(client: RespClient, from: number, to: number): Promise<void> {
  for (let start = from; start < to; start += BATCH_KEYS) {
    await sendBatch(client, start, Math.min(to, start + BATCH_KEYS), changeCommand);
  }
  throwFirstError(
    await client.pipeline([
      ["MULTI"],
      ["SET", "in:multi", "1"],
      ["INCR", "in:multi"],
      ["EXPIRE", "in:multi", "100000000"],
      ["EXEC"],
      ["INCRBYFLOAT", "float", "3.25"],
      ["SETRANGE", "range", "5", "x"],
      ["GETDEL", "key:7"],
      ["MOVE", "key:11", OTHER_DATABASE],
      ["RENAME", "key:13", "renamed"],
      ["COPY", "key:15", "copied"],
    ]),
  );
}

async function sendBatch(
  client: RespClient,
  from: number,
  to: number,
  command: (key: number) => Argument[],
): Promise<void> {
  const requests = new RequestBuffer();
  for (let key = from; key < to; key++) requests.add(command(key));
  throwFirstError(await client.exchange(requests.take(), to - from));
}

function throwFirstError(replies: readonly Reply[]): void {
  const error = replies.find((reply) => reply instanceof RespError);
  if (error !== undefined) throw error;
}

function setCommand(key: number): Argument[] {
  const name = `key:${key}`;
  if (key % 3 !== 0) return ["SET", name, valueOf(key)];
  return ["SET", name, valueOf(key), "PXAT", EXPIRY_BASE_MS + key];
}

function changeCommand(key: number): Argument[] {
  const name = `key:${key}`;
  switch (key % 6) {
    case 0:
      return ["PERSIST", name];
    case 1:
      return ["PEXPIREAT", name, EXPIRY_BASE_MS - key];
    case 2:
      return ["DEL", name];
    case 3:
      return ["APPEND", name, "+appended"];
    case 4:
      return ["SET", name, valueOf(key + 1), "EX", 1_000_000_000];
    default:
      return ["GETEX", name, "PXAT", EXPIRY_BASE_MS];
  }
}

function valueOf(key: number): string | Uint8Array {
  switch (key % 8) {
    case 0:
      return String(key % 128);
    case 1:
      return String(-key % 32768);
    case 2:
      return String(key * 1000);
    case 3:
      return String(key) + "000000000000";
    case 4:
      return `short text ${key}`;
    case 5:
      return `compressible ${key} `.repeat(8);
    case 6:
      return scrambledBytes(key);
    default:
      return key % 800 === 7 ? "" : `007${key}`;
  }
}

function scrambledBytes(key: number): Uint8Array {
  const bytes = new Uint8Array(40);
  let state = key * 2654435761 >>> 0;
  for (let index = 0; index < bytes.length; index++) {
    state = Math.imul(state ^ state >>> 15, 0x2c1b3c6d) + index >>> 0;
    bytes[index] = state >>> 24;
  }
  return bytes;
}
