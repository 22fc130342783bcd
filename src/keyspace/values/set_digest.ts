/** What a set adds to DEBUG DIGEST: the hash of each member, so that their order does not matter. */
import type { Address, MemoryReader } from "../../memory/mod.ts";
import { type DigestMixer, VALUE_DIGESTS } from "../digest.ts";
import { TYPE } from "../entry.ts";
import { SetTexts } from "./set_texts.ts";

const members = new SetTexts();

function digestSet(mixer: DigestMixer, memory: MemoryReader, entry: Address): void {
  members.start(memory, entry);
  while (members.next()) mixer.xor(members.bytes, 0, members.length);
}

VALUE_DIGESTS[TYPE.set] = digestSet;
