/**
 * PAGES MAP, CHANGES and LEGEND: the state of each page, for eyes and for programs that draw it.
 *
 * A program reads the map once (MAP CELLS, a byte a page, in slices) and then only what changed (CHANGES). Neither takes a millisecond:
 * both end after so many pages. What a freeze and its end do to all pages is not told page by page; it follows from `epoch` and
 * `snapshot-live`: when a snapshot begins, what is not free is frozen; when it ends, what is frozen or copied is clean.
 */
import type { CommandContext, Handlers } from "../../commands/context.ts";
import { ERROR } from "../../commands/errors.ts";
import { NO_COMMAND, OWNER_NAMES, PAGE_STATES } from "../../memory/mod.ts";
import type { ReplyWriter } from "../../resp/reply_writer.ts";
import type { Server } from "../server.ts";

/** Name of work that no command asked for. */
export const SERVER_ITSELF = "(server)";

const MAP_PAGES_DEFAULT = 4096;
const MAP_PAGES_MAX = 1 << 20;
const CELLS_MAX = 1 << 15;
const CHANGES_MAX = 1 << 14;
/** page u32 | cell u8 | 0 | command u16, little-endian. */
const CHANGE = { page: 0, cell: 4, command: 6, sizeBytes: 8 } as const;

const STATE_NAMES = ["free or untouched", "clean", "frozen and shared", "copied"];
/** By page state, in the order of STATE_NAMES. */
const STATE_LETTERS = ".cfC";
/** By owner, in the order of OWNER_NAMES. */
const OWNER_LETTERS = ".htevliqfxsp*";
const STATE_LEGEND = STATE_NAMES.map((name, i) => `${STATE_LETTERS[i]} ${name}`).join(", ");
const OWNER_LEGEND = "owners: " + OWNER_NAMES.map((name, i) => `${OWNER_LETTERS[i]} ${name}`).join(", ");

export function pageMapCommands(server: Server): Handlers {
  const { memory } = server, { cow, changes } = memory;

  function map(ctx: CommandContext): void {
    const { args, reply } = ctx, last = args.count - 1;
    const withOwners = last > 1 && args.equalsIgnoreCase(last, "owners");
    const asCells = last > 1 && args.equalsIgnoreCase(last, "cells");
    const numbers = args.count - 2 - (withOwners || asCells ? 1 : 0);
    if (numbers !== 0 && numbers !== 2) return reply.error(ERROR.syntax);
    const start = numbers === 2 ? ctx.count(2, "start must be 0 or more") : 0;
    if (Number.isNaN(start)) return;
    const count = numbers === 2 ? ctx.count(3, "count must be 0 or more") : MAP_PAGES_DEFAULT;
    if (Number.isNaN(count)) return;
    const pagesMax = asCells ? CELLS_MAX : MAP_PAGES_MAX;
    const shown = Math.min(count, pagesMax, Math.max(0, memory.pagesMax - start));
    if (asCells) replyCells(reply, start, shown);
    else replyLetters(reply, start, shown, withOwners);
  }

  function replyLetters(reply: ReplyWriter, start: number, count: number, withOwners: boolean): void {
    reply.startMap(withOwners ? 5 : 4);
    reply.text("start"), reply.integer(start);
    reply.text("count"), reply.integer(count);
    reply.text("legend"), reply.text(withOwners ? `${STATE_LEGEND}; ${OWNER_LEGEND}` : STATE_LEGEND);
    reply.text("states"), reply.text(letters(start, count, (page) => STATE_LETTERS[memory.pageState(page)]));
    if (withOwners) reply.text("owners"), reply.text(letters(start, count, ownerLetter));
  }

  function letters(start: number, count: number, letterOf: (page: number) => string): string {
    let text = "";
    for (let page = start; page < start + count; page++) text += letterOf(page);
    return text;
  }

  function ownerLetter(page: number): string {
    return OWNER_LETTERS[Math.floor(memory.pageCell(page) / PAGE_STATES)];
  }

  function replyCells(reply: ReplyWriter, start: number, count: number): void {
    const cells = new Uint8Array(count);
    for (let i = 0; i < count; i++) cells[i] = memory.pageCell(start + i);
    reply.startMap(3);
    reply.text("start"), reply.integer(start);
    reply.text("count"), reply.integer(count);
    reply.text("cells"), reply.bytes(cells);
  }

  function changesSince(ctx: CommandContext): void {
    const { args, reply } = ctx;
    if (args.count > 4) return reply.error(ERROR.syntax);
    const since = ctx.count(2, "sequence must be 0 or more");
    if (Number.isNaN(since)) return;
    const count = args.count === 4 ? ctx.count(3, "count must be 0 or more") : CHANGES_MAX;
    if (Number.isNaN(count)) return;
    const isLost = since < changes.oldest || since > changes.count;
    const end = isLost ? changes.count : since + Math.min(count, CHANGES_MAX, changes.count - since);
    replyFigures(reply, [
      ["sequence", end],
      ["behind", changes.count - end],
      ["lost", isLost ? 1 : 0],
      ["epoch", memory.epoch],
      ["snapshot-live", memory.snapshotLive ? 1 : 0],
      ["page-size", memory.pageBytes],
      ["pages", memory.pagesTouched],
      ["pages-frozen", cow.pagesFrozen],
      ["pages-copied", cow.pagesCopied],
      ["data-bytes", memory.dataBytes],
      ["frame-bytes", memory.frameBytes],
      ["peak-bytes", cow.peakBytes],
    ]);
    reply.text("changes"), reply.bytes(encodeChanges(isLost ? end : since, end));
  }

  /** Starts a map of these fields and one more. */
  function replyFigures(reply: ReplyWriter, figures: readonly (readonly [string, number])[]): void {
    reply.startMap(figures.length + 1);
    for (const [name, value] of figures) reply.text(name), reply.integer(value);
  }

  function encodeChanges(from: number, end: number): Uint8Array {
    const bytes = new Uint8Array((end - from) * CHANGE.sizeBytes), view = new DataView(bytes.buffer);
    for (let change = from, at = 0; change < end; change++, at += CHANGE.sizeBytes) {
      const page = changes.pageOf(change);
      view.setUint32(at + CHANGE.page, page, true);
      bytes[at + CHANGE.cell] = memory.pageCell(page);
      view.setUint16(at + CHANGE.command, cow.copiedBy[page], true);
    }
    return bytes;
  }

  function legend({ reply }: CommandContext): void {
    const commands = server.table.all();
    reply.startMap(3);
    reply.text("states"), replyNames(reply, STATE_NAMES);
    reply.text("owners"), replyNames(reply, OWNER_NAMES);
    reply.text("commands");
    reply.startMap(commands.length + 1);
    for (const { id, fullName } of commands) reply.integer(id), reply.text(fullName);
    reply.integer(NO_COMMAND), reply.text(SERVER_ITSELF);
  }

  return { "pages|map": map, "pages|changes": changesSince, "pages|legend": legend };
}

function replyNames(reply: ReplyWriter, names: readonly string[]): void {
  reply.startArray(names.length);
  for (const name of names) reply.text(name);
}
