/**
 * The verdict on one file of a log, before any of its commands runs: how far its seals vouch for it, and what the rest is.
 *
 *   0 ────────── verified ────────── X ────────── rest ────────── size
 *
 *   plain    no seal at the start, and not begun by us: Redis wrote it, Redis's rules hold for all of it (X = 0). To whom a line with the
 *            form of a seal comes up between its commands knows that it is damaged: it was sealed
 *   sound    X = size
 *   foreign  Redis opened a sealed file and added to it: a SELECT in capitals follows; Redis's rules hold for the rest
 *   torn     the last file, and what a power cut can make of a write that was not synced: to be cut at X
 *   damaged  bytes that were durable are not what was written: refused
 *
 * How the rest is told, in this order:
 *  1. a later block that is sound in itself, and whose seal says that bytes behind X were durable before: damaged;
 *  2. whole commands, the first of them or a later one a SELECT in capitals: foreign. We write it in small letters, so that nothing of ours
 *     looks like this;
 *  3. not the last file: damaged. Its end was synced before its successor was named;
 *  4. one flipped bit explains it: damaged, and the byte is known;
 *  5. a hole, a sector that ends with a zero byte: torn. Data that never reached the disk reads as zeros up to the end of its sector;
 *  6. it ends inside the block that starts at X: torn. Neither is its end the form of a seal, nor is one on the way;
 *  7. anything else: damaged.
 * Dropping a torn block takes nothing that was acknowledged as durable: a sync comes after the whole write.
 * Changes nothing, and runs nothing.
 */
import { bytesEqual } from "../../base/bytes.ts";
import { crc32, type Flip, flippedBit, NO_FLIP } from "../../base/crc32.ts";
import { type FileHandle, type Readable, readFully } from "../../io/storage.ts";
import type { Args } from "../../resp/args.ts";
import { AofReader, FormatError, TornError } from "./aof_reader.ts";
import {
  COVERED_FROM,
  crcOfSeal,
  fileIdOf,
  isSealShaped,
  logIdOf,
  putSealStart,
  Seal,
  SEAL_BYTES,
  SealChain,
  SELECT_OURS,
  SELECT_REDIS,
  storedCrc,
} from "./aof_seal.ts";

const PIECE_BYTES = 1 << 20;
const HASH = 0x23;
/** What looks like one flipped bit in a longer block may be chance: 8 × this of 2^32 torn blocks do. */
const FLIP_SEARCH_BYTES = 64 * 1024;

export type VerdictKind = "plain" | "sound" | "foreign" | "torn" | "damaged";

export interface VerdictOptions {
  readonly storage: Readable;
  readonly file: FileHandle;
  readonly sizeBytes: number;
  /** As the manifest names it. */
  readonly name: string;
  /** From the manifest; null when it does not say. */
  readonly logId: number | null;
  /** Only the end of the last file may be torn; never that of a base that is sealed. */
  readonly mayBeTorn: boolean;
}

export interface Damage {
  /** The damaged byte, or the start of the block that is damaged. */
  readonly offsetBytes: number;
  /** The flipped bit of that byte; 0 when more is wrong. */
  readonly xor: number;
  readonly reason: string;
}

export class AofVerdict {
  kind: VerdictKind = "plain";
  /** X: the end of the last block that is sound, and so are all before. */
  verifiedBytes = 0;
  /** The blocks up to there; what is added goes on from it. Null when there is none and the log's number is not known. */
  chain: SealChain | null = null;
  /** Checksum of what is behind X, up to the end of the file. */
  restCrc = 0;
  /** Set when it is damaged. */
  damage: Damage | null = null;
  readonly #o: VerdictOptions;
  #scan: ChainScan | null;

  constructor(options: VerdictOptions) {
    this.#o = options;
    this.#scan = new ChainScan(options);
  }

  /** The log that the file belongs to; null when that is not known. */
  get logId(): number | null {
    return this.#o.logId ?? (this.chain === null ? null : logIdOf(this.chain.fileId, this.#o.name));
  }

  /** How far the file has been read. */
  get scannedBytes(): number {
    return this.#scan?.scannedBytes ?? this.#o.sizeBytes;
  }

  /** Reads about `budgetBytes` more; true when the verdict is there. @throws {StorageError} */
  step(budgetBytes: number): boolean {
    const scan = this.#scan;
    if (scan === null) return true;
    for (const until = scan.scannedBytes + budgetBytes; scan.scannedBytes < until;) {
      if (scan.piece()) continue;
      this.#scan = null;
      this.verifiedBytes = scan.verifiedBytes, this.chain = scan.chain, this.restCrc = scan.restCrc;
      this.#judge();
      return true;
    }
    return false;
  }

