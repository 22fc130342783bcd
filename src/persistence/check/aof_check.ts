/**
 * Checks one file of a log, as the server judges it before it loads it: seals first (`aof_verdict.ts`), then command by command, through the
 * reader that the loader uses. Commands are not run: their names and numbers of arguments are looked up, and transactions followed.
 *
 * What a repair would lose is told by reading on behind the damage: from the next place where a whole command of a known name starts. That
 * is for telling only. Nothing behind damage is ever kept: a command that was lost may have decided what later ones do.
 */
import { ascii, latin1Decode } from "../../base/bytes.ts";
import { quoted } from "../../base/quoted.ts";
import type { Args } from "../../resp/args.ts";
import { type AofReader, FormatError, TornError } from "../aof/aof_reader.ts";
import { isSealShaped } from "../aof/aof_seal.ts";
import { AofVerdict } from "../aof/aof_verdict.ts";
import type { ByteSource } from "./byte_source.ts";
import { KeyNames, keyText } from "./key_names.ts";
import { hex, type RdbCheck, type RdbFinding } from "./rdb_check.ts";
import type { Remedy } from "./remedy.ts";
import type { CommandFacts, Damage } from "./report.ts";

const STEP_BYTES = 1 << 20;
const MAGIC = "REDIS";
const STAR = 0x2a, LF = 10;
/** More damaged places than this are counted no further. */
const RESTARTS_MAX = 1000;
const FOUND_BYTES = 16;
const MULTI = ascii("MULTI"), EXEC = ascii("EXEC");

const TORN_NOTE =
  "a crash leaves this behind; a server cuts it by itself when it starts, unless aof-load-truncated is no";

/** What a check asks about commands. */
export interface CommandBook {
  /** Why no server would run this: an unknown name, a wrong number of arguments. Empty when it would. */
  fault(args: Args): string;
  /** Which arguments are keys. */
  keys(args: Args): readonly number[];
}

export interface AofFinding {
  /** Of the RDB that the file starts with; null when it is commands from the start. */
  readonly rdb: RdbFinding | null;
  /** Null when nothing but an RDB is there. */
  readonly commands: CommandFacts | null;
  readonly damage: Damage | null;
  readonly remedy: Remedy;
  readonly lost: LostCommands;
  readonly notes: readonly string[];
}

/** What is known once a flipped bit was put right. */
type Restored = Pick<AofFinding, "commands" | "damage" | "remedy">;

/** What the file is in its log. */
export interface AofPlace {
  readonly name: string;
  /** The log's number from the manifest; null when there is none. */
  readonly logId: number | null;
  /** Only the last file may be torn. */
  readonly isLast: boolean;
}

/** Commands behind damage. */
export class LostCommands {
  count = 0;
  /** Some could not be read, and are not counted. */
  isAtLeast = false;
  readonly keyNames = new KeyNames();

  /** Those of another file too; null when that one is not there to be read. */
  add(other: LostCommands | null): void {
    this.isAtLeast ||= other?.isAtLeast ?? true;
    this.count += other?.count ?? 0;
    if (other !== null) this.keyNames.addAll(other.keyNames);
  }
}

export class AofCheck {
  readonly #rdbCheck: RdbCheck;
  readonly #book: CommandBook;

  constructor(rdbCheck: RdbCheck, book: CommandBook) {
    this.#rdbCheck = rdbCheck, this.#book = book;
  }

  /** @throws {CheckError, StorageError} */
  check(source: ByteSource, place: AofPlace): AofFinding {
    if (!startsWithMagic(source)) return this.#sealedOrPlain(source, place);
    const rdb = this.#rdbCheck.check(source, !place.name.endsWith(".rdb"));
    // What precedes the commands is whole, or will be.
    if (rdb.endBytes >= 0) return this.#behindRdb(source, rdb);
    const lost = new LostCommands();
    this.#countLost(source, rdb.damage!.offsetBytes, lost);
    return { rdb, commands: null, damage: rdb.damage, remedy: rdb.remedy, lost, notes: rdb.notes };
  }

