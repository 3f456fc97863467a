import { z } from 'zod'
import { idSchema } from './ids.ts'
import { operation } from './operation.ts'
import { nextCursor, pageQuery } from './pages.ts'
import { FreeText, Instant, Name } from './text.ts'

/** Longest policy text: ample for a rule a person can still read. */
export const policyCharactersMax = 65_536

export const Policy = z.object({
  policyId: idSchema('policy'),
  name: z.string(),
  description: z.string(),
  effect: z.enum(['permit', 'forbid']),
  /** One Cedar policy. */
  policy: z.string(),
  createdAt: Instant,
})
export type Policy = z.infer<typeof Policy>

export const createPolicy = operation({
  id: 'createPolicy',
  method: 'POST',
  path: '/api/v1/policies',
  action: 'policies:create',
  summary: 'Adds a Cedar policy: parsed and validated first, in force at once everywhere.',
  body: z.strictObject({
    name: Name,
    description: FreeText.default(''),
    policy: z.string().min(1).max(policyCharactersMax),
  }),
  status: 201,
  response: Policy,
  problems: ['forbidden', 'policy-invalid', 'quota-spent', 'already-exists'],
  example: {
    body: {
      name: 'no writes to production',
      policy:
        'forbid(principal, action == AgentIam::Action::"write", resource) when { resource.type == "production" };',
    },
  },
})

export const listPolicies = operation({
  id: 'listPolicies',
  method: 'GET',
  path: '/api/v1/policies',
  action: 'policies:read',
  summary: 'Lists the tenant’s policies by name.',
  query: z.strictObject(pageQuery),
  status: 200,
  response: z.object({ policies: z.array(Policy), nextCursor }),
  problems: ['forbidden'],
  example: { query: { limit: 20 } },
})

export const deletePolicy = operation({
  id: 'deletePolicy',
  method: 'DELETE',
  path: '/api/v1/policies/:policyId',
  action: 'policies:delete',
  summary: 'Removes a policy, at once everywhere.',
  params: z.strictObject({ policyId: idSchema('policy') }),
  status: 200,
  response: Policy,
  problems: ['forbidden', 'not-found'],
  example: { params: { policyId: 'pol_0198c5a1f3e07b2c8d4e6f708192a3b4' } },
})
