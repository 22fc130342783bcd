/** redis-check-rdb and redis-server, where they are installed, on a file with one bit flipped. Files are in a temporary folder. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { askRedis, startRedis } from "../kit/redis_process.ts";

const decoder = new TextDecoder();

/** Who noticed, in redis-check-rdb: its walk through the file, or the checksum; in redis-server, started with checksums off. */
export type ToolOutcome = "structure" | "checksum" | "missed";
export type ServerOutcome = "refused" | "crashed" | "other data" | "same data";

export class RedisTools {
  readonly #directory: string = mkdtempSync(`${tmpdir()}/rdb-bytes-`);
  readonly #keys: readonly string[];
  #process: Deno.ChildProcess | null = null;
  #original: string | null = null;

  constructor(keys: readonly string[]) {
    this.#keys = keys;
  }

  close(): void {
    try {
      this.#process?.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** Null where redis-check-rdb is not installed. */
  check(bytes: Uint8Array): ToolOutcome | null {
    writeFileSync(`${this.#directory}/dump.rdb`, bytes);
    try {
      const run = new Deno.Command("redis-check-rdb", { args: [`${this.#directory}/dump.rdb`], stderr: "null" })
        .outputSync();
      if (run.success) return "missed";
      return /CRC error|checksum/i.test(decoder.decode(run.stdout)) ? "checksum" : "structure";
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return null;
      throw error;
    }
  }

  /** Starts redis-server on the file, which looks at no checksum. */
  async start(bytes: Uint8Array, original: Uint8Array): Promise<ServerOutcome> {
    if (this.#original === null) {
      const first = await this.#started(original);
      if ("refusal" in first) throw new Error(`redis-server does not start on the lab's file: ${first.refusal}`);
      this.#original = first.value;
    }
    const started = await this.#started(bytes);
    if ("refusal" in started) return /assert|crash|signal|bug report/i.test(started.refusal) ? "crashed" : "refused";
    return started.value === this.#original ? "same data" : "other data";
  }

  async #started(bytes: Uint8Array) {
    writeFileSync(`${this.#directory}/dump.rdb`, bytes);
    const directives = { dir: this.#directory, save: "", rdbchecksum: "no", "enable-debug-command": "yes" };
    const started = await startRedis(this.#directory, directives, (socket) => this.#data(socket), (process) => {
      this.#process = process;
    });
    this.#process = null;
    return started;
  }

  async #data(socket: string): Promise<string | null> {
    const digest = await askRedis(socket, ["DEBUG", "DIGEST"]);
    if (digest === null) return null;
    const expiries: string[] = [];
    for (const key of this.#keys) expiries.push(String(await askRedis(socket, ["PEXPIRETIME", key])));
    return `${digest} ${expiries.join(" ")}`;
  }
}
