/** The differential test finds a difference that is there, shrinks it, and takes replies apart wherever they were split. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { oracleTest } from "../../support/server_fixture.ts";
import { runSteps } from "./comparison_run.ts";
import { Draw } from "./draw.ts";
import { FAMILIES, generate, MOSTLY_KEYS } from "./families/mod.ts";
import { roundOf } from "./rounds.ts";
import { ServerPair } from "./server_pair.ts";
import { minimize, shrinkFailing } from "./shrink.ts";
import { group, plain } from "./step.ts";
import { canonical, isNull, parseReply, ReplySplitter } from "./wire_reply.ts";

const SEED = 7;
/** Two are enough, but a minimum that no single step can leave may be larger. */
const SMALL_STEPS_MAX = 5;
const SHRINK_MAX_MS = 30_000;
const REPLIES = [
  "+OK\r\n",
  ":12\r\n",
  "$4\r\na\r\nb\r\n",
  "$-1\r\n",
  "*2\r\n*0\r\n%1\r\n+k\r\n_\r\n",
  "-ERR no\r\n",
  "*-1\r\n",
];

function bytes(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

Deno.test("differential harness: replies are cut out of a stream that may be split anywhere", () => {
  const stream = bytes(REPLIES.join(""));
  for (let chunkBytes = 1; chunkBytes <= stream.length; chunkBytes++) {
    const splitter = new ReplySplitter(), found: string[] = [];
    for (let at = 0; at < stream.length; at += chunkBytes) {
      splitter.push(stream.subarray(at, at + chunkBytes));
      for (let reply = splitter.next(); reply !== undefined; reply = splitter.next()) {
        found.push(String.fromCharCode(...reply));
      }
    }
    assertEquals(found, REPLIES);
  }
});

Deno.test("differential harness: replies that differ in type only are different", () => {
  const texts = ["+1", ":1", "$1\r\n1", ",1", "*1\r\n:1", "~1\r\n:1", "$-1", "*-1", "_", "$2\r\n-1"];
  const replies = texts.map((text) => parseReply(bytes(text + "\r\n")));
  assertEquals(new Set(replies.map(canonical)).size, texts.length);
  assertEquals(replies.filter(isNull).length, 3);
});

Deno.test("differential harness: minimize keeps exactly what is needed", async () => {
  const items = Array.from({ length: 1000 }, (_, i) => i), needed = [3, 500, 501, 999];
  const fails = (candidate: readonly number[]) => Promise.resolve(needed.every((item) => candidate.includes(item)));
  assertEquals(await minimize(items, fails, () => true), needed);
});

oracleTest("differential harness: a server that answers differently is found out with a few commands", async () => {
  await using pair = new ServerPair("redis", ["--maxmemory-policy", "allkeys-lfu"]);
  const steps = generate(new Draw(SEED), FAMILIES, MOSTLY_KEYS, 2000), round = roundOf(SEED);
  const difference = await runSteps(pair, round, steps);
  assert(difference !== undefined);
  assertStringIncludes(difference.text, "OBJECT");
  const small = await shrinkFailing(pair, round, steps.slice(0, difference.endStep), SHRINK_MAX_MS);
  assert(small.length <= SMALL_STEPS_MAX, `${small.length} steps`);
});

oracleTest("differential harness: data that differs without a different reply is found by its digest", async () => {
  await using pair = new ServerPair("redis", ["--databases", "4"]);
  const steps = [group(["SELECT", 5], ["SET", "a", "1"], ["SELECT", 0])];
  const silenced = steps.map((step) => ({ ...step, compare: () => undefined }));
  const difference = await runSteps(pair, roundOf(SEED), [plain("SET", "b", "1"), ...silenced]);
  assertStringIncludes(difference!.text, "DEBUG DIGEST differs");
});

oracleTest("differential harness: redis-server does not differ from itself", async () => {
  await using pair = new ServerPair("redis");
  for (let seed = SEED; seed < SEED + 6; seed++) {
    const steps = generate(new Draw(seed), FAMILIES, { genericPercent: 20, databasePercent: 2 }, 1000);
    assertEquals(await runSteps(pair, roundOf(seed), steps), undefined, `seed ${seed}`);
  }
});
