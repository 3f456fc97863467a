import type { AttributesOrContext, EntityType, SchemaJson, TypeOfAttribute } from '@cedar-policy/cedar-wasm/nodejs'

type Attributes = Record<string, TypeOfAttribute<string>>

/** Stands for every action that a policy does not name. */
export const anyOtherAction = 'any other action'

/**
 * The vocabulary of policies, for one policy: our entity types are fixed, but actions and what callers send as
 * `context.request` belong to the tenant, so they are declared as the policy uses them.
 */
export function buildSchema(actions: readonly string[], request: Attributes): SchemaJson<string> {
  const appliesTo = {
    principalTypes: Object.keys(principalTypes),
    resourceTypes: ['Resource'],
    context: contextOf(request),
  }
  return {
    AgentIam: { entityTypes, actions: Object.fromEntries(actions.map((action) => [action, { appliesTo }])) },
  }
}

export function record(attributes: Attributes): AttributesOrContext<string> {
  return { type: 'Record', attributes }
}

const text = { type: 'String' } as const
const optionalTexts = { type: 'Set', element: { type: 'String' }, required: false } as const
const optionalText = { type: 'String', required: false } as const
const instant = { type: 'Extension', name: 'datetime' } as const
const tenant = { type: 'Entity', name: 'Tenant' } as const

/** What every principal has; the guards rely on it. */
const identity: Attributes = { id: text, tenant, status: text, expiresAt: instant }
const agent: Attributes = {
  ...identity,
  trustScore: { type: 'Extension', name: 'decimal' },
  type: text,
  name: text,
  owner: text,
}
const resource: Attributes = {
  type: text,
  id: text,
  tenant,
  owner: optionalText,
  identity: optionalText,
  ancestors: optionalTexts,
}

const memberOfTypes = ['Role', 'Permission']
const principalTypes: Record<string, EntityType<string>> = {
  User: { memberOfTypes, shape: record(identity) },
  Service: { memberOfTypes, shape: record(identity) },
  Agent: { memberOfTypes, shape: record(agent) },
  EnrolmentToken: { memberOfTypes, shape: record(identity) },
}
const entityTypes: Record<string, EntityType<string>> = {
  ...principalTypes,
  Role: { memberOfTypes },
  Permission: { memberOfTypes },
  Tenant: {},
  Resource: { shape: record(resource) },
}

function contextOf(request: Attributes): AttributesOrContext<string> {
  return record({
    request: record(request),
    now: instant,
    address: text,
    hop: { type: 'Long' },
    actor: text,
    chainWhole: { type: 'Boolean' },
    expired: { type: 'Boolean' },
    weekday: { type: 'Long' },
    ip: { type: 'Extension', name: 'ipaddr', required: false },
    trustMin: { type: 'Extension', name: 'decimal' },
    inScope: { type: 'Boolean' },
    withinBlocks: { type: 'Boolean' },
    coveredBy: { type: 'Set', element: { type: 'Entity', name: 'Permission' } },
  })
}
