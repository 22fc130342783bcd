/**
 * The real redis-server, where one is installed, started on files that the model left: twice, as a supervisor would. It listens on a
 * socket file in a temporary folder, which is removed with it.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname } from "node:path";
import { askRedis, startRedis } from "../kit/redis_process.ts";
import type { Found } from "./gaps.ts";

export class RealRedis {
  readonly #directory: string = mkdtempSync(`${tmpdir()}/power-cut-`);
  #process: Deno.ChildProcess | null = null;

  /** Kills what runs and removes all files. */
  close(): void {
    this.#kill();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** Starts on these files; again, on what that left, when it refuses. */
  async startTwice(image: ReadonlyMap<string, Uint8Array>): Promise<{ first: Found; second: Found | null }> {
    rmSync(this.#directory, { recursive: true, force: true });
    mkdirSync(this.#directory);
    for (const [path, bytes] of image) {
      const target = `${this.#directory}/${path}`;
      mkdirSync(dirname(target), { recursive: true });
      writeFileSync(target, bytes);
    }
    const first = await this.#start();
    return { first, second: first.refusal === null ? null : await this.#start() };
  }

  async #start(): Promise<Found> {
    const directives = { dir: this.#directory, appendonly: "yes", save: "" };
    const started = await startRedis(this.#directory, directives, dataOf, (process) => this.#process = process);
    this.#process = null;
    return "refusal" in started
      ? { data: new Map(), refusal: started.refusal }
      : { data: started.value, refusal: null };
  }

  #kill(): void {
    try {
      this.#process?.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
    this.#process = null;
  }
}

/** All strings; null before it serves. */
async function dataOf(socket: string): Promise<Map<string, string> | null> {
  const keys = await askRedis(socket, ["KEYS", "*"]);
  if (!Array.isArray(keys)) return null;
  const data = new Map<string, string>();
  for (const key of keys as string[]) data.set(key, String(await askRedis(socket, ["GET", key])));
  return data;
}
