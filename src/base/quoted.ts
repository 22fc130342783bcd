/** Bytes as text that a terminal shows and redis-cli reads back: sdscatrepr's rules. */

const ESCAPES: Record<number, string> = {
  0x5c: "\\\\",
  0x22: '\\"',
  10: "\\n",
  13: "\\r",
  9: "\\t",
  7: "\\a",
  8: "\\b",
};

/** An argument as MONITOR shows it. */
export function quoted(bytes: Uint8Array): string {
  let text = '"';
  for (const byte of bytes) {
    const escape = ESCAPES[byte];
    if (escape !== undefined) text += escape;
    else if (byte >= 0x20 && byte < 0x7f) text += String.fromCharCode(byte);
    else text += `\\x${byte.toString(16).padStart(2, "0")}`;
  }
  return text + '"';
}
