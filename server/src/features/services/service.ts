/**
 * Services: identities of programs that are no agents, and the credentials by which they, and agents, prove themselves
 * as clients: secrets, and assertions by private_key_jwt (RFC 7523). Nobody makes a service, or a credential of one,
 * that can do more than its maker; ending a credential ends what was begun with it.
 */
import type { CreateService } from '@agent-iam/contract/services'
import type { EventType } from '@agent-iam/contract/event-types'
import type { ServiceId } from '@agent-iam/contract/ids'
import { actorOf, inTransaction, type Context, type PlatformAction, type Transaction } from '../../platform/context.ts'
import { toUuid } from '../../platform/ids.ts'
import { readNameCursor, toPage } from '../../platform/paging.ts'
import { Problem } from '../../platform/problem.ts'
import { recordEvent } from '../audit/service.ts'
import { isLabel } from '../capabilities/model.ts'
import {
  endWithSource,
  grant,
  listGrants,
  requireMayDelegate,
  requireWithin,
  revokeAllGrants,
} from '../capabilities/service.ts'
import { changeStatus } from '../identities/model.ts'
import { queueSettling, requireAccountable, updateDescription } from '../identities/service.ts'
import { endSessionsInBulk } from '../sessions/service.ts'
import { requireRoom } from '../tenants/service.ts'
import { holdService, requireService } from './access.ts'
import { requireManager, type Service } from './model.ts'
import { deleteKeys } from './store/keys.ts'
import { deleteSecrets } from './store/secrets.ts'
import {
  findServiceForUpdate,
  insertService,
  listServices,
  updateServiceStatus,
  updateServiceText,
  type ServiceFilter,
} from './store/services.ts'

export {
  authenticateClient,
  findClient,
  findDelegation,
  requireStillProved,
  type ClientProof,
  type ProvedClient,
} from './client.ts'
export { lockForCredential, holdService } from './access.ts'
export { endExpiredSecrets } from './expired.ts'
export { Admissions } from './admissions.ts'
export { addKey, deleteKey, readKeys } from './keys.ts'
export { createSecret, deleteSecret, readSecrets } from './secrets.ts'
export { issueToken } from './token.ts'

/** A service with what it holds. */
export interface ServiceView {
  readonly service: Service
  readonly grants: readonly string[]
}

/** What may change of a service; what is absent stays. */
export interface ServiceChange {
  readonly name?: string | undefined
  readonly description?: string | undefined
  readonly tags?: readonly string[] | undefined
}

/** Makes a service that the caller owns; what it shall hold, the caller must hold. */
export async function createService(ctx: Context | Transaction, input: CreateService): Promise<ServiceView> {
  return inTransaction(ctx, async (tx) => {
    await tx.authorize('services:create', { type: 'services' })
    const owner = requireManager(tx.caller)
    await requireMayDelegate(tx, input.capabilities)
    requireWithin(input.defaultScopes, input.capabilities, 'the service’s capabilities')
    const now = tx.clock.now()
    const service: Service = {
      id: tx.newId('service'),
      name: input.name,
      description: input.description,
      status: 'active',
      owner,
      createdBy: actorOf(tx.caller),
      defaultScopes: input.defaultScopes.filter((entry) => !isLabel(entry)),
      labels: input.capabilities.filter(isLabel),
      expiresAt: await endWithSource(tx, undefined),
      createdAt: now,
      updatedAt: now,
      lastActivity: undefined,
    }
    await requireRoom(tx, 'services')
    if (!(await insertService(tx, service)))
      throw new Problem('already-exists', `the name "${service.name}" is taken, or looks like one that is`)
    await grant(tx, service.id, input.capabilities)
    recordEvent(tx, {
      type: 'service.created',
      resource: resourceName(service.id),
      data: { name: service.name, owner, capabilities: input.capabilities, defaultScopes: [...service.defaultScopes] },
    })
    return { service, grants: input.capabilities.filter((entry) => !isLabel(entry)) }
  })
}

export async function getService(ctx: Context | Transaction, id: ServiceId): Promise<ServiceView> {
  return inTransaction(ctx, async (tx) => view(tx, await requireService(tx, 'services:read', id)))
}

export interface ServicesQuery extends Omit<ServiceFilter, 'after'> {
  readonly limit: number
  readonly cursor?: string | undefined
}

export async function pageServices(
  ctx: Context,
  query: ServicesQuery,
): Promise<{ rows: ServiceView[]; nextCursor: string | null }> {
  return inTransaction(ctx, async (tx) => {
    await tx.authorize('services:read', { type: 'services' })
    const found = await listServices(tx, { ...query, after: readNameCursor(query.cursor) }, query.limit + 1)
    const page = toPage(found, query.limit, ({ name, id }) => [name, toUuid(id)])
    return { rows: await views(tx, page.rows), nextCursor: page.nextCursor }
  })
}

