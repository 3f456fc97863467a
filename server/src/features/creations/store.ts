import { type CreationId, type CreationKind, sourceMethods } from '@agent-iam/contract/creations'
import type { UserId } from '@agent-iam/contract/ids'
import { sql } from 'kysely'
import type { Transaction } from '../../platform/context.ts'
import { fromUuid, toUuid } from '../../platform/ids.ts'
import type { Creation } from './model.ts'

interface Row {
  kind: CreationKind
  id: string
  name: string
  service_id: string | null
  created_at: Date
  expires_at: Date | null
  session_id: string
  method: Creation['source']['method']
  client_id: string | null
  source_name: string | null
}

/**
 * What was made with a person's authority by sessions that live, the newest first. The tables belong to the features of
 * these kinds. A child agent is not among them: its own session ends with the source, and it has a short life anyway.
 */
export async function listCreations(tx: Transaction, { person, before, only, limit }: Wanted): Promise<Creation[]> {
  const now = tx.clock.now()
  const tenant = toUuid(tx.caller.tenantId)
  const { rows } = await sql<Row>`
    with sources as materialized (
      select s.id, s.method, s.client_id, s.metadata ->> 'apiKeyId' as api_key_id from sessions s
      where s.tenant_id = ${tenant} and s.identity_id = ${toUuid(person)} and s.method = any(${[...sourceMethods]}::text[])),
    made (kind, id, name, service_id, created_at, expires_at, source) as (
      select i.kind, i.id, i.name, null::uuid, i.created_at, i.expires_at, i.source_session
        from sources s join identities i on i.tenant_id = ${tenant} and i.source_session = s.id
        where i.kind in ('agent', 'service') and i.owner_id = ${toUuid(person)} and i.parent_id is null
          and i.status not in ('revoked', 'deleted')
      union all
      select 'secret', x.id, x.prefix, x.identity_id, x.created_at, x.expires_at, x.source_session
        from sources s join service_secrets x on x.tenant_id = ${tenant} and x.source_session = s.id
        where x.deleted_at is null
      union all
      select 'enrolmentToken', t.id, t.name, null, t.created_at, t.expires_at, t.source_session
        from sources s join enrolment_tokens t on t.tenant_id = ${tenant} and t.source_session = s.id
        where t.revoked_at is null
      union all
      select 'client', c.id, c.name, null, c.created_at, c.expires_at, c.source_session
        from sources s join oauth_clients c on c.tenant_id = ${tenant} and c.source_session = s.id
      union all
      select 'apiKey', k.id, k.name, null, k.created_at, k.expires_at, b.parent_id
        from sources s join sessions b on b.tenant_id = ${tenant} and b.parent_id = s.id and b.method = 'api-key'
          join api_key_secrets x on x.tenant_id = b.tenant_id and x.session_id = b.id and x.is_present
          join api_keys k on k.tenant_id = x.tenant_id and k.id = x.api_key_id
        where k.status <> 'deleted'),
    living as materialized (
      select s.* from sources s
        where s.id in (select m.source from made m) and source_lives(s.id, ${now}::timestamptz))
    select m.kind, m.id, m.name, m.service_id, m.created_at, m.expires_at, s.id as session_id, s.method, s.client_id,
        coalesce(c.name, k.name) as source_name
      from made m join living s on s.id = m.source
        left join oauth_clients c on c.tenant_id = ${tenant}
          and (c.url = s.client_id or 'cli_' || replace(c.id::text, '-', '') = s.client_id)
        left join api_keys k on k.tenant_id = ${tenant} and k.id = substr(s.api_key_id, 5)::uuid
      where (m.expires_at is null or m.expires_at > ${now})
        and (${only ?? null}::uuid is null or m.id = ${only ?? null}::uuid)
        and (${before ?? null}::uuid is null or m.id < ${before ?? null}::uuid)
      order by m.id desc limit ${limit}`.execute(tx.db)
  return rows.map(toCreation)
}

export async function findCreation(tx: Transaction, person: UserId, id: CreationId): Promise<Creation | undefined> {
  const [creation] = await listCreations(tx, { person, only: toUuid(id), limit: 1 })
  return creation?.id === id ? creation : undefined
}

interface Wanted {
  readonly person: UserId
  /** The UUID of the last row of the page before. */
  readonly before?: string | undefined
  readonly only?: string
  readonly limit: number
}

/** Takes the source off, so that nothing but its own end and its owner ends the creation. False where it is gone. */
export async function clearSource(tx: Transaction, { id, kind, source }: Creation): Promise<boolean> {
  if (kind === 'apiKey') return clearSourceOfKey(tx, id, toUuid(source.sessionId))
  const { numUpdatedRows } = await tx.db
    .updateTable(tables[kind])
    .set({ source_session: null })
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('id', '=', toUuid(id))
    .where('source_session', '=', toUuid(source.sessionId))
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

const tables = {
  agent: 'identities',
  service: 'identities',
  secret: 'service_secrets',
  enrolmentToken: 'enrolment_tokens',
  client: 'oauth_clients',
} as const satisfies Record<Exclude<CreationKind, 'apiKey'>, string>

/** An API key rests on the parent of its sessions: those of its secrets, and those of the secrets before. */
async function clearSourceOfKey(tx: Transaction, key: CreationId, source: string): Promise<boolean> {
  const { numAffectedRows = 0n } = await sql`
    update sessions set parent_id = null, source_session = null
      where tenant_id = ${toUuid(tx.caller.tenantId)} and parent_id = ${source}::uuid and method = 'api-key'
        and metadata ->> 'apiKeyId' = ${key}`.execute(tx.db)
  return numAffectedRows > 0n
}

function toCreation(row: Row): Creation {
  return {
    id: fromUuid(row.kind, row.id),
    kind: row.kind,
    name: row.name,
    service: row.service_id === null ? undefined : fromUuid('service', row.service_id),
    createdAt: row.created_at,
    expiresAt: row.expires_at ?? undefined,
    source: {
      sessionId: fromUuid('session', row.session_id),
      method: row.method,
      clientId: row.client_id ?? undefined,
      name: row.source_name ?? undefined,
    },
  }
}
