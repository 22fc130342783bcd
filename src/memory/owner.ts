/**
 * Owner tags: which structure a block belongs to. A slab holds blocks of one owner only, so that a page's owner is known
 * exactly, and every copied page can be attributed. `PAGES TOP` prints the names.
 */
export const OWNER_NAMES = [
  "free",
  "dict header",
  "dict table",
  "entry",
  "value",
  "listpack",
  "intset",
  "quicklist node",
  "field entry",
  "sorted index node",
  "stream node",
  "pending entries",
  "other",
] as const;

export type OwnerName = (typeof OWNER_NAMES)[number];
export type Owner = number & { readonly __owner: true };

function owner(name: OwnerName): Owner {
  return OWNER_NAMES.indexOf(name) as Owner;
}

export const OWNER = {
  free: owner("free"),
  dictHeader: owner("dict header"),
  dictTable: owner("dict table"),
  entry: owner("entry"),
  value: owner("value"),
  listpack: owner("listpack"),
  intset: owner("intset"),
  quicklistNode: owner("quicklist node"),
  fieldEntry: owner("field entry"),
  sortedIndexNode: owner("sorted index node"),
  streamNode: owner("stream node"),
  pendingEntries: owner("pending entries"),
  other: owner("other"),
} as const;

export const OWNERS_MAX = 16;
