import { ActionRisk } from '@agent-iam/contract/resource-types'
import type { AttributeType, DeclaredAttribute } from '@agent-iam/contract/attribute-types'
import { sql, type Selectable } from 'kysely'
import { z } from 'zod'
import type { Transaction } from '../../../platform/context.ts'
import type { Tables } from '../../../platform/database.ts'
import { toUuid } from '../../../platform/ids.ts'
import type { ResourceType } from '../model.ts'

declare module '../../../platform/database.ts' {
  interface Tables {
    resource_types: {
      tenant_id: string
      name: string
      description: string
      attributes: unknown
      actions: unknown
      revision: number
      created_by: string
      created_at: Date
      updated_at: Date
    }
  }
}

/**
 * Lets those who change a tenant's types or resources follow one another: what a resource's type declares and what it lies
 * in then stay as they were looked at, and none overtakes another's epoch.
 */
export async function holdRegistry(tx: Transaction): Promise<void> {
  const name = `resources of ${tx.caller.tenantId}`
  await sql`select pg_advisory_xact_lock(hashtextextended(${name}, 0))`.execute(tx.db)
}

/** Returns false when the tenant has a type of this name. */
export async function insertType(tx: Transaction, type: ResourceType): Promise<boolean> {
  const inserted = await tx.db
    .insertInto('resource_types')
    .values({
      tenant_id: toUuid(tx.caller.tenantId),
      name: type.name,
      revision: type.revision,
      created_by: type.createdBy,
      created_at: type.createdAt,
      ...contentOf(type),
    })
    .onConflict((conflict) => conflict.columns(['tenant_id', 'name']).doNothing())
    .returning('name')
    .executeTakeFirst()
  return inserted !== undefined
}

export async function updateType(tx: Transaction, type: ResourceType): Promise<void> {
  await tx.db
    .updateTable('resource_types')
    .set({ revision: type.revision, ...contentOf(type) })
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('name', '=', type.name)
    .execute()
}

export async function deleteType(tx: Transaction, name: string): Promise<void> {
  await tx.db
    .deleteFrom('resource_types')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('name', '=', name)
    .execute()
}

export async function findType(tx: Transaction, name: string): Promise<ResourceType | undefined> {
  const row = await types(tx).where('name', '=', name).executeTakeFirst()
  return row && toType(row)
}

/** All of a tenant's types by name, or those after one. */
export async function listTypes(tx: Transaction, after = '', limit?: number): Promise<ResourceType[]> {
  const rows = await types(tx)
    .where('name', '>', after)
    .orderBy('name')
    .$if(limit !== undefined, (query) => query.limit(limit ?? 0))
    .execute()
  return rows.map(toType)
}

function types(tx: Transaction) {
  return tx.db.selectFrom('resource_types').selectAll().where('tenant_id', '=', toUuid(tx.caller.tenantId))
}

function contentOf({ description, attributes, actions, updatedAt }: ResourceType) {
  return {
    description,
    attributes: JSON.stringify(attributes),
    actions: JSON.stringify(actions),
    updated_at: updatedAt,
  }
}

const StoredType: z.ZodType<AttributeType> = z.lazy(() =>
  z.union([
    z.object({ type: z.enum(['String', 'Long', 'Boolean']) }),
    z.object({ type: z.literal('Extension'), name: z.enum(['decimal', 'datetime', 'duration', 'ipaddr']) }),
    z.object({ type: z.literal('Set'), element: StoredType }),
    z.object({ type: z.literal('Record'), attributes: StoredAttributes }),
  ]),
)
const StoredAttributes: z.ZodType<Record<string, DeclaredAttribute>> = z.record(
  z.string(),
  z.intersection(
    z.lazy(() => StoredType),
    z.object({ required: z.boolean() }),
  ),
)
const StoredActions = z.array(z.object({ name: z.string(), risk: ActionRisk, description: z.string() }))

function toType(row: Selectable<Tables['resource_types']>): ResourceType {
  return {
    name: row.name,
    description: row.description,
    attributes: StoredAttributes.parse(row.attributes),
    actions: StoredActions.parse(row.actions),
    revision: row.revision,
    createdBy: row.created_by,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}
