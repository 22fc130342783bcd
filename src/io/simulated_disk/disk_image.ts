/**
 * What a disk, or the cache above it, holds: a tree of directories and files.
 *
 * A simulated disk has two: the cache, which processes see, and the durable image, which is left after a power cut.
 * Invariants: a file's pages hold nothing beyond its size; nodes may be shared between images and are copied before they are changed,
 * so a fork costs a small map, whatever the files hold. Knows no crash and no failure.
 */
import { murmurHash64, murmurWords } from "../../base/murmur_hash.ts";
import { utf8Encode } from "../../base/bytes.ts";
import { type Page, ZERO_PAGE } from "./page.ts";

/** Names a file or directory for good, whatever it is called. */
export type NodeId = number;

export const ROOT: NodeId = 0;

export class FileNode {
  readonly isDirectory = false;
  readonly owner: object;
  readonly pages: Page[];
  sizeBytes: number;
  /** End of the last block that the file system has given to the file. */
  allocatedBytes: number;

  constructor(owner: object, pages: Page[] = [], sizeBytes = 0, allocatedBytes = 0) {
    this.owner = owner, this.pages = pages, this.sizeBytes = sizeBytes, this.allocatedBytes = allocatedBytes;
  }
}

export class DirectoryNode {
  readonly isDirectory = true;
  readonly owner: object;
  readonly entries: Map<string, NodeId>;

  constructor(owner: object, entries: Map<string, NodeId> = new Map()) {
    this.owner = owner, this.entries = entries;
  }
}

export class DiskImage {
  readonly pageBytes: number;
  readonly #nodes: Map<NodeId, FileNode | DirectoryNode>;
  /** Nodes with another owner are shared. */
  #owner: object = {};

  constructor(pageBytes: number, nodes?: Map<NodeId, FileNode | DirectoryNode>) {
    this.pageBytes = pageBytes;
    this.#nodes = nodes ?? new Map([[ROOT, new DirectoryNode(this.#owner)]]);
  }

