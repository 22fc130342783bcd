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
  if (bytes.length > SEARCHED_BYTES_MAX) return null;
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const offsetBytes = bit >>> 3, is = bytes[offsetBytes], was = is ^ (1 << (bit & 7));
    bytes[offsetBytes] = was;
    const manifest = sealedManifest(bytes);
    bytes[offsetBytes] = is;
    if (manifest === null) continue;
    const damage: Damage = {
      offsetBytes,
      fromBytes: offsetBytes,
      kind: "damaged",
      reason: error.message,
      expected: hex(was),
      inside: lineOf(bytes, offsetBytes),
      is,
      was,
    };
    return { manifest, damage, remedy: { kind: "restore", offsetBytes, was } };
  }
  return null;
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
  const offsetBytes = error.lineNumber > 0 ? startOfLine(bytes, error.lineNumber) : Math.max(0, error.offsetBytes);
  return {
    manifest: null,
    damage: {
      offsetBytes,
      fromBytes: offsetBytes,
      kind: "damaged",
      reason: error.message,
      expected: "a line such as: file appendonly.aof.1.incr.aof seq 1 type i",
      inside: lineOf(bytes, offsetBytes),
      is: null,
      was: null,
    },
    remedy: { kind: "impossible", reason: "nothing else tells which files make up the log: restore the manifest" },
  };
}

function startOfLine(bytes: Uint8Array, lineNumber: number): number {
  let at = 0;
  for (let line = 1; line < lineNumber; line++) at = bytes.indexOf(LF, at) + 1;
  return at;
}

function lineOf(bytes: Uint8Array, offsetBytes: number): string {
  const start = bytes.lastIndexOf(LF, offsetBytes - 1) + 1, end = bytes.indexOf(LF, offsetBytes);
  const number = bytes.subarray(0, start).reduce((count, byte) => byte === LF ? count + 1 : count, 1);
  return `line ${number}: ${quoted(bytes.subarray(offsetBytes === 0 ? 0 : start, end < 0 ? bytes.length : end))}`;
}
