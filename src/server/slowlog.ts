/** The slow log: the last commands that took longer than a threshold, newest first, with their arguments cut to Redis's limits. */
import { ascii } from "../base/bytes.ts";
import type { Args } from "../resp/args.ts";

const ARGUMENTS_MAX = 32;
const ARGUMENT_BYTES_MAX = 128;

export interface SlowlogEntry {
  readonly id: number;
  readonly unixSeconds: number;
  readonly microseconds: number;
  readonly args: readonly Uint8Array[];
  readonly address: string;
  readonly clientName: string;
}

export class Slowlog {
  readonly entries: SlowlogEntry[] = [];
  #nextId = 0;

  add(args: Args, microseconds: number, nowMs: number, address: string, clientName: string, entriesMax: number): void {
    this.entries.unshift({
      id: this.#nextId++,
      unixSeconds: Math.floor(nowMs / 1000),
      microseconds: Math.round(microseconds),
      args: cut(args),
      address,
      clientName,
    });
    this.trim(entriesMax);
  }

  trim(entriesMax: number): void {
    if (this.entries.length > entriesMax) this.entries.length = entriesMax;
  }
}

function cut(args: Args): Uint8Array[] {
  const shown: Uint8Array[] = [], count = Math.min(args.count, ARGUMENTS_MAX);
  for (let i = 0; i < count; i++) {
    const rest = args.count - ARGUMENTS_MAX + 1;
    if (args.count > ARGUMENTS_MAX && i === ARGUMENTS_MAX - 1) shown.push(ascii(`... (${rest} more arguments)`));
    else shown.push(cutArgument(args.shown(i)));
  }
  return shown;
}

function cutArgument(argument: Uint8Array): Uint8Array {
  if (argument.length <= ARGUMENT_BYTES_MAX) return argument.slice();
  const note = ascii(`... (${argument.length - ARGUMENT_BYTES_MAX} more bytes)`);
  const shown = new Uint8Array(ARGUMENT_BYTES_MAX + note.length);
  shown.set(argument.subarray(0, ARGUMENT_BYTES_MAX));
  shown.set(note, ARGUMENT_BYTES_MAX);
  return shown;
}
