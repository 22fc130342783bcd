import { assert, assertEquals } from "@std/assert";
import { latin1Decode, latin1Encode } from "../../base/bytes.ts";
import { readWhole } from "../../io/storage.ts";
import { MemoryStorage } from "../../io/memory_storage.ts";
import { RdbReceiver } from "./rdb_receiver.ts";

const MARK = "0123456789abcdef0123456789abcdef01234567";

/** What the receiver takes of `text`, given to it in pieces. */
function give(receiver: RdbReceiver, text: string, pieceBytes: number): number {
  const bytes = latin1Encode(text);
  let at = 0;
  while (at < bytes.length && !receiver.isDone) {
    at += receiver.add(bytes, at, Math.min(bytes.length, at + pieceBytes));
  }
  return at;
}

Deno.test("RdbReceiver: takes as many bytes as were announced, and none of the stream behind them", async () => {
  const storage = new MemoryStorage(), receiver = new RdbReceiver(storage, "/received", "$10");
  assertEquals(give(receiver, "0123456789*1\r\n", 4), 10);
  assert(receiver.isDone);
  await receiver.finish();
  assertEquals(latin1Decode(readWhole(storage, "/received")), "0123456789");
});

Deno.test("RdbReceiver: finds the mark however it is cut into pieces, and leaves it out", async () => {
  const content = "REDIS0010" + MARK.slice(0, -1) + "x".repeat(100);
  for (const pieceBytes of [1, 7, 39, 40, 41, 1000]) {
    const storage = new MemoryStorage(), receiver = new RdbReceiver(storage, "/received", `$EOF:${MARK}`);
    give(receiver, content + MARK, pieceBytes);
    assert(receiver.isDone, `pieces of ${pieceBytes}`);
    await receiver.finish();
    assertEquals(latin1Decode(readWhole(storage, "/received")), content);
  }
});

Deno.test("RdbReceiver: knows a header from an error", () => {
  assert(RdbReceiver.isHeader("$0") && RdbReceiver.isHeader(`$EOF:${MARK}`));
  assert(!RdbReceiver.isHeader("-ERR") && !RdbReceiver.isHeader("$-1") && !RdbReceiver.isHeader("$EOF:short"));
});
