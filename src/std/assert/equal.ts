/**
 * Deep equality with the semantics of @std/assert's `equal`: same type, same structure, NaN equals NaN, 0 equals -0, cycles allowed.
 */

type Pair = Map<unknown, Set<unknown>>;

function isKeyedCollection(
  value: unknown,
): value is Set<unknown> | Map<unknown, unknown> {
  return value instanceof Set || value instanceof Map;
}

function prototypeOf(value: object): object | null {
  const prototype = Object.getPrototypeOf(value);
  return prototype === null ? Object.prototype : prototype;
}

function equalKeyed(
  a: Set<unknown> | Map<unknown, unknown>,
  b: Set<unknown> | Map<unknown, unknown>,
  seen: Pair,
): boolean {
  if (a.size !== b.size) return false;
  const left = [...a.entries()];
  const right = [...b.entries()];
  for (const [key, value] of left) {
    const at = right.findIndex(([otherKey, otherValue]) =>
      compare(key, otherKey, seen) && compare(value, otherValue, seen)
    );
    if (at < 0) return false;
    right.splice(at, 1);
  }
  return true;
}

function equalObjects(a: object, b: object, seen: Pair): boolean {
  const left = a as Record<PropertyKey, unknown>;
  const right = b as Record<PropertyKey, unknown>;
  for (const key of new Set([...Reflect.ownKeys(a), ...Reflect.ownKeys(b)])) {
    // An absent key and a key that is undefined differ.
    if (!(key in a) || !(key in b)) return false;
    if (!compare(left[key], right[key], seen)) return false;
  }
  return true;
}

function compare(a: unknown, b: unknown, seen: Pair): boolean {
  if (a === b || Object.is(a, b)) return true;
  if (
    typeof a !== "object" || typeof b !== "object" || a === null || b === null
  ) return false;
  if (prototypeOf(a) !== prototypeOf(b)) return false;
  if (a instanceof Date && b instanceof Date) {
    return Object.is(a.getTime(), b.getTime());
  }
  if (a instanceof RegExp && b instanceof RegExp) {
    return String(a) === String(b);
  }
  if (a instanceof URL && b instanceof URL) return a.href === b.href;
  if (a instanceof WeakMap || a instanceof WeakSet) {
    throw new TypeError("cannot compare WeakMap or WeakSet instances");
  }
  if (a instanceof Number || a instanceof String || a instanceof Boolean) {
    return Object.is(a.valueOf(), b.valueOf());
  }
  if (isBuffer(a) && isBuffer(b)) {
    return equalBytes(new Uint8Array(a), new Uint8Array(b));
  }
  if (ArrayBuffer.isView(a) && ArrayBuffer.isView(b)) return equalViews(a, b);
  if (seen.get(a)?.has(b)) return true;
  const partners = seen.get(a);
  if (partners === undefined) seen.set(a, new Set([b]));
  else partners.add(b);
  if (Array.isArray(a) && Array.isArray(b) && a.length !== b.length) {
    return false;
  }
  if (isKeyedCollection(a) && isKeyedCollection(b)) {
    return equalKeyed(a, b, seen);
  }
  return equalObjects(a, b, seen);
}

function isBuffer(value: object): value is ArrayBufferLike {
  return value instanceof ArrayBuffer || value instanceof SharedArrayBuffer;
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

function equalViews(a: ArrayBufferView, b: ArrayBufferView): boolean {
  if (a.byteLength !== b.byteLength) return false;
  if (a instanceof DataView || b instanceof DataView) {
    return equalBytes(
      new Uint8Array(a.buffer, a.byteOffset, a.byteLength),
      new Uint8Array(b.buffer, b.byteOffset, b.byteLength),
    );
  }
  const left = a as unknown as ArrayLike<unknown>;
  const right = b as unknown as ArrayLike<unknown>;
  for (let i = 0; i < left.length; i++) {
    if (left[i] !== right[i] && !Object.is(left[i], right[i])) return false;
  }
  return true;
}

/** True when `a` and `b` are deeply equal. */
export function equal(a: unknown, b: unknown): boolean {
  return compare(a, b, new Map());
}
