/** The data types whose values live in blocks of their own: what the generic commands do with them. */
import { TYPE } from "../entry.ts";
import type { Keyspace } from "../keyspace.ts";
import "./hash_digest.ts";
import { HashValue } from "./hash_value.ts";
import "./list_digest.ts";
import { ListValues } from "./list_value.ts";
import "./set_digest.ts";
import { SetValues } from "./set_value.ts";
import "./sorted_set_digest.ts";
import { SortedSetValue } from "./sorted_set_value.ts";
import "./stream_digest.ts";
import { StreamValue } from "./stream_value.ts";

/** Makes a keyspace know every type. */
export function registerTypes(keyspace: Keyspace): void {
  keyspace.types[TYPE.hash] = new HashValue(keyspace);
  keyspace.types[TYPE.list] = new ListValues(keyspace);
  keyspace.types[TYPE.set] = new SetValues(keyspace);
  keyspace.types[TYPE.zset] = new SortedSetValue(keyspace);
  keyspace.types[TYPE.stream] = new StreamValue(keyspace);
}
