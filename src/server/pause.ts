/** CLIENT PAUSE: holds requests back until a time; held clients keep their parsed request and read nothing more. */
import { FLAG } from "../commands/registry.ts";
import type { TimerId } from "../io/clock.ts";
import type { Client } from "./client.ts";
import type { Server } from "./server.ts";

export class Pause {
  readonly #server: Server;
  readonly #held: Set<Client> = new Set();
  #untilMs = 0;
  #all = false;
  #timer: TimerId | null = null;

  constructor(server: Server) {
    this.#server = server;
  }

  get isActive(): boolean {
    return this.#untilMs > 0;
  }

  get heldClients(): number {
    return this.#held.size;
  }

  /** Pauses writes, or everything; an earlier, longer pause stays as long, and "all" wins over "write". */
  start(milliseconds: number, all: boolean): void {
    const server = this.#server;
    this.#untilMs = Math.max(this.#untilMs, server.nowMs() + milliseconds);
    this.#all ||= all;
    server.keyspace.expiryPaused = true;
    server.updateGates();
    if (this.#timer !== null) server.clock.clearTimer(this.#timer);
    this.#timer = server.clock.setTimer(this.#untilMs - server.nowMs(), () => this.#expire());
  }

  end(): void {
    const server = this.#server;
    if (this.#timer !== null) server.clock.clearTimer(this.#timer);
    this.#timer = null, this.#untilMs = 0, this.#all = false;
    server.keyspace.expiryPaused = false;
    server.updateGates();
    const held = [...this.#held];
    this.#held.clear();
    for (const client of held) this.#resume(client);
  }

  /** Whether a command with these flags has to wait. */
  holds(flags: number): boolean {
    return this.isActive && (this.#all || (flags & (FLAG.write | FLAG.mayReplicate)) !== 0);
  }

  postpone(client: Client): void {
    client.postponed = true;
    client.connection.pauseReading();
    this.#held.add(client);
  }

  forget(client: Client): void {
    this.#held.delete(client);
  }

  #expire(): void {
    this.#timer = null;
    if (this.#server.nowMs() >= this.#untilMs) this.end();
    else this.#timer = this.#server.clock.setTimer(this.#untilMs - this.#server.nowMs(), () => this.#expire());
  }

  #resume(client: Client): void {
    if (client.closed) return;
    client.postponed = false;
    this.#server.dispatcher.beginBatch();
    if (!this.#server.dispatcher.execute(client)) return this.postpone(client);
    client.connection.resumeReading();
    this.#server.processInput(client);
  }
}
