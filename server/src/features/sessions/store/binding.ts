import type { IdentityId, SessionId } from '@agent-iam/contract/ids'
import { sql } from 'kysely'
import type { Confirmation, Transaction } from '../../../platform/context.ts'
import { fromUuid, toUuid } from '../../../platform/ids.ts'

/** Live sessions of an identity whose tokens are bound to this key. */
export async function listBoundSessions(
  tx: Transaction,
  identityId: IdentityId,
  confirmation: Confirmation,
): Promise<SessionId[]> {
  const rows = await tx.db
    .selectFrom('sessions')
    .select('id')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('identity_id', '=', toUuid(identityId))
    .where('ended_at', 'is', null)
    .where(sql<boolean>`confirmation @> ${JSON.stringify(confirmation)}::jsonb`)
    .execute()
  return rows.map(({ id }) => fromUuid('session', id))
}
