import type { TenantId } from '@agent-iam/contract/ids'
import type { Clock } from './clock.ts'
import type { Beat, Pulse } from './pulse.ts'

/** What was read, together with the beat of its moment. */
export interface Recent<Value> extends Beat {
  readonly value: Value
  /** The first instant at which time alone makes it another; undefined: never. */
  readonly edge?: Date | undefined
}

/**
 * What decisions rest on, read before. Only for what ends in an append that names its epoch: the log refuses it once anything
 * was narrowed, so nothing held here outlives that. What was widened is noticed by the pulse.
 */
export class RecentReads<Value> {
  readonly #pulse: Pick<Pulse, 'of'>
  readonly #clock: Clock
  readonly #entriesMax: number
  readonly #held = new Map<string, Recent<Value> & { readonly tenantId: TenantId; readonly since: Date }>()

  constructor({ pulse, clock, entriesMax }: { pulse: Pick<Pulse, 'of'>; clock: Clock; entriesMax: number }) {
    this.#pulse = pulse
    this.#clock = clock
    this.#entriesMax = entriesMax
  }

  /** @param key of what is one tenant's; it names the tenant, where the same could be of several */
  async find(key: string): Promise<Recent<Value> | undefined> {
    const held = this.#held.get(key)
    if (!held) return undefined
    const { epoch, changes } = await this.#pulse.of(held.tenantId)
    const isPresent = held.epoch === epoch && held.changes === changes
    const now = this.#clock.now()
    // A clock may step back, over an edge too: what held later is not known to hold now.
    const isInTime = now >= held.since && (!held.edge || now < held.edge)
    return isPresent && isInTime ? held : undefined
  }

  keep(tenantId: TenantId, key: string, recent: Recent<Value>): void {
    this.#held.delete(key)
    const [oldest] = this.#held.keys()
    if (oldest !== undefined && this.#held.size >= this.#entriesMax) this.#held.delete(oldest)
    this.#held.set(key, { ...recent, tenantId, since: this.#clock.now() })
  }
}
