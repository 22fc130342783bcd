/**
 * The state of a simulated disk: the cache, the durable image, and the effects between them. Changes go to the cache and become effects;
 * syncs make effects durable; a power cut makes an image of the durable one and of chosen effects.
 *
 * Invariants: the durable image with all effects, in order, is the cache (but for misdirected writes and rot); effects are in order of
 * their sequence; nothing but a commit changes the durable image. Knows files by id: paths, handles and faults are SimulatedDisk's.
 */
import { ContentHash, DiskImage, mix, type NodeId } from "./disk_image.ts";
import {
  applyEffect,
  type DiskProfile,
  type Effect,
  type EffectRules,
  isMetadata,
  type NameChange,
  type PageEffect,
  touchesDirectory,
} from "./effect.ts";
import { ALL_SECTORS, type DiskGeometry, Page } from "./page.ts";

/** Errors of writing back, as the kernel keeps them for a file. */
interface WritebackErrors {
  readonly count: number;
  /** How many of them somebody has heard of: who opens the file later does not hear of those. */
  readonly reported: number;
  readonly code: string;
}

const NOTHING: ReadonlySet<Effect> = new Set();
const NO_ERRORS: WritebackErrors = { count: 0, reported: 0, code: "" };
const CHOICE_LOST = 0, CHOICE_KEPT = 1;

export class DiskCore {
  readonly geometry: DiskGeometry;
  readonly rules: EffectRules;
  readonly cache: DiskImage;
  readonly durable: DiskImage;
  #effects: Effect[];
  #errors: Map<NodeId, WritebackErrors>;
  #sequence: number;
  #nextNode: NodeId;

  private constructor(
    geometry: DiskGeometry,
    profile: DiskProfile,
    cache: DiskImage,
    durable: DiskImage,
    effects: Effect[],
    errors: Map<NodeId, WritebackErrors>,
    sequence: number,
    nextNode: NodeId,
  ) {
    this.geometry = geometry, this.rules = { profile, sectorBytes: geometry.sectorBytes };
    this.cache = cache, this.durable = durable, this.#effects = effects, this.#errors = errors;
    this.#sequence = sequence, this.#nextNode = nextNode;
  }

  static empty(geometry: DiskGeometry, profile: DiskProfile): DiskCore {
    const durable = new DiskImage(geometry.pageBytes);
    return new DiskCore(geometry, profile, durable.fork(), durable, [], new Map(), 0, 1);
  }

  /** Effects that are not durable, in order. */
  get effects(): readonly Effect[] {
    return this.#effects;
  }

  /** Of the newest effect. */
  get sequence(): number {
    return this.#sequence;
  }

