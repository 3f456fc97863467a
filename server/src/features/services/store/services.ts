import type { IdentityStatus } from '@agent-iam/contract/agents'
import type { ServiceId } from '@agent-iam/contract/ids'
import { sql } from 'kysely'
import { storedSkeleton } from '../../../lib/confusable.ts'
import type { Transaction } from '../../../platform/context.ts'
import { fromUuid, toUuid } from '../../../platform/ids.ts'
import type { Service } from '../model.ts'

declare module '../../../platform/database.ts' {
  interface Tables {
    services: { tenant_id: string; identity_id: string; description: string; default_scopes: string[] }
  }
}

/** Returns false when the name is taken, or looks like one that is: the unique index decides. */
export async function insertService(tx: Transaction, service: Service): Promise<boolean> {
  const tenant = toUuid(tx.caller.tenantId)
  const inserted = await tx.db
    .insertInto('identities')
    .values({
      tenant_id: tenant,
      id: toUuid(service.id),
      kind: 'service',
      name: service.name,
      name_skeleton: storedSkeleton(service.name),
      type: 'service',
      status: service.status,
      email: null,
      owner_kind: service.owner.startsWith('usr_') ? 'user' : 'service',
      owner_id: toUuid(service.owner),
      parent_id: null,
      created_by: service.createdBy,
      enrolment_token_id: null,
      trust_score: 1,
      trust_basis: 'initial',
      labels: [...service.labels],
      metadata: '{}',
      expires_at: service.expiresAt ?? null,
      created_at: service.createdAt,
      updated_at: service.updatedAt,
      last_activity: null,
    })
    .onConflict((conflict) => conflict.doNothing())
    .returning('id')
    .executeTakeFirst()
  if (!inserted) return false
  const { description, defaultScopes } = service
  await tx.db
    .insertInto('services')
    .values({ tenant_id: tenant, identity_id: toUuid(service.id), description, default_scopes: [...defaultScopes] })
    .execute()
  return true
}

export async function updateServiceStatus(tx: Transaction, { id, status, updatedAt }: Service): Promise<void> {
  await tx.db
    .updateTable('identities')
    .set({ status, updated_at: updatedAt })
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('id', '=', toUuid(id))
    .execute()
}

export async function updateServiceText(tx: Transaction, id: ServiceId, description: string): Promise<void> {
  await tx.db
    .updateTable('services')
    .set({ description })
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('identity_id', '=', toUuid(id))
    .execute()
}

export async function findService(tx: Transaction, id: ServiceId): Promise<Service | undefined> {
  const row = await services(tx).where('identities.id', '=', toUuid(id)).executeTakeFirst()
  return row && toService(row)
}

/** Holds the service until the transaction ends, so that what hangs on it is changed by one at a time. */
export async function findServiceForUpdate(tx: Transaction, id: ServiceId): Promise<Service | undefined> {
  const held = services(tx).where('identities.id', '=', toUuid(id)).forNoKeyUpdate('identities')
  const row = await held.executeTakeFirst()
  return row && toService(row)
}

export interface ServiceFilter {
  readonly status?: IdentityStatus | undefined
  /** Name and UUID of the last row of the page before. */
  readonly after?: readonly [string, string] | undefined
}

/** By name. Deleted services are shown only when asked for by status. */
export async function listServices(tx: Transaction, filter: ServiceFilter, limit: number): Promise<Service[]> {
  const { status, after } = filter
  const rows = await services(tx)
    .$if(status === undefined, (query) => query.where('identities.status', '<>', 'deleted'))
    .$if(status !== undefined, (query) => query.where('identities.status', '=', status ?? 'active'))
    .$if(after !== undefined, (query) =>
      query.where(sql<boolean>`(identities.name, identities.id) > (${after?.[0] ?? ''}, ${after?.[1] ?? ''}::uuid)`),
    )
    .orderBy('identities.name')
    .orderBy('identities.id')
    .limit(limit)
    .execute()
  return rows.map(toService)
}

function services(tx: Transaction) {
  return tx.db
    .selectFrom('identities')
    .innerJoin('services', (join) =>
      join.onRef('services.tenant_id', '=', 'identities.tenant_id').onRef('services.identity_id', '=', 'identities.id'),
    )
    .selectAll('identities')
    .select(['services.description', 'services.default_scopes'])
    .where('identities.tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('identities.kind', '=', 'service')
}

interface Row {
  id: string
  name: string
  description: string
  status: IdentityStatus
  owner_kind: 'user' | 'service' | null
  owner_id: string | null
  created_by: string
  default_scopes: string[]
  labels: string[]
  expires_at: Date | null
  created_at: Date
  updated_at: Date
  last_activity: Date | null
}

function toService(row: Row): Service {
  if (row.owner_id === null || row.owner_kind === null) throw new Error(`service ${row.id} has no owner`)
  return {
    id: fromUuid('service', row.id),
    name: row.name,
    description: row.description,
    status: row.status,
    owner: fromUuid(row.owner_kind, row.owner_id),
    createdBy: row.created_by,
    defaultScopes: row.default_scopes,
    labels: row.labels,
    expiresAt: row.expires_at ?? undefined,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    lastActivity: row.last_activity ?? undefined,
  }
}
