/**
 * WAITAOF: clients that wait until their writes are synced, here and on enough replicas.
 *
 * A wait is one of `Blocking`, for no key, as for WAIT. It is looked at after the log has been flushed, whenever what is durable has
 * changed: with `always` in the turn of the write, with `everysec` when the sync has come back.
 */
import type { CommandContext } from "../../commands/context.ts";
import type { ReplyWriter } from "../../resp/reply_writer.ts";
import type { Wait } from "../blocking.ts";
import type { Client } from "../client.ts";
import type { Server } from "../server.ts";

/** What a client wants to be durable, and where. */
export interface WantedDurability {
  readonly local: number;
  readonly replicas: number;
  /** Of the client's last write: in the log, and in the replication stream. */
  readonly position: number;
  readonly offset: number;
}

export const NO_LOG_TO_WAIT_FOR = "WAITAOF cannot be used when numlocal is set but appendonly is disabled.";
/** No type of a key. */
const NO_TYPE = -2;

export class DurabilityWaits {
  readonly #server: Server;
  #waiting: { readonly wait: Wait; readonly wanted: WantedDurability }[] = [];
  #durableBefore = 0;
  #acksBefore = 0;

  constructor(server: Server) {
    this.#server = server;
  }

  /** Replies now when there is nothing to wait for, or no waiting; otherwise holds the client, for ever with a timeout of 0. */
  begin(ctx: CommandContext, wanted: WantedDurability, timeoutMs: number): void {
    const client = ctx.client as Client;
    if (this.#isReached(wanted) || !client.mayBlock) return this.#reply(ctx.reply, wanted);
    this.#server.blockClient({
      keys: [],
      type: NO_TYPE,
      timeoutMs,
      serve: () => false,
      timedOut: (reply) => this.#reply(reply, wanted),
    });
    this.#waiting.push({ wait: client.waiting!, wanted });
    this.#server.replication.replicas.acknowledgements.ask();
  }

  /** After the log has been flushed: lets go who has waited for what is durable now. */
  serve(): void {
    if (this.#waiting.length === 0) return;
    const { persistence, replication } = this.#server, { durableBytes, state } = persistence.aof;
    const { acknowledgedTimes } = replication.replicas;
    if (durableBytes === this.#durableBefore && acknowledgedTimes === this.#acksBefore && state !== "off") return;
    this.#durableBefore = durableBytes, this.#acksBefore = acknowledgedTimes;
    this.#waiting = this.#waiting.filter(({ wait, wanted }) =>
      wait.client.waiting === wait && !this.#isOver(wait, wanted)
    );
  }

  #isOver(wait: Wait, wanted: WantedDurability): boolean {
    const { blocking, persistence } = this.#server;
    if (wanted.local > 0 && persistence.aof.state === "off") {
      blocking.finish(wait, (reply) => reply.error(NO_LOG_TO_WAIT_FOR));
      return true;
    }
    if (!this.#isReached(wanted)) return false;
    blocking.finish(wait, (reply) => this.#reply(reply, wanted));
    return true;
  }

  #isReached(wanted: WantedDurability): boolean {
    return this.#localCount(wanted) >= wanted.local && this.#replicaCount(wanted) >= wanted.replicas;
  }

  #localCount({ position }: WantedDurability): number {
    return this.#server.persistence.aof.durableBytes >= position ? 1 : 0;
  }

  #replicaCount({ offset }: WantedDurability): number {
    return this.#server.replication.replicas.countDurableAcks(offset);
  }

  #reply(reply: ReplyWriter, wanted: WantedDurability): void {
    reply.startArray(2);
    reply.integer(this.#localCount(wanted));
    reply.integer(this.#replicaCount(wanted));
  }
}