  fork(): DiskImage {
    this.#owner = {};
    return new DiskImage(this.pageBytes, new Map(this.#nodes));
  }

  // ---- looking -------------------------------------------------------------------------------------------------

  node(id: NodeId): FileNode | DirectoryNode | undefined {
    return this.#nodes.get(id);
  }

  file(id: NodeId): FileNode {
    return this.#nodes.get(id) as FileNode;
  }

  directory(id: NodeId): DirectoryNode {
    return this.#nodes.get(id) as DirectoryNode;
  }

  page(id: NodeId, number: number): Page {
    return this.file(id).pages[number] ?? ZERO_PAGE;
  }

  read(id: NodeId, offsetBytes: number, into: Uint8Array): number {
    const { pages, sizeBytes } = this.file(id), end = Math.min(sizeBytes, offsetBytes + into.length);
    for (let at = offsetBytes; at < end;) {
      const number = Math.floor(at / this.pageBytes), inPage = at - number * this.pageBytes;
      const stop = Math.min(end, (number + 1) * this.pageBytes), target = at - offsetBytes;
      const piece = (pages[number] ?? ZERO_PAGE).bytes.subarray(inPage, inPage + stop - at);
      into.set(piece, target);
      into.fill(0, target + piece.length, stop - offsetBytes);
      at = stop;
    }
    return Math.max(0, end - offsetBytes);
  }

  /** Ids that names lead to, from the root and from `others`, those included. */
  reachable(others: Iterable<NodeId> = []): Set<NodeId> {
    const found = new Set<NodeId>([ROOT, ...others]);
    for (const id of found) {
      const node = this.#nodes.get(id);
      if (node?.isDirectory) { for (const child of node.entries.values()) found.add(child); }
    }
    return found;
  }

  /** Every file by its path, in no order. */
  *files(): Generator<{ path: string; node: FileNode }> {
    const open: [string, DirectoryNode][] = [["", this.directory(ROOT)]];
    for (const [path, directory] of open) {
      for (const [name, id] of directory.entries) {
        const node = this.#nodes.get(id)!;
        if (node.isDirectory) open.push([`${path}/${name}`, node]);
        else yield { path: `${path}/${name}`, node };
      }
    }
  }

  // ---- changing ------------------------------------------------------------------------------------------------

  addNode(id: NodeId, isDirectory: boolean): void {
    this.#nodes.set(id, isDirectory ? new DirectoryNode(this.#owner) : new FileNode(this.#owner));
  }

  setName(directory: NodeId, name: string, id: NodeId | null): void {
    const { entries } = this.#ownDirectory(directory);
    if (id === null) entries.delete(name);
    else entries.set(name, id);
  }

  /** Puts a page in place; the size stays, `trim` takes away what is beyond it. */
  setPage(id: NodeId, number: number, page: Page): void {
    const file = this.#ownFile(id);
    while (file.pages.length < number) file.pages.push(ZERO_PAGE);
    file.pages[number] = page;
    file.allocatedBytes = Math.max(file.allocatedBytes, (number + 1) * this.pageBytes);
  }

  setSize(id: NodeId, sizeBytes: number): void {
    this.#ownFile(id).sizeBytes = sizeBytes;
  }

  /** Sets the size; what was beyond a smaller one is gone for good. */
  cut(id: NodeId, sizeBytes: number): void {
    const file = this.#ownFile(id);
    file.sizeBytes = sizeBytes;
    this.trim(id);
    file.allocatedBytes = Math.min(file.allocatedBytes, Math.ceil(sizeBytes / this.pageBytes) * this.pageBytes);
  }

  /** Takes away what pages hold beyond the size. */
  trim(id: NodeId): void {
    const { pages, sizeBytes } = this.#ownFile(id), count = Math.ceil(sizeBytes / this.pageBytes);
    if (pages.length > count) pages.length = count;
    if (pages.length === count && count > 0) {
      pages[count - 1] = pages[count - 1].cut(sizeBytes - (count - 1) * this.pageBytes);
    }
  }

  /** Forgets all nodes but these. */
  keepOnly(ids: ReadonlySet<NodeId>): void {
    for (const id of this.#nodes.keys()) if (!ids.has(id)) this.#nodes.delete(id);
  }

  #ownFile(id: NodeId): FileNode {
    const node = this.#nodes.get(id) as FileNode;
    if (node.owner === this.#owner) return node;
    const own = new FileNode(this.#owner, [...node.pages], node.sizeBytes, node.allocatedBytes);
    this.#nodes.set(id, own);
    return own;
  }

  #ownDirectory(id: NodeId): DirectoryNode {
    const node = this.#nodes.get(id) as DirectoryNode;
    if (node.owner === this.#owner) return node;
    const own = new DirectoryNode(this.#owner, new Map(node.entries));
    this.#nodes.set(id, own);
    return own;
  }

  // ---- hashing -------------------------------------------------------------------------------------------------

  /**
   * Adds names and contents to `hash`, whatever order they came about in, and on request which node has which name. Two names of one
   * file count as two files.
   */
  addTo(hash: ContentHash, withIds: boolean): void {
    this.#addDirectory(hash, ROOT, withIds, 1, 1);
  }

  /** Adds one node and what is below it, under its id. */
  addNodeTo(hash: ContentHash, id: NodeId): void {
    const node = this.#nodes.get(id)!;
    if (node.isDirectory) this.#addDirectory(hash, id, true, mix(3, id), mix(4, id));
    else addFile(hash, node, mix(3, id), mix(4, id));
  }

  #addDirectory(hash: ContentHash, id: NodeId, withIds: boolean, low: number, high: number): void {
    for (const [name, child] of this.directory(id).entries) {
      const { low: nameLow, high: nameHigh } = hashOfName(name), node = this.#nodes.get(child)!;
      const ownLow = mix(mix(low, nameLow), withIds ? child : 0), ownHigh = mix(high, nameHigh);
      if (node.isDirectory) {
        hash.add(mix(ownLow, 2), mix(ownHigh, 2));
        this.#addDirectory(hash, child, withIds, ownLow, ownHigh);
      } else addFile(hash, node, ownLow, ownHigh);
    }
  }
}

/** A sum of 64-bit parts: what is added in another order gives the same. */
export class ContentHash {
  low = 0;
  high = 0;

  add(low: number, high: number): void {
    this.low = (this.low + finish(low ^ Math.imul(high, 0x2545f491))) | 0;
    this.high = (this.high + finish(high ^ Math.imul(low, 0x61c88647))) | 0;
  }
}

function addFile(hash: ContentHash, { pages, sizeBytes }: FileNode, low: number, high: number): void {
  let ownLow = mix(low, sizeBytes), ownHigh = mix(high, sizeBytes);
  for (let i = 0; i < pages.length; i++) {
    const page = pages[i];
    // A hole and a page of zeros are the same bytes.
    if (page.isZero) continue;
    ownLow = mix(mix(ownLow, i), page.hashLow), ownHigh = mix(mix(ownHigh, i), page.hashHigh);
  }
  hash.add(ownLow, ownHigh);
}

const NAME_HASHES_MAX = 4096;
const nameHashes = new Map<string, { low: number; high: number }>();

function hashOfName(name: string): { low: number; high: number } {
  let known = nameHashes.get(name);
  if (known === undefined) {
    const bytes = utf8Encode(name);
    murmurHash64(bytes, 0, bytes.length, 1);
    known = { low: murmurWords[0], high: murmurWords[1] };
    if (nameHashes.size === NAME_HASHES_MAX) nameHashes.clear();
    nameHashes.set(name, known);
  }
  return known;
}

/** Stirs a value into a hash (the round of MurmurHash3). */
export function mix(hash: number, value: number): number {
  let k = Math.imul(value, 0xcc9e2d51);
  k = Math.imul((k << 15) | (k >>> 17), 0x1b873593);
  const h = hash ^ k;
  return (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0;
}

function finish(hash: number): number {
  let h = hash ^ (hash >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
