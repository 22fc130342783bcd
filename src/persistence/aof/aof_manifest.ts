/**
 * The AOF manifest: which files make up the log, in the format of Redis 7.
 *
 *   file <name> seq <n> type b|i|h
 *
 * At most one base (b), then increments (i) with rising numbers, then history (h): files that are no longer part of the log and
 * wait to be removed. Persisting replaces the file as a whole: temporary file, sync, rename, directory sync.
 *
 * The manifest of a log with seals ends with a comment, which Redis skips, without an end of line:
 *
 *   #AFTERIMAGE manifest 1 log <8 hex> crc32 <8 hex>      the log's number; CRC-32 of all bytes before " crc32"
 *
 * A manifest that says nothing of the kind is Redis's. What says it anywhere else, or nearly, or with another checksum, is damaged.
 */
import { countWordBits } from "../../base/bits.ts";
import { ascii, latin1Decode, utf8Decode, utf8Encode } from "../../base/bytes.ts";
import { crc32, flippedBit } from "../../base/crc32.ts";
import { quoted } from "../../base/quoted.ts";
import { readWhole, type Storage, StorageError, writeWhole } from "../../io/storage.ts";
import { splitInlineArgs } from "../../resp/inline_args.ts";

export interface AofFile {
  readonly name: string;
  readonly sequence: number;
}

const LINE_BYTES_MAX = 1024;
const SIGNATURE = "#AFTERIMAGE manifest 1 log ";
/** One flipped bit in it does not make it another one. */
const MARK = ascii("#AFTERIMAGE manifest");
const SIGNED = new RegExp(`^(${SIGNATURE}([0-9a-f]{8})) crc32 ([0-9a-f]{8})$`);
/** " crc32 ", and its digits. */
const CHECKSUM_BYTES = 15;
const HASH = 0x23;

/** The manifest cannot be used. `line` is 0 when no line is at fault. */
export class ManifestCorruptError extends Error {
  override name = "ManifestCorruptError";
  readonly lineNumber: number;
  readonly line: string;
  /** Where its checksum says that it is damaged; -1 when it is not that. */
  readonly offsetBytes: number;

  constructor(reason: string, lineNumber: number, line: string, offsetBytes = -1) {
    super(reason);
    this.lineNumber = lineNumber, this.line = line, this.offsetBytes = offsetBytes;
  }
}

/** The new manifest is in place but may not survive a power cut: either it or the one before may be found. Keep both generations. */
export class ManifestUncertainError extends Error {
  override name = "ManifestUncertainError";
}

export class AofManifest {
  base: AofFile | null = null;
  increments: AofFile[] = [];
  history: AofFile[] = [];
  /** The log's number, which the ids of its files are made from (`fileIdOf`); null where nothing is sealed. */
  logId: number | null = null;
  /** Highest numbers given out so far, to files that are history now too: a new file must never have the name of one of those. */
  baseSequence = 0;
  incrementSequence = 0;

  get isEmpty(): boolean {
    return this.base === null && this.increments.length === 0;
  }

  /** Files that are loaded, in order. */
  get files(): AofFile[] {
    return this.base === null ? [...this.increments] : [this.base, ...this.increments];
  }

  copy(): AofManifest {
    const copy = new AofManifest();
    copy.base = this.base, copy.increments = [...this.increments], copy.history = [...this.history];
    copy.baseSequence = this.baseSequence, copy.incrementSequence = this.incrementSequence;
    copy.logId = this.logId;
    return copy;
  }

  /** @throws {ManifestCorruptError} */
  static parse(content: string | Uint8Array): AofManifest {
    const manifest = new AofManifest(), bytes = typeof content === "string" ? utf8Encode(content) : content;
    if (bytes.length === 0) throw new ManifestCorruptError("Found an empty AOF manifest", 0, "");
    manifest.logId = checkedLogId(bytes);
    const lines = utf8Decode(bytes).split("\n"), last = lines.pop()!;
    lines.forEach((line, index) => line.startsWith("#") || manifest.#addLine(line, index + 1));
    if (last !== "" && !last.startsWith("#")) {
      throw new ManifestCorruptError("The AOF manifest file contains too long line", 0, "");
    }
    return manifest;
  }

  format(): string {
    const lines = this.#lines();
    if (this.logId === null) return lines;
    const signed = ascii(lines + SIGNATURE + hex8(this.logId));
    return `${lines}${SIGNATURE}${hex8(this.logId)} crc32 ${hex8(crc32(signed, 0, signed.length))}`;
  }

  #lines(): string {
    const line = (file: AofFile, type: string) => `file ${quoteName(file.name)} seq ${file.sequence} type ${type}\n`;
    return (this.base === null ? "" : line(this.base, "b")) + this.history.map((file) => line(file, "h")).join("") +
      this.increments.map((file) => line(file, "i")).join("");
  }