  #judge(): void {
    const o = this.#o;
    if (this.verifiedBytes === o.sizeBytes) {
      this.kind = o.sizeBytes === 0 ? "plain" : "sound";
      return;
    }
    const rest = new Rest(o, this.verifiedBytes, this.chain);
    if (this.verifiedBytes === 0 && rest.flip.xor === 0 && (o.logId === null || !this.#isOurs())) return;
    const provenAt = rest.provenDurableAt();
    if (provenAt >= 0) {
      return this.#damaged(rest, `the block behind it, sealed at offset ${provenAt}, shows that it had been synced`);
    }
    const parsed = rest.parse();
    if (parsed === "foreign") this.kind = "foreign";
    else if (!o.mayBeTorn) this.#damaged(rest, "the end of this file had been synced before it was written");
    else if (rest.flip.xor !== 0) this.#damaged(rest, "");
    else if (rest.hasHole() || (parsed === "cut" && !rest.endsLikeSeal())) this.kind = "torn";
    else this.#damaged(rest, "no torn write looks like this");
  }

  #damaged(rest: Rest, why: string): void {
    const { flip } = rest, start = this.verifiedBytes;
    this.kind = "damaged";
    this.damage = flip.xor !== 0
      ? { ...flip, reason: `a bit is flipped in the block that starts at offset ${start}` }
      : { offsetBytes: start, xor: 0, reason: `the block that starts here is not what was written: ${why}` };
  }

  /**
   * Of a file in whose log there are seals, and that has none at its start: what Redis wrote begins with a command, and that is no select in
   * small letters. Anything else is a first write of ours that is torn or damaged.
   */
  #isOurs(): boolean {
    const { storage, file, sizeBytes } = this.#o, reader = new AofReader(storage, file, 0, sizeBytes);
    try {
      let kind = reader.next();
      while (kind === "annotation") kind = reader.next();
      return kind === "end" || isSelect(reader.args, SELECT_OURS);
    } catch (error) {
      if (error instanceof TornError || error instanceof FormatError) return true;
      throw error;
    }
  }
}

/** Follows the seals from the start of a file, a piece after the other. */
class ChainScan {
  verifiedBytes = 0;
  chain: SealChain | null;
  readonly #o: VerdictOptions;
  readonly #buffer: Uint8Array;
  readonly #seal = new Seal();
  /** Offset of the start of the buffer, how much is in it, and how far into it has been searched. */
  #offsetBytes = 0;
  #length = 0;
  #searched = 0;
  /** Checksum of the file from `verifiedBytes` to `#summedBytes`. */
  #crc = 0;
  #summedBytes = 0;

  constructor(options: VerdictOptions) {
    this.#o = options;
    this.#buffer = new Uint8Array(Math.min(PIECE_BYTES + SEAL_BYTES, options.sizeBytes));
    this.chain = options.logId === null ? null : new SealChain(fileIdOf(options.logId, options.name));
  }

  get scannedBytes(): number {
    return this.#offsetBytes + this.#length;
  }

  /** Of all behind `verifiedBytes`, when the end is reached. */
  get restCrc(): number {
    return this.#crc;
  }

