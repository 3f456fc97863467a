import { availableParallelism } from 'node:os'
import type { JobOwner } from '../../lib/fair-queue.ts'
import { addressNetwork } from '../../platform/address-network.ts'
import type { Context } from '../../platform/context.ts'
import { WorkQueue } from '../../platform/work-queue.ts'

/** Of the four threads that Node has for such work, one is always left to others. */
const threadsMax = 3
/** Hashing at once: half the cores, so that the other half is there for everything else. */
const hashingMax = Math.min(threadsMax, Math.max(1, Math.floor(availableParallelism() / 2)))
/** Passwords have up to a thousand characters, so the number of jobs is the bound that matters. */
const bytesMax = { total: 1_000_000, tenant: 500_000, root: 250_000 }
/** A hash takes a tenth of a second, an imported one a quarter; a busy machine takes several times that. */
const honestMs = 2_000
/** Nobody waits longer for a login; what a tenant may have waiting is done by then. */
const waitMsMax = 10_000
const budgetMs = { tenant: 10_000, root: 5_000 }
const halfLifeMs = 10_000
/** An office has one address, and so many people of it log in at the same moment. */
const waitingMax = { total: 192, tenant: 64, root: 32 }
const atOnce = { total: hashingMax, tenant: hashingMax, root: Math.max(1, hashingMax - 1) }

const times = { waitMsMax, honestMs, budgetMs, halfLifeMs }

/** Argon2id and bcrypt. */
export const hashing = new WorkQueue({ jobs: 'passwords', atOnce, waitingMax, bytesMax, ...times })

/**
 * Logins: no more passwords are proved at once than are hashed, so that a flood of them takes no connections from those who
 * ask for decisions. A login has its turn here before it is looked up, and then one for its hash.
 */
export const logins = new WorkQueue({ jobs: 'logins', atOnce, waitingMax, bytesMax, ...times })

/** Judging how hard a password is to guess takes a core for half a second, in one process. */
export const judging = new WorkQueue({
  jobs: 'new passwords',
  atOnce: { total: 1, tenant: 1, root: 1 },
  waitingMax: { total: 48, tenant: 16, root: 8 },
  bytesMax,
  ...times,
  waitMsMax: 15_000,
})

/**
 * Whom work on a password counts against: who is logged in by themselves, and a stranger by the account that they name and
 * the network that they come from. Each of these alone is cheap to multiply, so the busier of both counts.
 *
 * @param tenant where it is not the caller's: what was given for a tenant, if there is none such
 */
export function passwordOwner(
  { caller }: Pick<Context, 'caller'>,
  account: string,
  tenant: string = caller.tenantId,
): JobOwner {
  if (caller.kind === 'identity') return { tenantId: tenant, roots: [caller.identityId] }
  return { tenantId: tenant, roots: [`account ${account}`, `network ${addressNetwork(caller.address)}`] }
}
