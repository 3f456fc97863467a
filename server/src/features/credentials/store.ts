import type { AgentId, EnrolmentTokenId, IdentityId, TenantId } from '@agent-iam/contract/ids'
import { sql, type Generated, type Selectable } from 'kysely'
import { addSeconds } from '../../platform/clock.ts'
import { fromUuid, toUuid } from '../../platform/ids.ts'
import type { Transaction } from '../../platform/context.ts'
import type { Tables } from '../../platform/database.ts'
import { sourceLives } from '../capabilities/service.ts'
import type { AgentKey, EnrolmentToken } from './model.ts'

declare module '../../platform/database.ts' {
  interface Tables {
    agent_keys: {
      tenant_id: string
      thumbprint: string
      identity_id: string
      public_key: Buffer
      status: 'active' | 'retiring' | 'expired' | 'revoked'
      created_at: Date
      /** The end of a retiring key. */
      expires_at: Date | null
    }
    enrolment_tokens: {
      tenant_id: string
      id: string
      digest: Buffer
      name: string
      owner_kind: 'user' | 'service'
      owner_id: string
      allowed_types: string[]
      ceiling: string[]
      quota: number
      used: number
      created_at: Date
      expires_at: Date
      revoked_at: Date | null
      source_session: Generated<string | null>
    }
    used_nonces: { tenant_id: string; purpose: string; nonce: string; expires_at: Date }
  }
}

/** Returns false when the tenant has this key already: the primary key decides, so two at once cannot both win. */
export async function insertAgentKey(tx: Transaction, agentId: AgentId, key: AgentKey): Promise<boolean> {
  const inserted = await tx.db
    .insertInto('agent_keys')
    .values({
      tenant_id: toUuid(tx.caller.tenantId),
      thumbprint: key.thumbprint,
      identity_id: toUuid(agentId),
      public_key: key.publicKey,
      status: 'active',
      created_at: tx.clock.now(),
    })
    .onConflict((conflict) => conflict.columns(['tenant_id', 'thumbprint']).doNothing())
    .returning('thumbprint')
    .executeTakeFirst()
  return inserted !== undefined
}

/** The agents' own keys, one each: those that a rotation left behind are not among them. */
export async function findAgentKeys(tx: Transaction, agentIds: readonly AgentId[]): Promise<Map<AgentId, AgentKey>> {
  if (agentIds.length === 0) return new Map()
  const rows = await tx.db
    .selectFrom('agent_keys')
    .select(['identity_id', 'thumbprint', 'public_key'])
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('identity_id', 'in', agentIds.map(toUuid))
    .where('status', '=', 'active')
    .execute()
  return new Map(
    rows.map((row) => [fromUuid('agent', row.identity_id), { thumbprint: row.thumbprint, publicKey: row.public_key }]),
  )
}

export async function revokeAgentKeys(tx: Transaction, agentIds: readonly AgentId[]): Promise<void> {
  if (agentIds.length === 0) return
  await tx.db
    .updateTable('agent_keys')
    .set({ status: 'revoked' })
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('identity_id', '=', sql<string>`any(${agentIds.map(toUuid)}::uuid[])`)
    .execute()
}

/** Nonces are kept longer than they are good for: the clocks of two instances may differ. */
const nonceKeptSeconds = 300
/** A login sweeps at most so many old nonces: more than it adds, and too few to make it wait. */
const nonceSweepMax = 100

/** Returns false when the nonce was used before. Sweeps some that can no longer be replayed, beside others who do. */
export async function insertNonce(tx: Transaction, purpose: string, nonce: string, expiresAt: Date): Promise<boolean> {
  const tenant = toUuid(tx.caller.tenantId)
  await sql`
    delete from used_nonces where tenant_id = ${tenant} and (purpose, nonce) in (
      select purpose, nonce from used_nonces
      where tenant_id = ${tenant} and expires_at < ${addSeconds(tx.clock.now(), -nonceKeptSeconds)}
      order by expires_at limit ${nonceSweepMax} for update skip locked)`.execute(tx.db)
  const inserted = await tx.db
    .insertInto('used_nonces')
    .values({ tenant_id: tenant, purpose, nonce, expires_at: expiresAt })
    .onConflict((conflict) => conflict.doNothing())
    .returning('nonce')
    .executeTakeFirst()
  return inserted !== undefined
}

