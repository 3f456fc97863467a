import type { Role } from '@agent-iam/contract/accounts'
import { platformTenantId } from '@agent-iam/contract/ids'
import type { RegistrationStatus } from '@agent-iam/contract/registrations'
import { inTransaction, type Context, type PlatformAction, type Transaction } from '../../platform/context.ts'
import { readIdCursor, toPage } from '../../platform/paging.ts'
import { notFound, Problem } from '../../platform/problem.ts'
import { recordEvent } from '../audit/service.ts'
import { builtInRoles } from '../capabilities/model.ts'
import { requireMayDelegate, requireOwnAuthority } from '../capabilities/service.ts'
import { postNews } from '../mail/service.ts'
import { approvedLetter, rejectedLetter } from './letters.ts'
import { requireOpen, type Registration, type RegistrationId } from './model.ts'
import { makeUser } from './newcomer.ts'
import {
  findIsOpen,
  findRegistrationForUpdate,
  listRegistrations,
  updateRegistration,
  upsertIsOpen,
} from './store/registrations.ts'
import { endTokens } from './store/tokens.ts'

export interface RegistrationsQuery {
  readonly limit: number
  readonly cursor?: string | undefined
  readonly status?: RegistrationStatus | undefined
}

export async function pageRegistrations(
  ctx: Context,
  query: RegistrationsQuery,
): Promise<{ rows: Registration[]; nextCursor: string | null }> {
  return inTransaction(ctx, async (tx) => {
    await tx.authorize('registrations:read', { type: 'registrations' })
    const filter = { status: query.status, before: readIdCursor('registration', query.cursor) }
    const found = await listRegistrations(tx, filter, query.limit + 1)
    return toPage(found, query.limit, ({ id }) => [id])
  })
}

export interface Approval {
  readonly role: Role
  /** Whether the address must have been confirmed, by who can read its mail. */
  readonly needsConfirmation: boolean
}

/** Makes the user. The caller hands out a role, so must hold what is in it. */
export async function approveRegistration(
  ctx: Context,
  id: RegistrationId,
  { role, needsConfirmation }: Approval,
): Promise<Registration> {
  return inTransaction(ctx, async (tx) => {
    const registration = await requireForDecision(tx, 'registrations:approve', id)
    await requireMayDelegate(tx, builtInRoles[role])
    requireOwnAuthority(tx, 'the role of a new user')
    if (needsConfirmation && !registration.confirmedAt) throw notConfirmed(id)
    const { email, name, passwordHash } = registration
    if (passwordHash === undefined) throw new Error(`registration ${id} is open and has no password`)
    const userId = await makeUser(tx, { email, name, passwordHash, role })
    const approved = await decide(tx, registration, { decision: 'approved', userId })
    await postNews(tx, email, approvedLetter)
    recordEvent(tx, {
      type: 'registration.approved',
      resource: resourceName(id),
      data: { userId, role, addressConfirmed: registration.confirmedAt !== undefined },
      personal: { subject: userId, fields: { email, name } },
    })
    return approved
  })
}

export async function rejectRegistration(
  ctx: Context,
  id: RegistrationId,
  reason: string | undefined,
): Promise<Registration> {
  return inTransaction(ctx, async (tx) => {
    const registration = await requireForDecision(tx, 'registrations:reject', id)
    const rejected = await decide(tx, registration, { decision: 'rejected', userId: undefined })
    await postNews(tx, registration.email, rejectedLetter)
    recordEvent(tx, {
      type: 'registration.rejected',
      resource: resourceName(id),
      ...(reason !== undefined && { personal: { subject: 'month' as const, fields: { reason } } }),
    })
    return rejected
  })
}

/** Whether strangers may register in the caller's tenant; they may unless it said otherwise. */
export async function isRegistrationOpen(ctx: Context): Promise<boolean> {
  return inTransaction(ctx, async (tx) => {
    await tx.authorize('settings:read', { type: 'settings' })
    return tx.caller.tenantId !== platformTenantId && ((await findIsOpen(tx)) ?? true)
  })
}

export async function setRegistrationOpen(ctx: Context, isOpen: boolean): Promise<boolean> {
  return inTransaction(ctx, async (tx) => {
    await tx.authorize('settings:update', { type: 'settings' })
    if (isOpen && tx.caller.tenantId === platformTenantId)
      throw new Problem('wrong-state', 'the platform’s own tenant takes no strangers; invite instead')
    await upsertIsOpen(tx, isOpen)
    recordEvent(tx, { type: 'registration-settings.changed', data: { selfRegistration: isOpen ? 'approval' : 'off' } })
    return isOpen
  })
}

async function requireForDecision(tx: Transaction, action: PlatformAction, id: RegistrationId): Promise<Registration> {
  const registration = await findRegistrationForUpdate(tx, id)
  if (!registration || registration.isKnown) throw notFound('registrations', id)
  await tx.authorize(action, { type: 'registrations', id })
  requireOpen(registration, tx.clock.now())
  return registration
}

async function decide(
  tx: Transaction,
  registration: Registration,
  outcome: Pick<Registration, 'decision' | 'userId'>,
): Promise<Registration> {
  const decided = { ...registration, ...outcome, passwordHash: undefined, decidedAt: tx.clock.now() }
  await updateRegistration(tx, decided)
  await endTokens(tx, 'address-proof', registration.id)
  return decided
}

function notConfirmed(id: RegistrationId): Problem {
  return new Problem(
    'wrong-state',
    `the address of ${id} is not confirmed: wait for it, or approve withoutConfirmation and answer for it yourself`,
  )
}

function resourceName(id: RegistrationId): string {
  return `agent-iam/registrations/${id}`
}
