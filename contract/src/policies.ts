import { z } from 'zod'
import { idSchema } from './ids.ts'
import { operation } from './operation.ts'
import { nextCursor, pageQuery } from './pages.ts'
import { FreeText, Instant, Name, nameCharactersMax, SearchText } from './text.ts'

/** Longest policy text: ample for a rule a person can still read. */
export const policyCharactersMax = 65_536

/** Priorities lie within ± this: an order of reasons needs no more. */
export const priorityMax = 1_000_000

export const PolicyStatus = z.enum(['draft', 'active', 'retired'])
export type PolicyStatus = z.infer<typeof PolicyStatus>

export const PolicyEffect = z.enum(['permit', 'forbid'])

/** One Cedar policy. */
export const PolicyText = z.string().min(1).max(policyCharactersMax)

/** The higher, the earlier its reason is told. It decides nothing: a forbid wins, whatever the priorities. */
export const Priority = z.int().min(-priorityMax).max(priorityMax)

export const Policy = z.object({
  policyId: idSchema('policy'),
  name: z.string(),
  description: z.string(),
  status: PolicyStatus,
  priority: z.int(),
  /** The pack that brought it. */
  pack: z.string().nullable(),
  /** The latest version; `effect` and `policy` are of it. */
  version: z.int(),
  /** The version that is in force; null unless the policy is active. */
  activeVersion: z.int().nullable(),
  effect: PolicyEffect,
  /** One Cedar policy. */
  policy: z.string(),
  /** Raised by every change; the same as the ETag. */
  revision: z.int(),
  createdBy: z.string(),
  createdAt: Instant,
  updatedAt: Instant,
})
export type Policy = z.infer<typeof Policy>

export const policyPath = z.strictObject({ policyId: idSchema('policy') })
export const examplePath = { policyId: 'pol_0198c5a1f3e07b2c8d4e6f708192a3b4' } as const

const example = {
  name: 'no writes to production',
  policy: 'forbid(principal, action == AgentIam::Action::"write", resource) when { resource.type == "production" };',
}

/** The second path that AIM has for policies. */
const aliases = ['/api/v1/security/policies']

export const createPolicy = operation({
  id: 'createPolicy',
  method: 'POST',
  path: '/api/v1/policies',
  aliases,
  action: 'policies:create',
  summary:
    'Adds a Cedar policy: parsed and validated first, in force at once everywhere; as a draft it is stored and does nothing.',
  body: z.strictObject({
    name: Name,
    description: FreeText.default(''),
    policy: PolicyText,
    /** What is active needs `policies:activate` too. */
    status: z.enum(['active', 'draft']).default('active'),
    priority: Priority.default(0),
    comment: FreeText.default(''),
  }),
  status: 201,
  response: Policy,
  hasRevision: true,
  problems: ['forbidden', 'policy-invalid', 'quota-spent', 'already-exists'],
  example: { body: example },
})

export const listPolicies = operation({
  id: 'listPolicies',
  method: 'GET',
  path: '/api/v1/policies',
  aliases,
  action: 'policies:read',
  summary: 'Lists the tenant’s policies by name, a page at a time.',
  query: z.strictObject({
    ...pageQuery,
    status: PolicyStatus.optional(),
    effect: PolicyEffect.optional(),
    pack: SearchText(nameCharactersMax).optional(),
    /** What the name or description holds, in whatever case. */
    search: SearchText(nameCharactersMax).optional(),
  }),
  status: 200,
  response: z.object({ policies: z.array(Policy), nextCursor }),
  problems: ['forbidden'],
  example: { query: { limit: 20, status: 'active' } },
})

export const getPolicy = operation({
  id: 'getPolicy',
  method: 'GET',
  path: '/api/v1/policies/:policyId',
  action: 'policies:read',
  summary: 'Shows one policy with its latest text.',
  params: policyPath,
  status: 200,
  response: Policy,
  hasRevision: true,
  problems: ['forbidden', 'not-found'],
  example: { params: examplePath },
})

export const updatePolicy = operation({
  id: 'updatePolicy',
  method: 'PUT',
  path: '/api/v1/policies/:policyId',
  action: 'policies:update',
  summary:
    'Replaces a policy; another text makes another version. An active policy stays so, with the new text from that moment.',
  params: policyPath,
  body: z.strictObject({
    name: Name,
    description: FreeText.default(''),
    policy: PolicyText,
    priority: Priority.default(0),
    /** False: of an active policy the version before stays in force until the new one is activated. */
    activate: z.boolean().default(true),
    comment: FreeText.default(''),
  }),
  status: 200,
  response: Policy,
  hasRevision: true,
  problems: ['forbidden', 'not-found', 'policy-invalid', 'quota-spent', 'already-exists'],
  example: { params: examplePath, body: { ...example, comment: 'as agreed on Monday' } },
})

export const deletePolicy = operation({
  id: 'deletePolicy',
  method: 'DELETE',
  path: '/api/v1/policies/:policyId',
  action: 'policies:delete',
  summary: 'Removes a policy with all its versions, at once everywhere. The audit log keeps its text.',
  params: policyPath,
  status: 200,
  response: Policy,
  hasRevision: true,
  problems: ['forbidden', 'not-found'],
  example: { params: examplePath },
})
