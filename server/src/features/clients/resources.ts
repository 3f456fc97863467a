import { ResourceUri } from '@agent-iam/contract/clients'
import type { ResourceId } from '@agent-iam/contract/ids'
import { actorOf, inTransaction, type Context, type Transaction } from '../../platform/context.ts'
import { readIdCursor, toPage } from '../../platform/paging.ts'
import { notFound, Problem } from '../../platform/problem.ts'
import { recordEvent } from '../audit/service.ts'
import type { Resource } from './model.ts'
import { deleteResource, findResource, findResourceByUri, insertResource, listResources } from './store/resources.ts'

export interface NewResource {
  readonly resource: string
  readonly name: string
  readonly scopes: readonly string[]
  readonly introspectedBy: readonly string[]
}

export async function createResource(ctx: Context, input: NewResource): Promise<Resource> {
  return inTransaction(ctx, async (tx) => {
    await tx.authorize('resource-servers:create', { type: 'resource-servers' })
    if (input.resource === ownResource(tx)) throw taken(input.resource)
    const createdAt = tx.clock.now()
    const resource: Resource = { ...input, id: tx.newId('resource'), createdBy: actorOf(tx.caller), createdAt }
    if (!(await insertResource(tx, resource))) throw taken(input.resource)
    const { resource: uri, name, scopes, introspectedBy } = input
    recordEvent(tx, {
      type: 'resource.created',
      resource: resourceName(resource.id),
      data: { resource: uri, name, scopes: [...scopes], introspectedBy: [...introspectedBy] },
    })
    return resource
  })
}

/** The audience of our own API's tokens. */
export function ownResource(ctx: Pick<Context, 'keys' | 'caller'>): string {
  return `${ctx.keys.issuerOf(ctx.caller.tenantId)}/api`
}

export async function pageResources(ctx: Context, query: { limit: number; cursor?: string | undefined }) {
  return inTransaction(ctx, async (tx) => {
    await tx.authorize('resource-servers:read', { type: 'resource-servers' })
    const before = readIdCursor('resource', query.cursor)
    return toPage(await listResources(tx, before, query.limit + 1), query.limit, ({ id }) => [id])
  })
}

export async function removeResource(ctx: Context, id: ResourceId): Promise<Resource> {
  return inTransaction(ctx, async (tx) => {
    if (!(await findResource(tx, id))) throw notFound('resource-servers', id)
    await tx.authorize('resource-servers:delete', { type: 'resource-servers', id })
    const deleted = await deleteResource(tx, id)
    if (!deleted) throw notFound('resource-servers', id)
    recordEvent(tx, {
      type: 'resource.deleted',
      resource: resourceName(id),
      data: { resource: deleted.resource },
      narrows: true,
    })
    return deleted
  })
}

/** The resource server that a token is asked for; undefined when the tenant knows none of this name. */
export async function knownResource(ctx: Context | Transaction, uri: string): Promise<Resource | undefined> {
  // What could not have been registered is not looked for: the database refuses some texts, such as NUL.
  if (!ResourceUri.safeParse(uri).success) return undefined
  return inTransaction(ctx, (tx) => findResourceByUri(tx, uri))
}

/** Enough to tell who asked for another what there is. */
const namedMax = 10

export async function resourceNames(ctx: Context): Promise<string[]> {
  const known = await inTransaction(ctx, (tx) => listResources(tx, undefined, namedMax))
  return [ownResource(ctx), ...known.map(({ resource }) => resource)]
}

function taken(resource: string): Problem {
  return new Problem('already-exists', `${resource} is a resource server already`)
}

function resourceName(id: ResourceId): string {
  return `agent-iam/resource-servers/${id}`
}
