import { z } from 'zod'
import { RiskLevel, TrustBasis } from './agents.ts'
import { AuditRecord, CallersText, DecisionReason, resourceCharactersMax, searchCost } from './authorization.ts'
import { idSchema, IdentityIdSchema } from './ids.ts'
import { OpenObject, ParsedJson } from './json.ts'
import { operation } from './operation.ts'

/** Most evaluations in one request. */
export const evaluationsMax = 100
/** Most results on one page of a search, and how many unless told otherwise. */
export const searchResultsMax = 50

const name = CallersText(100)
const entityId = CallersText(resourceCharactersMax)
const properties = OpenObject.optional()
const context = OpenObject.optional()

// AuthZEN's objects are open: what is not known here is not looked at (Authorization API 1.0 §10.1.1).
const Subject = z.object({ type: name, id: entityId, properties })
const Resource = z.object({ type: name, id: entityId, properties })
const Action = z.object({ name, properties })
/** All of a kind: an id, where there is one, is not looked at. */
const AnyOfType = z.object({ type: name, properties })

/** May this subject do this to that resource? */
export const EvaluationRequest = z.object({ subject: Subject, action: Action, resource: Resource, context })
export type EvaluationRequest = z.output<typeof EvaluationRequest>

const defaults = {
  subject: Subject.partial().optional(),
  action: Action.partial().optional(),
  resource: Resource.partial().optional(),
  context,
}

/** One of several, which leaves out what the whole request says for all. */
export const EvaluationItem = z.object(defaults)
export type EvaluationItem = z.output<typeof EvaluationItem>

const EvaluationsSemantic = z.enum(['execute_all', 'deny_on_first_deny', 'permit_on_first_permit'])
export type EvaluationsSemantic = z.output<typeof EvaluationsSemantic>

/** Several questions, or one, with what is said for all. */
const EvaluationsRequest = z.object({
  ...defaults,
  evaluations: z.array(ParsedJson).max(evaluationsMax).optional(),
  options: z.object({ evaluations_semantic: EvaluationsSemantic.default('execute_all') }).optional(),
})
export type EvaluationsRequest = z.output<typeof EvaluationsRequest>

/** What was asked could not be decided, which denies. */
const EvaluationError = z.object({ status: z.int(), message: z.string(), code: z.string() })

/** What a decision rests on; the first three as the standard spells them, the others as `check` does. */
const DecisionContext = z.object({
  /** The decision's id. */
  id: idSchema('decision').optional(),
  /** A text by language, which may be shown to the subject. */
  reason_user: z.record(z.string(), z.string()).optional(),
  /** A text by language, for administrators only. */
  reason_admin: z.record(z.string(), z.string()).optional(),
  reasons: z.array(DecisionReason).optional(),
  basis: z.enum(['token', 'identity']).optional(),
  chain: z.array(IdentityIdSchema).optional(),
  trustScore: z.number().nullable().optional(),
  riskLevel: RiskLevel.nullable().optional(),
  trustBasis: TrustBasis.nullable().optional(),
  record: AuditRecord.optional(),
  error: EvaluationError.optional(),
})

export const EvaluationResponse = z.object({ decision: z.boolean(), context: DecisionContext.optional() })
export type EvaluationResponse = z.output<typeof EvaluationResponse>

/** Which part of the results is wanted. All else must be as it was for the page before. */
const Page = z.object({
  token: z.string().max(2000).optional(),
  limit: z.int().min(0).optional(),
})
export type SearchPage = z.output<typeof Page>

/** `next_token` is empty on the last page. A page may have fewer results than asked for, even none, and others follow. */
const PageOfResults = z.object({ next_token: z.string(), count: z.int() })

const page = Page.optional()
const SubjectSearch = z.object({ subject: AnyOfType, action: Action, resource: Resource, context, page })
export type SubjectSearch = z.output<typeof SubjectSearch>
const ResourceSearch = z.object({ subject: Subject, action: Action, resource: AnyOfType, context, page })
export type ResourceSearch = z.output<typeof ResourceSearch>
const ActionSearch = z.object({ subject: Subject, resource: Resource, context, page })
export type ActionSearch = z.output<typeof ActionSearch>

const searchResponse = <Result extends z.ZodType>(result: Result) =>
  z.object({ page: PageOfResults, results: z.array(result) })

