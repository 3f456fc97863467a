import type { TenantId } from '@agent-iam/contract/ids'
import { fromUuid, toUuid } from '../../platform/ids.ts'
import type { Transaction } from '../../platform/context.ts'
import type { SigningKey } from './model.ts'

declare module '../../platform/database.ts' {
  interface Tables {
    signing_keys: {
      tenant_id: string
      id: string
      algorithm: 'RS256' | 'EdDSA'
      public_jwk: unknown
      sealed: Buffer
      created_at: Date
      revoked_at: Date | null
    }
  }
}

export async function insertSigningKey(tx: Transaction, key: SigningKey): Promise<void> {
  await tx.db
    .insertInto('signing_keys')
    .values({
      tenant_id: toUuid(tx.caller.tenantId),
      id: toUuid(key.id),
      algorithm: key.algorithm,
      public_jwk: JSON.stringify(key.publicJwk),
      sealed: key.sealed,
      created_at: key.createdAt,
      revoked_at: null,
    })
    .execute()
}

/** The keys that sign or may have signed a live token, newest first. */
export async function listSigningKeys(tx: Transaction): Promise<SigningKey[]> {
  const rows = await tx.db
    .selectFrom('signing_keys')
    .selectAll()
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('revoked_at', 'is', null)
    .orderBy('created_at', 'desc')
    .execute()
  return rows.map((row) => ({
    id: fromUuid('signingKey', row.id),
    algorithm: row.algorithm,
    publicJwk: Object.fromEntries(Object.entries(Object(row.public_jwk))),
    sealed: row.sealed,
    createdAt: row.created_at,
  }))
}

/** Where a signing key's private half stands, so that it opens nowhere else. */
export function signingKeyPlace(tenantId: TenantId, id: string): string {
  return `${tenantId}/signing_keys/sealed/${id}`
}
