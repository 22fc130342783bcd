/**
 * Sums by key prefix, in bounded memory. A name is cut behind each separator; a part of it that is a number or an id is folded, so that
 * `user:17:cart` and `user:42:cart` meet in `user:#:cart`:
 *
 *   root ─ "user:" ─ "#:" ─ "cart"      every node has the sums of all keys below it
 *
 * Runs of digits become "#", and so does a part of hexadecimal digits and dashes that has a digit and is long enough for an id.
 * When there are too many nodes, the smaller half of the leaves goes into their parents' node "…", which never gets smaller again: what a
 * prefix had before is lost to it, which the sums of its parents do not show. So large prefixes are exact unless they began very small.
 */

const NODES_MAX = 1 << 15;
/** What lies deeper is one part. */
const DEPTH_MAX = 8;
const NAME_BYTES_MAX = 64;
const ID_BYTES_MIN = 8;
const DASH = 0x2d, FOLDED = 0x23;
const FNV_START = 0x811c9dc5, FNV_PRIME = 0x01000193;
export const OTHERS = "…";

const IS_DIGIT = 1, IS_HEX = 2;
const CLASS_OF_BYTE = new Uint8Array(256);
for (let byte = 0; byte < 256; byte++) {
  const text = String.fromCharCode(byte);
  if (/[0-9]/.test(text)) CLASS_OF_BYTE[byte] = IS_DIGIT | IS_HEX;
  else if (/[a-fA-F-]/.test(text)) CLASS_OF_BYTE[byte] = IS_HEX;
}

export class PrefixNode {
  /** The folded part, with its separator. */
  readonly name: Uint8Array;
  readonly parent: PrefixNode | null;
  /** What the tree sums, in its order; the first decides which nodes stay. */
  readonly sums: Float64Array;
  children: Map<number, PrefixNode> | null = null;
  /** Another child of the same hash. */
  nextSame: PrefixNode | null = null;
  others: PrefixNode | null = null;

  constructor(name: Uint8Array, parent: PrefixNode | null, measures: number) {
    this.name = name, this.parent = parent, this.sums = new Float64Array(measures);
  }

  /** Children by hash, those of one hash as a chain. */
  *all(): Generator<PrefixNode> {
    for (const first of this.children?.values() ?? []) {
      for (let node: PrefixNode | null = first; node !== null; node = node.nextSame) yield node;
    }
    if (this.others !== null) yield this.others;
  }

  get isLeaf(): boolean {
    return this.children === null && this.others === null;
  }
}

export interface PrefixOptions {
  /** Each character ends a part. */
  readonly separators: string;
  /** Whether numbers and ids are folded. */
  readonly folds: boolean;
  readonly measures: number;
}

export class PrefixTree {
  readonly root: PrefixNode;
  readonly #isSeparator = new Uint8Array(256);
  readonly #folds: boolean;
  readonly #measures: number;
  readonly #name = new Uint8Array(NAME_BYTES_MAX);
  #nodes = 0;

  constructor({ separators, folds, measures }: PrefixOptions) {
    this.#folds = folds, this.#measures = measures;
    this.root = new PrefixNode(new Uint8Array(0), null, measures);
    for (const character of separators) this.#isSeparator[character.charCodeAt(0) & 0xff] = 1;
  }

