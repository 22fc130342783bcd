/** What a stream adds to DEBUG DIGEST: of each entry the id (as "ms.sequence"), fields and values, in order. Groups add nothing. */
import type { Address, MemoryReader } from "../../memory/mod.ts";
import { StreamEntries } from "../../structures/stream_entries.ts";
import { formatStreamId, STREAM_ID_TEXT_BYTES_MAX } from "../../structures/stream_id.ts";
import { type DigestMixer, VALUE_DIGESTS } from "../digest.ts";
import { TYPE, valueOf } from "../entry.ts";

const DASH = 0x2d, DOT = 0x2e;
const text = new Uint8Array(STREAM_ID_TEXT_BYTES_MAX);

function digestStream(mixer: DigestMixer, memory: MemoryReader, entry: Address): void {
  const entries = StreamEntries.byCopy(memory).open(valueOf(memory, entry), null, null, false);
  while (entries.next()) {
    const length = formatStreamId(entries.id, text, 0);
    text[text.indexOf(DASH)] = DOT;
    mixer.mix(text, 0, length);
    for (let left = entries.fieldCount; left > 0; left--) {
      entries.nextField();
      const { field, value } = entries, fieldBytes = field.text(entries.bytes);
      mixer.mix(fieldBytes, field.start, field.start + field.length);
      const valueBytes = value.text(entries.bytes);
      mixer.mix(valueBytes, value.start, value.start + value.length);
    }
  }
}

VALUE_DIGESTS[TYPE.stream] = digestStream;
