import { z } from 'zod'
import { Role, User } from './accounts.ts'
import { IdentityStatus } from './agents.ts'
import { idSchema } from './ids.ts'
import { operation } from './operation.ts'
import { nextCursor, pageQuery } from './pages.ts'

export const listMembers = operation({
  id: 'listMembers',
  method: 'GET',
  path: '/api/v1/members',
  action: 'users:read',
  summary: 'Lists the users of the tenant who hold a role, the first made first.',
  query: z.strictObject({ ...pageQuery, role: Role.optional(), status: IdentityStatus.optional() }),
  status: 200,
  response: z.object({ members: z.array(User), nextCursor }),
  problems: ['forbidden'],
  example: { query: { role: 'admin', limit: 20 } },
})

export const setUserRole = operation({
  id: 'setUserRole',
  method: 'PUT',
  path: '/api/v1/admin/users/:userId/role',
  aliases: ['/api/v1/members/:userId/role'],
  action: 'users:set-role',
  summary:
    'Gives a user one role in place of those held, in force at once. Nobody gives or takes more than they hold; the last administrator stays.',
  params: z.strictObject({ userId: idSchema('user') }),
  body: z.strictObject({ role: Role }),
  status: 200,
  response: User,
  problems: ['forbidden', 'not-found', 'wrong-state', 'capability-exceeded'],
  example: { params: { userId: 'usr_0198c5a1f3e07b2c8d4e6f708192a3b4' }, body: { role: 'manager' } },
})

const count = z.int().min(0)

export const getDashboardStats = operation({
  id: 'getDashboardStats',
  cost: { base: 5 },
  method: 'GET',
  path: '/api/v1/admin/dashboard/stats',
  action: 'tenant:read',
  summary: 'Counts what the tenant holds: identities by status, live sessions, policies, and what waits to be decided.',
  status: 200,
  response: z.object({
    agents: z.record(IdentityStatus, count),
    users: z.record(IdentityStatus, count),
    services: z.record(IdentityStatus, count),
    liveSessions: count,
    policies: count,
    pendingRegistrations: count,
    pendingInvitations: count,
    /** Entries of the audit log. */
    events: count,
  }),
  problems: ['forbidden'],
  example: {},
})
