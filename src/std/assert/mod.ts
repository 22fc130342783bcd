/**
 * Stand-in for @std/assert (JSR), for the assertions that the tests use: same names, signatures, failures.
 * Never used outside tests and labs; invariants of the code itself are `src/base/assert.ts`.
 */

import { equal } from "./equal.ts";
import { difference, format } from "./format.ts";

export { equal };

// deno-lint-ignore no-explicit-any
type AnyConstructor = abstract new (...args: any[]) => any;
// deno-lint-ignore no-explicit-any
type ErrorClass<E extends Error> = abstract new (...args: any[]) => E;

/** What every failed assertion throws. */
export class AssertionError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "AssertionError";
  }
}

function suffix(msg: string | undefined): string {
  return msg ? `: ${msg}` : ".";
}

export function assert(expr: unknown, msg = ""): asserts expr {
  if (!expr) throw new AssertionError(msg);
}

export function assertFalse(expr: unknown, msg = ""): asserts expr is false {
  if (expr) throw new AssertionError(msg);
}

export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  if (equal(actual, expected)) return;
  throw new AssertionError(
    `Values are not equal${suffix(msg)}\n${difference(format(actual), format(expected))}`,
  );
}

export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void {
  if (!equal(actual, expected)) return;
  throw new AssertionError(
    `Expected actual: ${format(actual)} not to be: ${format(expected)}${suffix(msg)}`,
  );
}

export function assertStrictEquals<T>(actual: unknown, expected: T, msg?: string): asserts actual is T {
  if (Object.is(actual, expected)) return;
  const [left, right] = [format(actual), format(expected)];
  const detail = left === right
    ? `Values have the same structure but are not reference-equal${suffix(msg)}\n\n${left}\n`
    : `Values are not strictly equal${suffix(msg)}\n${difference(left, right)}`;
  throw new AssertionError(detail);
}

export function assertNotStrictEquals<T>(actual: T, expected: T, msg?: string): void {
  if (!Object.is(actual, expected)) return;
  throw new AssertionError(`Expected "actual" to not be strictly equal to: ${format(actual)}${suffix(msg)}\n`);
}

/** `tolerance` defaults to 1e-7 relative to `expected`, as the real one does. */
export function assertAlmostEquals(actual: number, expected: number, tolerance?: number, msg?: string): void {
  if (Object.is(actual, expected)) return;
  const allowed = tolerance ?? (isFinite(expected) ? Math.abs(expected * 1e-7) : 1e-7);
  const delta = Math.abs(expected - actual);
  if (delta <= allowed) return;
  const number = (value: number) => Number.isInteger(value) ? value.toString() : value.toExponential();
  throw new AssertionError(
    `Expected actual: "${number(actual)}" to be close to "${number(expected)}": ` +
      `delta "${number(delta)}" is greater than "${number(allowed)}"${suffix(msg)}`,
  );
}

function failComparison(actual: unknown, relation: string, expected: unknown, msg?: string): never {
  throw new AssertionError(msg ?? `Expect ${format(actual)} ${relation} ${format(expected)}`);
}

export function assertGreater<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual > expected)) failComparison(actual, ">", expected, msg);
}

export function assertGreaterOrEqual<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual >= expected)) failComparison(actual, ">=", expected, msg);
}

export function assertLess<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual < expected)) failComparison(actual, "<", expected, msg);
}

export function assertLessOrEqual<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual <= expected)) failComparison(actual, "<=", expected, msg);
}

export function assertExists<T>(actual: T, msg?: string): asserts actual is NonNullable<T> {
  if (actual !== undefined && actual !== null) return;
  throw new AssertionError(`Expected actual: "${actual}" to not be null or undefined${suffix(msg)}`);
}

export function assertStringIncludes(actual: string, expected: string, msg?: string): void {
  if (actual.includes(expected)) return;
  throw new AssertionError(`Expected actual: "${actual}" to contain: "${expected}"${suffix(msg)}`);
}

export function assertArrayIncludes<T>(actual: ArrayLike<T>, expected: ArrayLike<T>, msg?: string): void {
  const present = Array.from(actual);
  const missing = Array.from(expected).filter((wanted) => !present.some((value) => equal(wanted, value)));
  if (missing.length === 0) return;
  throw new AssertionError(
    `Expected actual: "${format(present)}" to include: "${format(Array.from(expected))}"${suffix(msg)}\n` +
      `missing: ${format(missing)}`,
  );
}

export function assertMatch(actual: string, expected: RegExp, msg?: string): void {
  if (expected.test(actual)) return;
  throw new AssertionError(`Expected actual: "${actual}" to match: "${expected}"${suffix(msg)}`);
}

