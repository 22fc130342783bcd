/**
 * A line for each key, as JSON or CSV, written as the keys come.
 *
 *   {"db":0,"key":"user:17","type":"hash","encoding":"listpack","length":3,"memoryBytes":104,"fileBytes":38,"expiresAtMs":null}
 *   db,key,type,encoding,length,memory_bytes,file_bytes,expires_at_ms
 *
 * `length` is what STRLEN, LLEN, HLEN, SCARD, ZCARD or XLEN answers. Names are as redis-cli shows them between its quotes: other bytes than
 * printable ASCII as \xhh. `fileBytes` is 0 for keys that come out of a log.
 */
import { utf8Encode } from "../../base/bytes.ts";
import { type FileHandle, type Storage, writeFully } from "../../io/storage.ts";
import { type BigKey, bigKey } from "./memory_account.ts";
import type { KeyFacts } from "./key_facts.ts";

const FLUSH_CHARACTERS = 1 << 16;
const CSV_HEADER = "db,key,type,encoding,length,memory_bytes,file_bytes,expires_at_ms";

export type ExportFormat = "jsonl" | "csv";

/** Lines on their way to a file. */
export class LineWriter {
  readonly #write: (bytes: Uint8Array) => void;
  readonly #close: () => void;
  #text = "";

  constructor(write: (bytes: Uint8Array) => void, close: () => void) {
    this.#write = write, this.#close = close;
  }

  /** @throws {StorageError} */
  static toFile(storage: Storage, path: string): LineWriter {
    const file: FileHandle = storage.open(path, "create");
    return new LineWriter((bytes) => writeFully(storage, file, bytes, 0, bytes.length), () => storage.close(file));
  }

  line(text: string): void {
    this.#text += text + "\n";
    if (this.#text.length > FLUSH_CHARACTERS) this.#flush();
  }

  close(): void {
    this.#flush();
    this.#close();
  }

  #flush(): void {
    this.#write(utf8Encode(this.#text));
    this.#text = "";
  }
}

export class KeyExport {
  readonly #lines: LineWriter;
  readonly #format: ExportFormat;

  constructor(lines: LineWriter, format: ExportFormat) {
    this.#lines = lines, this.#format = format;
    if (format === "csv") lines.line(CSV_HEADER);
  }

  readonly add = (facts: KeyFacts): void => {
    const key = bigKey(facts, facts.length);
    this.#lines.line(this.#format === "csv" ? csvLine(key) : jsonLine(key));
  };

  close(): void {
    this.#lines.close();
  }
}

function jsonLine({ database, key, expiresAtMs, ...rest }: BigKey): string {
  return JSON.stringify({ db: database, key: bare(key), ...rest, expiresAtMs: expiresAtMs < 0 ? null : expiresAtMs });
}

function csvLine({ database, key, type, encoding, length, memoryBytes, fileBytes, expiresAtMs }: BigKey): string {
  const expiry = expiresAtMs < 0 ? "" : String(expiresAtMs);
  return [database, csvField(bare(key)), type, encoding, length, memoryBytes, fileBytes, expiry].join(",");
}

/** Without the quotes. */
export function bare(quoted: string): string {
  return quoted.slice(1, -1);
}

function csvField(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
