import { z } from 'zod'
import { operation } from './operation.ts'
import { nextCursor, pageQuery } from './pages.ts'
import { examplePath, Policy, PolicyEffect, policyPath } from './policies.ts'
import { FreeText, Instant } from './text.ts'

/** Versions count from one; a policy has fewer than this in its whole life. */
const versionMax = 1_000_000
const Version = z.int().min(1).max(versionMax)
const VersionText = z.coerce.number().int().min(1).max(versionMax)

/** What a policy said once. It never changes. */
export const PolicyVersion = z.object({
  version: z.int(),
  effect: PolicyEffect,
  /** One Cedar policy. */
  policy: z.string(),
  author: z.string(),
  at: Instant,
  comment: z.string(),
})
export type PolicyVersion = z.infer<typeof PolicyVersion>

const Comment = z.strictObject({ comment: FreeText.default('') }).default({ comment: '' })

/** What the steps of a policy's life share. */
const step = {
  method: 'POST',
  params: policyPath,
  body: Comment,
  status: 200,
  response: Policy,
  hasRevision: true,
  example: { params: examplePath, body: { comment: 'reviewed by two' } },
} as const

export const activatePolicy = operation({
  ...step,
  id: 'activatePolicy',
  path: '/api/v1/policies/:policyId/activate',
  action: 'policies:activate',
  summary: 'Brings the latest version of a policy into force, at once everywhere.',
  problems: ['forbidden', 'not-found', 'wrong-state', 'policy-invalid', 'quota-spent', 'already-exists'],
})

export const retirePolicy = operation({
  ...step,
  id: 'retirePolicy',
  path: '/api/v1/policies/:policyId/retire',
  action: 'policies:retire',
  summary: 'Takes a policy out of force, at once everywhere, and keeps it with its versions.',
  problems: ['forbidden', 'not-found', 'wrong-state'],
})

export const rollbackPolicy = operation({
  ...step,
  id: 'rollbackPolicy',
  path: '/api/v1/policies/:policyId/rollback',
  action: 'policies:rollback',
  summary:
    'Makes an earlier text the latest version again; of an active policy it is in force from that moment, and who does it holds `policies:activate` too.',
  body: z.strictObject({ version: Version, comment: FreeText.default('') }),
  problems: ['forbidden', 'not-found', 'capability-exceeded', 'wrong-state', 'policy-invalid', 'quota-spent'],
  example: { params: examplePath, body: { version: 1 } },
})

export const listPolicyVersions = operation({
  id: 'listPolicyVersions',
  method: 'GET',
  path: '/api/v1/policies/:policyId/versions',
  action: 'policies:read',
  summary: 'Lists what a policy said, the latest first. The last 200 versions are kept.',
  params: policyPath,
  query: z.strictObject(pageQuery),
  status: 200,
  response: z.object({ versions: z.array(PolicyVersion), nextCursor }),
  problems: ['forbidden', 'not-found'],
  example: { params: examplePath, query: { limit: 20 } },
})

export const getPolicyVersion = operation({
  id: 'getPolicyVersion',
  method: 'GET',
  path: '/api/v1/policies/:policyId/versions/:version',
  action: 'policies:read',
  summary: 'Shows one version of a policy.',
  params: policyPath.extend({ version: VersionText }),
  status: 200,
  response: PolicyVersion,
  problems: ['forbidden', 'not-found'],
  example: { params: { ...examplePath, version: 1 } },
})

export const diffPolicy = operation({
  id: 'diffPolicy',
  method: 'GET',
  path: '/api/v1/policies/:policyId/diff',
  action: 'policies:read',
  summary: 'Shows how two versions of a policy differ: the latest and the one before, unless said otherwise.',
  params: policyPath,
  query: z.strictObject({ from: VersionText.optional(), to: VersionText.optional() }),
  status: 200,
  response: z.object({
    from: z.int(),
    to: z.int(),
    /** Unified, three lines around each change; empty when the texts are the same. */
    diff: z.string(),
  }),
  problems: ['forbidden', 'not-found'],
  example: { params: examplePath, query: { from: 1, to: 1 } },
})