  #addLine(raw: string, lineNumber: number): void {
    if (raw.length >= LINE_BYTES_MAX) {
      throw new ManifestCorruptError("The AOF manifest file contains too long line", 0, "");
    }
    const line = raw.replace(/^[ \t\r]+|[ \t\r]+$/g, "");
    const fail = (reason: string) => new ManifestCorruptError(reason, lineNumber, line);
    const bytes = utf8Encode(line), words = splitInlineArgs(bytes, 0, bytes.length)?.map((word) => utf8Decode(word));
    if (words === undefined || words.length < 6 || words.length % 2 !== 0) {
      throw fail("Invalid AOF manifest file format");
    }
    let name = "", sequence = 0, type = "";
    for (let i = 0; i < words.length; i += 2) {
      const key = words[i].toLowerCase(), value = words[i + 1];
      if (key === "file") name = value;
      else if (key === "seq") sequence = Number.parseInt(value, 10) || 0;
      else if (key === "type") type = value[0] ?? "";
    }
    if (name.includes("/") || name.includes("\\")) throw fail("File can't be a path, just a filename");
    if (name === "" || sequence === 0 || type === "") throw fail("Invalid AOF manifest file format");
    this.#add({ name, sequence }, type, fail);
  }

  #add(file: AofFile, type: string, fail: (reason: string) => ManifestCorruptError): void {
    if (type === "b") {
      if (this.base !== null) throw fail("Found duplicate base file information");
      this.base = file;
    } else if (type === "i") {
      const before = this.increments[this.increments.length - 1];
      if (before !== undefined && file.sequence <= before.sequence) throw fail("Found a non-monotonic sequence number");
      this.increments.push(file);
    } else if (type === "h") this.history.push(file);
    else throw fail("Unknown AOF file type");
    // History does not say whether it was a base or an increment.
    if (type !== "i") this.baseSequence = Math.max(this.baseSequence, file.sequence);
    if (type !== "b") this.incrementSequence = Math.max(this.incrementSequence, file.sequence);
  }
}

/** The log's number from the comment at the end; null when this is not a manifest that has one. @throws {ManifestCorruptError} */
function checkedLogId(bytes: Uint8Array): number | null {
  const start = bytes.lastIndexOf(0x0a) + 1, match = SIGNED.exec(latin1Decode(bytes, start));
  const strayAt = markAt(bytes, match === null ? bytes.length : start);
  if (strayAt >= 0) throw damagedAt(strayAt, "its last line was changed, or is not the last any more");
  if (match === null) {
    if (start === bytes.length || bytes[start] !== HASH) return null;
    throw damagedAt(start, "a comment has no end of line");
  }
  const signed = bytes.length - CHECKSUM_BYTES, crc = crc32(bytes, 0, signed), stored = Number.parseInt(match[3], 16);
  if (crc === stored) return Number.parseInt(match[2], 16);
  const differs = (digit: string, i: number) => digit !== hex8(crc)[i], wrong = [...match[3]].filter(differs).length;
  const at = wrong === 1
    ? bytes.length - match[3].length + [...match[3]].findIndex(differs)
    : flippedBit((crc ^ stored) >>> 0, signed).offsetBytes;
  throw at >= 0 ? damagedAt(at, "a bit is flipped") : damagedAt(0, "its checksum is not that of its content");
}

function damagedAt(offsetBytes: number, reason: string): ManifestCorruptError {
  return new ManifestCorruptError(
    `The AOF manifest is damaged at offset ${offsetBytes}: ${reason}. Restore it from a backup; if it was changed on purpose, ` +
      "remove its last line",
    0,
    "",
    offsetBytes,
  );
}

/** Where before `end` the mark of our manifests stands, or what one flipped bit makes of it; -1 when nowhere. */
function markAt(bytes: Uint8Array, end: number): number {
  for (let at = 0; at + MARK.length <= end; at++) {
    let wrongBits = 0;
    for (let i = 0; i < MARK.length && wrongBits <= 1; i++) wrongBits += countWordBits(bytes[at + i] ^ MARK[i]);
    if (wrongBits <= 1) return at;
  }
  return -1;
}

function hex8(value: number): string {
  return value.toString(16).padStart(8, "0");
}

/**
 * A name as sdscatrepr writes it, where it needs quotes: plain ASCII, other bytes (of UTF-8) in hexadecimal. An apostrophe needs them
 * too: Redis leaves them out, and then cannot read its own manifest.
 */
function quoteName(name: string): string {
  return /^[!#-&(-\[\]-~]+$/.test(name) ? name : quoted(utf8Encode(name));
}

/** The manifest on disk; an empty one where there is none. @throws {ManifestCorruptError, StorageError} */
export function readManifest(storage: Storage, directory: string, name: string): AofManifest {
  const path = `${directory}/${name}`;
  if (!storage.exists(path)) return new AofManifest();
  return AofManifest.parse(readWhole(storage, path));
}

/**
 * Replaces the manifest file.
 * @throws {StorageError} the old manifest is still the one in force
 * @throws {ManifestUncertainError} either may be
 */
export function persistManifest(storage: Storage, directory: string, name: string, manifest: AofManifest): void {
  const temp = `${directory}/temp-${name}`;
  writeWhole(storage, temp, ascii(manifest.format()));
  storage.rename(temp, `${directory}/${name}`);
  try {
    storage.syncDirectory(directory);
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    throw new ManifestUncertainError(error.message);
  }
}
