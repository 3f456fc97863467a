import type { PolicyId } from '@agent-iam/contract/ids'
import type { PolicyStatus } from '@agent-iam/contract/policies'
import { sql } from 'kysely'
import type { Transaction } from '../../../platform/context.ts'
import { fromUuid, toUuid } from '../../../platform/ids.ts'
import type { Policy } from '../model.ts'
import type { Effect } from '../system-policies.ts'

declare module '../../../platform/database.ts' {
  interface Tables {
    policy_documents: {
      tenant_id: string
      id: string
      name: string
      description: string
      status: PolicyStatus
      priority: number
      pack: string | null
      current_version: number
      active_version: number | null
      revision: number
      created_by: string
      created_at: Date
      updated_at: Date
    }
  }
}

/** Returns false when the name is taken. */
export async function insertDocument(tx: Transaction, policy: Policy): Promise<boolean> {
  const inserted = await tx.db
    .insertInto('policy_documents')
    .values({
      tenant_id: toUuid(tx.caller.tenantId),
      id: toUuid(policy.id),
      created_by: policy.createdBy,
      created_at: policy.createdAt,
      ...toColumns(policy),
    })
    .onConflict((conflict) => conflict.columns(['tenant_id', 'name']).doNothing())
    .returning('id')
    .executeTakeFirst()
  return inserted !== undefined
}

export async function updateDocument(tx: Transaction, policy: Policy): Promise<void> {
  await tx.db
    .updateTable('policy_documents')
    .set(toColumns(policy))
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('id', '=', toUuid(policy.id))
    .execute()
}

/** Its versions go with it. */
export async function deleteDocument(tx: Transaction, id: PolicyId): Promise<void> {
  await tx.db
    .deleteFrom('policy_documents')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('id', '=', toUuid(id))
    .execute()
}

export async function findPolicy(tx: Transaction, id: PolicyId): Promise<Policy | undefined> {
  const row = await documents(tx).where('d.id', '=', toUuid(id)).executeTakeFirst()
  return row && toPolicy(row)
}

/** Whether another policy than this one has the name. */
export async function isNameTaken(tx: Transaction, name: string, except: PolicyId): Promise<boolean> {
  const found = await documents(tx).where('d.name', '=', name).where('d.id', '<>', toUuid(except)).executeTakeFirst()
  return found !== undefined
}

export interface PolicyFilter {
  readonly status?: PolicyStatus | undefined
  readonly effect?: Effect | undefined
  readonly pack?: string | undefined
  readonly search?: string | undefined
}

/** By name; of a page those after a name. */
export async function listPolicies(
  tx: Transaction,
  filter: PolicyFilter,
  page: { readonly after?: string | undefined; readonly limit?: number } = {},
): Promise<Policy[]> {
  const { status, effect, pack, search } = filter
  const { after, limit } = page
  const rows = await documents(tx)
    .$if(status !== undefined, (query) => query.where('d.status', '=', status ?? 'active'))
    .$if(effect !== undefined, (query) => query.where('r.effect', '=', effect ?? 'forbid'))
    .$if(pack !== undefined, (query) => query.where('d.pack', '=', pack ?? ''))
    .$if(search !== undefined, (query) => query.where(holds(search ?? '')))
    .$if(after !== undefined, (query) => query.where('d.name', '>', after ?? ''))
    .$if(limit !== undefined, (query) => query.limit(limit ?? 0))
    .orderBy('d.name')
    .execute()
  return rows.map(toPolicy)
}

/** How many policies a tenant has, in whatever state. */
export async function countDocuments(tx: Transaction): Promise<number> {
  const { count } = await tx.db
    .selectFrom('policy_documents')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .select((each) => each.fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow()
  return count
}

/** How much text the latest versions of these policies are together. */
export async function countTextBytes(tx: Transaction, status: PolicyStatus | undefined): Promise<number> {
  const { bytes } = await tx.db
    .selectFrom(documents(tx).as('found'))
    .$if(status !== undefined, (query) => query.where('found.status', '=', status ?? 'active'))
    .select(sql<number>`coalesce(sum(octet_length(found.cedar)), 0)::float8`.as('bytes'))
    .executeTakeFirstOrThrow()
  return bytes
}

function holds(text: string) {
  return sql<boolean>`position(lower(${text}) in lower(d.name || ' ' || d.description)) > 0`
}

function documents(tx: Transaction) {
  return tx.db
    .selectFrom('policy_documents as d')
    .innerJoin('policy_revisions as r', (join) =>
      join
        .onRef('r.tenant_id', '=', 'd.tenant_id')
        .onRef('r.policy_id', '=', 'd.id')
        .onRef('r.version', '=', 'd.current_version'),
    )
    .selectAll('d')
    .select(['r.cedar', 'r.effect', 'r.is_unscoped'])
    .where('d.tenant_id', '=', toUuid(tx.caller.tenantId))
}

type Row = Awaited<ReturnType<ReturnType<typeof documents>['executeTakeFirstOrThrow']>>

function toPolicy(row: Row): Policy {
  return {
    id: fromUuid('policy', row.id),
    name: row.name,
    description: row.description,
    status: row.status,
    priority: row.priority,
    pack: row.pack ?? undefined,
    version: row.current_version,
    activeVersion: row.active_version ?? undefined,
    cedar: row.cedar,
    effect: row.effect,
    isUnscoped: row.is_unscoped,
    revision: row.revision,
    createdBy: row.created_by,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}

function toColumns({ name, description, status, priority, pack, revision, updatedAt, ...versions }: Policy) {
  return {
    name,
    description,
    status,
    priority,
    pack: pack ?? null,
    current_version: versions.version,
    active_version: versions.activeVersion ?? null,
    revision,
    updated_at: updatedAt,
  }
}