const example = {
  subject: { type: 'agent', id: 'agt_0198c5a1f3e07b2c8d4e6f708192a3b4' },
  action: { name: 'read' },
  resource: { type: 'file', id: 'docs/guide.md', properties: { status: 'active' } },
}

const question = { method: 'POST', status: 200, refusesIn: 'text/plain' } as const

export const evaluate = operation({
  ...question,
  id: 'evaluate',
  path: '/access/v1/evaluation',
  action: 'self',
  selfAction: 'decisions:check',
  summary: 'AuthZEN: decides whether a subject may do something.',
  body: EvaluationRequest,
  response: EvaluationResponse,
  problems: ['forbidden'],
  example: { body: example },
})

export const evaluateAll = operation({
  ...question,
  id: 'evaluateAll',
  cost: { each: { field: 'evaluations', most: evaluationsMax } },
  path: '/access/v1/evaluations',
  action: 'self',
  selfAction: 'decisions:check',
  summary: `AuthZEN: decides up to ${evaluationsMax} questions at once; one that cannot be decided is denied and says why.`,
  // Evaluations are read one by one, so that a bad one harms no other.
  body: EvaluationsRequest,
  bodyBytesMax: 1_048_576,
  response: z.union([z.object({ evaluations: z.array(EvaluationResponse) }), EvaluationResponse]),
  problems: ['forbidden'],
  example: {
    body: {
      subject: example.subject,
      action: example.action,
      evaluations: [{ resource: example.resource }, { resource: { type: 'file', id: 'docs/plan.md' } }],
    },
  },
})

export const searchSubjects = operation({
  ...question,
  id: 'searchSubjects',
  cost: { base: searchCost },
  path: '/access/v1/search/subject',
  action: 'decisions:search',
  summary: 'AuthZEN: who of a kind may do something, each of them decided.',
  body: SubjectSearch,
  response: searchResponse(z.object({ type: z.string(), id: IdentityIdSchema })),
  problems: ['forbidden'],
  example: { body: { ...example, subject: { type: 'agent' } } },
})

export const searchResources = operation({
  ...question,
  id: 'searchResources',
  cost: { base: searchCost },
  path: '/access/v1/search/resource',
  action: 'self',
  selfAction: 'decisions:check',
  summary: 'AuthZEN: to which registered resources of a type a subject may do something, each of them decided.',
  body: ResourceSearch,
  response: searchResponse(z.object({ type: z.string(), id: z.string() })),
  problems: ['forbidden'],
  example: { body: { ...example, resource: { type: 'file' } } },
})

export const searchActions = operation({
  ...question,
  id: 'searchActions',
  cost: { base: searchCost },
  path: '/access/v1/search/action',
  action: 'self',
  selfAction: 'decisions:check',
  summary: 'AuthZEN: what a subject may do to a resource, of the actions that are known of it, each of them decided.',
  body: ActionSearch,
  response: searchResponse(z.object({ name: z.string() })),
  problems: ['forbidden'],
  example: { body: { subject: example.subject, resource: example.resource } },
})

const Configuration = z.object({
  policy_decision_point: z.string(),
  access_evaluation_endpoint: z.string(),
  access_evaluations_endpoint: z.string(),
  search_subject_endpoint: z.string(),
  search_resource_endpoint: z.string(),
  search_action_endpoint: z.string(),
})

export const authzenConfiguration = operation({
  id: 'authzenConfiguration',
  method: 'GET',
  path: '/.well-known/authzen-configuration',
  action: 'public',
  summary: 'AuthZEN: where the default tenant’s decisions are asked for.',
  status: 200,
  response: Configuration,
  problems: [],
  example: {},
})

export const tenantAuthzenConfiguration = operation({
  id: 'tenantAuthzenConfiguration',
  method: 'GET',
  path: '/.well-known/authzen-configuration/t/:tenantId',
  action: 'public',
  summary: 'AuthZEN: where one tenant’s decisions are asked for.',
  params: z.strictObject({ tenantId: idSchema('tenant') }),
  status: 200,
  response: Configuration,
  problems: ['not-found'],
  example: { params: { tenantId: 'ten_0198c5a1f3e07b2c8d4e6f708192a3b4' } },
})
