import { platformTenantId, type TenantId } from '@agent-iam/contract/ids'
import type { TenantLimits } from '@agent-iam/contract/tenants'
import {
  asSystem,
  inTransaction,
  type Context,
  type EventDraft,
  type PlatformAction,
  type Transaction,
} from '../../platform/context.ts'
import { readIdCursor, toPage } from '../../platform/paging.ts'
import { notFound, Problem } from '../../platform/problem.ts'
import { recordAlone, recordEvent } from '../audit/service.ts'
import { requireOwnAuthority } from '../capabilities/service.ts'
import { inviteFirstAdministrator } from '../accounts/service.ts'
import { createSigningKeys } from '../keys/service.ts'
import { defaultLimits, reactivate, suspend, type Tenant, type TenantView } from '../tenants/model.ts'
import { changeTenant, listTenants, openTenant, upsertLimits } from '../tenants/service.ts'
import type { Person } from './model.ts'
import { hasAdministrator } from './store.ts'

export interface TenantsQuery {
  readonly limit: number
  readonly cursor?: string | undefined
  readonly status?: Tenant['status'] | undefined
}

export async function pageTenants(
  ctx: Context,
  { limit, cursor, status }: TenantsQuery,
): Promise<{ rows: TenantView[]; nextCursor: string | null }> {
  return inTransaction(ctx, async (tx) => {
    await authorizeOperator(tx, 'tenants:read')
    const found = await listTenants(tx, { status, after: readIdCursor('tenant', cursor) }, limit + 1)
    return toPage(found, limit, ({ tenant }) => [tenant.id])
  })
}

export async function getTenantView(ctx: Context, id: TenantId): Promise<TenantView> {
  return inTransaction(ctx, (tx) => requireTenant(tx, 'tenants:read', id))
}

export interface NewTenant {
  readonly slug: string
  readonly name: string
  readonly administrator: Person
  readonly limits: Limits
}

/** What is not said is as by default. */
export type Limits = { readonly [Name in keyof TenantLimits]?: TenantLimits[Name] | undefined }

/** How the first administrator comes in. */
export interface FirstInvitation {
  readonly email: string
  readonly expiresAt: Date
  readonly link: string
}

/**
 * Makes a tenant whole: its row, log, limits and the invitation are one transaction. Should we fail after that, the job
 * that looks after keys makes those that are missing.
 */
export async function createTenant(
  ctx: Context,
  { slug, name, administrator, limits }: NewTenant,
): Promise<TenantView & { readonly invitation: FirstInvitation }> {
  const id = ctx.newId('tenant')
  const reasons = await inTransaction(ctx, async (tx) => {
    await authorizeOperator(tx, 'tenants:create')
    requireOwnAuthority(tx, 'a new tenant')
    return [...tx.grounds.policyIds]
  })
  const draft = { type: 'tenant.created', resource: resourceName(id), data: { slug, name } } as const
  const there = asSystem(ctx, id)
  const invitation = await inTransaction(there, async (tx) => {
    if (!(await openTenant(tx, slug, name))) throw new Problem('already-exists', `there is a tenant "${slug}" already`)
    await upsertLimits(tx, wholeLimits(limits))
    recordEvent(tx, draft)
    return invite(tx, administrator)
  })
  await createSigningKeys(there)
  await recordAlone(ctx, { ...draft, reasons })
  return { ...(await read(ctx, id)), invitation }
}

export async function renameTenant(ctx: Context, id: TenantId, name: string): Promise<TenantView> {
  return operate(ctx, { action: 'tenants:update', id }, async (tx) => {
    await changeTenant(tx, (tenant) => ({ ...tenant, name }))
    return { type: 'tenant.updated', data: { name } }
  })
}

/** Nobody is sent away: while there is more than the limit, no more is made. */
export async function setTenantLimits(ctx: Context, id: TenantId, limits: Limits): Promise<TenantView> {
  return operate(ctx, { action: 'tenants:set-limits', id }, async (tx) => {
    // Held, so that whoever is near the old limits comes before or after.
    await changeTenant(tx, (tenant) => tenant)
    const whole = wholeLimits(limits)
    await upsertLimits(tx, whole)
    return { type: 'tenant.limits-set', data: { ...whole } }
  })
}

