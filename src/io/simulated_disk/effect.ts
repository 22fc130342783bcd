/**
 * Effects: what operations have done to the cache and not yet, for sure, to the disk. A sync makes some of them durable; a power cut
 * lets any of them that the profile allows come true, each page whole or by sectors, and forgets the rest.
 *
 *   page   a page as a write left it                  any subset of its changed sectors comes true
 *   size   a write made the file longer               true or not; on ext4 never beyond the last allocated block
 *   cut    truncate, or open for `create`             metadata
 *   names  create, rename, link, remove, mkdir        metadata, all changes of one operation together
 *
 * Metadata comes true on its own (strict), or as a prefix of all metadata so far (ext4).
 */
import { assert } from "../../base/assert.ts";
import type { DiskImage, NodeId } from "./disk_image.ts";
import { ALL_SECTORS, type Page } from "./page.ts";

/**
 * What a power cut, and a sync, do to metadata.
 * - `kill`: no power cut at all, only processes die, and the cache survives. Syncs work as on ext4.
 * - `ext4`: one log of all metadata. A sync of a directory commits it; a sync of a file commits it up to the last change of that file that
 *   was in it, as what came later need not be in the same transaction. Overwriting in place is in no log. Also fair for xfs.
 * - `strict`: what POSIX promises. Names are each on their own until their directory is synced.
 */
export type DiskProfile = "kill" | "ext4" | "strict";

interface EffectBase {
  /** Orders all effects of a disk. */
  readonly sequence: number;
  /** Number of the operation in the log. */
  readonly operation: number;
  /** A failed sync called it clean: no sync will make it durable any more, yet it may be. */
  readonly isLost: boolean;
}

export interface PageEffect extends EffectBase {
  readonly kind: "page";
  readonly node: NodeId;
  readonly number: number;
  readonly page: Page;
  /** Sectors in which it differs from the version before. */
  readonly changedSectors: number;
  /** Where the device really writes it: a misdirected write. */
  readonly victim: { readonly node: NodeId; readonly number: number } | null;
}

export interface SizeEffect extends EffectBase {
  readonly kind: "size";
  readonly node: NodeId;
  readonly sizeBytes: number;
}

export interface CutEffect extends EffectBase {
  readonly kind: "cut";
  readonly node: NodeId;
  readonly sizeBytes: number;
}

export interface NameChange {
  readonly directory: NodeId;
  readonly name: string;
  readonly node: NodeId | null;
}

export interface NameEffect extends EffectBase {
  readonly kind: "names";
  readonly changes: readonly NameChange[];
  /** The file or directory that came into being with it. */
  readonly created: NodeId | null;
}

export type Effect = PageEffect | SizeEffect | CutEffect | NameEffect;

export function isMetadata(effect: Effect): effect is CutEffect | NameEffect {
  return effect.kind === "cut" || effect.kind === "names";
}

export function touchesDirectory(effect: NameEffect, directory: NodeId): boolean {
  return effect.changes.some((change) => change.directory === directory);
}

/** How effects come true: the pieces that profiles and geometries differ in. */
export interface EffectRules {
  readonly profile: DiskProfile;
  readonly sectorBytes: number;
}

/** Lets an effect come true on a durable image, after all that came true before it. `choice` is 0, 1, or a page's sectors. */
export function applyEffect(image: DiskImage, effect: Effect, choice: number, rules: EffectRules): void {
  if (choice === 0) return;
  switch (effect.kind) {
    case "page":
      return applyPage(image, effect, choice, rules);
    case "size":
      return applySize(image, effect, rules);
    case "cut":
      return image.cut(effect.node, effect.sizeBytes);
    case "names":
      for (const { directory, name, node } of effect.changes) image.setName(directory, name, node);
  }
}

function applyPage(image: DiskImage, effect: PageEffect, mask: number, rules: EffectRules): void {
  const { node, number, page, victim, changedSectors } = effect, to = victim ?? { node, number };
  // None of what changed: the page was not written, and no block given to the file for it.
  if ((mask & changedSectors) === 0) return;
  assert(image.node(to.node) !== undefined, "a page belongs to a file");
  const whole = mask === ALL_SECTORS;
  image.setPage(to.node, to.number, whole ? page : page.torn(image.page(to.node, to.number), mask, rules.sectorBytes));
}

/** Ext4 lets a size be seen before the data only within blocks that the file has already. */
function applySize(image: DiskImage, { node, sizeBytes }: SizeEffect, { profile }: EffectRules): void {
  const file = image.file(node), limit = profile === "strict" ? sizeBytes : Math.min(sizeBytes, file.allocatedBytes);
  image.setSize(node, Math.max(file.sizeBytes, limit));
}
