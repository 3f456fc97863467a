import type { Role } from '@agent-iam/contract/accounts'
import type { UserId } from '@agent-iam/contract/ids'
import { addSeconds } from '../../platform/clock.ts'
import { actorOf, inTransaction, type Context, type Transaction } from '../../platform/context.ts'
import { fromUuid, isId } from '../../platform/ids.ts'
import { readIdCursor, toPage } from '../../platform/paging.ts'
import { notFound, Problem } from '../../platform/problem.ts'
import { recordEvent } from '../audit/service.ts'
import { builtInRoles } from '../capabilities/model.ts'
import { firstNotHeld, requireMayDelegate, requireOwnAuthority } from '../capabilities/service.ts'
import { limitSender, preparePassword } from '../credentials/service.ts'
import { findUserByEmail, holdWhetherActive } from '../identities/service.ts'
import { post } from '../mail/service.ts'
import { getTenant } from '../tenants/service.ts'
import { invitationLetter, invitationLink } from './letters.ts'
import { invitationSeconds, invitationStatus, type Invitation, type InvitationId } from './model.ts'
import { makeUser } from './newcomer.ts'
import {
  findInvitation,
  findInvitationForUpdate,
  insertInvitation,
  listInvitations,
  revokePending,
  updateInvitation,
} from './store/invitations.ts'
import { endTokens } from './store/tokens.ts'
import { issueToken, notGood, readToken, spendToken } from './tokens.ts'

export interface NewInvitation {
  readonly email: string
  readonly name: string
  readonly role: Role
}

/** Invites somebody to a role whose permissions the caller holds; an earlier invitation to the same address ends. */
export async function inviteUser(ctx: Context, input: NewInvitation): Promise<Invitation> {
  return inTransaction(ctx, async (tx) => {
    await tx.authorize('users:invite', { type: 'users' })
    await requireMayDelegate(tx, builtInRoles[input.role])
    requireOwnAuthority(tx, 'an invitation')
    return (await invite(tx, input)).invitation
  })
}

/** Invites the administrator of a tenant that has none: an earlier invitation to be that ends. `link` is its secret. */
export async function inviteFirstAdministrator(
  tx: Transaction,
  person: Omit<NewInvitation, 'role'>,
): Promise<{ invitation: Invitation; link: string }> {
  for (const earlier of await revokePending(tx, { invitedBy: installation }))
    recordEvent(tx, { type: 'invitation.revoked', resource: resourceName(earlier) })
  const { invitation, token } = await invite(tx, { ...person, role: 'admin' })
  return { invitation, link: invitationLink(tx.keys.publicUrl, token) }
}

/** How the system itself stands where the inviter does: it invites nobody but a tenant's first administrator. */
const installation = 'system'

/** That the role may be granted was checked before. */
async function invite(tx: Transaction, input: NewInvitation): Promise<{ invitation: Invitation; token: string }> {
  const invitation = newInvitation(tx, input)
  const { id, email: to, expiresAt } = invitation
  if (await findUserByEmail(tx, to)) throw new Problem('already-exists', `a user has the address ${to}`)
  for (const earlier of await revokePending(tx, { email: to }))
    recordEvent(tx, { type: 'invitation.revoked', resource: resourceName(earlier) })
  if (!(await insertInvitation(tx, invitation)))
    throw new Problem('already-exists', `${to} was invited at this very moment`)
  const token = await issueToken(tx, 'invitation', { subject: id, expiresAt })
  await post(tx, (sender) => invitationLetter(sender, { to, token, expiresAt }))
  recordEvent(tx, {
    type: 'invitation.sent',
    resource: resourceName(id),
    data: { role: input.role },
    personal: { subject: 'month', fields: { email: to, name: input.name } },
  })
  return { invitation, token }
}

function newInvitation(tx: Transaction, { email, name, role }: NewInvitation): Invitation {
  const now = tx.clock.now()
  return {
    id: tx.newId('invitation'),
    email: email.toLowerCase(),
    name,
    role,
    state: 'pending',
    invitedBy: actorOf(tx.caller),
    createdAt: now,
    expiresAt: addSeconds(now, invitationSeconds),
    finishedAt: undefined,
    userId: undefined,
  }
}

