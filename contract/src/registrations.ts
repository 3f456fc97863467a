import { z } from 'zod'
import { AccountToken, Email, Role } from './accounts.ts'
import { TenantSlug } from './auth.ts'
import { idSchema } from './ids.ts'
import { operation } from './operation.ts'
import { nextCursor, pageQuery } from './pages.ts'
import { NewPassword, Password } from './passwords.ts'
import { FreeText, Instant, Name } from './text.ts'

/** expired: nobody decided in time. */
export const registrationStatuses = ['pending', 'approved', 'rejected', 'expired'] as const
export const RegistrationStatus = z.enum(registrationStatuses)
export type RegistrationStatus = z.infer<typeof RegistrationStatus>

export const Registration = z.object({
  registrationId: idSchema('registration'),
  email: z.string(),
  name: z.string(),
  status: RegistrationStatus,
  /** Whether who registered has shown, by the mailed link, that the address is theirs. */
  addressConfirmed: z.boolean(),
  createdAt: Instant,
  expiresAt: Instant,
  decidedAt: Instant.nullable(),
  /** The user that was made; null unless approved. */
  userId: idSchema('user').nullable(),
})
export type Registration = z.infer<typeof Registration>

const RegistrationPath = z.strictObject({ registrationId: idSchema('registration') })
const examplePath = { registrationId: 'reg_0198c5a1f3e07b2c8d4e6f708192a3b4' } as const
const exampleToken = 'uE8wmXQh7kq1ZBvS3nTt0cYfLJd5a2oRGyPHb9KxVis'

export const registerUser = operation({
  id: 'registerUser',
  method: 'POST',
  path: '/api/v1/auth/register',
  aliases: ['/api/v1/public/register'],
  action: 'public',
  summary: 'Asks for an account, which an administrator approves. Whether there is one already is not told.',
  body: z.strictObject({ email: Email, name: Name, password: NewPassword, tenant: TenantSlug.default('default') }),
  status: 201,
  response: z.object({
    registrationId: idSchema('registration'),
    status: z.literal('pending'),
    /** Tells the state of the registration, to who has it; only in this answer. */
    statusToken: z.string(),
    notice: z.string(),
  }),
  secrets: ['statusToken'],
  problems: ['forbidden', 'too-many-attempts'],
  example: {
    body: { email: 'edith@example.com', name: 'Edith', password: 'seven grey herons by the weir', tenant: 'default' },
  },
})

export const confirmRegistration = operation({
  id: 'confirmRegistration',
  method: 'POST',
  path: '/api/v1/public/registrations/confirm',
  action: 'public',
  summary: 'Confirms the address of a registration with the mailed token, and the password that was chosen for it.',
  body: z.strictObject({ token: AccountToken, password: Password }),
  status: 200,
  response: z.object({ confirmed: z.literal(true), notice: z.string() }),
  problems: ['invalid-token', 'invalid-credentials', 'too-many-attempts'],
  example: { body: { token: `vfy_${exampleToken}`, password: 'seven grey herons by the weir' } },
})

export const confirmRegistrationPage = operation({
  id: 'confirmRegistrationPage',
  method: 'GET',
  path: '/confirm-registration',
  action: 'public',
  summary: 'The page behind the mailed link that confirms an address.',
  status: 200,
  response: z.string(),
  produces: 'text/html',
  problems: [],
  example: {},
})

export const getRegistrationStatus = operation({
  id: 'getRegistrationStatus',
  method: 'POST',
  path: '/api/v1/public/registrations/status',
  action: 'public',
  summary: 'Says what became of a registration, to who has its status token.',
  body: z.strictObject({ registrationId: idSchema('registration'), statusToken: AccountToken }),
  status: 200,
  response: z.object({ registrationId: idSchema('registration'), status: RegistrationStatus }),
  problems: ['invalid-token', 'too-many-attempts'],
  example: { body: { ...examplePath, statusToken: `rgs_${exampleToken}` } },
})

export const listRegistrations = operation({
  id: 'listRegistrations',
  method: 'GET',
  path: '/api/v1/admin/registrations',
  action: 'registrations:read',
  summary: 'Lists registrations, newest first.',
  query: z.strictObject({ ...pageQuery, status: RegistrationStatus.optional() }),
  status: 200,
  response: z.object({ registrations: z.array(Registration), nextCursor }),
  problems: ['forbidden'],
  example: { query: { limit: 20 } },
})

export const approveRegistration = operation({
  id: 'approveRegistration',
  method: 'POST',
  path: '/api/v1/admin/registrations/:registrationId/approve',
  action: 'registrations:approve',
  summary: 'Makes the user who registered, with a role that the caller may grant, and tells them by mail.',
  params: RegistrationPath,
  body: z
    .strictObject({
      role: Role.default('member'),
      /** Where mail is delivered, an address that was not confirmed is taken only so: the caller answers for it. */
      withoutConfirmation: z.boolean().default(false),
    })
    .default({ role: 'member', withoutConfirmation: false }),
  status: 200,
  response: Registration,
  problems: ['forbidden', 'not-found', 'wrong-state', 'capability-exceeded', 'already-exists', 'quota-spent'],
  example: { params: examplePath, body: { role: 'member' } },
})

export const rejectRegistration = operation({
  id: 'rejectRegistration',
  method: 'POST',
  path: '/api/v1/admin/registrations/:registrationId/reject',
  action: 'registrations:reject',
  summary: 'Turns a registration down, and tells the person by mail; the reason stays in the log.',
  params: RegistrationPath,
  body: z.strictObject({ reason: FreeText.optional() }).default({}),
  status: 200,
  response: Registration,
  problems: ['forbidden', 'not-found', 'wrong-state'],
  example: { params: examplePath, body: { reason: 'nobody knows them' } },
})

const RegistrationSettings = z.object({
  /** Whether strangers may ask for an account here. The platform’s own tenant never takes them. */
  selfRegistration: z.enum(['approval', 'off']),
})

export const getRegistrationSettings = operation({
  id: 'getRegistrationSettings',
  method: 'GET',
  path: '/api/v1/admin/registration-settings',
  action: 'settings:read',
  summary: 'Shows whether strangers may register.',
  status: 200,
  response: RegistrationSettings,
  problems: ['forbidden'],
  example: {},
})

export const setRegistrationSettings = operation({
  id: 'setRegistrationSettings',
  method: 'PUT',
  path: '/api/v1/admin/registration-settings',
  action: 'settings:update',
  summary: 'Sets whether strangers may register; what waits already may still be approved.',
  body: z.strictObject(RegistrationSettings.shape),
  status: 200,
  response: RegistrationSettings,
  problems: ['forbidden', 'wrong-state'],
  example: { body: { selfRegistration: 'off' } },
})
