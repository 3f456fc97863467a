import serialize from 'canonicalize'

/** The value has no JSON form that every reader would agree on. */
export class NotCanonicalizableError extends Error {
  override name = 'NotCanonicalizableError'
}

/**
 * The UTF-8 bytes of a JSON value in the one form of RFC 8785 (JCS), so that a hash of it means the value.
 *
 * Members that are `undefined` are left out, as in `JSON.stringify`. Whatever else is not JSON is refused, where
 * `JSON.stringify` would quietly change it: functions, symbols, bigints, holes in arrays, numbers that are not finite,
 * half surrogate pairs, circular references.
 */
export function canonicalJson(value: unknown): Uint8Array {
  return new TextEncoder().encode(canonicalText(value))
}

function canonicalText(value: unknown): string {
  requireJson(value, new Set())
  const text = serialize(value)
  if (text === undefined) throw new NotCanonicalizableError('the value has no JSON form')
  return text
}

function requireJson(value: unknown, within: Set<object>): void {
  if (value === null || typeof value === 'boolean') return
  if (typeof value === 'number') return requireThat(Number.isFinite(value), `${value} is not JSON`)
  if (typeof value === 'string') return requireThat(value.isWellFormed(), 'a string holds half a surrogate pair')
  requireThat(typeof value === 'object', `${typeof value} is not JSON`)
  if (typeof value !== 'object') return
  requireThat(!within.has(value), 'the value contains itself')
  requireThat(Array.isArray(value) || isPlain(value), 'an object of a class is not JSON')
  within.add(value)
  for (const [name, member] of membersOf(value)) {
    requireJson(name, within)
    requireJson(member, within)
  }
  within.delete(value)
}

/** Holes of an array come out as undefined, and so are refused. */
function membersOf(value: object): Iterable<[string | number, unknown]> {
  return Array.isArray(value) ? value.entries() : Object.entries(value).filter(([, member]) => member !== undefined)
}

/** A `toJSON` that is no function is a member like any other: nobody would call it. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  const isRecord = prototype === Object.prototype || prototype === null
  return isRecord && !('toJSON' in value && typeof value.toJSON === 'function')
}

function requireThat(holds: boolean, why: string): void {
  if (!holds) throw new NotCanonicalizableError(why)
}