export async function suspendService(
  ctx: Context | Transaction,
  id: ServiceId,
  reason: string | undefined,
): Promise<ServiceView> {
  return inTransaction(ctx, async (tx) => {
    const moved = await move(tx, id, { to: 'suspended', action: 'services:suspend' })
    await endSessionsInBulk(tx, id, { reason: 'service suspended' })
    recordMove(tx, 'service.suspended', { id, reason, narrows: true })
    return view(tx, moved)
  })
}

export async function reactivateService(
  ctx: Context | Transaction,
  id: ServiceId,
  reason: string | undefined,
): Promise<ServiceView> {
  return inTransaction(ctx, async (tx) => {
    const { owner } = await requireService(tx, 'services:reactivate', id)
    await requireAccountable(tx, { id, owner })
    const service = await findServiceForUpdate(tx, id)
    if (service?.owner !== owner) throw new Problem('unavailable', `${id} got another owner meanwhile; try again`)
    const moved = changeStatus(service, 'active', tx.clock.now())
    await updateServiceStatus(tx, moved)
    recordMove(tx, 'service.reactivated', { id, reason, narrows: false })
    return view(tx, moved)
  })
}

/** Changes what is given; a name that is taken, or looks like one that is, is refused. */
export async function updateService(ctx: Context | Transaction, id: ServiceId, change: ServiceChange): Promise<void> {
  return inTransaction(ctx, async (tx) => {
    const service = await holdService(tx, 'services:update', id)
    if (service.status === 'revoked' || service.status === 'deleted')
      throw new Problem('wrong-state', `service ${id} is ${service.status} and can no longer be changed`)
    const { name, description, tags } = change
    if (!(await updateDescription(tx, id, { name, tags })))
      throw new Problem('already-exists', `the name "${name}" is taken, or looks like one that is`)
    if (description !== undefined) await updateServiceText(tx, id, description)
    recordEvent(tx, {
      type: 'service.updated',
      resource: resourceName(id),
      data: { ...(name !== undefined && { name }), ...(tags && { tags: [...tags] }) },
      ...(description !== undefined && { personal: { subject: 'month', fields: { description } } }),
    })
  })
}

/** Revokes a service for good: its secrets and keys are never accepted again; its name stays taken. */
export async function revokeService(
  ctx: Context | Transaction,
  id: ServiceId,
  reason: string | undefined,
): Promise<ServiceView> {
  return inTransaction(ctx, async (tx) => {
    const moved = await move(tx, id, { to: 'revoked', action: 'services:revoke' })
    await takeAway(tx, id, 'service revoked')
    recordMove(tx, 'service.revoked', { id, reason, narrows: true })
    return view(tx, moved)
  })
}

/** Ends a service for good. Its row stays, so that the log can name it; its secrets and keys are never accepted again. */
export async function deleteService(ctx: Context | Transaction, id: ServiceId): Promise<ServiceView> {
  return inTransaction(ctx, async (tx) => {
    const moved = await move(tx, id, { to: 'deleted', action: 'services:delete' })
    await takeAway(tx, id, 'service deleted')
    recordMove(tx, 'service.deleted', { id, reason: undefined, narrows: true })
    return view(tx, moved)
  })
}

/** Whoever has ended proves nothing, holds nothing, and lends nothing to anybody below. */
async function takeAway(tx: Transaction, id: ServiceId, reason: string): Promise<void> {
  await deleteSecrets(tx, id)
  await deleteKeys(tx, id)
  await revokeAllGrants(tx, [id])
  await endSessionsInBulk(tx, id, { reason })
  await queueSettling(tx, [id])
}

async function move(
  tx: Transaction,
  id: ServiceId,
  { to, action }: { to: Service['status']; action: PlatformAction },
): Promise<Service> {
  const service = await holdService(tx, action, id)
  const moved = changeStatus(service, to, tx.clock.now())
  await updateServiceStatus(tx, moved)
  return moved
}

interface Move {
  readonly id: ServiceId
  readonly reason: string | undefined
  readonly narrows: boolean
}

/** What people write may name anyone, so it is sealed with the tenant's key of the month. */
function recordMove(tx: Transaction, type: EventType, { id, reason, narrows }: Move): void {
  const personal = reason !== undefined && { personal: { subject: 'month' as const, fields: { reason } } }
  recordEvent(tx, { type, resource: resourceName(id), ...personal, narrows })
}

async function view(tx: Transaction, service: Service): Promise<ServiceView> {
  const [only] = await views(tx, [service])
  if (!only) throw new Error('one service gives one view')
  return only
}

async function views(tx: Transaction, services: readonly Service[]): Promise<ServiceView[]> {
  const grants = await listGrants(
    tx,
    services.map(({ id }) => id),
  )
  return services.map((service) => ({ service, grants: grants.get(service.id) ?? [] }))
}

function resourceName(id: ServiceId): string {
  return `agent-iam/services/${id}`
}
