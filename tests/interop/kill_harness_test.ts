/** The checker itself: it must notice every kind of wrong recovery. */

import { AssertionError, assertRejects } from "@std/assert";
import { oracleTest, ServerProcess } from "../support/server_fixture.ts";
import { checkRecovered, type WriteRecord, Writers } from "./kill_harness.ts";

const LOSE_NOTHING = () => false;

/** Writes under `appendfsync always`, kills, restarts, and lets `tamper` spoil what was recovered before it is checked. */
async function checkAfter(tamper: string[][], mayLose: (ageMs: number) => boolean): Promise<void> {
  const args = ["--appendonly", "yes", "--appendfsync", "always"];
  await using first = await ServerProcess.start("redis", { args });
  const record = await writeAndKill(first);
  await using second = await first.startAgain();
  await using client = await second.connect();
  const last = record.units.toSorted((a, b) => a.number - b.number).at(-1)!;
  for (const command of tamper) await client.command(...command.map((word) => word === "<last>" ? last.key : word));
  await checkRecovered(second, record, 0, mayLose);
}

async function writeAndKill(server: ServerProcess): Promise<WriteRecord> {
  const writers = await Writers.start(server, 0, 2);
  await new Promise((resolve) => setTimeout(resolve, 30));
  return await writers.killServer(server);
}

oracleTest("checkRecovered: an untouched recovery passes", () => checkAfter([], LOSE_NOTHING));

oracleTest("checkRecovered: a hole, a duplicate or a half transaction fails", async () => {
  await assertRejects(() => checkAfter([["DEL", "<last>"]], LOSE_NOTHING), AssertionError, "whole and once");
  await assertRejects(() => checkAfter([["SET", "extra", "1"]], LOSE_NOTHING), AssertionError, "whole and once");
  await assertRejects(() => checkAfter([["INCR", "counter"]], LOSE_NOTHING), AssertionError, "whole and once");
  await assertRejects(() => checkAfter([["RENAME", "<last>", "other"]], LOSE_NOTHING), AssertionError, "unit");
});

oracleTest("checkRecovered: a collection that lacks an element, or has one more, fails", async () => {
  const writer = "run0:writer0", last = "unit 0";
  const spoil: [words: string[], what: string][] = [
    [["RPOP", `${writer}:list`], "the set"],
    [["SADD", `${writer}:set`, "extra"], "the set"],
    [["HDEL", `${writer}:hash`, "0"], "the hash"],
    [["ZINCRBY", `${writer}:zset`, "1", `${writer}:0`], "the sorted set"],
    [["XDEL", `${writer}:stream`, "1-1"], "the stream"],
  ];
  for (const [words, what] of spoil) {
    await assertRejects(() => checkAfter([["SELECT", "1"], words], LOSE_NOTHING), AssertionError, what);
  }
  const all = ["list", "set", "hash", "zset", "stream"].map((kind) => ["DEL", `${writer}:${kind}`]);
  await assertRejects(() => checkAfter([["SELECT", "1"], ...all], LOSE_NOTHING), AssertionError, last);
});

oracleTest("checkRecovered: an empty server after acknowledged writes fails, unless the policy allows it", async () => {
  await assertRejects(() => checkAfter([["FLUSHALL"]], LOSE_NOTHING), AssertionError, "is lost");
  await checkAfter([["FLUSHALL"]], () => true);
});
