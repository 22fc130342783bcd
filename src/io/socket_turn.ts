/**
 * Giving way to the sockets. While something can run at once, Deno's event loop (tokio) looks at the sockets only every 61 rounds, and a
 * timer of the system takes 2 ms and more: so whoever has much to do, and lets others in between, waits for that many rounds that
 * do nothing, which take about 0.1 ms.
 *
 * Calls run in the order in which they were asked for, never from inside the asking.
 */
import { setImmediate } from "node:timers";

const ROUNDS_UNTIL_SOCKETS = 64;

interface Call {
  readonly id: number;
  readonly dueRound: number;
  readonly fn: () => void;
}

let calls: Call[] = [], round = 0, lastId = 0, isTurning = false;

/** Calls `fn` once the sockets that are ready now have been looked at. Returns a negative number that names the call. */
export function afterSockets(fn: () => void): number {
  const id = --lastId;
  calls.push({ id, dueRound: round + ROUNDS_UNTIL_SOCKETS, fn });
  if (!isTurning) isTurning = true, setImmediate(turn);
  return id;
}

/** Takes a call back; one that was made already is ignored. */
export function cancelAfterSockets(id: number): void {
  calls = calls.filter((call) => call.id !== id);
}

function turn(): void {
  round++;
  // Before the calls: whatever one of them throws, the others are made.
  isTurning = calls.length > 0;
  if (isTurning) setImmediate(turn);
  while (calls.length > 0 && calls[0].dueRound <= round) calls.shift()!.fn();
}
