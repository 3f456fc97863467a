import type { SecretId, ServiceId } from '@agent-iam/contract/ids'
import type { Generated } from 'kysely'
import type { Transaction } from '../../../platform/context.ts'
import { fromUuid, toUuid } from '../../../platform/ids.ts'
import { sourceLives } from '../../capabilities/service.ts'
import type { ServiceSecret } from '../model.ts'

declare module '../../../platform/database.ts' {
  interface Tables {
    service_secrets: {
      tenant_id: string
      id: string
      identity_id: string
      digest: Buffer
      prefix: string
      created_by: string
      created_at: Date
      expires_at: Date
      deleted_at: Date | null
      source_session: Generated<string | null>
    }
  }
}

export async function insertSecret(
  tx: Transaction,
  serviceId: ServiceId,
  secret: ServiceSecret,
  digest: Buffer,
): Promise<void> {
  const { id, prefix, createdBy, createdAt, expiresAt } = secret
  await tx.db
    .insertInto('service_secrets')
    .values({
      tenant_id: toUuid(tx.caller.tenantId),
      id: toUuid(id),
      identity_id: toUuid(serviceId),
      digest,
      prefix,
      created_by: createdBy,
      created_at: createdAt,
      expires_at: expiresAt,
      deleted_at: null,
    })
    .execute()
}

/** The secrets that a service may still be proved by, the oldest first. */
export async function listSecrets(tx: Transaction, serviceId: ServiceId): Promise<ServiceSecret[]> {
  const rows = await liveSecrets(tx, serviceId)
    .select(['id', 'prefix', 'created_by', 'created_at', 'expires_at', 'source_session'])
    .orderBy('id')
    .execute()
  return rows.map((row) => ({
    id: fromUuid('secret', row.id),
    prefix: row.prefix,
    createdBy: row.created_by,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    source: row.source_session === null ? undefined : fromUuid('session', row.source_session),
  }))
}

/** Which live secret of a service this is the digest of. */
export async function findSecretByDigest(
  tx: Transaction,
  serviceId: ServiceId,
  digest: Buffer,
): Promise<SecretId | undefined> {
  const row = await liveSecrets(tx, serviceId).select('id').where('digest', '=', digest).executeTakeFirst()
  return row && fromUuid('secret', row.id)
}

/** Ends one live secret of a service, or all; returns which that were. */
export async function deleteSecrets(tx: Transaction, serviceId: ServiceId, only?: SecretId): Promise<SecretId[]> {
  const rows = await tx.db
    .updateTable('service_secrets')
    .set({ deleted_at: tx.clock.now() })
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('identity_id', '=', toUuid(serviceId))
    .where('deleted_at', 'is', null)
    .$if(only !== undefined, (query) => query.where('id', '=', toUuid(only ?? 'sec_')))
    .returning('id')
    .execute()
  return rows.map(({ id }) => fromUuid('secret', id))
}

function liveSecrets(tx: Transaction, serviceId: ServiceId) {
  return tx.db
    .selectFrom('service_secrets')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('identity_id', '=', toUuid(serviceId))
    .where('deleted_at', 'is', null)
    .where('expires_at', '>', tx.clock.now())
    .where(sourceLives(tx))
}
