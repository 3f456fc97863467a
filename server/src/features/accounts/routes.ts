import * as accounts from '@agent-iam/contract/accounts'
import * as contract from '@agent-iam/contract/invitations'
import * as members from '@agent-iam/contract/members'
import * as registrations from '@agent-iam/contract/registrations'
import { route, type Route } from '../../platform/route.ts'
import { invitationStatus, registrationStatus, type Invitation, type Registration, type UserView } from './model.ts'
import * as service from './service.ts'

interface AccountRoutes {
  /** Whether mail is delivered: only then can an address be confirmed by who owns it. */
  readonly isMailDelivered: boolean
}

export function accountRoutes({ isMailDelivered }: AccountRoutes): Route[] {
  return [...passwordRoutes, ...userRoutes, ...registrationRoutes(isMailDelivered), ...invitationRoutes]
}

const passwordRoutes = [
  route(accounts.changePassword, async (ctx, { body }) => {
    const { changedAt, endedSessions } = await service.changePassword(ctx, body)
    return { changedAt: changedAt.toISOString(), endedSessions }
  }),
  route(accounts.forgotPassword, async (ctx, { body }) => {
    await service.forgotPassword(ctx, body)
    return { notice: 'If there is such an account, a link is on its way to the address. It is good for 15 minutes.' }
  }),
  route(accounts.resetPassword, async (ctx, { body }) => {
    const { changedAt } = await service.resetPassword(ctx, body)
    return { changedAt: changedAt.toISOString(), notice: 'The password is set, and all sessions are ended. Log in.' }
  }),
]

const userRoutes = [
  route(accounts.listUsers, async (ctx, { query }) => {
    const { rows, nextCursor } = await service.pageUsers(ctx, query)
    return { users: rows.map(userToWire), nextCursor }
  }),
  route(members.listMembers, async (ctx, { query }) => {
    const { rows, nextCursor } = await service.pageUsers(ctx, { ...query, role: query.role ?? 'any' })
    return { members: rows.map(userToWire), nextCursor }
  }),
  route(members.setUserRole, async (ctx, { params, body }) =>
    userToWire(await service.setUserRole(ctx, params.userId, body.role)),
  ),
  route(accounts.suspendUser, async (ctx, { params, body }) =>
    userToWire(await service.suspendUser(ctx, params.userId, body.reason)),
  ),
  route(accounts.reactivateUser, async (ctx, { params, body }) =>
    userToWire(await service.reactivateUser(ctx, params.userId, body.reason)),
  ),
]

function registrationRoutes(isMailDelivered: boolean): Route[] {
  return [
    route(registrations.registerUser, async (ctx, { body }) => {
      const { id, statusToken } = await service.registerUser(ctx, body)
      const notice = isMailDelivered
        ? 'Open the link that is mailed to the address, if it can be registered; then an administrator decides.'
        : 'An administrator decides; the status token tells what came of it.'
      return { registrationId: id, status: 'pending' as const, statusToken, notice }
    }),
    route(registrations.confirmRegistration, async (ctx, { body }) => {
      await service.confirmRegistration(ctx, body.token, body.password)
      return { confirmed: true as const, notice: 'The address is confirmed. An administrator decides now.' }
    }),
    route(registrations.getRegistrationStatus, async (ctx, { body: { registrationId, statusToken } }) => ({
      registrationId,
      status: await service.findRegistrationStatus(ctx, registrationId, statusToken),
    })),
    route(registrations.listRegistrations, async (ctx, { query }) => {
      const { rows, nextCursor } = await service.pageRegistrations(ctx, query)
      return { registrations: rows.map((row) => registrationToWire(row, ctx.clock.now())), nextCursor }
    }),
    route(registrations.approveRegistration, async (ctx, { params, body: { role, withoutConfirmation } }) => {
      const approval = { role, needsConfirmation: isMailDelivered && !withoutConfirmation }
      const approved = await service.approveRegistration(ctx, params.registrationId, approval)
      return registrationToWire(approved, ctx.clock.now())
    }),
    route(registrations.rejectRegistration, async (ctx, { params, body }) =>
      registrationToWire(await service.rejectRegistration(ctx, params.registrationId, body.reason), ctx.clock.now()),
    ),
    route(registrations.getRegistrationSettings, async (ctx) => settingsToWire(await service.isRegistrationOpen(ctx))),
    route(registrations.setRegistrationSettings, async (ctx, { body: { selfRegistration } }) =>
      settingsToWire(await service.setRegistrationOpen(ctx, selfRegistration === 'approval')),
    ),
  ]
}

const invitationRoutes = [
  route(contract.inviteUser, async (ctx, { body }) =>
    invitationToWire(await service.inviteUser(ctx, body), ctx.clock.now()),
  ),
  route(contract.listInvitations, async (ctx, { query }) => {
    const { rows, nextCursor } = await service.pageInvitations(ctx, query)
    return { invitations: rows.map((row) => invitationToWire(row, ctx.clock.now())), nextCursor }
  }),
  route(contract.revokeInvitation, async (ctx, { params }) =>
    invitationToWire(await service.revokeInvitation(ctx, params.invitationId), ctx.clock.now()),
  ),
  route(contract.acceptInvitation, (ctx, { body }) => service.acceptInvitation(ctx, body)),
]

function userToWire({ id, roles, email, createdAt, lastActivity, ...user }: UserView): accounts.User {
  return {
    ...user,
    userId: id,
    email: email ?? null,
    roles: [...roles],
    createdAt: createdAt.toISOString(),
    lastActivity: lastActivity?.toISOString() ?? null,
  }
}

function registrationToWire(registration: Registration, now: Date): registrations.Registration {
  const { id, email, name, confirmedAt, createdAt, expiresAt, decidedAt, userId } = registration
  return {
    registrationId: id,
    email,
    name,
    status: registrationStatus(registration, now),
    addressConfirmed: confirmedAt !== undefined,
    createdAt: createdAt.toISOString(),
    expiresAt: expiresAt.toISOString(),
    decidedAt: decidedAt?.toISOString() ?? null,
    userId: userId ?? null,
  }
}

function settingsToWire(isOpen: boolean) {
  return { selfRegistration: isOpen ? ('approval' as const) : ('off' as const) }
}

function invitationToWire(invitation: Invitation, now: Date): contract.Invitation {
  const { id, email, name, role, invitedBy, createdAt, expiresAt, userId } = invitation
  return {
    invitationId: id,
    email,
    name,
    role,
    status: invitationStatus(invitation, now),
    invitedBy,
    createdAt: createdAt.toISOString(),
    expiresAt: expiresAt.toISOString(),
    userId: userId ?? null,
  }
}