  /** One piece more; false at the end. */
  piece(): boolean {
    const { storage, file, sizeBytes } = this.#o, buffer = this.#buffer;
    this.#dropSearched();
    const wanted = Math.min(buffer.length - this.#length, sizeBytes - this.scannedBytes);
    if (wanted === 0) return this.#sum(this.scannedBytes), false;
    const into = buffer.subarray(this.#length, this.#length + wanted),
      read = storage.read(file, this.scannedBytes, into);
    if (read === 0) return this.#sum(this.scannedBytes), false;
    this.#length += read;
    this.#search();
    return true;
  }

  /** Makes room: what has been searched goes, summed up. */
  #dropSearched(): void {
    if (this.#searched === 0) return;
    this.#sum(this.#offsetBytes + this.#searched);
    this.#buffer.copyWithin(0, this.#searched, this.#length);
    this.#offsetBytes += this.#searched, this.#length -= this.#searched;
    this.#searched = 0;
  }

  #search(): void {
    const buffer = this.#buffer, end = this.#length;
    let at = this.#searched;
    for (;; at++) {
      at = buffer.indexOf(HASH, at);
      if (at < 0 || at >= end) return void (this.#searched = end);
      if (at + SEAL_BYTES > end) return void (this.#searched = at);
      if (this.#isNextSeal(at)) at += SEAL_BYTES - 1;
    }
  }

  #isNextSeal(at: number): boolean {
    const buffer = this.#buffer, seal = this.#seal, offset = this.#offsetBytes + at;
    if (buffer[at + 1] !== 0x41 || !seal.read(buffer, at) || seal.lengthBytes !== offset - this.verifiedBytes) {
      return false;
    }
    const chain = this.chain ?? new SealChain(seal.fileId);
    if (!chain.isNext(seal)) return false;
    this.#sum(offset);
    if (crcOfSeal(this.#crc, buffer, at) !== seal.crc) return false;
    chain.advance(seal);
    this.chain = chain;
    this.verifiedBytes = this.#summedBytes = offset + SEAL_BYTES;
    this.#crc = 0;
    return true;
  }

  /** Sums up to this offset, which is in the buffer. */
  #sum(untilBytes: number): void {
    if (untilBytes <= this.#summedBytes) return;
    this.#crc = crc32(this.#buffer, this.#summedBytes - this.#offsetBytes, untilBytes - this.#offsetBytes, this.#crc);
    this.#summedBytes = untilBytes;
  }
}

/** What is behind the verified part. */
class Rest {
  readonly #o: VerdictOptions;
  readonly #startBytes: number;
  readonly #chain: SealChain | null;
  #flip: Flip | null = null;

  /** `chain`: of the verified part, if there is one. */
  constructor(options: VerdictOptions, startBytes: number, chain: SealChain | null) {
    this.#o = options, this.#startBytes = startBytes, this.#chain = chain;
  }

  get #fileId(): number | null {
    return this.#chain?.fileId ?? null;
  }

  /** Where the seal stands of a block that is sound in itself, and that says that bytes behind the start were durable; -1 when there is none. */
  provenDurableAt(): number {
    const seal = new Seal();
    let found = -1;
    this.#eachPiece(SEAL_BYTES - 1, (bytes, length, offset) => {
      for (let at = bytes.indexOf(HASH); at >= 0 && at + SEAL_BYTES <= length; at = bytes.indexOf(HASH, at + 1)) {
        if (!seal.read(bytes, at) || !this.#isProof(seal, offset + at) || !this.#isSound(seal, bytes, at, offset)) {
          continue;
        }
        found = offset + at;
        return false;
      }
      return true;
    });
    return found;
  }

  #isProof(seal: Seal, sealOffset: number): boolean {
    return seal.fileId === (this.#fileId ?? seal.fileId) && seal.syncedBytes > this.#startBytes &&
      sealOffset - seal.lengthBytes >= this.#startBytes;
  }

  #isSound(seal: Seal, bytes: Uint8Array, at: number, offset: number): boolean {
    const crc = crcOfRange(this.#o.storage, this.#o.file, offset + at - seal.lengthBytes, offset + at);
    return crcOfSeal(crc, bytes, at) === seal.crc;
  }

  /** Goes through the rest; pieces overlap. Stops when `look` says false. */
  #eachPiece(overlapBytes: number, look: (bytes: Uint8Array, length: number, offset: number) => boolean): void {
    const { storage, file, sizeBytes } = this.#o;
    const buffer = new Uint8Array(Math.min(PIECE_BYTES, sizeBytes - this.#startBytes));
    for (let at = this.#startBytes; at < sizeBytes;) {
      const read = readFully(storage, file, at, buffer);
      if (read === 0 || !look(buffer.subarray(0, read), read, at) || read <= overlapBytes || at + read >= sizeBytes) {
        return;
      }
      at += read - overlapBytes;
    }
  }

  /**
   * Reads the rest as commands. `foreign`: Redis went on from here; `cut`: the end comes inside the first block, which may be whole but for
   * its seal; `sealed`: there is what looks like a seal; `wrong`: it is no command.
   */
  parse(): "foreign" | "cut" | "sealed" | "wrong" {
    const { storage, file, sizeBytes } = this.#o, reader = new AofReader(storage, file, this.#startBytes, sizeBytes);
    try {
      for (;;) {
        const kind = reader.next();
        if (kind === "end") return "cut";
        if (kind === "annotation" && isSealShaped(reader.annotation, 0)) return "sealed";
        if (kind === "command" && isSelect(reader.args, SELECT_REDIS)) return "foreign";
      }
    } catch (error) {
      if (error instanceof TornError) return "cut";
      if (error instanceof FormatError) return "wrong";
      throw error;
    }
  }

  endsLikeSeal(): boolean {
    const { storage, file, sizeBytes } = this.#o, end = new Uint8Array(SEAL_BYTES);
    return sizeBytes - this.#startBytes >= SEAL_BYTES &&
      readFully(storage, file, sizeBytes - SEAL_BYTES, end) === SEAL_BYTES && isSealShaped(end, 0);
  }

  /** Whether a sector, or the file, ends with a zero byte. */
  hasHole(): boolean {
    const { storage: { sectorBytes }, sizeBytes } = this.#o;
    let found = false;
    this.#eachPiece(0, (bytes, length, offset) => {
      for (let at = sectorBytes - 1 - offset % sectorBytes; at < length; at += sectorBytes) {
        if (bytes[at] === 0) found = true;
      }
      if (offset + length === sizeBytes && bytes[length - 1] === 0) found = true;
      return !found;
    });
    return found;
  }

  /** The flipped bit that makes all the difference to the first block. */
  get flip(): Flip {
    return this.#flip ??= this.#findFlip();
  }

  #findFlip(): Flip {
    const { storage, file, sizeBytes } = this.#o, start = this.#startBytes;
    const bytes = new Uint8Array(Math.min(FLIP_SEARCH_BYTES + SEAL_BYTES, sizeBytes - start));
    const length = readFully(storage, file, start, bytes);
    for (let at = 0; at + SEAL_BYTES <= length; at++) {
      if (!isSealShaped(bytes, at)) continue;
      const flip = flippedIn(bytes, at);
      if (flip.xor !== 0 && this.#mends(flip, bytes, at)) {
        return { offsetBytes: start + flip.offsetBytes, xor: flip.xor };
      }
    }
    return NO_FLIP;
  }

