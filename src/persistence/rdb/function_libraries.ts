/**
 * Function libraries (FUNCTION LOAD of Redis 7) that came with a file. This server does not run them; it keeps their code, so that
 * they go on into every RDB file and AOF base that it writes, and nothing is lost on the way through it.
 */
import { latin1Decode, latin1Encode } from "../../base/bytes.ts";

const NEWLINE = 10;

export class FunctionLibraries {
  /** By the first line, which names engine and library: "#!lua name=mylib". */
  readonly #codes = new Map<string, Uint8Array>();

  get count(): number {
    return this.#codes.size;
  }

  /** The code of each library. */
  get codes(): Uint8Array[] {
    return [...this.#codes.values()];
  }

  /** Keeps a library; one of the same name is replaced. `code` is not copied. */
  add(code: Uint8Array): void {
    const newline = code.indexOf(NEWLINE);
    this.#codes.set(latin1Decode(code, 0, newline < 0 ? code.length : newline), code);
  }

  clear(): void {
    this.#codes.clear();
  }
}

/** The code as it is kept since Redis 7.0, of a library as release candidates of 7.0 wrote it; its description is dropped, as Redis does. */
export function preReleaseCode(name: Uint8Array, engine: Uint8Array, body: Uint8Array): Uint8Array {
  const head = latin1Encode(`#!${latin1Decode(engine)} name=${latin1Decode(name)}\n`);
  const code = new Uint8Array(head.length + body.length);
  code.set(head), code.set(body, head.length);
  return code;
}
