/**
 * The AOF manifest: which files make up the log, in the format of Redis 7.
 *
 *   file <name> seq <n> type b|i|h
 *
 * At most one base (b), then increments (i) with rising numbers, then history (h): files that are no longer part of the log and
 * wait to be removed. Persisting replaces the file as a whole: temporary file, sync, rename, directory sync.
 */
import { ascii, utf8Decode, utf8Encode } from "../../base/bytes.ts";
import { readWhole, type Storage, StorageError, writeWhole } from "../../io/storage.ts";
import { splitInlineArgs } from "../../resp/inline_args.ts";

export interface AofFile {
  readonly name: string;
  readonly sequence: number;
}

const LINE_BYTES_MAX = 1024;

/** The manifest cannot be used. `line` is 0 when no line is at fault. */
export class ManifestCorruptError extends Error {
  override name = "ManifestCorruptError";
  readonly lineNumber: number;
  readonly line: string;

  constructor(reason: string, lineNumber: number, line: string) {
    super(reason);
    this.lineNumber = lineNumber, this.line = line;
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
    return copy;
  }

  /** @throws {ManifestCorruptError} */
  static parse(text: string): AofManifest {
    const manifest = new AofManifest();
    if (text === "") throw new ManifestCorruptError("Found an empty AOF manifest", 0, "");
    const lines = text.split("\n");
    const last = lines.pop()!;
    lines.forEach((line, index) => line.startsWith("#") || manifest.#addLine(line, index + 1));
    if (last !== "" && !last.startsWith("#")) {
      throw new ManifestCorruptError("The AOF manifest file contains too long line", 0, "");
    }
    return manifest;
  }

  format(): string {
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

const ESCAPES: Record<number, string> = { 7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 13: "\\r", 34: '\\"', 92: "\\\\" };

/**
 * A name as sdscatrepr writes it, where it needs quotes: plain ASCII, other bytes (of UTF-8) in hexadecimal. An apostrophe needs them
 * too: Redis leaves them out, and then cannot read its own manifest.
 */
function quoteName(name: string): string {
  if (/^[!#-&(-\[\]-~]+$/.test(name)) return name;
  let text = '"';
  for (const byte of utf8Encode(name)) {
    const isPlain = byte >= 0x20 && byte <= 0x7e;
    text += ESCAPES[byte] ?? (isPlain ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, "0")}`);
  }
  return text + '"';
}

/** The manifest on disk; an empty one where there is none. @throws {ManifestCorruptError, StorageError} */
export function readManifest(storage: Storage, directory: string, name: string): AofManifest {
  const path = `${directory}/${name}`;
  if (!storage.exists(path)) return new AofManifest();
  return AofManifest.parse(utf8Decode(readWhole(storage, path)));
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
