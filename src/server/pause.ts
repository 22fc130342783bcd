/** CLIENT PAUSE: holds requests back until a time; held clients keep their parsed request and read nothing more. */
import { FLAG } from "../commands/registry.ts";
import type { TimerId } from "../io/clock.ts";
import type { Client } from "./client.ts";
import type { Server } from "./server.ts";

/** The longest time a timer can be set for. */
const TIMER_MS_MAX = 2 ** 31 - 1;

export class Pause {
  readonly #server: Server;
  readonly #held: Set<Client> = new Set();
  /** Held until the pause ended; they go on before the turn's replies are sent. */
  readonly #ready: Client[] = [];
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
    return this.#held.size + this.#ready.length;
  }

  /** Pauses writes, or everything; an earlier, longer pause stays as long, and "all" wins over "write". */
  start(milliseconds: number, all: boolean): void {
    const server = this.#server;
    this.#untilMs = Math.max(this.#untilMs, server.nowMs() + milliseconds);
    this.#all ||= all;
    server.updateExpiry();
    server.updateGates();
    if (this.#timer !== null) server.clock.clearTimer(this.#timer);
    this.#setTimer();
  }

  end(): void {
    const server = this.#server;
    if (this.#timer !== null) server.clock.clearTimer(this.#timer);
    this.#timer = null, this.#untilMs = 0, this.#all = false;
    server.updateExpiry();
    server.updateGates();
    this.#ready.push(...this.#held);
    this.#held.clear();
    server.network.requestTurnEnd();
  }

  /** Runs what was held until the pause ended: between turns, never inside the command that ended it. */
  resumeReady(): void {
    if (this.#ready.length === 0) return;
    for (const client of this.#ready.splice(0)) this.#resume(client);
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
    else this.#setTimer();
  }

  #setTimer(): void {
    const { clock } = this.#server;
    this.#timer = clock.setTimer(Math.min(this.#untilMs - clock.nowMs(), TIMER_MS_MAX), () => this.#expire());
  }

  #resume(client: Client): void {
    if (client.closed) return;
    client.postponed = false;
    this.#server.dispatcher.beginBatch();
    if (!this.#server.executeHeld(client)) return this.postpone(client);
    client.connection.resumeReading();
    this.#server.processInput(client);
  }
}
