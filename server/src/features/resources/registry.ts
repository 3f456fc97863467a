import { isDeepStrictEqual } from 'node:util'
import { resourceDepthMax, type ResourceContent } from '@agent-iam/contract/resources'
import {
  actorOf,
  inTransaction,
  type Context,
  type ProtectedResource,
  type Transaction,
} from '../../platform/context.ts'
import { decodeCursor, toPage } from '../../platform/paging.ts'
import { notFound, Problem } from '../../platform/problem.ts'
import { requireRevision, type IfMatch } from '../../platform/revision.ts'
import { recordEvent } from '../audit/service.ts'
import type { ResourceName } from '../capabilities/model.ts'
import { parseResource, resourceText, type Resource } from './model.ts'
import { readContents, refusal, type Entry } from './reading.ts'
import { findMisplaced, readInheritedLabels } from './store/hierarchy.ts'
import {
  deleteResource,
  findChild,
  findResources,
  listResources,
  upsertResources,
  type ResourceFilter,
} from './store/resources.ts'
import { holdRegistry } from './store/types.ts'

/** A resource, with the labels of what it lies in. */
export interface ResourceView {
  readonly resource: Resource
  readonly inheritedLabels: readonly string[]
}

export async function putResource(
  ctx: Context,
  name: ResourceName,
  content: ResourceContent,
  ifMatch: IfMatch,
): Promise<ResourceView> {
  return inTransaction(ctx, async (tx) => {
    await holdRegistry(tx)
    const [before] = await findResources(tx, [name])
    await tx.authorize('resources:update', protectedResource(before ?? name))
    requireRevision({ id: resourceText(name), revision: before?.revision ?? 0 }, ifMatch)
    await write(tx, [{ name, content, before, field: '' }])
    return requireView(tx, name)
  })
}

/** All or none. Each is authorised by itself: a policy may forbid one of them. */
export async function putResources(ctx: Context, given: ReadonlyArray<ResourceContent & { resource: string }>) {
  return inTransaction(ctx, async (tx) => {
    await holdRegistry(tx)
    const names = given.map(({ resource }) => parseResource(resource))
    const there = new Map((await findResources(tx, names)).map((resource) => [resourceText(resource), resource]))
    const [first, ...others] = names.map((name) => protectedResource(there.get(resourceText(name)) ?? name))
    if (!first) return { registered: 0, changed: 0, unchanged: 0 }
    await tx.authorize('resources:update', first, ...others)
    const entries = given.map((content, n) => ({
      name: parseResource(content.resource),
      content,
      before: there.get(content.resource),
      field: `resources.${n}.`,
    }))
    const written = await write(tx, entries)
    const registered = written.filter(({ revision }) => revision === 1).length
    return { registered, changed: written.length - registered, unchanged: given.length - written.length }
  })
}

export async function pageResources(
  ctx: Context,
  query: Omit<ResourceFilter, 'parent'> & { parent?: string | undefined; limit: number; cursor?: string | undefined },
) {
  return inTransaction(ctx, async (tx) => {
    await tx.authorize('resources:read', { type: 'resources' })
    const { parent, limit, cursor, ...filter } = query
    const [type = '', id = ''] = cursor === undefined ? [] : decodeCursor(cursor, 2)
    const after = cursor === undefined ? undefined : { type, id }
    const within = parent === undefined ? filter : { ...filter, parent: parseResource(parent) }
    const found = await listResources(tx, within, { after, limit: limit + 1 })
    const { rows, nextCursor } = toPage(found, limit, (resource) => [resource.type, resource.id])
    return { rows: await withInherited(tx, rows), nextCursor }
  })
}

export async function getResource(ctx: Context, name: ResourceName): Promise<ResourceView> {
  return inTransaction(ctx, async (tx) => {
    const view = await requireView(tx, name)
    await tx.authorize('resources:read', protectedResource(view.resource))
    return view
  })
}

