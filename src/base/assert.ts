/**
 * Invariants: statements that only a bug of ours can make false. A failure means "stop", never "reply with an error".
 * Never used for what a client sent or what a disk returned.
 */

/** One of our own invariants does not hold. Nobody catches it but the outermost loop, which logs it and stops. */
export class InvariantError extends Error {
  override readonly name = "InvariantError";
}

/**
 * Stops when `condition` is false. `message` states the property that must hold; keep it a literal on hot paths, since
 * a template is built whether or not the condition holds.
 * @throws {InvariantError}
 */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}

/**
 * Marks a place that control flow never reaches. Given a value that was narrowed to `never`, the compiler proves it.
 * @throws {InvariantError} always
 */
export function unreachable(message: string, value?: never): never {
  throw new InvariantError(value === undefined ? message : `${message}: ${String(value)}`);
}
