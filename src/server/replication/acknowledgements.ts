/**
 * WAIT: clients that wait until enough replicas have acknowledged their writes.
 *
 * A wait is one of `Blocking`, for no key: timeouts, CLIENT UNBLOCK and closing end it there, and what is over is dropped here when it is
 * met. Replicas are asked for an acknowledgement once a turn, however many clients wait.
 */
import type { CommandContext } from "../../commands/context.ts";
import type { Client } from "../client.ts";
import type { Wait } from "../blocking.ts";
import type { Server } from "../server.ts";

interface AwaitedAcks {
  readonly wait: Wait;
  readonly offset: number;
  readonly replicas: number;
}

/** No type of a key. */
const NO_TYPE = -2;

export class Acknowledgements {
  readonly #server: Server;
  readonly #countAcks: (offset: number) => number;
  #awaited: AwaitedAcks[] = [];
  #isAsking = false;

  constructor(server: Server, countAcks: (offset: number) => number) {
    this.#server = server, this.#countAcks = countAcks;
  }

  /** Holds the client whose command is running until `replicas` have acknowledged `offset`, or for `timeoutMs` (0: for ever). */
  hold(ctx: CommandContext, offset: number, replicas: number, timeoutMs: number): void {
    this.#server.blockClient({
      keys: [],
      type: NO_TYPE,
      timeoutMs,
      serve: () => false,
      timedOut: (reply) => reply.integer(this.#countAcks(offset)),
    });
    this.#awaited.push({ wait: (ctx.client as Client).waiting!, offset, replicas });
    this.#isAsking = true;
  }

  ask(): void {
    this.#isAsking = true;
  }

  /** Whether replicas must be asked now; true once for each time that somebody began to wait. */
  takeAsking(): boolean {
    const isAsking = this.#isAsking;
    this.#isAsking = false;
    return isAsking;
  }

  /** A replica has acknowledged more: lets go who has waited for that. */
  serve(): void {
    if (this.#awaited.length === 0) return;
    this.#awaited = this.#awaited.filter(({ wait, offset, replicas }) => {
      if (wait.client.waiting !== wait) return false;
      const acks = this.#countAcks(offset);
      if (acks < replicas) return true;
      this.#server.blocking.finish(wait, (reply) => reply.integer(acks));
      return false;
    });
  }
}