  fork(): DiskCore {
    return new DiskCore(
      this.geometry,
      this.rules.profile,
      this.cache.fork(),
      this.durable.fork(),
      this.#effects.slice(),
      new Map(this.#errors),
      this.#sequence,
      this.#nextNode,
    );
  }

  /** The disk after a power cut that lets each effect come true as chosen. */
  afterPowerCut(choices: Uint8Array): DiskCore {
    const image = this.durable.fork(), effects = this.#effects;
    const touched = new Set<NodeId>();
    for (let i = 0; i < effects.length; i++) {
      const effect = effects[i];
      applyEffect(image, effect, choices[i], this.rules);
      if (choices[i] !== CHOICE_LOST && effect.kind !== "names") touched.add(nodeWritten(effect));
    }
    for (const node of touched) image.cut(node, image.file(node).sizeBytes);
    image.keepOnly(image.reachable());
    return new DiskCore(
      this.geometry,
      this.rules.profile,
      image.fork(),
      image,
      [],
      new Map(),
      this.#sequence,
      this.#nextNode,
    );
  }

  /** Two disks that nothing can tell apart, now or after a power cut, have the same. */
  hash(): ContentHash {
    const hash = new ContentHash();
    // Effects name nodes by id.
    this.durable.addTo(hash, this.#effects.length > 0);
    let low = 1, high = 1;
    for (const effect of this.#effects) {
      this.#addUnnamed(hash, effect);
      low = mix(low, textHash(effect, "low")), high = mix(high, textHash(effect, "high"));
    }
    if (this.#effects.length > 0) hash.add(low, high);
    return hash;
  }

  /** What only a name that is not durable leads to. */
  #addUnnamed(hash: ContentHash, effect: Effect): void {
    if (effect.kind !== "names") return;
    for (const { node } of effect.changes) if (node !== null) this.durable.addNodeTo(hash, node);
  }

  // ---- changing the cache --------------------------------------------------------------------------------------

  /** A new file or directory under a name. */
  create(operation: number, directory: NodeId, name: string, isDirectory: boolean): NodeId {
    const node = this.#nextNode++;
    this.cache.addNode(node, isDirectory), this.durable.addNode(node, isDirectory);
    this.rename(operation, [{ directory, name, node }], node);
    return node;
  }

  /** Changes names, all at once. */
  rename(operation: number, changes: readonly NameChange[], created: NodeId | null = null): void {
    for (const { directory, name, node } of changes) this.cache.setName(directory, name, node);
    this.#add({ kind: "names", sequence: ++this.#sequence, operation, isLost: false, changes, created });
  }

  write(operation: number, node: NodeId, at: number, bytes: Uint8Array, start: number, end: number): void {
    const { pageBytes } = this.geometry, stop = at + end - start;
    for (let offset = at; offset < stop;) {
      const number = Math.floor(offset / pageBytes), to = Math.min(stop, (number + 1) * pageBytes);
      const from = start + offset - at;
      const page = this.cache.page(node, number).with(offset - number * pageBytes, bytes, from, from + to - offset);
      this.#writePage(operation, node, number, page);
      offset = to;
    }
    if (stop <= this.cache.file(node).sizeBytes) return;
    this.cache.setSize(node, stop);
    this.#add({
      kind: "size",
      sequence: ++this.#sequence,
      operation,
      isLost: false,
      node,
      sizeBytes: stop,
    });
  }

