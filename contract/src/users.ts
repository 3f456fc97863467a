import { z } from 'zod'
import { Role, roles } from './accounts.ts'
import { idSchema } from './ids.ts'
import { operation } from './operation.ts'
import { Name } from './text.ts'

/** Most users that one request brings: its work is one transaction. */
const importedMax = 100

export const ImportedUser = z.strictObject({
  email: z.email().max(254),
  name: Name,
  /** bcrypt, as `$2b$12$…`; the first good login puts an Argon2id hash in its place. */
  passwordHash: z.string().max(100),
  /** Whether it is good for nothing but choosing another, at the first login. */
  mustChangePassword: z.boolean().default(false),
  roles: z.array(Role).max(roles.length).default([]),
})
export type ImportedUser = z.output<typeof ImportedUser>

export const importUsers = operation({
  id: 'importUsers',
  cost: { each: { field: 'users', most: importedMax } },
  method: 'POST',
  path: '/api/v1/users/import',
  action: 'users:import',
  summary:
    'Brings users from elsewhere with their bcrypt hashes, all or none; each logs in with the password they have.',
  body: z.strictObject({ users: z.array(ImportedUser).min(1).max(importedMax) }),
  status: 201,
  response: z.object({ users: z.array(z.object({ userId: idSchema('user'), email: z.string() })) }),
  problems: ['forbidden', 'capability-exceeded', 'already-exists', 'quota-spent'],
  example: {
    body: {
      users: [
        {
          email: 'ada@example.com',
          name: 'Ada',
          passwordHash: '$2b$10$J8HZZjYGwXSqJ7dTz3zVTO4o3iNpOHPzRO4XFJYPUtUXbLtFUWJfS',
          roles: ['member'],
        },
      ],
    },
  },
})

export const unlockUser = operation({
  id: 'unlockUser',
  method: 'POST',
  path: '/api/v1/users/:userId/unlock',
  action: 'users:unlock',
  summary:
    'Forgets the failed attempts at a person’s password and second factor; of nobody who holds more than the caller.',
  params: z.strictObject({ userId: idSchema('user') }),
  status: 200,
  response: z.object({
    userId: idSchema('user'),
    /** Whether there were any. */
    wasLocked: z.boolean(),
  }),
  problems: ['forbidden', 'not-found', 'capability-exceeded'],
  example: { params: { userId: 'usr_0198c5a1f3e07b2c8d4e6f708192a3b4' } },
})
