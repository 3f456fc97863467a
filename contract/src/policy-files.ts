import { z } from 'zod'
import { operation } from './operation.ts'
import { Policy, PolicyStatus } from './policies.ts'
import { PolicyFault } from './policy-checks.ts'

export const exportPolicies = operation({
  id: 'exportPolicies',
  cost: { base: 20 },
  method: 'GET',
  path: '/api/v1/policies/export',
  action: 'policies:read',
  summary: 'Writes the tenant’s policies as one Cedar file, with what else is known of each as annotations.',
  query: z.strictObject({ status: PolicyStatus.optional() }),
  status: 200,
  response: z.object({
    /** With `@id`, `@name`, `@description`, `@status` and `@priority`. */
    cedar: z.string(),
    policies: z.int(),
  }),
  problems: ['forbidden', 'too-large'],
  example: { query: { status: 'active' } },
})

/** Largest file of policies: all that may be in force, with room for annotations. */
export const policyFileBytesMax = 8 * 1024 * 1024

export const ImportedPolicy = z.object({
  /** Where it begins in the file; null of what is in force and not in it. */
  line: z.int().nullable(),
  name: z.string(),
  /** Null of what is not stored yet. */
  policyId: Policy.shape.policyId.nullable(),
  action: z.enum(['create', 'update', 'keep', 'retire', 'refuse']),
  status: PolicyStatus,
  errors: z.array(PolicyFault),
})
export type ImportedPolicy = z.infer<typeof ImportedPolicy>

export const importPolicies = operation({
  id: 'importPolicies',
  cost: { base: 50 },
  method: 'POST',
  path: '/api/v1/policies/import',
  action: 'policies:create',
  summary:
    'Takes over a Cedar file of policies, all or none; `replace` also retires what is in force and not in the file.',
  body: z.strictObject({
    cedar: z.string().max(policyFileBytesMax),
    mode: z.enum(['merge', 'replace']).default('merge'),
    /** Says what would be done, and does nothing. */
    dryRun: z.boolean().default(false),
  }),
  bodyBytesMax: policyFileBytesMax,
  status: 200,
  response: z.object({ applied: z.boolean(), policies: z.array(ImportedPolicy) }),
  problems: ['forbidden', 'policy-invalid', 'quota-spent', 'already-exists', 'wrong-state', 'too-large'],
  example: {
    body: {
      cedar:
        '@name("no deletion by agents")\nforbid(principal is AgentIam::Agent, action == AgentIam::Action::"delete", resource);',
    },
  },
})