export async function removeResource(ctx: Context, name: ResourceName, ifMatch: IfMatch): Promise<ResourceView> {
  return inTransaction(ctx, async (tx) => {
    await holdRegistry(tx)
    const view = await requireView(tx, name)
    await tx.authorize('resources:delete', protectedResource(view.resource))
    requireRevision({ id: resourceText(name), revision: view.resource.revision }, ifMatch)
    const child = await findChild(tx, name)
    if (child) throw new Problem('wrong-state', `${resourceText(child)} lies in it; move or remove it first`)
    await deleteResource(tx, name)
    recordResource(tx, 'resource.removed', view.resource)
    return view
  })
}

/** Writes what differs from what is there. Call it once the registry is held. */
async function write(tx: Transaction, entries: readonly Entry[]): Promise<Resource[]> {
  const contents = await readContents(tx, entries)
  const [now, createdBy] = [tx.clock.now(), actorOf(tx.caller)]
  const changed = contents.flatMap(({ entry: { name, before, field }, own }) => {
    if (before && isDeepStrictEqual(own, ownOf(before))) return []
    const history = { createdBy: before?.createdBy ?? createdBy, createdAt: before?.createdAt ?? now, updatedAt: now }
    const resource: Resource = { ...name, ...own, ...history, revision: (before?.revision ?? 0) + 1 }
    return [{ resource, field, isMoved: !isDeepStrictEqual(own.parent, before?.parent) }]
  })
  const resources = changed.map(({ resource }) => resource)
  await upsertResources(tx, resources)
  await requirePlaced(tx, changed)
  for (const resource of resources)
    recordResource(tx, resource.revision === 1 ? 'resource.registered' : 'resource.changed', resource)
  return resources
}

/** What may be changed of a resource. */
function ownOf({ owner, parent, attributes, labels }: Resource) {
  return { owner, parent, attributes, labels }
}

/** Looks at the hierarchy as it has become: what is refused here is rolled back with everything. */
async function requirePlaced(
  tx: Transaction,
  changed: ReadonlyArray<{ resource: Resource; field: string; isMoved: boolean }>,
): Promise<void> {
  const moved = changed.filter(({ isMoved }) => isMoved)
  const names = moved.map(({ resource: { type, id } }) => ({ type, id }))
  const misplaced = await findMisplaced(tx, names)
  if (!misplaced) return
  const text = resourceText(misplaced)
  const { field = '' } = moved.find(({ resource }) => resourceText(resource) === text) ?? {}
  throw refusal([
    { field: `${field}parent`, message: `${text} would lie in itself, or something deeper than ${resourceDepthMax}` },
  ])
}

async function requireView(tx: Transaction, name: ResourceName): Promise<ResourceView> {
  const [view] = await withInherited(tx, await findResources(tx, [name]))
  if (!view) throw notFound('resources', resourceText(name))
  return view
}

async function withInherited(tx: Transaction, resources: readonly Resource[]): Promise<ResourceView[]> {
  const inherited = await readInheritedLabels(tx, resources)
  return resources.map((resource, n) => ({ resource, inheritedLabels: inherited[n] ?? [] }))
}

function protectedResource(resource: ResourceName & { readonly owner?: Resource['owner'] }): ProtectedResource {
  const { owner } = resource
  return { type: 'resources', id: resourceText(resource), ...(owner && { owner }) }
}

/** Whatever changes of a resource may forbid what was allowed. Values are not told: they may be of persons. */
function recordResource(
  tx: Transaction,
  type: 'resource.registered' | 'resource.changed' | 'resource.removed',
  resource: Resource,
): void {
  const { owner, parent, attributes, labels } = resource
  recordEvent(tx, {
    type,
    resource: `agent-iam/resources/${resourceText(resource)}`,
    data: {
      owner: owner ?? null,
      parent: parent ? resourceText(parent) : null,
      attributes: Object.keys(attributes),
      labels: [...labels],
    },
    narrows: true,
  })
}
