/**
 * Grants of capabilities, one by one, each with its conditions and its time (DESIGN D5, D6), and what an identity may do by
 * them. Nobody grants what they do not hold, nor for longer than they hold it; what an agent is granted lies within what
 * everybody holds who lends it authority. What is taken away is gone with the next decision.
 */
import type { GrantId, IdentityId } from '@agent-iam/contract/ids'
import {
  inTransaction,
  sourceAgentOf,
  sourceSessionOf,
  type Context,
  type Transaction,
} from '../../platform/context.ts'
import { notFound, Problem } from '../../platform/problem.ts'
import { recordEvent } from '../audit/service.ts'
import { openConditions } from '../capabilities/model.ts'
import { endWithSource, listUses, requireMayDelegate } from '../capabilities/service.ts'
import { nounOf, requireChangeable, type AnyIdentity } from '../identities/model.ts'
import { lockIdentity, requireWithinLenders, updateDescription } from '../identities/service.ts'
import { protectIdentity, requireIdentity } from './access.ts'
import { grantsMax, quotaUse, type Grant, type GrantsView, type GrantView, type WantedGrant } from './model.ts'
import { deleteGrant, findGrantOf, insertGrant, listGrantsOf, updateGrant } from './store.ts'

export { listPermissions } from './permissions.ts'
export { pageCatalogue } from './catalogue.ts'

export async function listGrants(ctx: Context, identityId: IdentityId): Promise<GrantsView> {
  return inTransaction(ctx, async (tx) => {
    const { labels } = await requireIdentity(tx, identityId)
    return { grants: await viewGrants(tx, await listGrantsOf(tx, identityId)), labels }
  })
}

/** Grants a capability, or gives the grant of it that is there these conditions and times. */
export async function grantCapability(ctx: Context, id: IdentityId, wanted: WantedGrant): Promise<GrantView> {
  return inTransaction(ctx, async (tx) => {
    const identity = await holdIdentity(tx, id)
    await tx.authorize('capabilities:grant', await protectIdentity(tx, identity))
    requireChangeable(identity, tx.clock.now())
    requireFuture(wanted.expiresAt, tx.clock.now())
    await requireMayDelegate(tx, [wanted.entry], { from: wanted.validFrom, until: wanted.expiresAt })
    await requireWithinLenders(tx, identity, { capabilities: [wanted.entry] })
    const before = await findGrantOf(tx, id, wanted.entry)
    requireNoLoss(tx, before)
    if (!before) await requireRoom(tx, id)
    const bounded = { ...wanted, expiresAt: await endWithSource(tx, wanted.expiresAt) }
    const grant = before ? await updateGrant(tx, before, bounded) : await insertGrant(tx, id, bounded)
    await touch(tx, id)
    recordGrant(tx, grant, before)
    return viewGrant(tx, grant)
  })
}

export async function revokeCapability(ctx: Context, id: IdentityId, grantId: GrantId): Promise<GrantView> {
  return inTransaction(ctx, async (tx) => {
    const identity = await holdIdentity(tx, id)
    await tx.authorize('capabilities:revoke', await protectIdentity(tx, identity))
    const grant = await deleteGrant(tx, id, grantId)
    if (!grant) throw notFound('capabilities', grantId)
    await touch(tx, id)
    const { entry } = grant
    recordEvent(tx, { ...about(id), type: 'capability.revoked', data: { grantId, capability: entry }, narrows: true })
    return viewGrant(tx, grant)
  })
}

/** Who may not even read the identity finds none. It is held, so that its grants change one after the other. */
async function holdIdentity(tx: Transaction, id: IdentityId): Promise<AnyIdentity> {
  await lockIdentity(tx, id)
  return requireIdentity(tx, id)
}

/** What is told of an identity includes its grants, so who changes it by its `ETag` must have seen them. */
async function touch(tx: Transaction, id: IdentityId): Promise<void> {
  await updateDescription(tx, id, {})
}

/** A grant that stands by itself would end with the session or the agent that changes it. */
function requireNoLoss(tx: Transaction, before: Grant | undefined): void {
  const isInForce = before && (!before.expiresAt || before.expiresAt > tx.clock.now())
  if (!isInForce || !before.standsAlone) return
  if (sourceSessionOf(tx.caller) === undefined && sourceAgentOf(tx.caller) === undefined) return
  throw new Problem(
    'wrong-state',
    `${before.entry} is granted already, for longer than this session or agent lasts; log in as a person to change it`,
  )
}

function requireFuture(expiresAt: Date | undefined, now: Date): void {
  if (!expiresAt || expiresAt > now) return
  const message = 'is past; revoke what shall end now'
  throw new Problem('invalid-request', `expiresAt: ${message}`, { errors: [{ field: 'expiresAt', message }] })
}

async function requireRoom(tx: Transaction, id: IdentityId): Promise<void> {
  if ((await listGrantsOf(tx, id)).length < grantsMax) return
  throw new Problem('quota-spent', `${id} holds ${grantsMax} grants, the most there may be; revoke some, or use a role`)
}

function recordGrant(tx: Transaction, grant: Grant, before: Grant | undefined): void {
  const addresses = grant.conditions?.addresses
  recordEvent(tx, {
    ...about(grant.identityId),
    type: before ? 'capability.changed' : 'capability.granted',
    data: {
      grantId: grant.id,
      capability: grant.entry,
      conditions: grant.conditions ? openConditions(grant.conditions) : null,
      validFrom: grant.validFrom?.toISOString() ?? null,
      expiresAt: grant.expiresAt?.toISOString() ?? null,
    },
    ...(addresses && { personal: { subject: grant.identityId, fields: { addresses: [...addresses] } } }),
    // What replaces another may take away, if only a circumstance; and a policy may forbid something to who holds this.
    narrows: true,
  })
}

function about(id: IdentityId) {
  return { resource: `agent-iam/${nounOf(id)}/${id}` }
}

async function viewGrant(tx: Transaction, grant: Grant): Promise<GrantView> {
  const [view] = await viewGrants(tx, [grant])
  if (!view) throw new Error('one grant gives one view')
  return view
}

async function viewGrants(tx: Transaction, grants: readonly Grant[]): Promise<GrantView[]> {
  const uses = await listUses(
    tx,
    grants.filter(({ conditions }) => conditions?.quota).map(({ id }) => id),
  )
  const at = { uses, now: tx.clock.now() }
  return grants.map((grant) => ({ grant, quota: quotaUse(grant.id, grant.conditions, at) }))
}
