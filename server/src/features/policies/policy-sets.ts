import type { TenantId } from '@agent-iam/contract/ids'
import type { Transaction } from '../../platform/context.ts'
import type { PolicySet } from './selection.ts'
import { readPolicySet } from './store.ts'

/** Sets held at once; the one read longest ago goes first. */
const setsMax = 1000

/** Keeps each tenant's policies as long as their version is the present one. */
export class PolicySets {
  readonly #sets = new Map<TenantId, { version: number; set: PolicySet }>()

  /** The tenant's set at a version that was just read in this transaction. */
  async get(tx: Transaction, version: number): Promise<PolicySet> {
    const { tenantId } = tx.caller
    const held = this.#sets.get(tenantId)
    if (held?.version === version) return held.set
    const set = await readPolicySet(tx)
    const [oldest] = this.#sets.keys()
    if (oldest !== undefined && this.#sets.size >= setsMax) this.#sets.delete(oldest)
    // A set newer than the version asked for is kept under its own: the next question names that one.
    this.#sets.set(tenantId, { version: Number(set.version) || version, set })
    return set
  }
}
