/** DEBUG DIGEST of sorted sets: the hash of each member with its score's text, in any order, as Redis mixes them. */
import { writeAscii } from "../../base/bytes.ts";
import { formatDouble17 } from "../../base/double.ts";
import { DIGEST_BYTES, DigestMixer, VALUE_DIGESTS } from "../digest.ts";
import { TYPE } from "../entry.ts";
import { SortedSetWalk } from "./sorted_set_walk.ts";

const SCORE_BYTES_MAX = 32;
const one = new DigestMixer(), walk = new SortedSetWalk(), score = new Uint8Array(SCORE_BYTES_MAX);

VALUE_DIGESTS[TYPE.zset] = (mixer, memory, entry) => {
  walk.start(memory, entry);
  while (walk.next()) {
    one.reset();
    one.mix(walk.bytes, walk.at, walk.at + walk.length);
    one.mix(score, 0, writeAscii(formatDouble17(walk.score), score, 0));
    mixer.xor(one.digest, 0, DIGEST_BYTES);
  }
};