/** Its rows stay as they are: sessions are refused while the tenant does not act, and go on when it does. */
export async function suspendTenant(ctx: Context, id: TenantId, reason: string | undefined): Promise<TenantView> {
  return operate(ctx, { action: 'tenants:suspend', id }, async (tx) => {
    await changeTenant(tx, (tenant) => suspend(tenant, tx.clock.now()))
    return { type: 'tenant.suspended', ...freeText(reason), narrows: true }
  })
}

export async function reactivateTenant(ctx: Context, id: TenantId, reason: string | undefined): Promise<TenantView> {
  return operate(ctx, { action: 'tenants:reactivate', id }, async (tx) => {
    await changeTenant(tx, reactivate)
    return { type: 'tenant.reactivated', ...freeText(reason) }
  })
}

/** For a tenant that nobody can administer: where somebody can, operators have no say in who else does. */
export async function inviteAdministrator(ctx: Context, id: TenantId, person: Person): Promise<FirstInvitation> {
  let invitation: FirstInvitation | undefined
  await operate(ctx, { action: 'tenants:invite-administrator', id }, async (tx) => {
    // Held, so that of two operators the second ends the invitation of the first.
    const { slug } = await changeTenant(tx, (tenant) => tenant)
    if (await hasAdministrator(tx))
      throw new Problem('wrong-state', `the tenant "${slug}" has an administrator, who invites others`)
    invitation = await invite(tx, person)
    return { type: 'tenant.administrator-invited' }
  })
  if (!invitation) throw new Error('what was done without an invitation was refused')
  return invitation
}

interface Act {
  readonly action: PlatformAction
  readonly id: TenantId
}

/**
 * What an operator does to a tenant. It is allowed in the platform's tenant; it is done, and told, in one transaction of
 * the other's; then it is told in the platform's log as well.
 */
async function operate(
  ctx: Context,
  { action, id }: Act,
  change: (tx: Transaction) => Promise<EventDraft>,
): Promise<TenantView> {
  const reasons = await inTransaction(ctx, async (tx) => {
    await requireTenant(tx, action, id)
    if (action === 'tenants:invite-administrator') requireOwnAuthority(tx, 'an invitation')
    return [...tx.grounds.policyIds]
  })
  const { narrows: _, ...told } = await inTransaction(asSystem(ctx, id), async (tx) => {
    const draft = { resource: resourceName(id), ...(await change(tx)) }
    recordEvent(tx, draft)
    return draft
  })
  await recordAlone(ctx, { ...told, reasons })
  return read(ctx, id)
}

async function requireTenant(tx: Transaction, action: PlatformAction, id: TenantId): Promise<TenantView> {
  const [found] = await listTenants(tx, { id }, 1)
  if (!found) throw notFound('tenants', id)
  await authorizeOperator(tx, action, id)
  return found
}

/** Whatever somebody may do in another tenant reaches no tenant but that one: not even an administrator's everything. */
async function authorizeOperator(tx: Transaction, action: PlatformAction, id?: TenantId): Promise<void> {
  if (tx.caller.tenantId !== platformTenantId)
    throw new Problem('forbidden', `${action} is for operators, who log in to the tenant "platform"`)
  await tx.authorize(action, { type: 'tenants', ...(id && { id }) })
}

async function read(ctx: Context, id: TenantId): Promise<TenantView> {
  const [found] = await inTransaction(ctx, (tx) => listTenants(tx, { id }, 1))
  if (!found) throw new Error(`tenant ${id} was here a moment ago`)
  return found
}

async function invite(tx: Transaction, person: Person): Promise<FirstInvitation> {
  const { invitation, link } = await inviteFirstAdministrator(tx, person)
  return { email: invitation.email, expiresAt: invitation.expiresAt, link }
}

function wholeLimits(limits: Limits): TenantLimits {
  const own = (name: keyof TenantLimits) => limits[name] ?? defaultLimits[name]
  return {
    agents: own('agents'),
    users: own('users'),
    services: own('services'),
    children: own('children'),
    delegationDepth: own('delegationDepth'),
    bulkItems: own('bulkItems'),
  }
}

function freeText(reason: string | undefined) {
  return reason === undefined ? {} : { personal: { subject: 'month' as const, fields: { reason } } }
}

function resourceName(id: TenantId): string {
  return `agent-iam/tenants/${id}`
}
