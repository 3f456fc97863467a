import { z } from 'zod'
import { AttributeName, AttributeTypeText } from './attribute-types.ts'
import { ActionName, ResourceType } from './authorization.ts'
import { platformResourceType } from './capabilities.ts'
import { operation } from './operation.ts'
import { nextCursor, pageQuery } from './pages.ts'
import { FreeText, Instant } from './text.ts'

/** Most resource types of a tenant: each instance holds them all. */
export const resourceTypesMax = 200
/** Most attributes of one type. */
export const typeAttributesMax = 50
/** Most actions of one type. */
export const typeActionsMax = 100

/** How much harm an action can do. */
export const actionRisks = ['low', 'medium', 'high', 'critical'] as const
export const ActionRisk = z.enum(actionRisks)
export type ActionRisk = z.infer<typeof ActionRisk>

const DeclarableType = ResourceType.refine((name) => name !== platformResourceType, 'is the platform itself')

const Attributes = z
  .record(AttributeName, z.strictObject({ type: AttributeTypeText, required: z.boolean().default(false) }))
  .refine((attributes) => Object.keys(attributes).length <= typeAttributesMax, `has more than ${typeAttributesMax}`)
const Actions = z
  .array(z.strictObject({ name: ActionName, risk: ActionRisk.default('low'), description: FreeText.default('') }))
  .max(typeActionsMax)
  .refine((actions) => new Set(actions.map(({ name }) => name)).size === actions.length, 'names an action twice')

const content = {
  description: FreeText.default(''),
  /** What resources of the type have, by name. A name has the same type in all of a tenant’s resource types. */
  attributes: Attributes.default({}),
  /** What is done to them, and at which risk. Other actions may be asked for as well. */
  actions: Actions.default([]),
}
export type ResourceTypeContent = z.output<z.ZodObject<typeof content>>

export const ResourceTypeDefinition = z.object({
  name: z.string(),
  description: z.string(),
  attributes: z.record(z.string(), z.object({ type: z.string(), required: z.boolean() })),
  actions: z.array(z.object({ name: z.string(), risk: ActionRisk, description: z.string() })),
  revision: z.int(),
  createdAt: Instant,
  updatedAt: Instant,
})
export type ResourceTypeDefinition = z.infer<typeof ResourceTypeDefinition>

const TypePath = z.strictObject({ resourceType: DeclarableType })
const examplePath = { resourceType: 'file' } as const
const exampleContent = {
  description: 'What lies in the shared folders',
  attributes: { size: { type: 'long' }, reviewers: { type: 'set<string>' }, retainUntil: { type: 'datetime' } },
  actions: [
    { name: 'read', risk: 'low' },
    { name: 'delete', risk: 'high', description: 'There is no way back' },
  ],
} as const
const sentContent = { ...exampleContent, actions: [...exampleContent.actions] }

export const createResourceType = operation({
  id: 'createResourceType',
  method: 'POST',
  path: '/api/v1/resource-types',
  action: 'resource-types:create',
  summary: 'Declares a kind of resource: what its resources have, and what is done to them.',
  body: z.strictObject({ name: DeclarableType, ...content }),
  status: 201,
  response: ResourceTypeDefinition,
  hasRevision: true,
  problems: ['forbidden', 'already-exists', 'wrong-state', 'quota-spent'],
  example: { body: { name: 'file', ...sentContent } },
})

export const listResourceTypes = operation({
  id: 'listResourceTypes',
  method: 'GET',
  path: '/api/v1/resource-types',
  action: 'resource-types:read',
  summary: 'Lists the declared kinds of resources by name.',
  query: z.strictObject(pageQuery),
  status: 200,
  response: z.object({ resourceTypes: z.array(ResourceTypeDefinition), nextCursor }),
  problems: ['forbidden'],
  example: { query: { limit: 20 } },
})

export const getResourceType = operation({
  id: 'getResourceType',
  method: 'GET',
  path: '/api/v1/resource-types/:resourceType',
  action: 'resource-types:read',
  summary: 'Shows a declared kind of resource.',
  params: TypePath,
  status: 200,
  response: ResourceTypeDefinition,
  hasRevision: true,
  problems: ['forbidden', 'not-found'],
  example: { params: examplePath },
})

export const updateResourceType = operation({
  id: 'updateResourceType',
  method: 'PUT',
  path: '/api/v1/resource-types/:resourceType',
  action: 'resource-types:update',
  summary: 'Declares a kind of resource anew; what registered resources have stays declared as it is.',
  params: TypePath,
  body: z.strictObject(content),
  status: 200,
  response: ResourceTypeDefinition,
  hasRevision: true,
  problems: ['forbidden', 'not-found', 'wrong-state'],
  example: { params: examplePath, body: sentContent },
})

export const deleteResourceType = operation({
  id: 'deleteResourceType',
  method: 'DELETE',
  path: '/api/v1/resource-types/:resourceType',
  action: 'resource-types:delete',
  summary: 'Forgets a kind of resource of which none is registered.',
  params: TypePath,
  status: 200,
  response: ResourceTypeDefinition,
  hasRevision: true,
  problems: ['forbidden', 'not-found', 'wrong-state'],
  example: { params: examplePath },
})

export const getSchema = operation({
  id: 'getSchema',
  method: 'GET',
  path: '/api/v1/authz/schema',
  action: 'policies:read',
  summary: 'The tenant’s whole Cedar schema: what policies may speak of, as JSON or as Cedar writes it.',
  query: z.strictObject({ format: z.enum(['json', 'cedar']).default('json') }),
  status: 200,
  response: z.object({
    format: z.enum(['json', 'cedar']),
    schema: z.union([z.string(), z.record(z.string(), z.unknown())]),
  }),
  problems: ['forbidden'],
  example: { query: { format: 'cedar' } },
})
