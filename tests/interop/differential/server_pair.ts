/**
 * Ours and Redis, side by side, put into the same state before every run. A server that died is started again.
 *
 * Active expiry is off in both: a key that is over goes when a command meets it, at the same place of the sequence.
 */

import { RequestBuffer } from "../../support/resp_client.ts";
import { type ServerKind, ServerProcess } from "../../support/server_fixture.ts";
import type { Words } from "./step.ts";
import { NoReplyError, WireClient } from "./wire_client.ts";
import { isError, parseReply, showReply, type WireReply } from "./wire_reply.ts";

/** Directive and value in turn. */
export type Settings = readonly (readonly [directive: string, value: number])[];

/** A high frequency ends BLOCK and its kin soon after their time. */
const SERVER_ARGS = ["--enable-debug-command", "yes", "--appendonly", "no", "--hz", "500"];

class Side {
  readonly kind: ServerKind;
  readonly #args: readonly string[];
  #server: ServerProcess | undefined;
  #client: WireClient | undefined;
  #admin: WireClient | undefined;

  constructor(kind: ServerKind, args: readonly string[]) {
    this.kind = kind, this.#args = args;
  }

  get log(): string {
    return this.#server?.log ?? "";
  }

  async reset(settings: Settings, protocol: number): Promise<void> {
    this.#disconnect();
    if (this.#server === undefined || !(await this.#emptied())) await this.#restart();
    for (const [directive, value] of settings) await this.#order("CONFIG", "SET", directive, String(value));
    await this.#order("DEBUG", "SET-ACTIVE-EXPIRE", "0");
    this.#client = await WireClient.connect(this.#server!.port);
    await this.#client.exchange(encode([["HELLO", protocol]]), 1);
  }

  /** @throws {NoReplyError} */
  run(commands: readonly Words[]): Promise<Uint8Array[]> {
    return this.#client!.exchange(encode(commands), commands.length);
  }

  /** A command on a connection of its own. @throws {NoReplyError} */
  async ask(...words: Words): Promise<WireReply> {
    const [reply] = await this.#admin!.exchange(encode([words]), 1);
    return parseReply(reply);
  }

  async dispose(): Promise<void> {
    this.#disconnect();
    await this.#server?.dispose();
    this.#server = undefined;
  }

  #disconnect(): void {
    this.#client?.close(), this.#admin?.close();
    this.#client = this.#admin = undefined;
  }

  /** False when the server no longer answers. */
  async #emptied(): Promise<boolean> {
    try {
      this.#admin = await WireClient.connect(this.#server!.port);
      return !isError(await this.ask("FLUSHALL"));
    } catch (error) {
      if (error instanceof NoReplyError || error instanceof Deno.errors.ConnectionRefused) return false;
      throw error;
    }
  }

  async #restart(): Promise<void> {
    await this.dispose();
    this.#server = await ServerProcess.start(this.kind, { args: [...SERVER_ARGS, ...this.#args] });
    this.#admin = await WireClient.connect(this.#server.port);
  }

  async #order(...words: Words): Promise<void> {
    const reply = await this.ask(...words);
    if (isError(reply)) throw new Error(`${this.kind} refuses ${words.join(" ")}: ${showReply(reply)}`);
  }
}

export class ServerPair implements AsyncDisposable {
  readonly ours: Side;
  readonly redis: Side;

  /** Servers start when they are needed first. */
  constructor(oursKind: ServerKind = "ours", oursArgs: readonly string[] = []) {
    this.ours = new Side(oursKind, oursArgs);
    this.redis = new Side("redis", []);
  }

  async reset(settings: Settings, protocol: number): Promise<void> {
    await Promise.all([this.ours.reset(settings, protocol), this.redis.reset(settings, protocol)]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.ours.dispose(), this.redis.dispose()]);
  }
}

function encode(commands: readonly Words[]): Uint8Array {
  const requests = new RequestBuffer();
  for (const words of commands) requests.add(words);
  return requests.take();
}