export function assertNotMatch(actual: string, expected: RegExp, msg?: string): void {
  if (!expected.test(actual)) return;
  throw new AssertionError(`Expected actual: "${actual}" to not match: "${expected}"${suffix(msg)}`);
}

export function assertInstanceOf<T extends AnyConstructor>(
  actual: unknown,
  expectedType: T,
  msg = "",
): asserts actual is InstanceType<T> {
  if (actual instanceof expectedType) return;
  const actualName = actual === null || typeof actual !== "object"
    ? (actual === null ? "null" : typeof actual)
    : actual.constructor?.name ?? "Object";
  throw new AssertionError(
    `Expected object to be an instance of "${expectedType.name}" but was "${actualName}"${msg ? `: ${msg}` : "."}`,
  );
}

/** Asserts that `error` is of the given class, with the given text in its message. */
export function assertIsError<E extends Error = Error>(
  error: unknown,
  ErrorClass?: ErrorClass<E>,
  msgMatches?: string | RegExp,
  msg?: string,
): asserts error is E {
  if (!(error instanceof Error)) {
    throw new AssertionError(`Expected "error" to be an Error object${suffix(msg)}`);
  }
  if (ErrorClass && !(error instanceof ErrorClass)) {
    throw new AssertionError(
      `Expected error to be instance of "${ErrorClass.name}", but was "${error.constructor.name}"${suffix(msg)}`,
    );
  }
  const matches = msgMatches === undefined ||
    (typeof msgMatches === "string" ? error.message.includes(msgMatches) : msgMatches.test(error.message));
  if (matches) return;
  const relation = typeof msgMatches === "string" ? "include" : "match";
  throw new AssertionError(
    `Expected error message to ${relation} ${format(msgMatches)}, but got ${format(error.message)}${suffix(msg)}`,
  );
}

interface Expectation<E extends Error> {
  readonly errorClass?: ErrorClass<E>;
  readonly msgIncludes?: string;
  readonly msg?: string;
}

/** Both `assertThrows(fn, msg)` and `assertThrows(fn, Class, includes, msg)` are allowed. */
function expectation<E extends Error>(
  errorClassOrMsg: ErrorClass<E> | string | undefined,
  msgIncludesOrMsg: string | undefined,
  msg: string | undefined,
): Expectation<E> {
  if (typeof errorClassOrMsg === "string") return { msg: errorClassOrMsg };
  return { errorClass: errorClassOrMsg, msgIncludes: msgIncludesOrMsg, msg };
}

function checkThrown<E extends Error>(error: unknown, expected: Expectation<E>, verb: string): void {
  if (expected.errorClass === undefined) return;
  if (!(error instanceof Error)) {
    throw new AssertionError(`A non-Error object was ${verb}${suffix(expected.msg)}`);
  }
  assertIsError(error, expected.errorClass, expected.msgIncludes, expected.msg);
}

export function assertThrows(fn: () => unknown, msg?: string): unknown;
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  ErrorClass: ErrorClass<E>,
  msgIncludes?: string,
  msg?: string,
): E;
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  errorClassOrMsg?: ErrorClass<E> | string,
  msgIncludesOrMsg?: string,
  msg?: string,
): unknown {
  const expected = expectation(errorClassOrMsg, msgIncludesOrMsg, msg);
  try {
    fn();
  } catch (error) {
    checkThrown(error, expected, "thrown");
    return error;
  }
  throw new AssertionError(`Expected function to throw${suffix(expected.msg)}`);
}

export function assertRejects(fn: () => PromiseLike<unknown>, msg?: string): Promise<unknown>;
export function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  ErrorClass: ErrorClass<E>,
  msgIncludes?: string,
  msg?: string,
): Promise<E>;
export async function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  errorClassOrMsg?: ErrorClass<E> | string,
  msgIncludesOrMsg?: string,
  msg?: string,
): Promise<unknown> {
  const expected = expectation(errorClassOrMsg, msgIncludesOrMsg, msg);
  let returnedPromise = false;
  try {
    const result = fn();
    returnedPromise = typeof (result as PromiseLike<unknown> | undefined)?.then === "function";
    await result;
  } catch (error) {
    if (!returnedPromise) {
      throw new AssertionError(`Function throws when expected to reject${suffix(expected.msg)}`, { cause: error });
    }
    checkThrown(error, expected, "rejected");
    return error;
  }
  throw new AssertionError(`Expected function to reject${suffix(expected.msg)}`);
}

export function fail(msg?: string): never {
  throw new AssertionError(`Failed assertion${suffix(msg)}`);
}

export function unreachable(reason?: string): never {
  throw new AssertionError(reason ?? "Unreachable.");
}

export function unimplemented(msg?: string): never {
  throw new AssertionError(`Unimplemented${suffix(msg)}`);
}
