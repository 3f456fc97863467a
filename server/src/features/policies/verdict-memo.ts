import type { TenantId } from '@agent-iam/contract/ids'
import { Generations } from '../../lib/generations.ts'
import { valueAt } from './context-reads.ts'
import type { CedarJson, CedarRequest } from './cedar-json.ts'
import { digestOf, type Slice } from './slices.ts'
import type { Verdict } from './verdict.ts'

/** A verdict that names more policies is not kept: above it lies only what matches more than a tenant's unscoped policies. */
const namedMax = 100

/**
 * Verdicts that were given before. A verdict is a pure function of the policies, of who asks what of what, of the entities,
 * and of what the policies read from the context; all of that is the key. So nothing here can grow wrong, whatever is
 * revoked: that changes the entities or the policies, and with them the key.
 */
export class VerdictMemo {
  readonly #verdicts: Generations<Verdict>
  #hits = 0
  #misses = 0

  constructor(verdictsMax: number) {
    this.#verdicts = new Generations(verdictsMax)
  }

  /** How often an answer was there and how often it was not. Requests without a key count as neither. */
  get counts(): { readonly hits: number; readonly misses: number } {
    return { hits: this.#hits, misses: this.#misses }
  }

  find(key: string): Verdict | undefined {
    const verdict = this.#verdicts.find(key)
    if (verdict) this.#hits += 1
    else this.#misses += 1
    return verdict
  }

  keep(key: string, verdict: Verdict): void {
    if (verdict.reasons.length + verdict.errors.length <= namedMax) this.#verdicts.keep(key, verdict)
  }
}

/** Undefined when the slice's answer may depend on what cannot be bounded: the clock, or the context as a whole. */
export function memoKey(tenantId: TenantId, slice: Slice, request: CedarRequest): string | undefined {
  if (!slice.reads.isBounded) return undefined
  const { principal, action, resource, context, entities } = request
  const read = slice.reads.paths.map((path) => valueAt(context, path))
  const asked = [principal.type, principal.id, action.type, action.id, resource.type, resource.id]
  return digestOf([tenantId, slice.identity, asked, read, extensionsIn(context['request']), entities])
}

/**
 * The values of Cedar's own types that a caller sent. Only the library can tell whether it can read them, and it denies what it
 * cannot, read or not.
 */
function extensionsIn(value: CedarJson | undefined): string[] {
  if (typeof value !== 'object') return []
  if (Array.isArray(value)) return value.flatMap(extensionsIn)
  if (Object.hasOwn(value, '__extn') || Object.hasOwn(value, '__entity')) return [JSON.stringify(value)]
  return Object.values(value).flatMap(extensionsIn)
}
