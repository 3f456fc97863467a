import type { ClientId, SessionId } from '@agent-iam/contract/ids'
import { sql, type Generated, type Selectable } from 'kysely'
import { addSeconds } from '../../../platform/clock.ts'
import type { Transaction } from '../../../platform/context.ts'
import type { Tables } from '../../../platform/database.ts'
import { fromUuid, toUuid } from '../../../platform/ids.ts'
import { sourceLives } from '../../capabilities/service.ts'
import type { AuthMethod, Client, ClientSource } from '../model.ts'

declare module '../../../platform/database.ts' {
  interface Tables {
    oauth_clients: {
      tenant_id: string
      id: string
      source: ClientSource
      url: string | null
      name: string
      auth_method: AuthMethod
      secret_digest: Buffer | null
      redirect_uris: string[]
      post_logout_redirect_uris: string[]
      grant_types: string[]
      application_type: 'web' | 'native'
      default_scopes: string[]
      jwks: unknown
      require_dpop: boolean
      created_by: string
      created_at: Date
      updated_at: Date
      expires_at: Date | null
      source_session: Generated<string | null>
    }
    oauth_registrations: { tenant_id: string; network: Buffer; hour: Date; count: number }
  }
}

export async function insertClient(tx: Transaction, client: Client): Promise<void> {
  await tx.db.insertInto('oauth_clients').values(toRow(tx, client)).execute()
}

/** Keeps what was read from the URL that names a client; what was read before gives way. */
export async function upsertClientOfUrl(tx: Transaction, client: Client): Promise<void> {
  const { tenant_id, id, created_by, created_at, ...changed } = toRow(tx, client)
  await tx.db
    .insertInto('oauth_clients')
    .values({ tenant_id, id, created_by, created_at, ...changed })
    .onConflict((conflict) => conflict.columns(['tenant_id', 'url']).doUpdateSet(changed))
    .execute()
}

export async function updateClient(tx: Transaction, client: Client): Promise<void> {
  const { tenant_id, id, ...changed } = toRow(tx, client)
  await tx.db
    .updateTable('oauth_clients')
    .set(changed)
    .where('tenant_id', '=', tenant_id)
    .where('id', '=', id)
    .execute()
}

/** A client that was used stays. */
export async function keepClient(tx: Transaction, id: ClientId): Promise<void> {
  await tx.db
    .updateTable('oauth_clients')
    .set({ expires_at: null })
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('id', '=', toUuid(id))
    .where('expires_at', 'is not', null)
    .execute()
}

export async function deleteClient(tx: Transaction, id: ClientId): Promise<void> {
  await tx.db
    .deleteFrom('oauth_clients')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('id', '=', toUuid(id))
    .execute()
}

export async function findClient(tx: Transaction, id: ClientId): Promise<Client | undefined> {
  const row = await clients(tx).where('id', '=', toUuid(id)).executeTakeFirst()
  return row && toClient(row)
}

export async function findClientForUpdate(tx: Transaction, id: ClientId): Promise<Client | undefined> {
  const row = await clients(tx).where('id', '=', toUuid(id)).forUpdate().executeTakeFirst()
  return row && toClient(row)
}

export async function findClientOfUrl(tx: Transaction, url: string): Promise<Client | undefined> {
  const row = await clients(tx).where('url', '=', url).executeTakeFirst()
  return row && toClient(row)
}

export async function listClients(tx: Transaction, before: ClientId | undefined, limit: number): Promise<Client[]> {
  const rows = await clients(tx)
    .$if(before !== undefined, (query) => query.where('id', '<', toUuid(before ?? 'cli_')))
    .orderBy('id', 'desc')
    .limit(limit)
    .execute()
  return rows.map(toClient)
}

/** The sessions that people gave a client. */
export async function listSessionsOfClient(tx: Transaction, clientName: string): Promise<SessionId[]> {
  const { rows } = await sql<{ id: string }>`
    select id from sessions where tenant_id = ${toUuid(tx.caller.tenantId)} and client_id = ${clientName}
      and ended_at is null`.execute(tx.db)
  return rows.map(({ id }) => fromUuid('session', id))
}

/**
 * Counts one more registration from a network in this hour; false when that is one too many. Forgets unused clients and
 * old counts on the way.
 */
export async function countRegistration(tx: Transaction, network: Buffer, max: number): Promise<boolean> {
  const tenant = toUuid(tx.caller.tenantId)
  const now = tx.clock.now()
  await sql`delete from oauth_registrations where tenant_id = ${tenant} and hour < ${addSeconds(now, -7200)}`.execute(
    tx.db,
  )
  await sql`delete from oauth_clients where tenant_id = ${tenant} and expires_at < ${now}`.execute(tx.db)
  const hour = new Date(Math.floor(now.getTime() / 3_600_000) * 3_600_000)
  const { rows } = await sql`
    insert into oauth_registrations as r (tenant_id, network, hour, count) values (${tenant}, ${network}, ${hour}, 1)
    on conflict (tenant_id, network, hour) do update set count = r.count + 1 where r.count < ${max}
    returning count`.execute(tx.db)
  return rows.length > 0
}

function clients(tx: Transaction) {
  return tx.db
    .selectFrom('oauth_clients')
    .selectAll()
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where(sourceLives(tx))
}

function toRow(tx: Transaction, client: Client) {
  return {
    tenant_id: toUuid(tx.caller.tenantId),
    id: toUuid(client.id),
    source: client.source,
    url: client.url ?? null,
    name: client.name,
    auth_method: client.authMethod,
    secret_digest: client.secretDigest ?? null,
    redirect_uris: [...client.redirectUris],
    post_logout_redirect_uris: [...client.postLogoutRedirectUris],
    grant_types: [...client.grantTypes],
    application_type: client.applicationType,
    default_scopes: [...client.defaultScopes],
    jwks: client.jwks === undefined ? null : JSON.stringify(client.jwks),
    require_dpop: client.requireDpop,
    created_by: client.createdBy,
    created_at: client.createdAt,
    updated_at: client.updatedAt,
    expires_at: client.expiresAt ?? null,
  }
}

function toClient(row: Selectable<Tables['oauth_clients']>): Client {
  return {
    id: fromUuid('client', row.id),
    source: row.source,
    url: row.url ?? undefined,
    name: row.name,
    authMethod: row.auth_method,
    secretDigest: row.secret_digest ?? undefined,
    redirectUris: row.redirect_uris,
    postLogoutRedirectUris: row.post_logout_redirect_uris,
    grantTypes: row.grant_types,
    applicationType: row.application_type,
    defaultScopes: row.default_scopes,
    jwks: toKeys(row.jwks),
    requireDpop: row.require_dpop,
    createdBy: row.created_by,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    expiresAt: row.expires_at ?? undefined,
  }
}

function toKeys(jwks: unknown): Client['jwks'] {
  const keys: unknown = Reflect.get(Object(jwks), 'keys')
  if (!Array.isArray(keys)) return undefined
  return { keys: keys.map((key: unknown) => Object.fromEntries(Object.entries(Object(key)))) }
}
