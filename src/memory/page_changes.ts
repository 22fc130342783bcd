/**
 * The pages that changed last, as a ring of page numbers: who knows the number of the last change seen learns of later ones without
 * reading a whole map.
 *
 * A change is a page that was made writable (new, clean or copied) or of which a part was freed. That a freeze makes all pages
 * frozen, and its end makes them clean again, is not recorded: it follows from the epoch and from whether a snapshot is live.
 * Invariant: change `n` is in the ring while `oldest <= n < count`. Recording never allocates and never fails.
 */
const CHANGES_KEPT = 1 << 16;

export class PageChanges {
  readonly #pages = new Int32Array(CHANGES_KEPT);
  /** Changes so far, and so the number of the next one. */
  count = 0;

  get oldest(): number {
    return Math.max(0, this.count - CHANGES_KEPT);
  }

  record(page: number): void {
    this.#pages[this.count++ & (CHANGES_KEPT - 1)] = page;
  }

  /** The page of a change that is still kept. */
  pageOf(change: number): number {
    return this.#pages[change & (CHANGES_KEPT - 1)];
  }
}
