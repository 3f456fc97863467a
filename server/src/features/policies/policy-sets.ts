import type { TenantId } from '@agent-iam/contract/ids'
import type { Transaction } from '../../platform/context.ts'
import type { PolicySet } from './selection.ts'
import { readPolicySet } from './store.ts'

/** Sets held at once; the one used longest ago goes first. */
const setsMax = 1000

interface Held {
  readonly version: number
  readonly set: PolicySet
}

/** Keeps each tenant's policies as long as their version is the present one. */
export class PolicySets {
  readonly #sets = new Map<TenantId, Held>()

  /** The tenant's set at a version that was just read in this transaction. */
  async get(tx: Transaction, version: number): Promise<PolicySet> {
    const { tenantId } = tx.caller
    const held = this.#sets.get(tenantId)
    if (held?.version === version) return this.#keep(tenantId, held)
    const set = await readPolicySet(tx)
    // It may hold what this transaction changed: that may yet be undone, and another change come under the same version.
    if (tx.events.length > 0) return set
    // A set newer than the version asked for is kept under its own: the next question names that one.
    return this.#keep(tenantId, { version: Number(set.version) || version, set })
  }

  /** As the last one used: a map keeps the order in which its keys came. */
  #keep(tenantId: TenantId, held: Held): PolicySet {
    this.#sets.delete(tenantId)
    const [oldest] = this.#sets.keys()
    if (oldest !== undefined && this.#sets.size >= setsMax) this.#sets.delete(oldest)
    this.#sets.set(tenantId, held)
    return held.set
  }
}