  #writePage(operation: number, node: NodeId, number: number, page: Page): void {
    const changedSectors = page.changedSectors(this.cache.page(node, number), this.geometry.sectorBytes);
    this.cache.setPage(node, number, page);
    this.#add({
      kind: "page",
      sequence: ++this.#sequence,
      operation,
      isLost: false,
      node,
      number,
      page,
      changedSectors,
      victim: null,
    });
  }

  truncate(operation: number, node: NodeId, sizeBytes: number): void {
    // To the same size too: with this the size may become durable before its data.
    if (sizeBytes === 0 && this.cache.file(node).sizeBytes === 0) return;
    this.cache.cut(node, sizeBytes);
    this.#add({ kind: "cut", sequence: ++this.#sequence, operation, isLost: false, node, sizeBytes });
  }

  #add(effect: Effect): void {
    this.#effects.push(effect);
  }

  #replaceEffects(change: (effect: Effect) => Effect): void {
    this.#effects = this.#effects.map(change);
  }

  /** The pages that an operation wrote go elsewhere when they are written back. */
  misdirect(operation: number, node: NodeId, number: number): void {
    const victim = { node, number };
    this.#replaceEffects((effect) =>
      effect.kind === "page" && effect.operation === operation ? { ...effect, victim } : effect
    );
  }

  // ---- syncing -------------------------------------------------------------------------------------------------

  /** A sync of a file that began when `upTo` was the newest effect. */
  commitFile(node: NodeId, upTo: number): void {
    const isStrict = this.rules.profile === "strict";
    const metadata = isStrict ? NOTHING : this.#metadataToCommit(this.#loggedUpTo(node, upTo), () => true);
    this.#commit((effect) => {
      if (effect.sequence > upTo) return false;
      if (metadata.has(effect)) return true;
      return effect.kind !== "names" && effect.node === node && !effect.isLost;
    });
  }

  commitDirectory(directory: NodeId): void {
    if (this.rules.profile !== "strict") {
      const metadata = this.#metadataToCommit(this.#sequence, () => true);
      return this.#commit((effect) => metadata.has(effect));
    }
    const metadata = this.#metadataToCommit(
      this.#sequence,
      (effect) => effect.kind === "names" && touchesDirectory(effect, directory),
    );
    this.#splitRenames(metadata, directory);
  }

  /** How far a sync of a file commits the log of ext4: to the file's own last change in it. */
  #loggedUpTo(node: NodeId, upTo: number): number {
    const { allocatedBytes, sizeBytes } = this.durable.file(node), allocating = new Set<number>();
    let last = 0;
    for (const effect of this.#effects) {
      if (effect.sequence > upTo) break;
      if (effect.kind === "names" ? effect.created !== node : effect.node !== node) continue;
      // A cut to the size that the disk has changes nothing there.
      if (effect.kind === "cut" && effect.sizeBytes === sizeBytes) continue;
      if (effect.kind === "page") {
        // A block is given to a page once, and may have been when the page was first written.
        const isNew = (effect.number + 1) * this.geometry.pageBytes > allocatedBytes && !allocating.has(effect.number);
        allocating.add(effect.number);
        if (!isNew) continue;
      }
      last = effect.sequence;
    }
    return last;
  }

  /** A name that a failed sync called clean comes true with the next change beside it, as they are written together. */
  #metadataToCommit(upTo: number, isPart: (effect: Effect) => boolean): Set<Effect> {
    const part = this.#effects.filter((effect) => isMetadata(effect) && effect.sequence <= upTo && isPart(effect));
    return part.every((effect) => effect.isLost) ? new Set() : new Set(part);
  }

  /** Of a rename between directories only the half in `directory` becomes durable. */
  #splitRenames(effects: ReadonlySet<Effect>, directory: NodeId): void {
    const here = new Set<Effect>();
    this.#effects = this.#effects.flatMap((effect) => {
      if (effect.kind !== "names" || !effects.has(effect)) return [effect];
      const changes = effect.changes.filter((change) => change.directory === directory);
      const half = changes.length === effect.changes.length ? effect : { ...effect, changes };
      here.add(half);
      if (half === effect) return [effect];
      return [half, { ...effect, changes: effect.changes.filter((change) => change.directory !== directory) }];
    });
    this.#commit((effect) => here.has(effect));
  }

  #commit(isCovered: (effect: Effect) => boolean): void {
    const covered: Effect[] = [], kept: Effect[] = [], written = new Set<NodeId>();
    for (const effect of this.#effects) {
      if (!isCovered(effect)) {
        kept.push(effect);
        continue;
      }
      covered.push(effect);
      applyEffect(this.durable, effect, effect.kind === "page" ? ALL_SECTORS : CHOICE_KEPT, this.rules);
      if (effect.kind !== "names") written.add(nodeWritten(effect));
      // Its data is not there, as a sync of it failed: the file may or may not become that long.
      if (effect.kind === "size" && this.durable.file(effect.node).sizeBytes < effect.sizeBytes) kept.push(effect);
    }
    for (const node of written) this.durable.trim(node);
    this.#effects = kept.flatMap((effect) => this.#afterCommit(effect, covered));
  }

  /** What is left of an effect once later ones are durable. */
  #afterCommit(effect: Effect, covered: readonly Effect[]): Effect[] {
    if (effect.kind !== "page" && effect.kind !== "size") return [effect];
    let left: Effect = effect;
    for (const later of covered) {
      if (later.sequence <= effect.sequence || later.kind === "names" || later.node !== effect.node) continue;
      if (later.kind === "page" && left.kind === "page" && later.number === left.number) return [];
      if (later.kind !== "cut") continue;
      if (left.kind !== "page") return [];
      const length: number = later.sizeBytes - left.number * this.geometry.pageBytes;
      if (length <= 0) return [];
      left = { ...left, page: left.page.cut(length) };
    }
    return [left];
  }

  /** A sync of a file failed: its pages count as clean, and whoever has it open will hear of it, once. */
  failFile(node: NodeId, upTo: number, code: string): void {
    this.#replaceEffects((effect) =>
      effect.kind === "page" && effect.node === node && effect.sequence <= upTo ? { ...effect, isLost: true } : effect
    );
    const before = this.errorsOf(node);
    this.#errors.set(node, { ...before, count: before.count + 1, code });
  }

  /** A sync of a directory failed: its names count as clean. */
  failDirectory(directory: NodeId): void {
    this.#replaceEffects((effect) => {
      const isPart = effect.kind === "names" &&
        (this.rules.profile !== "strict" || touchesDirectory(effect, directory));
      return isPart ? { ...effect, isLost: true } : effect;
    });
  }

  errorsOf(node: NodeId): WritebackErrors {
    return this.#errors.get(node) ?? NO_ERRORS;
  }

  errorsReported(node: NodeId): void {
    const errors = this.errorsOf(node);
    this.#errors.set(node, { ...errors, reported: errors.count });
  }

  // ---- media ---------------------------------------------------------------------------------------------------

  /** Turns a bit on the medium; the cache shows it unless it holds a newer version of the page. */
  flipBit(node: NodeId, offsetBytes: number, bit: number): void {
    const number = Math.floor(offsetBytes / this.geometry.pageBytes),
      at = offsetBytes - number * this.geometry.pageBytes;
    const isNewer = this.#effects.some((one) => one.kind === "page" && one.node === node && one.number === number);
    for (const image of isNewer ? [this.durable] : [this.durable, this.cache]) {
      const { bytes } = image.page(node, number), flipped = Uint8Array.of((bytes[at] ?? 0) ^ (1 << bit));
      image.setPage(node, number, new Page(bytes).with(at, flipped, 0, 1));
    }
  }

  // ---- housekeeping --------------------------------------------------------------------------------------------

  /** Forgets files that no name can lead to any more and no process has open. */
  prune(open: Iterable<NodeId>): void {
    const named = [...open];
    for (const effect of this.#effects) {
      if (effect.kind === "names") { for (const { node } of effect.changes) if (node !== null) named.push(node); }
    }
    const ids = this.durable.reachable(this.cache.reachable(named));
    this.#effects = this.#effects.filter((effect) =>
      effect.kind === "names" || (ids.has(effect.node) && (effect.kind !== "page" || ids.has(nodeWritten(effect))))
    );
    this.cache.keepOnly(ids), this.durable.keepOnly(ids);
  }
}

function nodeWritten(effect: Exclude<Effect, { kind: "names" }>): NodeId {
  return effect.kind === "page" ? (effect as PageEffect).victim?.node ?? effect.node : effect.node;
}

/** Of what an effect would do. */
function textHash(effect: Effect, half: "low" | "high"): number {
  let hash = mix(effect.isLost ? 1 : 2, half === "low" ? 3 : 4);
  if (effect.kind === "names") {
    for (const { directory, name, node } of effect.changes) {
      hash = mix(mix(hash, directory), node ?? -1);
      for (let i = 0; i < name.length; i++) hash = mix(hash, name.charCodeAt(i));
    }
    return hash;
  }
  hash = mix(hash, effect.node);
  if (effect.kind !== "page") return mix(mix(hash, effect.kind === "size" ? 5 : 6), effect.sizeBytes);
  const { number, page, victim } = effect;
  hash = mix(mix(hash, number), half === "low" ? page.hashLow : page.hashHigh);
  return victim === null ? hash : mix(mix(hash, victim.node), victim.number);
}
