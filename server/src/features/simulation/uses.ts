import { unusedDaysMax } from '@agent-iam/contract/simulation'
import { addSeconds } from '../../platform/clock.ts'
import { asCaller, inTransaction, type Context } from '../../platform/context.ts'
import { readLogSize } from '../audit/service.ts'
import {
  absorbUses,
  deleteOldUses,
  findTenantsWithUnreadUses,
  lockCursor,
  updateCursor,
  type ReadSoFar,
} from './store/uses.ts'

/** Events that are read in one transaction: some tens of milliseconds. */
const eventsAtOnce = 5_000
/** Reads of one run of the job: half a million events a minute for each tenant, and each instance takes its part. */
const readsMax = 100
const tenantsAtOnce = 100
const deletedAtOnce = 1_000
const deletionsMax = 50
const daySeconds = 86_400

export interface Progress extends ReadSoFar {
  readonly isComplete: boolean
}

/** Takes over what tenants used since the last time. Each minute; any number of instances may do it at once. */
export async function absorbAllUses(ctx: Context): Promise<void> {
  const tenants = await inTransaction(ctx, (tx) => findTenantsWithUnreadUses(tx, tenantsAtOnce))
  for (const tenantId of tenants) {
    const there = asCaller(ctx, { kind: 'system', tenantId, address: '' })
    await readOn(there, readsMax)
    await forgetOldUses(there)
  }
}

/** Reads the tenant’s log on, in at most so many steps. */
export async function readOn(ctx: Context, stepsMax: number): Promise<Progress> {
  let progress = await readSome(ctx)
  for (let step = 1; step < stepsMax && !progress.isComplete; step++) progress = await readSome(ctx)
  return progress
}

async function readSome(ctx: Context): Promise<Progress> {
  return inTransaction(ctx, async (tx) => {
    const from = await lockCursor(tx)
    const size = await readLogSize(tx)
    const sequence = Math.min(size, from.sequence + eventsAtOnce)
    if (sequence === from.sequence) return { ...from, isComplete: true }
    const at = (await absorbUses(tx, from.sequence, sequence)) ?? from.at
    await updateCursor(tx, { sequence, at })
    return { sequence, at, isComplete: sequence === size }
  })
}

async function forgetOldUses(ctx: Context): Promise<void> {
  const before = addSeconds(ctx.clock.now(), -unusedDaysMax * daySeconds)
  for (let n = 1; n <= deletionsMax; n++) {
    const deleted = await inTransaction(ctx, (tx) => deleteOldUses(tx, before, deletedAtOnce))
    if (deleted < deletedAtOnce) return
  }
}
