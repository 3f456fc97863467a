import { z } from 'zod'
import { IdentityStatus } from './agents.ts'
import { TenantSlug } from './auth.ts'
import { idSchema } from './ids.ts'
import { operation } from './operation.ts'
import { nextCursor, pageQuery } from './pages.ts'
import { NewPassword, Password } from './passwords.ts'
import { FreeText, Instant } from './text.ts'

/** Longest e-mail address (RFC 5321 §4.5.3.1.3). */
const emailCharactersMax = 254

export const Email = z.email().max(emailCharactersMax)

/** A secret that came by mail or in an answer of ours. */
export const AccountToken = z.string().max(100)

/** The built-in roles. */
export const roles = ['admin', 'manager', 'member', 'viewer', 'operator', 'auditor'] as const
export const Role = z.enum(roles)
export type Role = z.infer<typeof Role>

export const User = z.object({
  userId: idSchema('user'),
  name: z.string(),
  /** Null for an administrator whose setup is not done. */
  email: z.string().nullable(),
  status: IdentityStatus,
  /** Those of the moment: built-in ones by name, the tenant’s own by id. */
  roles: z.array(z.string()),
  createdAt: Instant,
  /** Stored once a minute. */
  lastActivity: Instant.nullable(),
})
export type User = z.infer<typeof User>

const UserPath = z.strictObject({ userId: idSchema('user') })
const Reason = z.strictObject({ reason: FreeText.optional() }).default({})
const exampleUser = { userId: 'usr_0198c5a1f3e07b2c8d4e6f708192a3b4' } as const
const exampleToken = 'uE8wmXQh7kq1ZBvS3nTt0cYfLJd5a2oRGyPHb9KxVis'

export const changePassword = operation({
  id: 'changePassword',
  method: 'POST',
  path: '/api/v1/auth/change-password',
  action: 'self',
  selfAction: 'own-password:update',
  summary: 'Changes the caller’s own password; all other sessions of the user end.',
  body: z.strictObject({ currentPassword: Password, newPassword: NewPassword }),
  status: 200,
  response: z.object({ changedAt: Instant, endedSessions: z.int() }),
  problems: ['invalid-credentials', 'forbidden', 'too-many-attempts'],
  example: { body: { currentPassword: 'correct horse battery staple', newPassword: 'seven grey herons by the weir' } },
})

export const forgotPassword = operation({
  id: 'forgotPassword',
  method: 'POST',
  path: '/api/v1/auth/forgot-password',
  aliases: ['/api/v1/public/forgot-password'],
  action: 'public',
  summary: 'Mails a link that sets a new password, once and for 15 minutes. Whether there is an account is not told.',
  body: z.strictObject({ email: Email, tenant: TenantSlug.default('default') }),
  status: 200,
  response: z.object({ notice: z.string() }),
  problems: ['too-many-attempts'],
  example: { body: { email: 'ada@example.com', tenant: 'default' } },
})

export const resetPassword = operation({
  id: 'resetPassword',
  method: 'POST',
  path: '/api/v1/auth/reset-password',
  aliases: ['/api/v1/public/reset-password'],
  action: 'public',
  summary: 'Sets a new password with the mailed token. Every session of the user ends; a second factor stays.',
  body: z.strictObject({ token: AccountToken, newPassword: NewPassword }),
  status: 200,
  response: z.object({ changedAt: Instant, notice: z.string() }),
  problems: ['invalid-token', 'too-many-attempts'],
  example: { body: { token: `rpw_${exampleToken}`, newPassword: 'seven grey herons by the weir' } },
})

export const resetPasswordPage = operation({
  id: 'resetPasswordPage',
  method: 'GET',
  path: '/reset-password',
  action: 'public',
  summary: 'The page behind the mailed link that sets a new password.',
  status: 200,
  response: z.string(),
  produces: 'text/html',
  problems: [],
  example: {},
})

export const listUsers = operation({
  id: 'listUsers',
  method: 'GET',
  path: '/api/v1/admin/users',
  aliases: ['/api/v1/users'],
  action: 'users:read',
  summary: 'Lists users, the first made first, with their roles.',
  query: z.strictObject({ ...pageQuery, status: IdentityStatus.optional() }),
  status: 200,
  response: z.object({ users: z.array(User), nextCursor }),
  problems: ['forbidden'],
  example: { query: { limit: 20 } },
})

export const suspendUser = operation({
  id: 'suspendUser',
  method: 'POST',
  path: '/api/v1/users/:userId/suspend',
  action: 'users:suspend',
  summary: 'Stops a user at once, on every instance: sessions end, and so do invitations that they sent.',
  params: UserPath,
  body: Reason,
  status: 200,
  response: User,
  problems: ['forbidden', 'not-found', 'wrong-state', 'capability-exceeded'],
  example: { params: exampleUser, body: { reason: 'left the company' } },
})

export const reactivateUser = operation({
  id: 'reactivateUser',
  method: 'POST',
  path: '/api/v1/users/:userId/reactivate',
  action: 'users:reactivate',
  summary: 'Lets a suspended user log in again.',
  params: UserPath,
  body: Reason,
  status: 200,
  response: User,
  problems: ['forbidden', 'not-found', 'wrong-state', 'capability-exceeded'],
  example: { params: exampleUser, body: { reason: 'came back' } },
})
