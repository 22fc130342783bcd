/**
 * StandInProcesses with real processes, and a fake for tests.
 *
 * A stand-in is a shell that waits for the end of its input, under the title as its name. The input is a pipe that this process holds,
 * so the stand-in ends when this process does, however that happens. Starting one takes half a millisecond, so a thread does it and
 * waits for it; the caller's thread only sends messages.
 */
import type { StandIn, StandInEvents, StandInProcesses } from "./process.ts";
import { startWorker, type WorkerHandle } from "./worker_thread.ts";

/** To the thread: `title` starts stand-in `id`, null ends it. */
export interface StandInRequest {
  readonly id: number;
  readonly title: string | null;
}

/** From the thread. */
export type StandInReport =
  | { readonly id: number; readonly kind: "started"; readonly pid: number }
  | { readonly id: number; readonly kind: "killed"; readonly signal: number }
  | { readonly id: number; readonly kind: "missing"; readonly reason: string };

export class ShellStandIns implements StandInProcesses {
  #worker: WorkerHandle | null = null;
  readonly #running: Map<number, StandInEvents> = new Map();
  #nextId = 1;

  prepare(): void {
    this.#worker ??= startWorker(
      new URL("./stand_in_worker.ts", import.meta.url),
      (message) => this.#reported(message as StandInReport),
      (text) => this.#failed(text),
    );
  }

  start(title: string, events: StandInEvents): StandIn {
    this.prepare();
    const id = this.#nextId++;
    this.#running.set(id, events);
    this.#post({ id, title });
    return {
      end: () => {
        if (this.#running.delete(id)) this.#post({ id, title: null });
      },
    };
  }

  terminate(): void {
    this.#worker?.terminate();
    this.#worker = null;
    this.#running.clear();
  }

  #post(request: StandInRequest): void {
    this.#worker?.post(request);
  }

  #reported(report: StandInReport): void {
    const events = this.#running.get(report.id);
    if (events === undefined) return;
    if (report.kind === "started") return events.started(report.pid);
    this.#running.delete(report.id);
    if (report.kind === "killed") events.killed(report.signal);
    else events.missing(report.reason);
  }

  #failed(text: string): void {
    const lost = [...this.#running.values()];
    this.#running.clear();
    this.#worker = null;
    for (const events of lost) events.missing(`the thread that starts processes failed: ${text}`);
  }
}

/** Stand-ins that exist in memory only; the test plays the operating system through `running`. */
export class FakeStandIns implements StandInProcesses {
  readonly running: { readonly title: string; readonly events: StandInEvents }[] = [];
  started = 0;

  prepare(): void {}

  start(title: string, events: StandInEvents): StandIn {
    const one = { title, events };
    this.running.push(one), this.started++;
    return {
      end: () => {
        const at = this.running.indexOf(one);
        if (at >= 0) this.running.splice(at, 1);
      },
    };
  }

  /** Ends the one that runs, as `kill` does. */
  kill(signal: number): void {
    this.running.shift()!.events.killed(signal);
  }

  terminate(): void {
    this.running.length = 0;
  }
}
