import type { ApiKeyId, IdentityId, SessionId, TenantId } from '@agent-iam/contract/ids'
import { sql, type Selectable } from 'kysely'
import type { Transaction } from '../../platform/context.ts'
import type { Tables } from '../../platform/database.ts'
import { fromUuid, kindOf, toUuid } from '../../platform/ids.ts'
import type { ApiKey } from './model.ts'

type Kind = 'user' | 'service' | 'agent'

declare module '../../platform/database.ts' {
  interface Tables {
    api_keys: {
      tenant_id: string
      id: string
      identity_kind: Kind
      identity_id: string
      owner_kind: Kind
      owner_id: string
      name: string
      prefix: string
      scopes: string[] | null
      status: ApiKey['status']
      created_at: Date
      expires_at: Date
      last_used_at: Date | null
    }
    api_key_secrets: {
      tenant_id: string
      digest: Buffer
      api_key_id: string
      session_id: string
      is_present: boolean
    }
  }
}

export async function insertApiKey(tx: Transaction, key: ApiKey): Promise<void> {
  await tx.db
    .insertInto('api_keys')
    .values({
      tenant_id: toUuid(tx.caller.tenantId),
      id: toUuid(key.id),
      identity_kind: kindOf(key.identityId),
      identity_id: toUuid(key.identityId),
      owner_kind: kindOf(key.owner),
      owner_id: toUuid(key.owner),
      name: key.name,
      prefix: key.prefix,
      scopes: key.scopes ? [...key.scopes] : null,
      status: key.status,
      created_at: key.createdAt,
      expires_at: key.expiresAt,
      last_used_at: null,
    })
    .execute()
}

export async function updateApiKey(tx: Transaction, { id, status, prefix }: ApiKey): Promise<void> {
  await tx.db
    .updateTable('api_keys')
    .set({ status, prefix })
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('id', '=', toUuid(id))
    .execute()
}

export async function findApiKey(tx: Transaction, id: ApiKeyId): Promise<ApiKey | undefined> {
  const row = await apiKeys(tx).where('id', '=', toUuid(id)).executeTakeFirst()
  return row && toApiKey(row)
}

/** Holds the key until the transaction ends, so that of two who change it at once one is second. */
export async function findApiKeyForUpdate(tx: Transaction, id: ApiKeyId): Promise<ApiKey | undefined> {
  const row = await apiKeys(tx).where('id', '=', toUuid(id)).forUpdate().executeTakeFirst()
  return row && toApiKey(row)
}

/** Newest first, without those deleted; of one identity those it acts with and those it made. */
export async function listApiKeys(
  tx: Transaction,
  { of, before }: { of: IdentityId | undefined; before: ApiKeyId | undefined },
  limit: number,
): Promise<ApiKey[]> {
  const rows = await apiKeys(tx)
    .where('status', '<>', 'deleted')
    .$if(of !== undefined, (query) =>
      query.where((where) =>
        where.or([where('identity_id', '=', toUuid(of ?? 'usr_')), where('owner_id', '=', toUuid(of ?? 'usr_'))]),
      ),
    )
    .$if(before !== undefined, (query) => query.where('id', '<', toUuid(before ?? 'apk_')))
    .orderBy('id', 'desc')
    .limit(limit)
    .execute()
  return rows.map(toApiKey)
}

/** How many keys of an identity have not ended. */
export async function countApiKeys(tx: Transaction, identityId: IdentityId): Promise<number> {
  const row = await tx.db
    .selectFrom('api_keys')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('identity_id', '=', toUuid(identityId))
    .where('status', '<>', 'deleted')
    .where('expires_at', '>', tx.clock.now())
    .executeTakeFirstOrThrow()
  return row.count
}

/** Writes down a use, unless another did since `before`. */
export async function touchApiKey(tx: Transaction, id: ApiKeyId, before: Date): Promise<void> {
  await tx.db
    .updateTable('api_keys')
    .set({ last_used_at: tx.clock.now() })
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('id', '=', toUuid(id))
    .where((where) => where.or([where('last_used_at', 'is', null), where('last_used_at', '<=', before)]))
    .execute()
}

export async function insertKeySecret(
  tx: Transaction,
  id: ApiKeyId,
  { digest, sessionId }: { digest: Buffer; sessionId: SessionId },
): Promise<void> {
  await tx.db
    .insertInto('api_key_secrets')
    .values({
      tenant_id: toUuid(tx.caller.tenantId),
      digest,
      api_key_id: toUuid(id),
      session_id: toUuid(sessionId),
      is_present: true,
    })
    .execute()
}

/** The sessions of all secrets of a key. */
export async function listKeySessions(tx: Transaction, id: ApiKeyId): Promise<SessionId[]> {
  const rows = await tx.db
    .selectFrom('api_key_secrets')
    .select('session_id')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('api_key_id', '=', toUuid(id))
    .execute()
  return rows.map((row) => fromUuid('session', row.session_id))
}

/** Gives the present secret another session. */
export async function updatePresentSession(tx: Transaction, id: ApiKeyId, sessionId: SessionId): Promise<void> {
  await keySecrets(tx, id)
    .set({ session_id: toUuid(sessionId) })
    .where('is_present', '=', true)
    .execute()
}

/** Makes the present secret the one before. */
export async function retirePresent(tx: Transaction, id: ApiKeyId): Promise<void> {
  await keySecrets(tx, id).set({ is_present: false }).execute()
}

/** Forgets the secrets of a key that were before the present one; with `all`, that as well. */
export async function deleteKeySecrets(tx: Transaction, id: ApiKeyId, which: 'before' | 'all'): Promise<void> {
  await tx.db
    .deleteFrom('api_key_secrets')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('api_key_id', '=', toUuid(id))
    .$if(which === 'before', (query) => query.where('is_present', '=', false))
    .execute()
}

export interface FoundSecret {
  readonly tenantId: TenantId
  readonly apiKeyId: ApiKeyId
  readonly sessionId: SessionId
  readonly lastUsedAt: Date | undefined
}

/** Looks through all tenants: this is how the bearer's tenant becomes known. */
export async function findKeySecret(tx: Transaction, digest: Buffer): Promise<FoundSecret | undefined> {
  const { rows } = await sql<{
    tenant_id: string
    api_key_id: string
    session_id: string
    last_used_at: Date | null
  }>`select * from find_api_key_secret(${digest})`.execute(tx.db)
  const [row] = rows
  return (
    row && {
      tenantId: fromUuid('tenant', row.tenant_id),
      apiKeyId: fromUuid('apiKey', row.api_key_id),
      sessionId: fromUuid('session', row.session_id),
      lastUsedAt: row.last_used_at ?? undefined,
    }
  )
}

function apiKeys(tx: Transaction) {
  return tx.db.selectFrom('api_keys').selectAll().where('tenant_id', '=', toUuid(tx.caller.tenantId))
}

function keySecrets(tx: Transaction, id: ApiKeyId) {
  return tx.db
    .updateTable('api_key_secrets')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('api_key_id', '=', toUuid(id))
}

function toApiKey(row: Selectable<Tables['api_keys']>): ApiKey {
  return {
    id: fromUuid('apiKey', row.id),
    name: row.name,
    prefix: row.prefix,
    identityId: fromUuid(row.identity_kind, row.identity_id),
    owner: fromUuid(row.owner_kind, row.owner_id),
    scopes: row.scopes ?? undefined,
    status: row.status,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    lastUsedAt: row.last_used_at ?? undefined,
  }
}
