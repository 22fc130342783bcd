/**
 * FaultLayer: puts faults in front of a Storage that is in use, and takes them away again.
 *
 * While a plan is in force the storage object has methods of its own that go through a FaultyStorage; without one it has none, and its
 * calls are what they were: no layer, no cost. Whoever holds the storage, and files that are open, are concerned from the next call on.
 */
import { blockThread } from "../clock.ts";
import type { Storage } from "../storage.ts";
import type { DiskFaultPlan } from "./disk_fault_plan.ts";
import { type ActiveFaults, activeFaults, type FaultHost, FaultyStorage } from "./faulty_storage.ts";

const METHODS = [
  "open",
  "read",
  "write",
  "size",
  "sync",
  "syncInBackground",
  "syncDirectory",
  "truncate",
  "close",
  "closeInBackground",
  "rename",
  "link",
  "remove",
  "removeInBackground",
  "list",
  "exists",
  "stat",
  "makeDirectory",
] as const satisfies readonly (keyof Storage)[];

type Methods = Pick<Storage, (typeof METHODS)[number]>;

export class FaultLayer {
  readonly #storage: Storage;
  readonly #host: FaultHost;
  /** Methods that the storage object had as its own before. */
  #covered: Partial<Methods> | null = null;
  #faulty: FaultyStorage | null = null;
  /** What other threads need to follow the plan too; null without one. */
  active: ActiveFaults | null = null;

  constructor(storage: Storage, host: FaultHost) {
    this.#storage = storage, this.#host = host;
  }

  /** Puts a plan in force, in place of the one so far. */
  start(plan: DiskFaultPlan): void {
    this.follow(activeFaults(plan));
  }

  /** Follows a plan that is in force in another thread. */
  follow(active: ActiveFaults): void {
    this.stop();
    const storage = this.#storage, covered: Partial<Methods> = {}, real = Object.create(storage) as Storage;
    this.active = active;
    const faulty = this.#faulty = new FaultyStorage(real, active, this.#host);
    for (const name of METHODS) {
      if (Object.hasOwn(storage, name)) define(covered, name, storage[name]);
      define(real, name, (storage[name] as (...args: unknown[]) => unknown).bind(storage));
      define(storage, name, (faulty[name] as (...args: unknown[]) => unknown).bind(faulty));
    }
    this.#covered = covered;
  }

  /** Ends the plan, for all threads that follow it. */
  stop(): void {
    this.#faulty?.end();
    this.leave();
  }

  /** This thread does not follow the plan any more. */
  leave(): void {
    const covered = this.#covered;
    if (covered === null) return;
    for (const name of METHODS) delete (this.#storage as Partial<Methods>)[name];
    Object.assign(this.#storage, covered);
    this.#covered = this.#faulty = this.active = null;
  }

  /** What is in force, line by line; none without a plan. */
  status(): string[] {
    return this.#faulty?.status() ?? [];
  }
}

function define(object: object, name: string, value: unknown): void {
  Object.defineProperty(object, name, { value, configurable: true, enumerable: true, writable: true });
}

/** For a thread of its own, in real time. */
export function threadHost(onFault: (text: string) => void): FaultHost {
  return {
    onFault,
    block: blockThread,
    wait: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  };
}