  /** All commands of a file, which a repair leaves out. */
  lose(source: ByteSource): LostCommands {
    const lost = new LostCommands();
    this.#countLost(source, 0, lost);
    return lost;
  }

  #behindRdb(source: ByteSource, rdb: RdbFinding): AofFinding {
    const walk = new Walk(this.#book, source, rdb.endBytes, source.sizeBytes);
    walk.run();
    const commands = rdb.endBytes === source.sizeBytes ? null : walk.facts(0), lost = new LostCommands();
    const found = { rdb, commands, lost, notes: rdb.notes };
    if (walk.damage === null) return { ...found, damage: rdb.damage, remedy: rdb.remedy };
    this.#countLost(source, walk.validBytes, lost);
    if (rdb.damage !== null) {
      const reason = "the RDB that it starts with and the commands behind that are damaged both";
      return { ...found, damage: rdb.damage, remedy: { kind: "impossible", reason } };
    }
    return { ...found, damage: walk.damage, remedy: { kind: "cut", atBytes: walk.validBytes, end: "nothing" } };
  }

  #sealedOrPlain(source: ByteSource, place: AofPlace): AofFinding {
    const verdict = judge(source, place), start = verdict.verifiedBytes;
    const isKept = verdict.kind === "sound" || verdict.kind === "plain" || verdict.kind === "foreign";
    const walk = new Walk(this.#book, source, 0, isKept ? source.sizeBytes : start);
    walk.run();
    const lost = new LostCommands(), notes = notesOf(verdict, source);
    const found = { rdb: null, commands: walk.facts(start), lost, notes };
    if (isKept && walk.damage === null) return { ...found, damage: null, remedy: { kind: "none" } };
    const restored = verdict.kind === "damaged" ? this.#restored(source, place, verdict) : null;
    if (restored !== null) return { ...found, ...restored };
    const atBytes = walk.validBytes >= start || walk.sealedBytes === 0 ? walk.validBytes : walk.sealedBytes;
    this.#countLost(source, atBytes, lost);
    const damage = isKept ? walk.damage : this.#damageBehind(source, verdict);
    if (damage?.kind === "torn" && place.isLast) notes.push(TORN_NOTE);
    return { ...found, damage, remedy: { kind: "cut", atBytes, end: "nothing" } };
  }

  /** The flipped bit that the verdict has found, if all is well with it put right. */
  #restored(source: ByteSource, place: AofPlace, verdict: AofVerdict): Restored | null {
    const { offsetBytes, xor } = verdict.damage!, start = verdict.verifiedBytes;
    if (xor === 0) return null;
    const is = source.byteAt(offsetBytes), was = is ^ xor, patched = source.with(offsetBytes, was);
    const { kind } = judge(patched, place);
    if (kind === "damaged" || kind === "torn") return null;
    const walk = new Walk(this.#book, patched, 0, patched.sizeBytes);
    walk.watchedBytes = offsetBytes;
    walk.run();
    if (walk.damage !== null) return null;
    const inside = walk.watched, reason = `the checksum of the block that starts at offset ${start} differs`;
    return {
      commands: walk.facts(start),
      damage: { offsetBytes, fromBytes: offsetBytes, kind: "damaged", reason, expected: hex(was), inside, is, was },
      remedy: { kind: "restore", offsetBytes, was },
    };
  }

