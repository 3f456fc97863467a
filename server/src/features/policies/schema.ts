import type {
  AttributesOrContext,
  EntityType,
  NamespaceDefinition,
  SchemaJson,
  TypeOfAttribute,
} from '@cedar-policy/cedar-wasm/nodejs'

type Attributes = Record<string, TypeOfAttribute<string>>

/** Stands for every action that a policy does not name. */
export const anyOtherAction = 'any other action'

/** What our own schema leaves open. */
export interface OpenAttributes {
  /** What callers send, as `context.request`. */
  readonly request: Attributes
  /** What tenants register, as `resource.attributes`. A resource of another type has others, so none is required. */
  readonly attributes: Attributes
}

export type Schema = SchemaJson<string> & { readonly AgentIam: NamespaceDefinition<string> }

/**
 * The vocabulary of policies: our entity types are fixed, but actions, what callers send and what resources have belong to
 * the tenant.
 */
export function buildSchema(actions: readonly string[], { request, attributes }: OpenAttributes): Schema {
  const appliesTo = {
    principalTypes: Object.keys(principalTypes),
    resourceTypes: ['Resource'],
    context: { type: 'Context' },
  }
  return {
    AgentIam: {
      commonTypes: { Context: contextOf(request) },
      entityTypes: { ...entityTypes, Resource: { memberOfTypes: ['Resource'], shape: record(resourceOf(attributes)) } },
      actions: Object.fromEntries(actions.map((action) => [action, { appliesTo }])),
    },
  }
}

export function record(attributes: Attributes): AttributesOrContext<string> {
  return { type: 'Record', attributes }
}

const text = { type: 'String' } as const
const optionalTexts = { type: 'Set', element: { type: 'String' }, required: false } as const
const optionalTruth = { type: 'Boolean', required: false } as const
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
/** Labels and attributes are there when the resource is registered. */
function resourceOf(attributes: Attributes): Attributes {
  const open = Object.entries(attributes).map(([name, type]) => [name, { ...type, required: false }] as const)
  return {
    type: text,
    id: text,
    tenant,
    owner: optionalText,
    identity: optionalText,
    ancestors: optionalTexts,
    returnsPrivateKey: optionalTruth,
    labels: optionalTexts,
    attributes: { ...record(Object.fromEntries(open)), required: false },
  }
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
    presented: { type: 'Set', element: { type: 'String' } },
    weekday: { type: 'Long' },
    ip: { type: 'Extension', name: 'ipaddr', required: false },
    trustMin: { type: 'Extension', name: 'decimal' },
    inScope: { type: 'Boolean' },
    withinBlocks: { type: 'Boolean' },
    coveredBy: { type: 'Set', element: { type: 'Entity', name: 'Permission' } },
  })
}
