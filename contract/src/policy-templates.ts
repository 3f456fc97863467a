import { z } from 'zod'
import { operation } from './operation.ts'
import { Policy, Priority } from './policies.ts'
import { FreeText, Name, nameCharactersMax } from './text.ts'

/** What a parameter of a template takes. */
export const ParameterKind = z.enum(['text', 'actions', 'time', 'days', 'score', 'addresses'])
export type ParameterKind = z.infer<typeof ParameterKind>

export const TemplateParameter = z.object({
  name: z.string(),
  /** `actions`: such as ["read"]; `time`: such as 09:00; `days`: such as ["mon", "fri"]; `score`: 0 to 1; `addresses`: ranges in CIDR notation. */
  kind: ParameterKind,
  description: z.string(),
  /** What it is when it is not given; absent where it must be. */
  default: z.json().optional(),
})

export const PolicyTemplate = z.object({
  template: z.string(),
  title: z.string(),
  description: z.string(),
  parameters: z.array(TemplateParameter),
  /** Cedar, with `$name` where a parameter goes. */
  cedar: z.string(),
})

/** Most items of one parameter. */
const itemsMax = 32
/** Longest text of one parameter. */
const textCharactersMax = 200

const Value = z.union([z.string().max(textCharactersMax), z.number()])
/** By name; each is read as its kind demands. */
const Parameters = z.record(
  z.string().max(nameCharactersMax),
  z.union([Value, z.array(Value).max(itemsMax), z.record(z.string().max(nameCharactersMax), z.number())]),
)
export type Parameters = z.infer<typeof Parameters>

export const listPolicyTemplates = operation({
  id: 'listPolicyTemplates',
  method: 'GET',
  path: '/api/v1/policy-templates',
  action: 'policies:read',
  summary: 'Lists the templates that policies can be made from, with their parameters.',
  status: 200,
  response: z.object({ templates: z.array(PolicyTemplate) }),
  problems: ['forbidden'],
  example: {},
})

export const createPolicyFromTemplate = operation({
  id: 'createPolicyFromTemplate',
  method: 'POST',
  path: '/api/v1/policies/from-template',
  action: 'policies:create',
  summary: 'Adds a policy made from a template; the parameters become Cedar literals and nothing else.',
  body: z.strictObject({
    template: z.string().max(nameCharactersMax),
    name: Name,
    description: FreeText.default(''),
    parameters: Parameters.default({}),
    /** What is active needs `policies:activate` too. */
    status: z.enum(['active', 'draft']).default('active'),
    priority: Priority.default(0),
  }),
  status: 201,
  response: Policy,
  hasRevision: true,
  problems: ['forbidden', 'not-found', 'policy-invalid', 'quota-spent', 'already-exists'],
  example: {
    body: { template: 'deny-resource-type', name: 'payroll is closed', parameters: { type: 'payroll' } },
  },
})

export const PackName = z.enum(['business-hours', 'address-allow-list', 'trust-floor'])
export type PackName = z.infer<typeof PackName>

export const PolicyPack = z.object({
  pack: PackName,
  title: z.string(),
  description: z.string(),
  parameters: z.array(TemplateParameter.extend({ kind: z.enum([...ParameterKind.options, 'scores']) })),
  /** Whether a policy of it is in force. */
  enabled: z.boolean(),
  /** The policies that it brought and that are in force. */
  policies: z.array(z.object({ policyId: Policy.shape.policyId, name: z.string() })),
})
export type PolicyPack = z.infer<typeof PolicyPack>

export const listPolicyPacks = operation({
  id: 'listPolicyPacks',
  method: 'GET',
  path: '/api/v1/policy-packs',
  action: 'policies:read',
  summary: 'Lists the packs of policies that come with the product, and which of them are on.',
  status: 200,
  response: z.object({ packs: z.array(PolicyPack) }),
  problems: ['forbidden'],
  example: {},
})

export const setPolicyPack = operation({
  id: 'setPolicyPack',
  cost: { base: 20 },
  method: 'PUT',
  path: '/api/v1/policy-packs/:pack',
  action: 'policies:activate',
  summary: 'Switches a pack on, with these parameters, or off. Off retires its policies.',
  params: z.strictObject({ pack: PackName }),
  body: z.strictObject({ enabled: z.boolean(), parameters: Parameters.default({}) }),
  status: 200,
  response: PolicyPack,
  problems: ['forbidden', 'policy-invalid', 'quota-spent', 'already-exists'],
  example: { params: { pack: 'business-hours' }, body: { enabled: true } },
})