  /** What is wrong behind the verified part. */
  #damageBehind(source: ByteSource, verdict: AofVerdict): Damage {
    const isTorn = verdict.kind === "torn", start = verdict.verifiedBytes;
    return {
      offsetBytes: isTorn ? start : verdict.damage!.offsetBytes,
      fromBytes: start,
      kind: isTorn ? "torn" : "damaged",
      reason: isTorn ? tornReason(source) : verdict.damage!.reason,
      expected: isTorn ? "" : "the bytes that the block's seal was made of",
      inside: this.#commandAt(source, start),
      is: null,
      was: null,
    };
  }

  #commandAt(source: ByteSource, offsetBytes: number): string {
    const walk = new Walk(this.#book, source, offsetBytes, source.sizeBytes);
    const command = walk.first();
    return command === "" ? "" : `a block that starts with ${command}`;
  }

  /** Counts the commands from `from` on, as far as they can be read. */
  #countLost(source: ByteSource, from: number, lost: LostCommands): void {
    let skipped = false;
    for (let at = from, restarts = 0; at >= 0 && at < source.sizeBytes; restarts++) {
      if (restarts === RESTARTS_MAX) {
        lost.isAtLeast = true;
        return;
      }
      const reader = source.reader(at, source.sizeBytes);
      try {
        for (let kind = reader.next(); kind !== "end"; kind = reader.next()) {
          if (kind === "annotation") continue;
          this.#lose(reader.args, lost);
          if (skipped) lost.isAtLeast = true;
        }
        return;
      } catch (error) {
        if (!(error instanceof FormatError || error instanceof TornError)) throw error;
        at = this.#passOver(source, reader, lost, error instanceof TornError);
        skipped = true;
      }
    }
  }

  /** Counts what could not be read as one command, where its name is there; returns where the next may start, or -1. */
  #passOver(source: ByteSource, reader: AofReader, lost: LostCommands, isTorn: boolean): number {
    const at = reader.offsetBytes;
    // The end of the file is no riddle: one command is not whole.
    if (!isTorn) lost.isAtLeast = true;
    const { fragment } = reader;
    if (fragment.count > 0) this.#lose(fragment, lost);
    return nextStart(source, at + 1);
  }

  #lose(args: Args, lost: LostCommands): void {
    if (isFrame(args)) return;
    lost.count++;
    for (const index of this.#book.keys(args)) lost.keyNames.add(args.slice(index));
  }
}

/** Goes through commands, and looks each up. */
class Walk {
  readonly #book: CommandBook;
  readonly #source: ByteSource;
  readonly #reader: AofReader;
  #count = 0;
  #transactions = 0;
  /** Where the open transaction starts; -1 outside. */
  #multiAt = -1;
  /** Everything up to here is whole, transactions included. */
  validBytes: number;
  /** The same, up to the end of a seal. */
  sealedBytes = 0;
  damage: Damage | null = null;
  /** What the byte at this offset is in is noted in `watched`. */
  watchedBytes = -1;
  watched = "";

  constructor(book: CommandBook, source: ByteSource, from: number, to: number) {
    this.#book = book, this.#source = source, this.validBytes = from;
    this.#reader = source.reader(from, to);
  }

