/**
 * Limits on requests: sliding windows by what requests have in common (DESIGN D3). A tenant sets rules; of each dimension
 * the most specific one holds, an exact one before that for each. A request counts in all windows or in none, over all
 * instances, so no more get through than each lets. Requests that prove nobody are counted by their address alone, before
 * anything else is looked at.
 */
import type { LimitDimension } from '@agent-iam/contract/limits'
import { IdentityIdSchema, type RateLimitId } from '@agent-iam/contract/ids'
import { addressNetwork } from '../../platform/address-network.ts'
import { actorOf, inTransaction, type Context, type Transaction } from '../../platform/context.ts'
import { readIdCursor, toPage } from '../../platform/paging.ts'
import { notFound, Problem } from '../../platform/problem.ts'
import { requireRevision, type IfMatch } from '../../platform/revision.ts'
import { recordEvent } from '../audit/service.ts'
import { readRoleDefinitions } from '../capabilities/service.ts'
import { findIdentity } from '../identities/service.ts'
import { requireSession } from '../sessions/service.ts'
import type { Limiter } from './limiter.ts'
import { logUnitBytes, logWindow } from './log-bytes.ts'
import { eachSubject, type Limits, type LimitWindow, type RateLimit } from './model.ts'
import {
  deleteRateLimit as deleteRow,
  findRateLimit,
  findRateLimitForUpdate,
  holdAndCount,
  insertRateLimit,
  listRateLimits,
  updateLimits,
} from './store.ts'

export { isCountedByBody } from './asked-types.ts'
export { Limiter } from './limiter.ts'
export { logUnitBytes }

/** Most rules of a tenant: each instance reads all of them whenever something has changed. */
const rulesMax = 500

export interface NewRateLimit extends Limits {
  readonly dimension: LimitDimension
  readonly subject: string
}

export async function createRateLimit(ctx: Context, wanted: NewRateLimit): Promise<RateLimit> {
  return inTransaction(ctx, async (tx) => {
    await tx.authorize('limits:create', { type: 'limits' })
    const subject = await requireSubject(tx, wanted)
    if ((await holdAndCount(tx)) >= rulesMax)
      throw new Problem('quota-spent', `a tenant has at most ${rulesMax} limits; remove one first`)
    const now = tx.clock.now()
    const made = {
      id: tx.newId('rateLimit'),
      revision: 1,
      createdBy: actorOf(tx.caller),
      createdAt: now,
      updatedAt: now,
    }
    const limit = { ...wanted, subject, ...made }
    if (!(await insertRateLimit(tx, limit)))
      throw new Problem('already-exists', `there is a limit for ${wanted.dimension} ${subject}; change that one`)
    record(tx, 'rate-limit.created', limit)
    return limit
  })
}

/** Returns it as it is stored. Throws `not-found` for whom the tenant does not have. */
async function requireSubject(tx: Transaction, { dimension, subject }: NewRateLimit): Promise<string> {
  if (subject === eachSubject) return subject
  if (dimension === 'address') return addressNetwork(subject.replace(/\/64$/, ''))
  const isThere = await {
    identity: () => hasIdentity(tx, subject),
    role: async () => (await readRoleDefinitions(tx)).some(({ key }) => key === subject),
    // A type need not be declared to be asked about.
    'resource-type': () => Promise.resolve(true),
    tenant: () => Promise.resolve(false),
  }[dimension]()
  if (isThere) return subject
  throw notFound(dimension === 'role' ? 'roles' : 'identities', subject)
}

async function hasIdentity(tx: Transaction, subject: string): Promise<boolean> {
  const id = IdentityIdSchema.safeParse(subject)
  return id.success && (await findIdentity(tx, id.data)) !== undefined
}

export interface RateLimitsQuery {
  readonly limit: number
  readonly cursor?: string | undefined
  readonly dimension?: LimitDimension | undefined
}

export async function pageRateLimits(
  ctx: Context,
  { limit, cursor, dimension }: RateLimitsQuery,
): Promise<{ rows: RateLimit[]; nextCursor: string | null }> {
  const after = readIdCursor('rateLimit', cursor)
  return inTransaction(ctx, async (tx) => {
    await tx.authorize('limits:read', { type: 'limits' })
    return toPage(await listRateLimits(tx, { dimension, after }, limit + 1), limit, ({ id }) => [id])
  })
}

export async function getRateLimit(ctx: Context, id: RateLimitId): Promise<RateLimit> {
  return inTransaction(ctx, async (tx) => {
    const limit = requireFound(await findRateLimit(tx, id), id)
    await tx.authorize('limits:read', { type: 'limits', id })
    return limit
  })
}

export async function updateRateLimit(
  ctx: Context,
  id: RateLimitId,
  wanted: Limits,
  ifMatch: IfMatch,
): Promise<RateLimit> {
  return inTransaction(ctx, async (tx) => {
    const held = requireFound(await findRateLimitForUpdate(tx, id), id)
    await tx.authorize('limits:update', { type: 'limits', id })
    requireRevision(held, ifMatch)
    const limit = { ...held, ...wanted, revision: held.revision + 1, updatedAt: tx.clock.now() }
    await updateLimits(tx, limit)
    record(tx, 'rate-limit.updated', limit)
    return limit
  })
}

export async function deleteRateLimit(ctx: Context, id: RateLimitId): Promise<void> {
  await inTransaction(ctx, async (tx) => {
    const limit = requireFound(await findRateLimitForUpdate(tx, id), id)
    await tx.authorize('limits:delete', { type: 'limits', id })
    await deleteRow(tx, id)
    record(tx, 'rate-limit.deleted', limit)
  })
}

function requireFound(limit: RateLimit | undefined, id: RateLimitId): RateLimit {
  if (!limit) throw notFound('limits', id)
  return limit
}

/** No decision rests on it, so none is overtaken by it. An address is personal. */
function record(
  tx: Transaction,
  type: 'rate-limit.created' | 'rate-limit.updated' | 'rate-limit.deleted',
  { id, dimension, subject, perMinute, perHour, perDay }: RateLimit,
): void {
  const isPersonal = dimension === 'address' && subject !== eachSubject
  recordEvent(tx, {
    type,
    resource: id,
    data: { dimension, perMinute, perHour, perDay, ...(!isPersonal && { subject }) },
    ...(isPersonal && { personal: { subject: 'month', fields: { address: subject } } }),
  })
}

export interface WindowUsage {
  readonly window: LimitWindow
  readonly remaining: number
  readonly moreAt: Date | undefined
}

/** How it stands with the limits that hold for whatever the caller asks. */
export async function readUsage(ctx: Context, limiter: Limiter): Promise<WindowUsage[]> {
  requireSession(ctx.caller)
  const windows = [...(await limiter.windowsFor(ctx, { operation: { id: '', action: 'self' } })), ...logWindow(ctx)]
  return Promise.all(
    windows.map(async (window) => {
      const looked = { ...window, cost: 0 }
      const room = await ctx.sharedState.take(`tenant ${ctx.caller.tenantId}`, [looked])
      const [remaining = 0] = room.remaining
      const moreAt = room.waitMs > 0 ? new Date(ctx.clock.now().getTime() + room.waitMs) : undefined
      return { window, remaining, moreAt }
    }),
  )
}
