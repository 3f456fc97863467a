import type { ServiceId } from '@agent-iam/contract/ids'
import { OpenObject } from '@agent-iam/contract/json'
import type { Generated } from 'kysely'
import type { Transaction } from '../../../platform/context.ts'
import { fromUuid, toUuid } from '../../../platform/ids.ts'
import { sourceLives } from '../../capabilities/service.ts'
import type { ServiceKey } from '../model.ts'

declare module '../../../platform/database.ts' {
  interface Tables {
    service_keys: {
      tenant_id: string
      thumbprint: string
      identity_id: string
      kid: string | null
      algorithm: string
      jwk: unknown
      created_by: string
      created_at: Date
      deleted_at: Date | null
      source_session: Generated<string | null>
    }
  }
}

/** Returns false when a service of the tenant has the key, or had it. */
export async function insertKey(tx: Transaction, serviceId: ServiceId, key: ServiceKey): Promise<boolean> {
  const inserted = await tx.db
    .insertInto('service_keys')
    .values({
      tenant_id: toUuid(tx.caller.tenantId),
      thumbprint: key.thumbprint,
      identity_id: toUuid(serviceId),
      kid: key.kid ?? null,
      algorithm: key.algorithm,
      jwk: JSON.stringify(key.jwk),
      created_by: key.createdBy,
      created_at: key.createdAt,
      deleted_at: null,
    })
    .onConflict((conflict) => conflict.columns(['tenant_id', 'thumbprint']).doNothing())
    .returning('thumbprint')
    .executeTakeFirst()
  return inserted !== undefined
}

/** The keys that a service may still be proved by, the oldest first. */
export async function listKeys(tx: Transaction, serviceId: ServiceId): Promise<ServiceKey[]> {
  const rows = await tx.db
    .selectFrom('service_keys')
    .select(['thumbprint', 'kid', 'algorithm', 'jwk', 'created_by', 'created_at', 'source_session'])
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('identity_id', '=', toUuid(serviceId))
    .where('deleted_at', 'is', null)
    .where(sourceLives(tx))
    .orderBy('created_at')
    .orderBy('thumbprint')
    .execute()
  return rows.map((row) => ({
    thumbprint: row.thumbprint,
    kid: row.kid ?? undefined,
    algorithm: row.algorithm,
    jwk: OpenObject.parse(row.jwk),
    createdBy: row.created_by,
    createdAt: row.created_at,
    source: row.source_session === null ? undefined : fromUuid('session', row.source_session),
  }))
}

/** Ends one live key of a service, or all; returns the thumbprints of those that it ended. */
export async function deleteKeys(tx: Transaction, serviceId: ServiceId, only?: string): Promise<string[]> {
  const rows = await tx.db
    .updateTable('service_keys')
    .set({ deleted_at: tx.clock.now() })
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('identity_id', '=', toUuid(serviceId))
    .where('deleted_at', 'is', null)
    .$if(only !== undefined, (query) => query.where('thumbprint', '=', only ?? ''))
    .returning('thumbprint')
    .execute()
  return rows.map(({ thumbprint }) => thumbprint)
}