export async function insertEnrolmentToken(tx: Transaction, token: EnrolmentToken, digest: Buffer): Promise<void> {
  await tx.db
    .insertInto('enrolment_tokens')
    .values({
      tenant_id: toUuid(tx.caller.tenantId),
      id: toUuid(token.id),
      digest,
      name: token.name,
      owner_kind: token.owner.startsWith('usr_') ? 'user' : 'service',
      owner_id: toUuid(token.owner),
      allowed_types: [...token.allowedTypes],
      ceiling: [...token.ceiling],
      quota: token.quota,
      used: token.used,
      created_at: token.createdAt,
      expires_at: token.expiresAt,
      revoked_at: null,
    })
    .execute()
}

/** Looks through all tenants: this is how a bearer's tenant becomes known. */
export async function findEnrolmentTokenTenant(tx: Transaction, digest: Buffer): Promise<TenantId | undefined> {
  const { rows } = await sql<{ id: string | null }>`select find_enrolment_token_tenant(${digest}) as id`.execute(tx.db)
  const id = rows[0]?.id
  return id ? fromUuid('tenant', id) : undefined
}

export async function findEnrolmentTokenByDigest(tx: Transaction, digest: Buffer): Promise<EnrolmentToken | undefined> {
  const row = await enrolmentTokens(tx).where('digest', '=', digest).executeTakeFirst()
  return row && toEnrolmentToken(row)
}

export async function findEnrolmentTokenForUpdate(
  tx: Transaction,
  id: EnrolmentTokenId,
): Promise<EnrolmentToken | undefined> {
  const row = await enrolmentTokens(tx).where('id', '=', toUuid(id)).forUpdate().executeTakeFirst()
  return row && toEnrolmentToken(row)
}

export async function listEnrolmentTokens(
  tx: Transaction,
  before: EnrolmentTokenId | undefined,
  limit: number,
): Promise<EnrolmentToken[]> {
  const rows = await enrolmentTokens(tx)
    .$if(before !== undefined, (query) => query.where('id', '<', toUuid(before ?? 'ent_')))
    .orderBy('id', 'desc')
    .limit(limit)
    .execute()
  return rows.map(toEnrolmentToken)
}

export async function updateEnrolmentToken(tx: Transaction, token: EnrolmentToken): Promise<void> {
  await tx.db
    .updateTable('enrolment_tokens')
    .set({ used: token.used, revoked_at: token.revokedAt ?? null })
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('id', '=', toUuid(token.id))
    .execute()
}

/** Ends the tokens of one name, such as the embedded server's own of its last start; returns which that were. */
export async function revokeEnrolmentTokensNamed(tx: Transaction, name: string): Promise<EnrolmentTokenId[]> {
  const rows = await tx.db
    .updateTable('enrolment_tokens')
    .set({ revoked_at: tx.clock.now() })
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('name', '=', name)
    .where('revoked_at', 'is', null)
    .returning('id')
    .execute()
  return rows.map(({ id }) => fromUuid('enrolmentToken', id))
}

function enrolmentTokens(tx: Transaction) {
  return tx.db
    .selectFrom('enrolment_tokens')
    .selectAll()
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where(sourceLives(tx))
}

function toEnrolmentToken(row: Selectable<Tables['enrolment_tokens']>): EnrolmentToken {
  const owner: IdentityId = fromUuid(row.owner_kind, row.owner_id)
  return {
    id: fromUuid('enrolmentToken', row.id),
    name: row.name,
    owner,
    allowedTypes: row.allowed_types,
    ceiling: row.ceiling,
    quota: row.quota,
    used: row.used,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    revokedAt: row.revoked_at ?? undefined,
    source: row.source_session === null ? undefined : fromUuid('session', row.source_session),
  }
}
