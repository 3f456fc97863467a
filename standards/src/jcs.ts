/** The value has no JSON form that every reader would agree on. */
export class NotCanonicalizableError extends Error {
  override name = 'NotCanonicalizableError'
}

const utf8 = new TextEncoder()

/**
 * The UTF-8 bytes of a JSON value in the one form of RFC 8785 (JCS), so that a hash of it means the value.
 *
 * Members that are `undefined` are left out, as in `JSON.stringify`. Whatever else is not JSON is refused, where
 * `JSON.stringify` would quietly change it: functions, symbols, bigints, holes in arrays, numbers that are not finite,
 * half surrogate pairs, circular references, and a value within more than `depthMax` lists and objects.
 */
export function canonicalJson(
  value: unknown,
  { depthMax = Infinity }: { readonly depthMax?: number } = {},
): Uint8Array {
  return utf8.encode(textOf(value, { around: new Set(), depthMax }))
}

interface Place {
  /** The lists and objects around a value. */
  readonly around: Set<object>
  readonly depthMax: number
}

/** Numbers and strings are written as ECMAScript writes them (RFC 8785 §3.2.2), so only the members need an order. */
function textOf(value: unknown, place: Place): string {
  const { around, depthMax } = place
  if (around.size > depthMax) throw new NotCanonicalizableError(`it is nested deeper than ${depthMax}`)
  if (typeof value === 'string') return stringText(value)
  if (value === null || typeof value === 'boolean') return String(value)
  if (typeof value === 'number') return numberText(value)
  if (typeof value !== 'object') throw new NotCanonicalizableError(`${typeof value} is not JSON`)
  if (around.has(value)) throw new NotCanonicalizableError('the value contains itself')
  around.add(value)
  const text = Array.isArray(value) ? listText(value, place) : objectText(value, place)
  around.delete(value)
  return text
}

function stringText(value: string): string {
  if (!value.isWellFormed()) throw new NotCanonicalizableError('a string holds half a surrogate pair')
  return JSON.stringify(value)
}

function numberText(value: number): string {
  if (!Number.isFinite(value)) throw new NotCanonicalizableError(`${value} is not JSON`)
  return JSON.stringify(value)
}

/** Holes come out as undefined, and so are refused. */
function listText(list: readonly unknown[], place: Place): string {
  let text = ''
  for (const item of list) text += `${text === '' ? '' : ','}${textOf(item, place)}`
  return `[${text}]`
}

function objectText(object: object, place: Place): string {
  if (!isPlain(object)) throw new NotCanonicalizableError('an object of a class is not JSON')
  let text = ''
  // Without a comparison of its own, a sort goes by UTF-16 code units, as RFC 8785 §3.2.3 asks.
  for (const name of Object.keys(object).toSorted()) {
    const member = object[name]
    if (member !== undefined) text += `${text === '' ? '' : ','}${stringText(name)}:${textOf(member, place)}`
  }
  return `{${text}}`
}

/** A `toJSON` that is no function is a member like any other: nobody would call it. */
function isPlain(value: object): value is Readonly<Record<string, unknown>> {
  const prototype: unknown = Object.getPrototypeOf(value)
  const isRecord = prototype === Object.prototype || prototype === null
  return isRecord && !('toJSON' in value && typeof value.toJSON === 'function')
}
