/** DEBUG DIGEST of lists: every element, in order. */
import type { Address, MemoryReader } from "../../memory/mod.ts";
import { forEachListElement } from "../../structures/quicklist.ts";
import { type DigestMixer, VALUE_DIGESTS } from "../digest.ts";
import { TYPE, valueOf } from "../entry.ts";

function listDigest(mixer: DigestMixer, memory: MemoryReader, entry: Address): void {
  forEachListElement(memory, valueOf(memory, entry), (bytes, start, length) => mixer.mix(bytes, start, start + length));
}

VALUE_DIGESTS[TYPE.list] = listDigest;