  facts(sealedBytes: number): CommandFacts {
    return { count: this.#count, transactions: this.#transactions, sealedBytes };
  }

  /** The first command, as it is shown; empty when it cannot be read. */
  first(): string {
    try {
      for (let kind = this.#reader.next(); kind !== "end"; kind = this.#reader.next()) {
        if (kind === "command" && !isFrame(this.#reader.args)) return commandText(this.#reader.args, this.#book);
      }
    } catch (error) {
      if (!(error instanceof FormatError || error instanceof TornError)) throw error;
      return commandText(this.#reader.fragment, this.#book);
    }
    return "";
  }

  /** Ends at the first damage. */
  run(): void {
    const reader = this.#reader;
    try {
      for (let kind = reader.next(); kind !== "end"; kind = reader.next()) {
        if (kind === "command") this.#command(reader.args);
        else this.#annotation(reader.annotation);
        if (this.damage !== null) return;
      }
    } catch (error) {
      if (error instanceof FormatError) this.#wrong(error.reason, error.offsetBytes, reader.fragment);
      else if (error instanceof TornError) this.#torn();
      else throw error;
      return;
    }
    if (this.#multiAt >= 0) this.#openTransaction();
  }

  #annotation(line: Uint8Array): void {
    this.#look("an annotation");
    if (this.#multiAt >= 0) return;
    this.validBytes = this.#reader.offsetBytes;
    if (isSealShaped(line, 0)) this.sealedBytes = this.validBytes;
  }

  #command(args: Args): void {
    const at = this.#reader.commandOffsetBytes, fault = this.#faultOf(args);
    if (fault !== "") return this.#wrong(fault, at, args);
    if (args.count === 1 && args.is(0, MULTI)) this.#multiAt = at;
    else if (args.count === 1 && args.is(0, EXEC)) this.#transactions++, this.#multiAt = -1;
    else this.#count++;
    if (this.#multiAt < 0) this.validBytes = this.#reader.offsetBytes;
    this.#look(null);
  }

  #faultOf(args: Args): string {
    if (args.count === 1 && args.is(0, MULTI)) return this.#multiAt < 0 ? "" : "MULTI inside MULTI";
    if (args.count === 1 && args.is(0, EXEC)) return this.#multiAt < 0 ? "EXEC without MULTI" : "";
    return this.#book.fault(args);
  }

  #look(what: string | null): void {
    if (this.watchedBytes < 0 || this.#reader.offsetBytes <= this.watchedBytes) return;
    this.watched = what ?? commandText(this.#reader.args, this.#book);
    this.watchedBytes = -1;
  }

  #wrong(reason: string, offsetBytes: number, args: Args): void {
    const found = this.#source.bytes(offsetBytes, FOUND_BYTES);
    this.#found("damaged", offsetBytes, reason, `found ${quoted(found)}`, commandText(args, this.#book));
  }

  #torn(): void {
    const at = this.#reader.offsetBytes;
    this.#found(
      "torn",
      at,
      tornReason(this.#source),
      "",
      commandText(this.#reader.fragment, this.#book),
    );
  }

  #openTransaction(): void {
    this.#found("torn", this.#multiAt, "the file ends in the middle of a transaction", "EXEC", "a transaction");
  }

  #found(kind: Damage["kind"], offsetBytes: number, reason: string, expected: string, inside: string): void {
    this.damage = {
      offsetBytes,
      fromBytes: Math.min(this.validBytes, offsetBytes),
      kind,
      reason,
      expected,
      inside,
      is: null,
      was: null,
    };
  }
}

function judge(source: ByteSource, { name, logId, isLast }: AofPlace): AofVerdict {
  const { storage, file, sizeBytes } = source;
  const verdict = new AofVerdict({ storage, file, sizeBytes, name, logId, mayBeTorn: isLast });
  while (!verdict.step(STEP_BYTES));
  return verdict;
}

function notesOf(verdict: AofVerdict, source: ByteSource): string[] {
  const { kind, verifiedBytes } = verdict;
  if (source.sizeBytes === 0) return [];
  if (kind === "plain") return ["no checksums, as Redis writes it: a wrong byte in a value would not show"];
  if (kind !== "foreign") return [];
  return [
    `Redis went on from offset ${verifiedBytes}, without checksums: a wrong byte in a value would not show there`,
  ];
}

function tornReason(source: ByteSource): string {
  const zeros = source.sizeBytes - source.startOfZeros();
  return zeros === 0 ? "the file ends in the middle" : `the file goes on with ${zeros} bytes of zeros`;
}

/** A command as it is shown: its name and the first of its keys. */
function commandText(args: Args, book: CommandBook): string {
  if (args.count === 0) return "";
  const name = keyText(args.slice(0)).slice(1, -1).toUpperCase(), keys = book.keys(args);
  return keys.length === 0 ? name : `${name} ${keyText(args.slice(keys[0]))}`;
}

/** MULTI and EXEC are how a transaction is written, and change nothing. */
function isFrame(args: Args): boolean {
  return args.count === 1 && (args.is(0, MULTI) || args.is(0, EXEC));
}

function startsWithMagic(source: ByteSource): boolean {
  return latin1Decode(source.bytes(0, MAGIC.length)) === MAGIC;
}

/** Where the next line starts, from `from` on, that may be a command's first; -1 when there is none. */
function nextStart(source: ByteSource, from: number): number {
  let before = 0, offset = from, found = -1;
  source.forEachPiece(from, source.sizeBytes, (piece) => {
    for (let at = piece.indexOf(STAR); at >= 0; at = piece.indexOf(STAR, at + 1)) {
      if ((at === 0 ? before : piece[at - 1]) !== LF) continue;
      found = offset + at;
      return false;
    }
    before = piece[piece.length - 1], offset += piece.length;
    return true;
  });
  return found;
}
