import { canonicalJson, NotCanonicalizableError } from '@agent-iam/standards/jcs'
import { Problem } from '../../platform/problem.ts'

/**
 * What the log stores of an event. The function `audit_append` of the database has the same limits, and
 * `storable.db.test.ts` shows that both accept the same events.
 */

/** Largest leaf: the largest event that the API allows, a role of 100 conditioned permissions, is a quarter of it. */
export const leafBytesMax = 1_048_576
/** Deepest nesting of a leaf, in steps from its root: four times that of what callers may send. */
export const leafDepthMax = 32
/** Longest type and actor, in bytes of UTF-8: both are indexed, and an index takes no row above 2704 bytes. */
export const typeBytesMax = 100
export const actorBytesMax = 200

/** The event of a request is one that the log does not store. Its detail holds no text of the caller. */
export class EventNotStorableError extends Problem {
  override name = 'EventNotStorableError'
  readonly fault: string

  constructor(fault: string, options: { readonly code?: 'too-large'; readonly cause?: unknown } = {}) {
    const { code = 'invalid-request', cause } = options
    super(code, `the event that records this request cannot be stored: ${fault}; send less, or plainer text`, { cause })
    this.fault = fault
  }
}

/** A leaf, and the members that the database reads. */
interface LeafFields extends Readonly<Record<string, unknown>> {
  readonly type: string
  readonly at: string
  readonly actor: string
}

/** The bytes of a leaf, RFC 8785 JSON. Throws `EventNotStorableError` for exactly what the database refuses. */
export function encodeLeaf(fields: LeafFields): Uint8Array {
  const bytes = canonicalBytes(fields)
  const fault = fieldFault(fields) ?? nulFault(fields, bytes)
  if (fault !== undefined) throw new EventNotStorableError(fault)
  if (bytes.length <= leafBytesMax) return bytes
  throw new EventNotStorableError(`it has ${bytes.length} bytes, and may have ${leafBytesMax}`, { code: 'too-large' })
}

function canonicalBytes(fields: LeafFields): Uint8Array {
  try {
    return canonicalJson(fields, { depthMax: leafDepthMax })
  } catch (error) {
    if (!(error instanceof NotCanonicalizableError)) throw error
    throw new EventNotStorableError(error.message, { cause: error })
  }
}

// An instant as `toISOString` writes it, in the years that every reader knows.
const instant = /^(?!0000)\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

function fieldFault({ type, at, actor }: LeafFields): string | undefined {
  if (Buffer.byteLength(type) > typeBytesMax) return `its type is longer than ${typeBytesMax} bytes`
  if (Buffer.byteLength(actor) > actorBytesMax) return `its actor is longer than ${actorBytesMax} bytes`
  return instant.test(at) ? undefined : 'its instant is outside the years 1 to 9999'
}

/** No `jsonb` holds a NUL, and canonical JSON writes it so. A text may hold these characters too, so that is a first look. */
const nulInJson = '\\u0000'

function nulFault(fields: LeafFields, bytes: Uint8Array): string | undefined {
  const isSuspect = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes(nulInJson)
  return isSuspect && hasNul(fields) ? 'it holds a NUL character' : undefined
}

function hasNul(value: unknown): boolean {
  if (typeof value === 'string') return value.includes('\u0000')
  if (typeof value !== 'object' || value === null) return false
  return Object.entries(value).some(([name, member]) => hasNul(name) || hasNul(member))
}
