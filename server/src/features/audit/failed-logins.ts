import type { IdentityId } from '@agent-iam/contract/ids'
import { asCaller, type Context, type FailedLogin } from '../../platform/context.ts'
import { addressPrefix } from './refusals.ts'
import { recordAlone } from './service.ts'

const minuteMs = 60_000
/** Most aggregates of one tenant and minute: more than any honest minute has. What comes beyond shares one. */
export const aggregatesOfTenantMax = 1_000
/** Most aggregates of all tenants, about half a kilobyte each. A tenant that finds no room has one for everything. */
export const aggregatesMax = 20_000
/** Events that are appended at once, so that decisions do not wait behind all of them. */
const appendedAtOnce = 100

interface Aggregate {
  /** The first request that failed, with the tenant's log. */
  readonly ctx: Context
  readonly minuteMs: number
  readonly account: IdentityId | undefined
  /** Undefined in what many networks share. */
  readonly prefix: string | undefined
  readonly counts: Map<FailedLogin['method'], number>
}

/**
 * Failed logins for the log of the tenant, one event for each account, network and minute. They are counted in memory and
 * appended when their minute is over, so that a login costs the same whether or not the account exists. Logins of accounts
 * that do not exist share one event for each network and minute, so that nobody fills the log with invented names.
 */
export class FailedLogins {
  readonly #aggregates = new Map<string, Aggregate>()
  /** How many aggregates each tenant and minute has; forgotten with the last of them. */
  readonly #sizes = new Map<string, number>()

  note(ctx: Context, { method, account }: FailedLogin): void {
    const minute = Math.floor(ctx.clock.now().getTime() / minuteMs) * minuteMs
    const { tenantId, address } = ctx.caller
    const own = { account, prefix: addressPrefix(address) }
    const { key, place } = this.#placeFor(`${tenantId} ${minute}`, own)
    const aggregate = this.#aggregates.get(key) ?? { ctx, minuteMs: minute, ...place, counts: new Map() }
    this.#aggregates.set(key, aggregate)
    aggregate.counts.set(method, (aggregate.counts.get(method) ?? 0) + 1)
  }

  /** Appends what is counted of minutes that are over, or all. What could not be appended is kept for the next time. */
  async flush(ctx: Context, which: 'ended' | 'all' = 'ended'): Promise<void> {
    const before = which === 'all' ? Infinity : ctx.clock.now().getTime() - minuteMs
    const due = [...this.#aggregates].filter(([, aggregate]) => aggregate.minuteMs <= before)
    const failures: unknown[] = []
    while (due.length > 0) {
      const results = await Promise.allSettled(due.splice(0, appendedAtOnce).map((each) => this.#append(...each)))
      // One tenant's failure keeps no other's events back.
      for (const result of results) if (result.status === 'rejected') failures.push(result.reason)
    }
    if (failures.length > 0) throw failures[0]
  }

  #placeFor(group: string, own: Pick<Aggregate, 'account' | 'prefix'>) {
    const key = `${group} ${own.prefix} ${own.account}`
    if (this.#aggregates.has(key)) return { key, place: own }
    const size = this.#sizes.get(group) ?? 0
    if (size >= aggregatesOfTenantMax || this.#aggregates.size >= aggregatesMax)
      return { key: `${group} elsewhere`, place: { account: undefined, prefix: undefined } }
    this.#sizes.set(group, size + 1)
    return { key, place: own }
  }

  /** Taken out first: what fails while it is appended is an aggregate of its own. */
  async #append(key: string, aggregate: Aggregate): Promise<void> {
    this.#aggregates.delete(key)
    try {
      await record(aggregate)
      this.#forget(`${aggregate.ctx.caller.tenantId} ${aggregate.minuteMs}`)
    } catch (error) {
      this.#aggregates.set(key, aggregate)
      throw error
    }
  }

  #forget(group: string): void {
    const left = (this.#sizes.get(group) ?? 0) - 1
    if (left > 0) this.#sizes.set(group, left)
    else this.#sizes.delete(group)
  }
}

async function record({ ctx, minuteMs: minute, account, prefix, counts }: Aggregate): Promise<void> {
  const { tenantId, address } = ctx.caller
  await recordAlone(asCaller(ctx, { kind: 'anonymous', tenantId, address }), {
    type: 'login.failed',
    decision: 'deny',
    reasons: ['invalid-credentials'],
    data: {
      minute: new Date(minute).toISOString(),
      count: [...counts.values()].reduce((sum, each) => sum + each, 0),
      methods: Object.fromEntries(counts),
      isKnownAccount: account !== undefined,
    },
    personal: {
      subject: account ?? 'month',
      fields: { account: account ?? null, addressPrefix: prefix ?? null },
    },
  })
}