  /** Adds `sums` to every prefix of a name. */
  add(key: Uint8Array, length: number, sums: ArrayLike<number>): void {
    let node = this.root;
    this.#count(node, sums);
    for (let at = 0, depth = 1; at < length; depth++) {
      const end = depth === DEPTH_MAX ? length : this.#partEnd(key, at, length);
      node = this.#child(node, this.#fold(key, at, end));
      this.#count(node, sums);
      at = end;
    }
    if (this.#nodes > NODES_MAX) this.#prune();
  }

  #count(node: PrefixNode, sums: ArrayLike<number>): void {
    for (let i = 0; i < this.#measures; i++) node.sums[i] += sums[i];
  }

  #partEnd(key: Uint8Array, from: number, length: number): number {
    let at = from;
    while (at < length && this.#isSeparator[key[at]] === 0) at++;
    return Math.min(at + 1, length);
  }

  /** Puts the folded part into `#name`; returns its length. */
  #fold(key: Uint8Array, from: number, to: number): number {
    const name = this.#name,
      endsInSeparator = this.#isSeparator[key[to - 1]] === 1,
      end = endsInSeparator ? to - 1 : to;
    let length = 0;
    if (this.#folds && isId(key, from, end)) name[length++] = FOLDED;
    else {
      for (let at = from; at < end && length < NAME_BYTES_MAX - 1; at++) {
        const isDigit = this.#folds && (CLASS_OF_BYTE[key[at]] & IS_DIGIT) !== 0;
        if (!isDigit) name[length++] = key[at];
        else if (length === 0 || name[length - 1] !== FOLDED) name[length++] = FOLDED;
      }
    }
    if (endsInSeparator) name[length++] = key[to - 1];
    return length;
  }

  #child(node: PrefixNode, length: number): PrefixNode {
    const name = this.#name, children = node.children ??= new Map();
    let hash = FNV_START;
    for (let i = 0; i < length; i++) hash = Math.imul(hash ^ name[i], FNV_PRIME);
    const first = children.get(hash);
    for (let child = first ?? null; child !== null; child = child.nextSame) {
      if (isName(child.name, name, length)) return child;
    }
    const child = new PrefixNode(name.slice(0, length), node, this.#measures);
    child.nextSame = first ?? null;
    children.set(hash, child);
    this.#nodes++;
    return child;
  }

  /** Puts the smaller half of the leaves together, until there is room again. */
  #prune(): void {
    while (this.#nodes > NODES_MAX / 2) {
      const leaves: PrefixNode[] = [];
      collectLeaves(this.root, leaves);
      leaves.sort((a, b) => a.sums[0] - b.sums[0]);
      for (const leaf of leaves.slice(0, Math.ceil(leaves.length / 2))) this.#putAway(leaf);
    }
  }

  #putAway(leaf: PrefixNode): void {
    const parent = leaf.parent!;
    parent.others ??= new PrefixNode(new TextEncoder().encode(OTHERS), parent, this.#measures);
    this.#count(parent.others, leaf.sums);
    const children = parent.children!;
    let hash = FNV_START;
    for (const byte of leaf.name) hash = Math.imul(hash ^ byte, FNV_PRIME);
    const first = children.get(hash)!;
    if (first === leaf) {
      if (leaf.nextSame === null) children.delete(hash);
      else children.set(hash, leaf.nextSame);
    } else {
      let before = first;
      while (before.nextSame !== leaf) before = before.nextSame!;
      before.nextSame = leaf.nextSame;
    }
    if (children.size === 0) parent.children = null;
    this.#nodes--;
  }
}

/** Leaves that can be put away: all but the "…". A node that has nothing else below it is one too. */
function collectLeaves(node: PrefixNode, into: PrefixNode[]): void {
  for (const first of node.children?.values() ?? []) {
    for (let child: PrefixNode | null = first; child !== null; child = child.nextSame) {
      if (child.children === null) into.push(child);
      else collectLeaves(child, into);
    }
  }
}

function isName(a: Uint8Array, b: Uint8Array, length: number): boolean {
  if (a.length !== length) return false;
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** A UUID, a hash: hexadecimal digits and dashes, long, and not a word by chance. */
function isId(key: Uint8Array, from: number, end: number): boolean {
  if (end - from < ID_BYTES_MIN) return false;
  let digits = 0;
  for (let at = from; at < end; at++) {
    const kind = CLASS_OF_BYTE[key[at]];
    if (kind === 0 || (key[at] === DASH && at === from)) return false;
    digits += kind & IS_DIGIT;
  }
  return digits > 0;
}
