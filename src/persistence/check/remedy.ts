/** What has to be done to one file, so that it is sound: worked out by the checks, done by `repair.ts`. */

/** Bytes [fromBytes, toBytes). */
export interface Range {
  readonly fromBytes: number;
  readonly toBytes: number;
}

export type Remedy =
  | { readonly kind: "none" }
  /** One byte gets its old value back; nothing is lost. */
  | { readonly kind: "restore"; readonly offsetBytes: number; readonly was: number }
  /** What follows is left out, and `end` is put there instead: nothing, or an RDB file's end with a checksum where its version has one. */
  | { readonly kind: "cut"; readonly atBytes: number; readonly end: "nothing" | "rdb" | "rdb without checksum" }
  /** All parts are whole, some byte in them is not: the RDB, of so many bytes, gets the checksum of what is there. */
  | { readonly kind: "trust"; readonly dataBytes: number }
  /** The rest of an RDB file is whole, and gets a new checksum. */
  | { readonly kind: "leave out"; readonly ranges: readonly Range[] }
  | { readonly kind: "impossible"; readonly reason: string };

/** Whether data is lost, or taken on trust. */
export function isLossless(remedy: Remedy): boolean {
  return remedy.kind === "none" || remedy.kind === "restore";
}
