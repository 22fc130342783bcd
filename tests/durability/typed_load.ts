/**
 * Writes of all types for an in-process server: random commands on many small values (those of the differential test), and changes in the
 * middle of a few large ones. Nothing blocks: a client that waits would hold up the rest.
 */

import type { Client, Reply } from "../../src/mod.ts";
import { Draw } from "../interop/differential/draw.ts";
import { FAMILIES, generate, MOSTLY_TYPES } from "../interop/differential/families/mod.ts";
import type { Step, Words } from "../interop/differential/step.ts";
import type { Argument } from "../support/resp_client.ts";
import { largeCollections } from "../support/mixed_dataset.ts";

const KEYS_PER_FAMILY = 25;
const DATABASES = 3;
const LARGE_SIZE = 3000;
const LARGE_PERCENT = 40;
const STEPS_AHEAD = 200;
const BLOCKING = /^B(?:L|R|Z)(?:POP|MPOP|MOVE|POPMIN|POPMAX|RPOPLPUSH)/i;

export class TypedLoad {
  readonly #client: Client;
  readonly #draw: Draw;
  #steps: Step[] = [];

  constructor(client: Client, seed: number) {
    this.#client = client, this.#draw = new Draw(seed, KEYS_PER_FAMILY);
  }

  /** Makes the large values again, and some thousands of small ones. */
  fill(steps: number): void {
    this.#send(["SELECT", 0]);
    this.#send(["DEL", ...["list", "set", "hash", "zset", "stream"].map((kind) => `large:${kind}`)]);
    for (const words of largeCollections(LARGE_SIZE)) this.#send(words);
    for (let i = 0; i < steps; i++) this.#smallWrite();
  }

  write(): void {
    if (this.#draw.chance(LARGE_PERCENT)) this.#send(this.#largeWrite());
    else this.#smallWrite();
  }

  /** Removes what has expired: a loader would leave it out, though the digest at the freeze counts it. */
  async settle(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 5));
    for (let database = 0; database < DATABASES; database++) {
      this.#send(["SELECT", database], ["SCAN", 0, "COUNT", 1_000_000]);
    }
    this.#send(["SELECT", 0]);
  }

  #smallWrite(): void {
    if (this.#steps.length === 0) this.#steps = generate(this.#draw, FAMILIES, MOSTLY_TYPES, STEPS_AHEAD).reverse();
    const { commands } = this.#steps.pop()!;
    if (!commands.some(mayBlock)) this.#send(...commands);
  }

  #largeWrite(): Words {
    const draw = this.#draw,
      i = draw.below(LARGE_SIZE),
      choices: Argument[][] = [
        ["LSET", "large:list", i, draw.value()],
        ["LINSERT", "large:list", "BEFORE", `element ${i}`, draw.value()],
        ["LPUSH", "large:list", draw.value()],
        ["RPOP", "large:list"],
        ["SADD", "large:set", draw.value()],
        ["SREM", "large:set", `member ${i}`],
        ["HSET", "large:hash", `field ${i}`, draw.value()],
        ["HDEL", "large:hash", `field ${i}`],
        ["ZADD", "large:zset", draw.float(), `member ${i}`],
        ["ZREM", "large:zset", `member ${i}`],
        ["ZPOPMIN", "large:zset"],
        ["XADD", "large:stream", "*", "field", draw.value()],
        ["XDEL", "large:stream", `${i}-1`],
        ["XGROUP", "CREATE", "large:stream", "group", "0"],
        ["XREADGROUP", "GROUP", "group", `consumer${i % 5}`, "COUNT", 20, "STREAMS", "large:stream", ">"],
        ["XACK", "large:stream", "group", `${i}-1`],
        ["XCLAIM", "large:stream", "group", `consumer${i % 3}`, 0, `${i}-1`],
      ];
    // A large value goes as a whole, in slices behind the scenes, or becomes a copy that changes on.
    if (i === 0) return ["UNLINK", draw.pick(["large:list", "large:set", "large:hash", "large:zset", "large:stream"])];
    if (i === 1) return ["COPY", "large:hash", "large:copy", "REPLACE"];
    return draw.pick(choices);
  }

  #send(...commands: Words[]): void {
    for (const words of commands) {
      this.#client.send(...words.map((word) => typeof word === "bigint" ? String(word) : word));
    }
    while (this.#client.receive() !== undefined);
  }
}

function mayBlock(words: Words): boolean {
  return BLOCKING.test(String(words[0])) || words.some((word) => word === "BLOCK");
}

/** All that a stream holds, groups, consumers and pending entries included, which DEBUG DIGEST leaves out. */
export function streamsOf(client: Client): Map<string, string> {
  const found = new Map<string, string>();
  for (let database = 0; database < DATABASES; database++) {
    client.command("SELECT", database);
    const [, names] = client.command("SCAN", 0, "COUNT", 1_000_000, "TYPE", "stream") as [string, string[]];
    for (const name of names) {
      const reply: Reply = client.command("XINFO", "STREAM", name, "FULL", "COUNT", 0);
      found.set(`${database} ${name}`, JSON.stringify(reply));
    }
  }
  return new Map([...found].sort());
}
