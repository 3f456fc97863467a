import type { TenantId } from '@agent-iam/contract/ids'
import type { Clock } from './clock.ts'

/** What was read, and how long it may be believed. */
export interface Recent<Value> {
  readonly value: Value
  /** The epoch of the tenant's log that it was read under. */
  readonly epoch: number
  /** The first instant at which time alone makes it another; undefined: never. */
  readonly edge?: Date | undefined
}

/** A moment before something is read: what is changed after it may be missing in what was read. */
export interface Moment {
  readonly at: number
  readonly changes: number
}

/** How long what another instance has widened may go unnoticed (DESIGN D13). */
const believedMs = 1000

/**
 * What decisions rest on, read a moment ago. Only for what ends in an append that names its epoch: the log refuses it once
 * anything was narrowed, so nothing held here outlives that. What was widened is told to `forget` on this instance, and
 * noticed within a second on any other.
 */
export class RecentReads<Value> {
  readonly #clock: Clock
  readonly #entriesMax: number
  readonly #held = new Map<string, Recent<Value> & Moment & { readonly tenantId: TenantId }>()
  /** Of each tenant, the newest epoch seen, and how often this instance has changed anything. */
  readonly #tenants = new Map<TenantId, { epoch: number; changes: number }>()

  constructor(clock: Clock, entriesMax: number) {
    this.#clock = clock
    this.#entriesMax = entriesMax
  }

  /** To be taken before reading what is then given to `keep`. */
  momentOf(tenantId: TenantId): Moment {
    return { at: this.#clock.now().getTime(), changes: this.#tenantOf(tenantId).changes }
  }

  /** @param key of what is one tenant's; it names the tenant, where the same could be of several */
  find(key: string): Recent<Value> | undefined {
    const held = this.#held.get(key)
    if (!held) return undefined
    const { epoch, changes } = this.#tenantOf(held.tenantId)
    const now = this.#clock.now().getTime()
    const age = now - held.at
    // A clock that was put back tells no age.
    const isYoung = age >= 0 && age < believedMs && (!held.edge || now < held.edge.getTime())
    return isYoung && held.epoch >= epoch && held.changes === changes ? held : undefined
  }

  keep(tenantId: TenantId, key: string, recent: Recent<Value>, moment: Moment): void {
    const tenant = this.#tenantOf(tenantId)
    tenant.epoch = Math.max(tenant.epoch, recent.epoch)
    this.#held.delete(key)
    const [oldest] = this.#held.keys()
    if (oldest !== undefined && this.#held.size >= this.#entriesMax) this.#held.delete(oldest)
    this.#held.set(key, { ...recent, ...moment, tenantId })
  }

  /** This instance has changed something of the tenant: nothing read before is believed any longer. */
  forget(tenantId: TenantId): void {
    this.#tenantOf(tenantId).changes++
  }

  #tenantOf(tenantId: TenantId): { epoch: number; changes: number } {
    const tenant = this.#tenants.get(tenantId) ?? { epoch: 0, changes: 0 }
    this.#tenants.set(tenantId, tenant)
    return tenant
  }
}
