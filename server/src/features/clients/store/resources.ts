import type { ResourceId } from '@agent-iam/contract/ids'
import type { Selectable } from 'kysely'
import type { Transaction } from '../../../platform/context.ts'
import type { Tables } from '../../../platform/database.ts'
import { fromUuid, toUuid } from '../../../platform/ids.ts'
import type { Resource } from '../model.ts'

declare module '../../../platform/database.ts' {
  interface Tables {
    oauth_resources: {
      tenant_id: string
      id: string
      resource: string
      name: string
      scopes: string[]
      introspected_by: string[]
      created_by: string
      created_at: Date
    }
  }
}

/** Returns false when the tenant has a resource server of this name. */
export async function insertResource(tx: Transaction, resource: Resource): Promise<boolean> {
  const inserted = await tx.db
    .insertInto('oauth_resources')
    .values({
      tenant_id: toUuid(tx.caller.tenantId),
      id: toUuid(resource.id),
      resource: resource.resource,
      name: resource.name,
      scopes: [...resource.scopes],
      introspected_by: [...resource.introspectedBy],
      created_by: resource.createdBy,
      created_at: resource.createdAt,
    })
    .onConflict((conflict) => conflict.columns(['tenant_id', 'resource']).doNothing())
    .returning('id')
    .executeTakeFirst()
  return inserted !== undefined
}

/** Returns undefined when it was deleted already. */
export async function deleteResource(tx: Transaction, id: ResourceId): Promise<Resource | undefined> {
  const row = await tx.db
    .deleteFrom('oauth_resources')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('id', '=', toUuid(id))
    .returningAll()
    .executeTakeFirst()
  return row && toResource(row)
}

export async function findResource(tx: Transaction, id: ResourceId): Promise<Resource | undefined> {
  const row = await resources(tx).where('id', '=', toUuid(id)).executeTakeFirst()
  return row && toResource(row)
}

export async function findResourceByUri(tx: Transaction, resource: string): Promise<Resource | undefined> {
  const row = await resources(tx).where('resource', '=', resource).executeTakeFirst()
  return row && toResource(row)
}

export async function listResources(
  tx: Transaction,
  before: ResourceId | undefined,
  limit: number,
): Promise<Resource[]> {
  const rows = await resources(tx)
    .$if(before !== undefined, (query) => query.where('id', '<', toUuid(before ?? 'rsc_')))
    .orderBy('id', 'desc')
    .limit(limit)
    .execute()
  return rows.map(toResource)
}

function resources(tx: Transaction) {
  return tx.db.selectFrom('oauth_resources').selectAll().where('tenant_id', '=', toUuid(tx.caller.tenantId))
}

function toResource(row: Selectable<Tables['oauth_resources']>): Resource {
  return {
    id: fromUuid('resource', row.id),
    resource: row.resource,
    name: row.name,
    scopes: row.scopes,
    introspectedBy: row.introspected_by,
    createdBy: row.created_by,
    createdAt: row.created_at,
  }
}