export async function pageInvitations(
  ctx: Context,
  query: { limit: number; cursor?: string | undefined },
): Promise<{ rows: Invitation[]; nextCursor: string | null }> {
  return inTransaction(ctx, async (tx) => {
    await tx.authorize('invitations:read', { type: 'invitations' })
    const found = await listInvitations(tx, readIdCursor('invitation', query.cursor), query.limit + 1)
    return toPage(found, query.limit, ({ id }) => [id])
  })
}

export async function revokeInvitation(ctx: Context, id: InvitationId): Promise<Invitation> {
  return inTransaction(ctx, async (tx) => {
    const invitation = await findInvitationForUpdate(tx, id)
    if (!invitation) throw notFound('invitations', id)
    await tx.authorize('invitations:revoke', { type: 'invitations', id })
    const status = invitationStatus(invitation, tx.clock.now())
    if (status !== 'pending') throw new Problem('wrong-state', `invitation ${id} is ${status}`)
    const revoked: Invitation = { ...invitation, state: 'revoked', finishedAt: tx.clock.now() }
    await updateInvitation(tx, revoked)
    await endTokens(tx, 'invitation', id)
    recordEvent(tx, { type: 'invitation.revoked', resource: resourceName(id) })
    return revoked
  })
}

export interface Acceptance {
  readonly token: string
  readonly password: string
  /** Instead of the name that the invitation gives. */
  readonly name?: string | undefined
}

export interface Accepted {
  readonly userId: UserId
  readonly email: string
  /** The slug to log in with. */
  readonly tenant: string
}

/** Makes the invited user: that the link came to them proves the address. */
export async function acceptInvitation(ctx: Context, { token, password, name }: Acceptance): Promise<Accepted> {
  await limitSender(ctx, 'invitation')
  const { there, digest, subject } = await readToken(ctx, 'invitation', token)
  const id = fromUuid('invitation', subject)
  const { tenant, invitation } = await inTransaction(there, async (tx) => ({
    tenant: await getTenant(tx),
    invitation: requirePending(await findInvitation(tx, id), tx.clock.now()),
  }))
  const person = { email: invitation.email, name: name ?? invitation.name }
  const passwordHash = await preparePassword(there, password, { field: 'password', tenant: tenant.slug, ...person })
  return inTransaction(there, async (tx) => {
    // NOTE: before the invitation, as by whoever suspends the inviter and so ends it.
    await requireInviter(tx, invitation)
    const present = requirePending(await findInvitationForUpdate(tx, id), tx.clock.now())
    await spendToken(tx, 'invitation', digest)
    const userId = await makeUser(tx, { ...person, passwordHash, role: present.role })
    await updateInvitation(tx, { ...present, state: 'accepted', finishedAt: tx.clock.now(), userId })
    recordEvent(tx, {
      type: 'invitation.accepted',
      actor: userId,
      resource: resourceName(id),
      data: { userId, role: present.role, invitedBy: present.invitedBy },
      personal: { subject: userId, fields: { ...person, address: tx.caller.address } },
    })
    return { userId, email: person.email, tenant: tenant.slug }
  })
}

/** Who invited must still be there, and hold what is handed out: a role may have run out since. */
async function requireInviter(tx: Transaction, { invitedBy, role }: Invitation): Promise<void> {
  if (invitedBy === installation) return
  const isIdentity = isId('user', invitedBy) || isId('service', invitedBy) || isId('agent', invitedBy)
  if (!isIdentity || !(await holdWhetherActive(tx, invitedBy))) throw notGood()
  if ((await firstNotHeld(tx, invitedBy, builtInRoles[role])) !== undefined) throw notGood()
}

function requirePending(invitation: Invitation | undefined, now: Date): Invitation {
  if (invitation && invitationStatus(invitation, now) === 'pending') return invitation
  throw notGood()
}

function resourceName(id: InvitationId): string {
  return `agent-iam/invitations/${id}`
}
