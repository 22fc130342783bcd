/**
 * A binary heap of items with a due time, smallest first; an item knows its place, so any of them can be taken out.
 *
 * Invariants: an item is in one heap at most; `heapPlace` is its index while it is in, -1 otherwise; its due time does not change
 * meanwhile. Items of equal times come out in the order of their numbers.
 */
export interface Due {
  readonly dueMs: number;
  readonly number: number;
  heapPlace: number;
}

export class DueHeap<T extends Due> {
  readonly #items: T[] = [];

  get size(): number {
    return this.#items.length;
  }

  /** The item that is due first. */
  get first(): T | undefined {
    return this.#items[0];
  }

  add(item: T): void {
    this.#items.push(item);
    this.#rise(item, this.#items.length - 1);
  }

  /** Takes an item out; one that is in no heap is ignored. */
  remove(item: T): void {
    const place = item.heapPlace;
    if (place < 0) return;
    const last = this.#items.pop()!;
    item.heapPlace = -1;
    if (last === item) return;
    this.#rise(last, place);
    this.#sink(last, last.heapPlace);
  }

  #rise(item: T, from: number): void {
    const items = this.#items;
    let place = from;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (isBefore(items[parent], item)) break;
      this.#put(items[parent], place);
      place = parent;
    }
    this.#put(item, place);
  }

  #sink(item: T, from: number): void {
    const items = this.#items;
    let place = from;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && isBefore(items[child + 1], items[child])) child++;
      if (isBefore(item, items[child])) break;
      this.#put(items[child], place);
      place = child;
    }
    this.#put(item, place);
  }

  #put(item: T, place: number): void {
    this.#items[place] = item;
    item.heapPlace = place;
  }
}

function isBefore(a: Due, b: Due): boolean {
  return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.number < b.number);
}
