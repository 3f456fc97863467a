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
  const fault = fieldFault(fields) ?? nestedFault(fields, 0)
  if (fault !== undefined) throw new EventNotStorableError(fault)
  const bytes = canonicalBytes(fields)
  if (bytes.length <= leafBytesMax) return bytes
  throw new EventNotStorableError(`it has ${bytes.length} bytes, and may have ${leafBytesMax}`, { code: 'too-large' })
}

function canonicalBytes(fields: LeafFields): Uint8Array {
  try {
    return canonicalJson(fields)
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

/** What no `jsonb` holds, and what canonical JSON does not refuse by itself. */
function nestedFault(value: unknown, depth: number): string | undefined {
  if (depth > leafDepthMax) return `it is nested deeper than ${leafDepthMax}`
  if (typeof value === 'string') return textFault(value)
  if (typeof value !== 'object' || value === null) return undefined
  return Array.isArray(value) ? firstFault(value, depth) : memberFault(value, depth)
}

function memberFault(members: object, depth: number): string | undefined {
  for (const [name, member] of Object.entries(members)) {
    const fault = textFault(name) ?? nestedFault(member, depth + 1)
    if (fault !== undefined) return fault
  }
  return undefined
}

function firstFault(items: readonly unknown[], depth: number): string | undefined {
  for (const item of items) {
    const fault = nestedFault(item, depth + 1)
    if (fault !== undefined) return fault
  }
  return undefined
}

function textFault(text: string): string | undefined {
  return text.includes('\u0000') ? 'it holds a NUL character' : undefined
}
