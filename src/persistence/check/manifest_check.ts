/**
 * Checks a manifest, with the parser that the server uses. A manifest of ours says what its checksum is, so a damaged one is searched for the
 * one flipped bit that makes it right again: each is tried. One of Redis has no checksum, and many bits could be the one.
 */
import { AofManifest, ManifestCorruptError } from "../aof/aof_manifest.ts";
import type { ByteSource } from "./byte_source.ts";
import { quoted } from "../../base/quoted.ts";
import { hex } from "./rdb_check.ts";
import type { Remedy } from "./remedy.ts";
import type { Damage } from "./report.ts";

/** A longer one is no manifest: a line has at most a kilobyte, and there are a few. */
const MANIFEST_BYTES_MAX = 1 << 20;
/** So much is searched for a flipped bit. */
const SEARCHED_BYTES_MAX = 4096;
const LF = 10;

export interface ManifestFinding {
  /** What it says, put right where that is possible; null when it cannot be known. */
  readonly manifest: AofManifest | null;
  readonly damage: Damage | null;
  readonly remedy: Remedy;
}

export function checkManifest(source: ByteSource): ManifestFinding {
  const bytes = source.bytes(0, MANIFEST_BYTES_MAX);
  try {
    return { manifest: parse(bytes), damage: null, remedy: { kind: "none" } };
  } catch (error) {
    if (!(error instanceof ManifestCorruptError)) throw error;
    return restored(bytes, error) ?? unknown(bytes, error);
  }
}

function parse(bytes: Uint8Array): AofManifest {
  return AofManifest.parse(bytes);
}

/** The one flipped bit without which the manifest is right, and says so itself. */
function restored(bytes: Uint8Array, error: ManifestCorruptError): ManifestFinding | null {
  const told = Math.max(0, error.offsetBytes), searched = Math.min(bytes.length, SEARCHED_BYTES_MAX);
  for (let step = 0; step < searched; step++) {
    // Where it says itself, first.
    const offsetBytes = (told + step) % bytes.length;
    for (let bit = 0; bit < 8; bit++) {
      const finding = restoredBit(bytes, offsetBytes, 1 << bit, error);
      if (finding !== null) return finding;
    }
  }
  return null;
}

function restoredBit(
  bytes: Uint8Array,
  offsetBytes: number,
  xor: number,
  error: ManifestCorruptError,
): ManifestFinding | null {
  const is = bytes[offsetBytes], was = is ^ xor;
  bytes[offsetBytes] = was;
  const manifest = sealedManifest(bytes);
  bytes[offsetBytes] = is;
  if (manifest === null) return null;
  const inside = lineOf(bytes, offsetBytes), reason = reasonOf(error);
  return {
    manifest,
    damage: { offsetBytes, fromBytes: offsetBytes, kind: "damaged", reason, expected: hex(was), inside, is, was },
    remedy: { kind: "restore", offsetBytes, was },
  };
}

/** The manifest, if it is right and its checksum says so. */
function sealedManifest(bytes: Uint8Array): AofManifest | null {
  try {
    const manifest = parse(bytes);
    return manifest.logId === null ? null : manifest;
  } catch (error) {
    if (error instanceof ManifestCorruptError) return null;
    throw error;
  }
}

function unknown(bytes: Uint8Array, error: ManifestCorruptError): ManifestFinding {
  const hasLine = error.lineNumber > 0;
  const offsetBytes = hasLine ? startOfLine(bytes, error.lineNumber) : Math.max(0, error.offsetBytes);
  return {
    manifest: null,
    damage: {
      offsetBytes,
      fromBytes: offsetBytes,
      kind: "damaged",
      reason: reasonOf(error),
      expected: hasLine ? "a line such as: file appendonly.aof.1.incr.aof seq 1 type i" : "",
      inside: hasLine ? lineOf(bytes, offsetBytes) : "",
      is: null,
      was: null,
    },
    remedy: { kind: "impossible", reason: "nothing else tells which files make up the log: restore the manifest" },
  };
}

/** What is wrong; where and what to do is said elsewhere. */
function reasonOf({ message, offsetBytes }: ManifestCorruptError): string {
  return offsetBytes < 0 ? message : message.replace(/^.*? at offset \d+: |\. .*$/g, "");
}

function startOfLine(bytes: Uint8Array, lineNumber: number): number {
  let at = 0;
  for (let line = 1; line < lineNumber; line++) at = bytes.indexOf(LF, at) + 1;
  return at;
}

function lineOf(bytes: Uint8Array, offsetBytes: number): string {
  const start = offsetBytes === 0 ? 0 : bytes.lastIndexOf(LF, offsetBytes - 1) + 1,
    end = bytes.indexOf(LF, offsetBytes);
  const number = bytes.subarray(0, start).reduce((count, byte) => byte === LF ? count + 1 : count, 1);
  return `line ${number}: ${quoted(bytes.subarray(start, end < 0 ? bytes.length : end))}`;
}
