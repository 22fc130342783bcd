/**
 * Flips every bit of the file, one at a time, and starts this server on it: with checksums off, which leaves the structure to notice, and
 * with them on. Then asks `deno task check` which byte it was.
 */
import {
  type Afterimage,
  type CheckReport,
  LoadFailedError,
  type MemoryStorage,
  openCheck,
  writeFully,
} from "../../src/mod.ts";
import type { Progress } from "../kit/terminal.ts";
import { PATH, type Sample } from "./sample.ts";

/** What a start makes of the file when nobody looks at the checksum. */
export const OUTCOMES = ["refused", "other data", "same data"] as const;
export type Outcome = (typeof OUTCOMES)[number];

export interface Flip {
  readonly offset: number;
  readonly bit: number;
  readonly outcome: Outcome;
  /** Why it was refused; empty when it was not. */
  readonly reason: string;
  /** Whether a start with checksums on refused it. */
  readonly isRefusedByChecksum: boolean;
  /** What the check said of it; null when it was not asked. "named": the very byte, and what it was. */
  readonly check: "named" | "found" | "missed" | null;
}

/** A start's end: why it refused, or what it serves. */
export type Started = { readonly refusal: string } | { readonly data: string };

export class FlipRun {
  readonly #redis: Afterimage;
  readonly #storage: MemoryStorage;
  readonly #bytes: Uint8Array;
  readonly #keys: readonly string[];
  readonly #checkPath: (path: string) => CheckReport;

  constructor({ redis, storage, bytes, keys }: Sample) {
    this.#redis = redis,
      this.#storage = storage,
      this.#bytes = bytes,
      this.#keys = keys,
      this.#checkPath = openCheck(storage);
  }

  /** All bits; the check is asked about `checkedBits` of each byte. */
  async all(checkedBits: number, progress: Progress): Promise<Flip[]> {
    const flips: Flip[] = [], bits = this.#bytes.length * 8, original = await this.#start(this.#bytes, false);
    for (let i = 0; i < bits; i++) {
      if (i % 64 === 0) progress.update("flipping every bit", i / bits, `${i} of ${bits}`);
      flips.push(await this.flip(i >> 3, i & 7, original, (i * 5 + (i >> 3)) % 8 < checkedBits));
    }
    return flips;
  }

  async flip(offset: number, bit: number, original: Started, asksCheck: boolean): Promise<Flip> {
    const flipped = this.#bytes.slice();
    flipped[offset] ^= 1 << bit;
    const started = await this.#start(flipped, false), checked = await this.#start(flipped, true);
    const isRefused = "refusal" in started;
    return {
      offset,
      bit,
      outcome: isRefused ? "refused" : isEqual(started, original) ? "same data" : "other data",
      reason: isRefused ? started.refusal : "",
      isRefusedByChecksum: "refusal" in checked,
      check: asksCheck ? this.#check(offset) : null,
    };
  }

  original(): Promise<Started> {
    return this.#start(this.#bytes, false);
  }

  async #start(bytes: Uint8Array, checksum: boolean): Promise<Started> {
    this.#write(bytes);
    try {
      await this.#redis.restart(this.#storage, { rdbchecksum: [checksum ? "yes" : "no"] });
    } catch (error) {
      if (error instanceof LoadFailedError) return { refusal: reasonOf(error.message) };
      throw error;
    }
    const client = this.#redis.connect();
    const expiries = this.#keys.map((key) => client.command("PEXPIRETIME", key));
    const data = `${client.command("DEBUG", "DIGEST")} ${expiries.join(" ")}`;
    client.close();
    return { data };
  }

  #check(offset: number): Flip["check"] {
    const { verdict, files } = this.#checkPath(PATH), damage = files[0].damage;
    if (verdict === "sound") return "missed";
    return damage?.was === this.#bytes[offset] && damage.offsetBytes === offset ? "named" : "found";
  }

  #write(bytes: Uint8Array): void {
    const file = this.#storage.open(PATH, "create");
    writeFully(this.#storage, file, bytes, 0, bytes.length);
    this.#storage.close(file);
  }
}

/** Without the file's name and the advice. */
function reasonOf(message: string): string {
  return message.replace(/^Cannot load "[^"]*": /, "").replace(/\. The file is untouched.*$/s, "");
}

function isEqual(a: Started, b: Started): boolean {
  return "data" in a && "data" in b && a.data === b.data;
}
