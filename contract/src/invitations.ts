import { z } from 'zod'
import { AccountToken, Email, Role } from './accounts.ts'
import { idSchema } from './ids.ts'
import { operation } from './operation.ts'
import { nextCursor, pageQuery } from './pages.ts'
import { NewPassword } from './passwords.ts'
import { Instant, Name } from './text.ts'

export const invitationStatuses = ['pending', 'accepted', 'revoked', 'expired'] as const
export const InvitationStatus = z.enum(invitationStatuses)
export type InvitationStatus = z.infer<typeof InvitationStatus>

export const Invitation = z.object({
  invitationId: idSchema('invitation'),
  email: z.string(),
  name: z.string(),
  role: Role,
  status: InvitationStatus,
  /** The identity that invited. */
  invitedBy: z.string(),
  createdAt: Instant,
  expiresAt: Instant,
  /** The user that was made; null unless accepted. */
  userId: idSchema('user').nullable(),
})
export type Invitation = z.infer<typeof Invitation>

export const inviteUser = operation({
  id: 'inviteUser',
  method: 'POST',
  path: '/api/v1/users/invitations',
  action: 'users:invite',
  summary:
    'Mails a link that makes a user with a role, once and for 7 days; it ends an earlier one to the same address.',
  body: z.strictObject({ email: Email, name: Name, role: Role.default('member') }),
  status: 201,
  response: Invitation,
  problems: ['forbidden', 'capability-exceeded', 'already-exists'],
  example: { body: { email: 'grace@example.com', name: 'Grace', role: 'member' } },
})

export const listInvitations = operation({
  id: 'listInvitations',
  method: 'GET',
  path: '/api/v1/users/invitations',
  action: 'invitations:read',
  summary: 'Lists invitations, newest first, never their links.',
  query: z.strictObject(pageQuery),
  status: 200,
  response: z.object({ invitations: z.array(Invitation), nextCursor }),
  problems: ['forbidden'],
  example: { query: { limit: 20 } },
})

export const revokeInvitation = operation({
  id: 'revokeInvitation',
  method: 'DELETE',
  path: '/api/v1/users/invitations/:invitationId',
  action: 'invitations:revoke',
  summary: 'Ends an invitation that was not accepted yet.',
  params: z.strictObject({ invitationId: idSchema('invitation') }),
  status: 200,
  response: Invitation,
  problems: ['forbidden', 'not-found', 'wrong-state'],
  example: { params: { invitationId: 'inv_0198c5a1f3e07b2c8d4e6f708192a3b4' } },
})

export const acceptInvitation = operation({
  id: 'acceptInvitation',
  method: 'POST',
  path: '/api/v1/public/invitations/accept',
  action: 'public',
  summary: 'Makes the invited user, with the password that they choose.',
  body: z.strictObject({ token: AccountToken, password: NewPassword, name: Name.optional() }),
  status: 201,
  response: z.object({
    userId: idSchema('user'),
    email: z.string(),
    /** What to log in with, beside the address. */
    tenant: z.string(),
  }),
  problems: ['invalid-token', 'already-exists', 'too-many-attempts', 'quota-spent'],
  example: {
    body: { token: 'ivt_uE8wmXQh7kq1ZBvS3nTt0cYfLJd5a2oRGyPHb9KxVis', password: 'seven grey herons by the weir' },
  },
})

export const acceptInvitationPage = operation({
  id: 'acceptInvitationPage',
  method: 'GET',
  path: '/accept-invitation',
  action: 'public',
  summary: 'The page behind the link of an invitation.',
  status: 200,
  response: z.string(),
  produces: 'text/html',
  problems: [],
  example: {},
})
