/**
 * What is looked after for each client by the clock: idle time, buffers that are larger than needed, output limits. Each tick visits
 * some of them, so that all are visited about once a second however many there are.
 */
import { REPLY_BUFFER_BYTES, REPLY_BUFFER_BYTES_MIN } from "../resp/reply_writer.ts";
import type { Client } from "./client.ts";
import type { Server } from "./server.ts";

const CLIENTS_PER_TICK_MIN = 5;
const IDLE_MS = 2000;
export const REPLY_PEAK_RESET_MS = 5000;
const PEAK_SECONDS = 8;

export class ClientCron {
  readonly #server: Server;
  #rest: Iterator<Client> | null = null;
  /** DEBUG REPLYBUFFER: how long a peak of replies counts (-1: for ever), and whether reply buffers are resized. */
  replyPeakResetMs = REPLY_PEAK_RESET_MS;
  resizesReplyBuffers = true;
  /** Largest buffers seen in each of the last seconds. */
  readonly #inputPeaks = new Float64Array(PEAK_SECONDS);
  readonly #outputPeaks = new Float64Array(PEAK_SECONDS);

  constructor(server: Server) {
    this.#server = server;
  }

  tick(nowMs: number): void {
    const { clients, settings } = this.#server, second = Math.floor(nowMs / 1000);
    this.#inputPeaks[(second + 1) % PEAK_SECONDS] = this.#outputPeaks[(second + 1) % PEAK_SECONDS] = 0;
    const share = Math.ceil(clients.size / settings.hz);
    for (let left = Math.min(clients.size, Math.max(CLIENTS_PER_TICK_MIN, share)); left > 0; left--) {
      const client = this.#next();
      if (client === null) return;
      this.#visit(client, nowMs, second % PEAK_SECONDS);
    }
  }

  get recentInputBytesMax(): number {
    return Math.max(...this.#inputPeaks);
  }

  get recentOutputBytesMax(): number {
    return Math.max(...this.#outputPeaks);
  }

  #next(): Client | null {
    for (let tries = 0; tries < 2; tries++) {
      this.#rest ??= this.#server.clients.values();
      const step = this.#rest.next();
      if (step.done !== true) return step.value;
      this.#rest = null;
    }
    return null;
  }

  #visit(client: Client, nowMs: number, slot: number): void {
    const server = this.#server, { parser, reply } = client, idleMs = nowMs - client.lastInteractionMs;
    if (this.#closeIdle(client, idleMs)) return;
    // A request that is held back, and a read under way, need the buffer as it is.
    if (!client.postponed && !client.connection.readsInPlace) parser.trim(idleMs > IDLE_MS);
    if (this.resizesReplyBuffers) resizeReplyBuffer(client);
    if (this.replyPeakResetMs >= 0 && nowMs - client.replyPeakSinceMs >= this.replyPeakResetMs) {
      reply.peakBytes = 0, reply.notePeak();
      client.replyPeakSinceMs = nowMs;
    }
    this.#inputPeaks[slot] = Math.max(this.#inputPeaks[slot], parser.buffer.length);
    this.#outputPeaks[slot] = Math.max(this.#outputPeaks[slot], reply.overflowBytes);
    server.clientMemory.count(client);
    server.clientMemory.enforceOutput(client, nowMs);
  }

  #closeIdle(client: Client, idleMs: number): boolean {
    const { settings, log } = this.#server, timeoutMs = settings.timeoutSeconds * 1000;
    const mayTimeOut = !client.isMonitor && !client.isSubscriber && !client.isReplica && !client.isMaster &&
      !client.postponed && client.waiting === null;
    if (timeoutMs === 0 || idleMs <= timeoutMs || !mayTimeOut) return false;
    log.verbose("Closing idle client");
    client.close();
    return true;
  }
}

/** Halves a base that was not half used, doubles one that was used up. */
function resizeReplyBuffer({ reply }: Client): void {
  reply.notePeak();
  const { baseBytes, peakBytes } = reply;
  if (baseBytes / 2 >= REPLY_BUFFER_BYTES_MIN && peakBytes < baseBytes / 2) {
    reply.resizeBase(Math.max(REPLY_BUFFER_BYTES_MIN, peakBytes + 1));
  } else if (baseBytes < REPLY_BUFFER_BYTES && peakBytes === baseBytes) {
    reply.resizeBase(Math.min(REPLY_BUFFER_BYTES, baseBytes * 2));
  }
}
