import type { Role } from '@agent-iam/contract/accounts'
import type { IdentityStatus } from '@agent-iam/contract/agents'
import type { Id, UserId } from '@agent-iam/contract/ids'
import type { InvitationStatus } from '@agent-iam/contract/invitations'
import type { RegistrationStatus } from '@agent-iam/contract/registrations'
import { Problem } from '../../platform/problem.ts'

export type RegistrationId = Id<'registration'>
export type InvitationId = Id<'invitation'>

/** What a secret of an account is good for, and how it begins, so that a scanner of leaks knows it. */
export const tokenPrefixes = {
  'password-reset': 'rpw_',
  'registration-status': 'rgs_',
  'address-proof': 'vfy_',
  invitation: 'ivt_',
} as const
export type TokenPurpose = keyof typeof tokenPrefixes

/** How long a mailed link sets a new password: the time to fetch one's mail. */
export const resetTokenSeconds = 900
/** Links that an account gets in the life of one: who wants more is bombing a mailbox. */
export const resetTokensMax = 3
/** How long a registration waits for its address to be confirmed and an administrator to decide. */
export const registrationSeconds = 7 * 86_400
/** Registrations that wait at once in a tenant: no administrator reads more, and strangers fill no table. */
export const pendingRegistrationsMax = 1000
/**
 * Of those, how many may name one address. It bounds the ones whose address has an account too, which wait unseen: no
 * administrator can make room by deciding them.
 */
export const registrationsOfAddressMax = 5
/**
 * Registrations that one sender leaves in a day. All that they leave until the first expires is not a tenth of the places,
 * so that no sender takes them from others, and an IPv6 site, which counts as ten, not all.
 */
export const registrationsOfSender = { max: 10, windowSeconds: 86_400 } as const
/** Registrations of one address in a day that are answered by mail; further ones are kept in silence. */
export const registrationMailsMax = 3
export const invitationSeconds = 7 * 86_400

/** A user as an administrator sees it. */
export interface UserView {
  readonly id: UserId
  readonly name: string
  readonly email: string | undefined
  readonly status: IdentityStatus
  /** Those of the moment: built-in ones by name, the tenant’s own by id. */
  readonly roles: readonly string[]
  readonly createdAt: Date
  readonly lastActivity: Date | undefined
}

export interface Registration {
  readonly id: RegistrationId
  readonly email: string
  readonly name: string
  /** Gone once it was decided. */
  readonly passwordHash: string | undefined
  readonly decision: 'pending' | 'approved' | 'rejected'
  /** Whether somebody has an account with this address already: then nobody approves it. */
  readonly isKnown: boolean
  readonly createdAt: Date
  readonly expiresAt: Date
  readonly confirmedAt: Date | undefined
  readonly decidedAt: Date | undefined
  readonly userId: UserId | undefined
}

export function registrationStatus({ decision, expiresAt }: Registration, now: Date): RegistrationStatus {
  return decision === 'pending' && expiresAt <= now ? 'expired' : decision
}

/** Refuses to decide what was decided, or has waited too long. */
export function requireOpen(registration: Registration, now: Date): void {
  const status = registrationStatus(registration, now)
  if (status !== 'pending') throw new Problem('wrong-state', `registration ${registration.id} is ${status}`)
}

export interface Invitation {
  readonly id: InvitationId
  readonly email: string
  readonly name: string
  readonly role: Role
  readonly state: 'pending' | 'accepted' | 'revoked'
  /** The identity that invited. */
  readonly invitedBy: string
  readonly createdAt: Date
  readonly expiresAt: Date
  readonly finishedAt: Date | undefined
  readonly userId: UserId | undefined
}

export function invitationStatus({ state, expiresAt }: Invitation, now: Date): InvitationStatus {
  return state === 'pending' && expiresAt <= now ? 'expired' : state
}
