import { z } from 'zod'
import { ResourceType, resourceCharactersMax } from './authorization.ts'
import { IdentityIdSchema } from './ids.ts'
import { OpenObject } from './json.ts'
import { operation } from './operation.ts'
import { nextCursor, pageQuery } from './pages.ts'
import { SearchText, Instant } from './text.ts'

/** Most labels of one resource. */
export const resourceLabelsMax = 20
/** Most resources registered at once. */
export const resourcesAtOnceMax = 1000
/** How many may lie above a resource. */
export const resourceDepthMax = 10
/** Body of a whole batch: a few kilobytes for each. */
const batchBytesMax = 4 * 1024 * 1024

/** How sensitive a resource is: `pii`, `phi`, `financial`, `cardholder`, or a tenant’s own word. */
export const Label = z.string().regex(/^[a-z0-9-]{1,32}$/, 'is 1 to 32 lower-case letters, digits or dashes')

const Labels = z
  .array(Label)
  .max(resourceLabelsMax)
  .transform((labels) => [...new Set(labels)].toSorted())

/** One resource, `type/id`; the id is all after the first slash. */
export const ResourceText = z
  .string()
  .max(resourceCharactersMax)
  .regex(/^[A-Za-z0-9_.-]{1,64}\/[^]/, 'is not of the form type/id')
  .refine((text) => text.isWellFormed() && !text.includes('\u0000'), 'holds a NUL or half a character')

const content = {
  /** Who answers for it: any identity of the tenant. */
  owner: IdentityIdSchema.optional(),
  /** What it lies in: another registered resource. */
  parent: ResourceText.optional(),
  /** As its type declares them; decimals, dates, durations and addresses as text. */
  attributes: OpenObject.default({}),
  labels: Labels.default([]),
}
export type ResourceContent = z.output<z.ZodObject<typeof content>>

export const Resource = z.object({
  resource: z.string(),
  type: z.string(),
  id: z.string(),
  owner: IdentityIdSchema.nullable(),
  parent: z.string().nullable(),
  attributes: z.record(z.string(), z.json()),
  labels: z.array(z.string()),
  /** Labels of what it lies in, which hold for it too. */
  inheritedLabels: z.array(z.string()),
  revision: z.int(),
  createdAt: Instant,
  updatedAt: Instant,
})
export type Resource = z.infer<typeof Resource>

/** In the query, since an id may hold slashes and whatever else: no proxy changes it there. */
const ByName = z.strictObject({ resource: ResourceText })
const exampleName = { resource: 'file/docs/guide.md' }

export const putResource = operation({
  id: 'putResource',
  method: 'PUT',
  path: '/api/v1/resources/entry',
  action: 'resources:update',
  summary: 'Registers a resource, or all that is known of it anew: owner, parent, attributes, labels.',
  query: ByName,
  body: z.strictObject(content),
  status: 200,
  response: Resource,
  hasRevision: true,
  problems: ['forbidden', 'not-found', 'quota-spent'],
  example: { query: exampleName, body: { attributes: { size: 1200, reviewers: ['Ada'] }, labels: ['pii'] } },
})

export const putResources = operation({
  id: 'putResources',
  cost: { each: { field: 'resources', most: resourcesAtOnceMax } },
  method: 'POST',
  path: '/api/v1/resources/bulk',
  action: 'resources:update',
  summary: 'Registers many resources, all or none; parents may be among them.',
  body: z.strictObject({
    resources: z
      .array(z.strictObject({ resource: ResourceText, ...content }))
      .min(1)
      .max(resourcesAtOnceMax)
      .refine((all) => new Set(all.map(({ resource }) => resource)).size === all.length, 'names a resource twice'),
  }),
  bodyBytesMax: batchBytesMax,
  status: 200,
  response: z.object({ registered: z.int(), changed: z.int(), unchanged: z.int() }),
  problems: ['forbidden', 'not-found', 'quota-spent'],
  example: {
    body: { resources: [{ resource: 'file/docs' }, { resource: 'file/docs/a.md', parent: 'file/docs' }] },
  },
})

export const listRegisteredResources = operation({
  id: 'listRegisteredResources',
  method: 'GET',
  path: '/api/v1/resources',
  action: 'resources:read',
  summary: 'Lists the registered resources by type and id.',
  query: z.strictObject({
    ...pageQuery,
    type: ResourceType.optional(),
    /** What the id begins with. */
    prefix: SearchText(resourceCharactersMax).optional(),
    /** What lies in this resource directly. */
    parent: ResourceText.optional(),
    /** What has this label of its own. */
    label: Label.optional(),
    owner: IdentityIdSchema.optional(),
  }),
  status: 200,
  response: z.object({ resources: z.array(Resource), nextCursor }),
  problems: ['forbidden'],
  example: { query: { limit: 20, label: 'pii' } },
})

export const getResource = operation({
  id: 'getResource',
  method: 'GET',
  path: '/api/v1/resources/entry',
  action: 'resources:read',
  summary: 'Shows a registered resource.',
  query: ByName,
  status: 200,
  response: Resource,
  hasRevision: true,
  problems: ['forbidden', 'not-found'],
  example: { query: exampleName },
})

export const removeResource = operation({
  id: 'removeResource',
  method: 'DELETE',
  path: '/api/v1/resources/entry',
  action: 'resources:delete',
  summary:
    'Forgets a registered resource that nothing lies in. It can still be asked for, as one that nobody described.',
  query: ByName,
  status: 200,
  response: Resource,
  hasRevision: true,
  problems: ['forbidden', 'not-found', 'wrong-state'],
  example: { query: exampleName },
})
