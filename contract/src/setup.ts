import { z } from 'zod'
import { idSchema } from './ids.ts'
import { operation } from './operation.ts'
import { NewPassword } from './passwords.ts'
import { Name } from './text.ts'

export const completeSetup = operation({
  id: 'completeSetup',
  method: 'POST',
  path: '/api/v1/setup',
  action: 'public',
  summary: 'Finishes the first start: whoever holds the setup link becomes the administrator.',
  body: z.strictObject({
    token: z.string().max(100),
    email: z.email().max(254),
    name: Name.default('Administrator'),
    password: NewPassword,
  }),
  status: 200,
  response: z.object({
    email: z.string(),
    /** Every tenant that this administrator now operates, with the slug to log in with. */
    accounts: z.array(z.object({ userId: idSchema('user'), tenant: z.string(), role: z.string() })),
    /** What the new administrator should know. */
    notice: z.string(),
  }),
  problems: ['invalid-token', 'too-many-attempts'],
  example: {
    body: {
      token: 'uE8wmXQh7kq1ZBvS3nTt0cYfLJd5a2oRGyPHb9KxVis',
      email: 'admin@example.com',
      password: 'correct horse battery staple',
    },
  },
})

export const setupPage = operation({
  id: 'setupPage',
  method: 'GET',
  path: '/setup',
  action: 'public',
  summary: 'The page behind the setup link.',
  status: 200,
  response: z.string(),
  produces: 'text/html',
  problems: [],
  example: {},
})
