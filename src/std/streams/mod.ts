/** Stand-in for jsr:@std/streams: what this project uses, with the same signatures and behaviour. */

/** All of a stream as text (UTF-8 where it carries bytes). */
export async function toText(stream: ReadableStream<string | Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of stream) text += typeof chunk === "string" ? chunk : decoder.decode(chunk, { stream: true });
  return text + decoder.decode();
}
