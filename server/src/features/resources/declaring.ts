import { parseAttributeType, type DeclaredAttribute } from '@agent-iam/contract/attribute-types'
import { resourceTypesMax, type ResourceTypeContent } from '@agent-iam/contract/resource-types'
import { actorOf, inTransaction, type Context, type Transaction } from '../../platform/context.ts'
import { decodeCursor, toPage } from '../../platform/paging.ts'
import { notFound, Problem } from '../../platform/problem.ts'
import { requireRevision, type IfMatch } from '../../platform/revision.ts'
import { recordEvent } from '../audit/service.ts'
import { resourceText, type ResourceType } from './model.ts'
import { changesOf, findConflicts } from './resource-type.ts'
import { findOfType } from './store/resources.ts'
import { deleteType, findType, holdRegistry, insertType, listTypes, updateType } from './store/types.ts'

export async function createResourceType(
  ctx: Context,
  { name, ...content }: ResourceTypeContent & { name: string },
): Promise<ResourceType> {
  return inTransaction(ctx, async (tx) => {
    await holdRegistry(tx)
    await tx.authorize('resource-types:create', { type: 'resource-types' })
    const all = await listTypes(tx)
    if (all.length >= resourceTypesMax)
      throw new Problem('quota-spent', `a tenant may have ${resourceTypesMax} resource types`)
    const now = tx.clock.now()
    const made = { name, revision: 1, createdBy: actorOf(tx.caller), createdAt: now, updatedAt: now }
    const type: ResourceType = { ...made, ...readContent(content) }
    requireNoConflict(type, all)
    if (!(await insertType(tx, type))) throw new Problem('already-exists', `there is a resource type ${name}`)
    recordType(tx, 'resource-type.created', type)
    return type
  })
}

export async function pageResourceTypes(ctx: Context, query: { limit: number; cursor?: string | undefined }) {
  return inTransaction(ctx, async (tx) => {
    await tx.authorize('resource-types:read', { type: 'resource-types' })
    const after = query.cursor === undefined ? undefined : decodeCursor(query.cursor, 1)[0]
    return toPage(await listTypes(tx, after, query.limit + 1), query.limit, ({ name }) => [name])
  })
}

export async function getResourceType(ctx: Context, name: string): Promise<ResourceType> {
  return inTransaction(ctx, async (tx) => {
    const type = await requireType(tx, name)
    await tx.authorize('resource-types:read', { type: 'resource-types', id: name })
    return type
  })
}

/** What is declared anew must leave every registered resource as it is: policies rely on what a type says. */
export async function updateResourceType(
  ctx: Context,
  name: string,
  content: ResourceTypeContent,
  ifMatch: IfMatch,
): Promise<ResourceType> {
  return inTransaction(ctx, async (tx) => {
    await holdRegistry(tx)
    const before = await requireType(tx, name)
    await tx.authorize('resource-types:update', { type: 'resource-types', id: name })
    requireRevision({ id: name, revision: before.revision }, ifMatch)
    const after = { ...before, ...readContent(content), revision: before.revision + 1, updatedAt: tx.clock.now() }
    requireNoConflict(after, await listTypes(tx))
    await requireResourcesFit(tx, before, after)
    await updateType(tx, after)
    recordType(tx, 'resource-type.updated', after)
    return after
  })
}

export async function deleteResourceType(ctx: Context, name: string, ifMatch: IfMatch): Promise<ResourceType> {
  return inTransaction(ctx, async (tx) => {
    await holdRegistry(tx)
    const type = await requireType(tx, name)
    await tx.authorize('resource-types:delete', { type: 'resource-types', id: name })
    requireRevision({ id: name, revision: type.revision }, ifMatch)
    const resource = await findOfType(tx, name)
    if (resource) throw new Problem('wrong-state', `${resourceText(resource)} is of this type; remove it first`)
    await deleteType(tx, name)
    recordType(tx, 'resource-type.deleted', type)
    return type
  })
}

async function requireType(tx: Transaction, name: string): Promise<ResourceType> {
  const type = await findType(tx, name)
  if (!type) throw notFound('resource-types', name)
  return type
}

function readContent({ description, attributes, actions }: ResourceTypeContent) {
  return {
    description,
    attributes: Object.fromEntries(
      Object.entries(attributes).map(([name, { type, required }]) => [name, declare(type, required)]),
    ),
    actions,
  }
}

function declare(text: string, required: boolean): DeclaredAttribute {
  const type = parseAttributeType(text)
  if (!type) throw new Error('the contract let through what is no type')
  return { ...type, required }
}

function requireNoConflict({ name, attributes }: ResourceType, all: readonly ResourceType[]): void {
  const errors = findConflicts(name, attributes, all)
  if (errors.length === 0) return
  throw new Problem('wrong-state', errors.map(({ field, message }) => `${field} ${message}`).join('; '), { errors })
}

async function requireResourcesFit(tx: Transaction, before: ResourceType, after: ResourceType): Promise<void> {
  const { lost, required } = changesOf(before.attributes, after.attributes)
  const holder = lost.length === 0 ? undefined : await findOfType(tx, before.name, { any: lost })
  if (holder) throw new Problem('wrong-state', `${resourceText(holder)} has one of ${lost.join(', ')}; remove it there`)
  const lacking = required.length === 0 ? undefined : await findOfType(tx, before.name, { notAll: required })
  if (lacking)
    throw new Problem('wrong-state', `${resourceText(lacking)} lacks one of ${required.join(', ')}; add it there first`)
}

/** All of them may narrow: another risk asks for another trust. */
function recordType(
  tx: Transaction,
  type: 'resource-type.created' | 'resource-type.updated' | 'resource-type.deleted',
  { name, attributes, actions }: ResourceType,
): void {
  const risks = Object.fromEntries(actions.map((action) => [action.name, action.risk]))
  recordEvent(tx, {
    type,
    resource: `agent-iam/resource-types/${name}`,
    data: { name, attributes: Object.keys(attributes), risks },
    narrows: true,
  })
}