  /** Whether without the flip the seal at `at` is of the block bytes[0, at): among many seals a checksum alone fits one by chance. */
  #mends({ offsetBytes, xor }: Flip, bytes: Uint8Array, at: number): boolean {
    const seal = new Seal();
    bytes[offsetBytes] ^= xor;
    const isRight = seal.read(bytes, at) && seal.lengthBytes === at;
    bytes[offsetBytes] ^= xor;
    return isRight && (this.#chain ?? new SealChain(seal.fileId)).isNext(seal);
  }
}

/** The checksum of a part of a file. @throws {StorageError} */
export function crcOfRange(storage: Readable, file: FileHandle, startBytes: number, endBytes: number): number {
  const piece = new Uint8Array(Math.min(PIECE_BYTES, endBytes - startBytes));
  let crc = 0;
  for (let at = startBytes; at < endBytes;) {
    const read = readFully(storage, file, at, piece.subarray(0, Math.min(piece.length, endBytes - at)));
    if (read === 0) break;
    crc = crc32(piece, 0, read, crc), at += read;
  }
  return crc;
}

/** The one flipped bit in the block bytes[0, at) and its seal. */
function flippedIn(bytes: Uint8Array, at: number): Flip {
  const crc = crcOfSeal(crc32(bytes, 0, at), bytes, at);
  const outside = flippedOutside(bytes, at, crc);
  if (outside !== null) return outside;
  const flip = flippedBit((crc ^ storedCrc(bytes, at)) >>> 0, at + SEAL_BYTES - COVERED_FROM);
  return flip.offsetBytes < at ? flip : { offsetBytes: flip.offsetBytes + COVERED_FROM, xor: flip.xor };
}

/** What of a seal its crc does not cover: the one flipped bit there when all else is right; null when more is wrong, or something else. */
function flippedOutside(bytes: Uint8Array, at: number, crc: number): Flip | null {
  const expected = new Uint8Array(COVERED_FROM);
  putSealStart(expected, crc);
  let wrong = 0, flip = NO_FLIP;
  for (let i = 0; i < COVERED_FROM; i++) {
    const xor = bytes[at + i] ^ expected[i];
    if (xor !== 0) wrong++, flip = { offsetBytes: at + i, xor };
  }
  const isOneBit = (flip.xor & (flip.xor - 1)) === 0;
  return wrong <= 1 && isOneBit ? flip : null;
}

function isSelect(args: Args, word: Uint8Array): boolean {
  return args.count === 2 && bytesEqual(args.slice(0), word);
}
