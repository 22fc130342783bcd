/** What a hash adds to DEBUG DIGEST: each pair has a digest of its own, so that the order of fields does not matter. */
import type { Address, MemoryReader } from "../../memory/mod.ts";
import { DIGEST_BYTES, DigestMixer, VALUE_DIGESTS } from "../digest.ts";
import { TYPE } from "../entry.ts";
import { HashPairs } from "./hash_pairs.ts";

const pairs = new HashPairs();
const pair = new DigestMixer();

function digestHash(mixer: DigestMixer, memory: MemoryReader, entry: Address): void {
  pairs.start(memory, entry);
  while (pairs.next()) {
    const valueEnd = pairs.fieldLength + pairs.valueLength;
    pair.reset();
    pair.mix(pairs.bytes, 0, pairs.fieldLength);
    pair.mix(pairs.bytes, pairs.fieldLength, valueEnd);
    mixer.xor(pair.digest, 0, DIGEST_BYTES);
  }
}

VALUE_DIGESTS[TYPE.hash] = digestHash;
