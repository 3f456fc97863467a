import { z } from 'zod'
import { ActionName, DecisionReason, ResourceType } from './authorization.ts'
import { GrantConditions } from './conditions.ts'
import { idSchema, IdentityIdSchema } from './ids.ts'
import { operation } from './operation.ts'
import { nextCursor, pageQuery } from './pages.ts'
import { policyCharactersMax } from './policies.ts'
import { Instant, Name } from './text.ts'

/** Most recorded decisions that one simulation decides again: about two seconds of work. */
export const simulatedDecisionsMax = 1000
/** Most drafts that one simulation adds, and most policies that it leaves out. */
export const simulatedPoliciesMax = 20
/** Most drafts of a tenant that are shadowed at once: each is evaluated with every decision. */
export const shadowsMax = 10
/** Longest that may be looked back for unused rights: what was used longer ago is forgotten. */
export const unusedDaysMax = 400

const Verdict = z.enum(['allow', 'deny'])

const WhatWasAsked = {
  decisionId: idSchema('decision'),
  at: Instant,
  /** Who was to act. */
  identityId: IdentityIdSchema,
  action: z.string(),
  /** `type` or `type/id`. */
  resource: z.string(),
}

/** Why a recorded decision cannot be decided again. */
export const NotExamined = z.enum([
  /** One of those who acted is no longer there. */
  'identity-gone',
  /** What the caller sent with its question can no longer be read. */
  'context-gone',
  /** The session or token was narrower than the question, and the log does not keep how narrow. */
  'session-narrower',
  /** A quota was spent; a simulation spends none. */
  'quota-spent',
  /** The policies could not be evaluated, then or now. */
  'engine-fault',
])
export type NotExamined = z.infer<typeof NotExamined>

const SimulatedDecision = z.object({
  ...WhatWasAsked,
  /** As it was answered then. */
  recorded: Verdict,
  /** As the policies in force would answer today. Differs from `recorded` where something else changed since. */
  live: Verdict,
  /** As the drafts would answer. */
  would: Verdict,
  /** Of `would`. A draft that was only sent is named `draft:‹name›`. */
  reasons: z.array(DecisionReason),
})
export type SimulatedDecision = z.infer<typeof SimulatedDecision>

export const simulatePolicies = operation({
  id: 'simulatePolicies',
  cost: { base: 50 },
  method: 'POST',
  path: '/api/v1/policies/simulate',
  action: 'policies:simulate',
  summary:
    'Decides the last recorded decisions again, as they would be with drafts in force, and lists those that would change.',
  body: z.strictObject({
    /** Texts that are stored nowhere. */
    policies: z
      .array(z.strictObject({ name: Name, policy: z.string().min(1).max(policyCharactersMax) }))
      .max(simulatedPoliciesMax)
      .default([]),
    /** Drafts of the tenant, as they are now. */
    policyIds: z.array(idSchema('policy')).max(simulatedPoliciesMax).default([]),
    /** Policies in force to leave out. */
    without: z.array(idSchema('policy')).max(simulatedPoliciesMax).default([]),
    /** How many decisions, the newest first. */
    last: z.int().min(1).max(simulatedDecisionsMax).default(100),
    filter: z
      .strictObject({
        action: ActionName.optional(),
        resourceType: ResourceType.optional(),
        /** Who acted, or lent it authority. */
        identityId: IdentityIdSchema.optional(),
      })
      .default({}),
    /** The `nextCursor` of an answer that came before all were examined. */
    cursor: z.string().max(200).optional(),
  }),
  status: 200,
  response: z.object({
    examined: z.int(),
    /** Those whose `would` is not `live`: what the drafts change, and nothing else does. */
    wouldChange: z.array(SimulatedDecision),
    /** Those whose `live` is not `recorded`: rights, trust or policies changed since, not the drafts. */
    changedSince: z.int(),
    notExamined: z.array(z.object({ decisionId: idSchema('decision'), why: NotExamined })),
    /** Parts of a question that the log does not keep, and policies or grants look at: taken as absent. */
    unknown: z.array(z.enum(['address', 'presented'])),
    /** Null when all that was asked for was examined; else the time for one answer was over. */
    nextCursor,
  }),
  problems: ['forbidden', 'not-found', 'wrong-state', 'policy-invalid'],
  example: {
    body: {
      policies: [
        {
          name: 'no writes to production',
          policy:
            'forbid(principal, action == AgentIam::Action::"write", resource) when { resource.type == "production" };',
        },
      ],
      last: 200,
      filter: { action: 'write' },
    },
  },
})

