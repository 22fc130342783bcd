/**
 * When a value changes from its compact encoding to its large one, and how large the pieces of the compact ones may be: Redis's directives,
 * with Redis's defaults. One instance belongs to a keyspace; the server carries CONFIG SET into it.
 */
export class EncodingLimits {
  /** hash-max-listpack-entries, hash-max-listpack-value */
  hashListpackEntriesMax = 512;
  hashListpackValueBytesMax = 64;
  /** set-max-intset-entries */
  setIntsetEntriesMax = 512;
  /** zset-max-listpack-entries, zset-max-listpack-value */
  zsetListpackEntriesMax = 128;
  zsetListpackValueBytesMax = 64;
  /** list-max-listpack-size: elements when positive, else a class of bytes (-1 4 KiB … -5 64 KiB). */
  listListpackSize = -2;
  /** list-compress-depth: nodes at either end that are not compressed; 0 compresses none. */
  listCompressDepth = 0;
  /** stream-node-max-bytes, stream-node-max-entries; 0 means no limit */
  streamNodeBytesMax = 4096;
  streamNodeEntriesMax = 100;
  /** hll-sparse-max-bytes */
  hllSparseBytesMax = 3000;
}
