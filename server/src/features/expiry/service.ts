/**
 * Expiry: ends what has run out, and what lives below an identity that was revoked, deleted or has expired. Nothing rests
 * on it: what has run out is refused by the clock wherever it is used, and every decision looks up the chain. It makes
 * true what is shown and counted, frees what was taken, and puts each end on record, at most five seconds late.
 *
 * One instance at a time does it, by a lease that another takes over when it dies. A batch locks what it ends and skips
 * what is locked, so that two at once, where a holder wakes late, end nothing twice.
 */
import type { TenantId } from '@agent-iam/contract/ids'
import { tryAll } from '../../lib/try-all.ts'
import { asCaller, inTransaction, type Context } from '../../platform/context.ts'
import type { Lease } from '../../platform/lease.ts'
import { endings, type Ending } from './endings.ts'
import { findDueTenants, limitSilence, type DueTenant } from './store.ts'

/** Tells how late something was ended. */
export type OnEnded = (kind: string, lateSeconds: number) => void

const tenantsAtOnce = 100
/** Of each kind in a tenant's turn: some hundred milliseconds for who has much, and no others looked for meanwhile. */
const batchesMax = 10
/** A holder that hangs in a batch lets go after this, and whoever took over ends what it held in time. */
const silenceMsMax = 1_500

/** How a tenant's turn ended; `lost`: another instance has the lease. */
type Visit = 'done' | 'more' | 'lost'

/** The job. One of an instance; `run` is called every second. */
export class Expiry {
  readonly #lease: Lease
  readonly #onEnded: OnEnded
  #round: Promise<void> | undefined
  #isClosed = false

  constructor(lease: Lease, onEnded: OnEnded) {
    this.#lease = lease
    this.#onEnded = onEnded
  }

  /** Ends all that is due, unless another instance does; who asks during a round waits for that one. */
  run(system: Context): Promise<void> {
    this.#round ??= this.#run(system).finally(() => (this.#round = undefined))
    return this.#round
  }

  /** Waits for the batch that is under way, and lets another instance go on at once. */
  async close(system: Context): Promise<void> {
    this.#isClosed = true
    await this.#round?.catch(() => undefined)
    await this.#lease.release(system)
  }

  async #run(system: Context): Promise<void> {
    while (!this.#isClosed && (await this.#visitTenants(system)));
  }

  /** Asked before each batch, so that the lease is renewed in time. With nothing due nobody asks, and nothing is written. */
  async #mayGoOn(system: Context): Promise<boolean> {
    return !this.#isClosed && (await this.#lease.hold(system))
  }

  /** Each tenant in turn; whether there is more to do. */
  async #visitTenants(system: Context): Promise<boolean> {
    const visits = new Set<Visit>()
    for (let after: TenantId | undefined; ;) {
      const due = await inTransaction(system, (tx) => findDueTenants(tx, after, tenantsAtOnce))
      await tryAll(due, async (tenant) => {
        if (!visits.has('lost')) visits.add(await this.#visit(system, tenant))
      })
      if (visits.has('lost')) return false
      if (due.length < tenantsAtOnce) return visits.has('more')
      after = due.at(-1)?.tenantId
    }
  }

  /** Some batches of each kind that is due, few enough that who has much to end does not keep the others waiting. */
  async #visit(system: Context, { tenantId, kinds }: DueTenant): Promise<Visit> {
    const there = asCaller(system, { kind: 'system', tenantId, address: '' })
    let left = endings.filter(({ kind, follows }) => kinds.includes(kind) || (follows && kinds.includes(follows)))
    for (let batch = 1; batch <= batchesMax && left.length > 0; batch++) {
      if (!(await this.#mayGoOn(system))) return 'lost'
      left = await this.#endSome(there, left)
    }
    return left.length > 0 ? 'more' : 'done'
  }

  /** Those of which there may be more. One that fails keeps no other. */
  async #endSome(there: Context, due: readonly Ending[]): Promise<Ending[]> {
    const left: Ending[] = []
    await tryAll(due, async (ending) => {
      if (await this.#end(there, ending)) left.push(ending)
    })
    return left
  }

  /** Whether some was ended and there may be more. */
  async #end(there: Context, { kind, atOnce, follows, end }: Ending): Promise<boolean> {
    const due = await inTransaction(there, async (tx) => {
      await limitSilence(tx, silenceMsMax)
      return end(tx, atOnce)
    })
    const now = there.clock.now().getTime()
    for (const since of due) this.#onEnded(kind, (now - since.getTime()) / 1000)
    // A step down has been made, and the next may be full.
    return due.length >= atOnce || (follows !== undefined && due.length > 0)
  }
}