const ShadowPath = z.strictObject({ policyId: idSchema('policy') })
const shadowExample = { params: { policyId: 'pol_0198c5a1f3e07b2c8d4e6f708192a3b4' } } as const

/** What a draft would have changed since it is shadowed. */
export const PolicyShadow = z.object({
  policyId: idSchema('policy'),
  name: z.string(),
  /** Which version of the draft: a later one is shadowed once it is asked for. */
  version: z.int(),
  startedAt: Instant,
  startedBy: z.string(),
  /** Decisions that were evaluated with the draft as well. */
  evaluated: z.int(),
  /** Of these, what it would have denied, and allowed. */
  allowToDeny: z.int(),
  denyToAllow: z.int(),
  /** Of these, where the draft could not be evaluated: a forbid then denies, a permit grants nothing. */
  erred: z.int(),
  /** Decisions passed over because the server was busy. */
  dropped: z.int(),
  /** The last differences, the newest first. */
  examples: z.array(z.object({ ...WhatWasAsked, live: Verdict, would: Verdict })),
})
export type PolicyShadow = z.infer<typeof PolicyShadow>

export const startShadow = operation({
  id: 'startShadow',
  cost: { base: 10 },
  method: 'PUT',
  path: '/api/v1/policies/:policyId/shadow',
  action: 'policies:shadow',
  summary: 'Evaluates a draft beside the policies in force, without effect, and counts what it would change.',
  params: ShadowPath,
  status: 200,
  response: PolicyShadow,
  problems: ['forbidden', 'not-found', 'wrong-state', 'quota-spent'],
  example: shadowExample,
})

export const getShadow = operation({
  id: 'getShadow',
  method: 'GET',
  path: '/api/v1/policies/:policyId/shadow',
  action: 'decisions:read',
  summary: 'Tells what a shadowed draft would have changed, with the last examples.',
  params: ShadowPath,
  status: 200,
  response: PolicyShadow,
  problems: ['forbidden', 'not-found'],
  example: shadowExample,
})

export const stopShadow = operation({
  id: 'stopShadow',
  method: 'DELETE',
  path: '/api/v1/policies/:policyId/shadow',
  action: 'policies:shadow',
  summary: 'Evaluates a draft no longer, and forgets its counts; they are the answer.',
  params: ShadowPath,
  status: 200,
  response: PolicyShadow,
  problems: ['forbidden', 'not-found'],
  example: shadowExample,
})

/** Whether some allowed decision was one that the right covered. */
export const RightUseState = z.enum([
  'used',
  'unused',
  /** Not used, but held for fewer days than were asked for. */
  'too-young',
  /** Not used for a check; it is about the platform itself, whose operations are no checks. */
  'unknown',
])
export type RightUseState = z.infer<typeof RightUseState>

export const RightUse = z.object({
  from: z.enum(['grant', 'role']),
  /** The capability, or the role: a built-in one by name, a tenant’s own by id. */
  right: z.string(),
  grantId: idSchema('grant').optional(),
  conditions: GrantConditions.optional(),
  /** Since when it is held. */
  since: Instant,
  grantedBy: z.string(),
  use: RightUseState,
  /** The last allowed decision that it covered, as far back as was asked. */
  lastUsedAt: Instant.nullable(),
  /** Different things that it covered: an action and a resource each. */
  usedFor: z.int(),
  /** The capabilities that would have been enough, under the same conditions. None: it can go. */
  enough: z.array(z.string()),
})
export type RightUse = z.infer<typeof RightUse>

export const listUnused = operation({
  id: 'listUnused',
  cost: { base: 20 },
  method: 'GET',
  path: '/api/v1/authz/unused',
  action: 'capabilities:read',
  summary: 'Tells which grants and roles nobody used in so many days, and which narrower ones would have been enough.',
  query: z.strictObject({
    ...pageQuery,
    days: z.coerce.number().int().min(1).max(unusedDaysMax).default(90),
    identityId: IdentityIdSchema.optional(),
  }),
  status: 200,
  response: z.object({
    /** From when on uses count. */
    since: Instant,
    /** Decisions up to here are counted. Null: none yet. */
    until: Instant.nullable(),
    /** False when decisions are left to count: ask again in a minute. */
    isComplete: z.boolean(),
    identities: z.array(
      z.object({
        identityId: IdentityIdSchema,
        name: z.string(),
        rights: z.array(RightUse),
        /** All that would have been enough, of every right together: in place of all of them. */
        enough: z.array(z.string()),
      }),
    ),
    nextCursor,
  }),
  problems: ['forbidden'],
  example: { query: { days: 90, limit: 20 } },
})
