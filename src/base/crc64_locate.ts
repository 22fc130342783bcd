/**
 * Finds the one damaged byte that explains why a CRC-64 does not match.
 *
 * The CRC is linear (initial value 0, no final xor), so the difference between the CRC computed and the CRC stored depends on the damage
 * alone: damage e in a byte that n bytes follow contributes T^(n+1)(e), where T is the CRC's step for a zero byte. T can be undone; whoever
 * undoes it from the end of the data backwards meets the byte where nothing but e is left. That something else looks like one damaged byte
 * has a chance of 2^-56 for each byte of the data: one in 67 million for a gigabyte.
 */
import { Crc64 } from "./crc64.ts";

export interface DamagedByte {
  readonly offsetBytes: number;
  /** What turns the byte as it is into the byte as it was. */
  readonly xor: number;
}

/** T of each byte, and the byte by the highest byte of its T. */
const STEP_LOW = new Int32Array(256), STEP_HIGH = new Int32Array(256), BYTE_OF_TOP = new Uint8Array(256);
const step = new Crc64(), one = new Uint8Array(1);
for (let byte = 0; byte < 256; byte++) {
  one[0] = byte;
  step.reset();
  step.update(one, 0, 1);
  STEP_LOW[byte] = step.low, STEP_HIGH[byte] = step.high;
  BYTE_OF_TOP[step.high >>> 24] = byte;
}

/**
 * Where the damage is in `dataBytes` bytes of data that are followed by their CRC, little-endian, and whose CRC is `computed` where `stored`
 * says something else. Null when more than one byte is damaged. Takes some nanoseconds for each byte behind the damage.
 */
export function locateDamagedByte(computed: Crc64, stored: Uint8Array, dataBytes: number): DamagedByte | null {
  const difference = new Uint8Array(8);
  computed.writeLittleEndian(difference, 0);
  for (let i = 0; i < 8; i++) difference[i] ^= stored[i];
  const wrong = difference.findIndex((byte) => byte !== 0);
  if (wrong < 0) return null;
  // One byte of a difference can only be damage of the CRC itself: damage of the data spreads.
  if (difference.every((byte, i) => byte === 0 || i === wrong)) {
    return { offsetBytes: dataBytes + wrong, xor: difference[wrong] };
  }
  const words = new DataView(difference.buffer);
  return undo(words.getInt32(0, true), words.getInt32(4, true), dataBytes);
}

function undo(low: number, high: number, dataBytes: number): DamagedByte | null {
  for (let at = dataBytes - 1; at >= 0; at--) {
    const byte = BYTE_OF_TOP[high >>> 24];
    low ^= STEP_LOW[byte], high ^= STEP_HIGH[byte];
    high = (high << 8) | (low >>> 24), low = (low << 8) | byte;
    if (high === 0 && low >>> 8 === 0) return { offsetBytes: at, xor: low };
  }
  return null;
}
