import type { IdentityId } from '@agent-iam/contract/ids'
import { sql, type Selectable } from 'kysely'
import type { Transaction } from '../../../platform/context.ts'
import type { Tables } from '../../../platform/database.ts'
import { fromUuid, kindOf, toUuid } from '../../../platform/ids.ts'
import type { ResourceName } from '../../capabilities/model.ts'
import type { AttributeValue, Resource } from '../model.ts'

type IdentityKind = 'user' | 'service' | 'agent'

declare module '../../../platform/database.ts' {
  interface Tables {
    resources: {
      tenant_id: string
      type: string
      id: string
      owner_kind: IdentityKind | null
      owner_id: string | null
      parent_type: string | null
      parent_id: string | null
      attributes: Record<string, AttributeValue>
      labels: string[]
      revision: number
      created_by: string
      created_at: Date
      updated_at: Date
    }
  }
}

/** Those of some names that are registered. */
export async function findResources(tx: Transaction, names: readonly ResourceName[]): Promise<Resource[]> {
  const { rows } = await sql<Selectable<Tables['resources']>>`
    select r.* from resources r join ${listOf(names)} on r.type = n.type and r.id = n.id
    where r.tenant_id = ${toUuid(tx.caller.tenantId)}`.execute(tx.db)
  return rows.map(toResource)
}

export interface ResourceFilter {
  readonly type?: string | undefined
  readonly prefix?: string | undefined
  readonly parent?: ResourceName | undefined
  readonly label?: string | undefined
  readonly owner?: IdentityId | undefined
}

/** By type and id, from after one on. */
export async function listResources(
  tx: Transaction,
  { type, prefix, parent, label, owner }: ResourceFilter,
  { after, limit }: { after: ResourceName | undefined; limit: number },
): Promise<Resource[]> {
  const rows = await tx.db
    .selectFrom('resources')
    .selectAll()
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .$if(after !== undefined, (query) => query.where(sql<boolean>`(type, id) > (${after?.type}, ${after?.id})`))
    .$if(type !== undefined, (query) => query.where('type', '=', type ?? ''))
    .$if(prefix !== undefined, (query) => query.where(sql<boolean>`starts_with(id, ${prefix})`))
    .$if(label !== undefined, (query) => query.where(sql<boolean>`${label} = any(labels)`))
    .$if(owner !== undefined, (query) => query.where('owner_id', '=', owner === undefined ? '' : toUuid(owner)))
    .$if(parent !== undefined, (query) =>
      query.where('parent_type', '=', parent?.type ?? '').where('parent_id', '=', parent?.id ?? ''),
    )
    .orderBy('type')
    .orderBy('id')
    .limit(limit)
    .execute()
  return rows.map(toResource)
}

/** In one statement, so that each may lie in another of them. */
export async function upsertResources(tx: Transaction, all: readonly Resource[]): Promise<void> {
  if (all.length === 0) return
  const rows = all.map((resource) => ({
    type: resource.type,
    id: resource.id,
    owner_kind: resource.owner === undefined ? null : kindOf(resource.owner),
    owner_id: resource.owner === undefined ? null : toUuid(resource.owner),
    parent_type: resource.parent?.type ?? null,
    parent_id: resource.parent?.id ?? null,
    attributes: resource.attributes,
    labels: resource.labels,
    revision: resource.revision,
    created_by: resource.createdBy,
    created_at: resource.createdAt,
    updated_at: resource.updatedAt,
  }))
  await sql`
    insert into resources (tenant_id, type, id, owner_kind, owner_id, parent_type, parent_id, attributes, labels,
        revision, created_by, created_at, updated_at)
      select ${toUuid(tx.caller.tenantId)}::uuid, r.* from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as r (
        type text, id text, owner_kind text, owner_id uuid, parent_type text, parent_id text, attributes jsonb,
        labels text[], revision bigint, created_by text, created_at timestamptz, updated_at timestamptz)
    on conflict (tenant_id, type, id) do update set owner_kind = excluded.owner_kind, owner_id = excluded.owner_id,
      parent_type = excluded.parent_type, parent_id = excluded.parent_id, attributes = excluded.attributes,
      labels = excluded.labels, revision = excluded.revision, updated_at = excluded.updated_at`.execute(tx.db)
}

export async function deleteResource(tx: Transaction, { type, id }: ResourceName): Promise<void> {
  await tx.db
    .deleteFrom('resources')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('type', '=', type)
    .where('id', '=', id)
    .execute()
}

/** Something that lies in a resource directly. */
export async function findChild(tx: Transaction, parent: ResourceName): Promise<ResourceName | undefined> {
  return (await listResources(tx, { parent }, { after: undefined, limit: 1 }))[0]
}

/** One of a type's resources; that has any of some attributes, or that lacks any. */
export async function findOfType(
  tx: Transaction,
  type: string,
  has: { readonly any?: readonly string[]; readonly notAll?: readonly string[] } = {},
): Promise<ResourceName | undefined> {
  const { rows } = await sql<ResourceName>`
    select type, id from resources where tenant_id = ${toUuid(tx.caller.tenantId)} and type = ${type}
      and (${has.any ?? null}::text[] is null or attributes ?| ${has.any ?? null}::text[])
      and (${has.notAll ?? null}::text[] is null or not attributes ?& ${has.notAll ?? null}::text[])
    limit 1`.execute(tx.db)
  return rows[0]
}

/** Of some identities, those that the tenant has. */
export async function findOwners(tx: Transaction, ids: readonly IdentityId[]): Promise<Set<IdentityId>> {
  const { rows } = await sql<{ kind: IdentityKind; id: string }>`
    select kind, id from identities where tenant_id = ${toUuid(tx.caller.tenantId)}
      and id = any(${ids.map(toUuid)}::uuid[]) and status <> 'deleted'`.execute(tx.db)
  return new Set(rows.map(({ kind, id }) => fromUuid(kind, id)))
}

/** A list of names, as `n`. */
export function listOf(names: readonly ResourceName[]) {
  return sql`unnest(${names.map(({ type }) => type)}::text[], ${names.map(({ id }) => id)}::text[])
    with ordinality as n (type, id, place)`
}

function toResource(row: Selectable<Tables['resources']>): Resource {
  const { owner_kind: kind, owner_id: owner, parent_type: parentType, parent_id: parentId } = row
  return {
    type: row.type,
    id: row.id,
    owner: kind && owner !== null ? fromUuid(kind, owner) : undefined,
    parent: parentType !== null && parentId !== null ? { type: parentType, id: parentId } : undefined,
    attributes: row.attributes,
    labels: row.labels,
    revision: row.revision,
    createdBy: row.created_by,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}
