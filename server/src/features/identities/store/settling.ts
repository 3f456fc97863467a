import type { IdentityId } from '@agent-iam/contract/ids'
import { sql } from 'kysely'
import type { Transaction } from '../../../platform/context.ts'
import { toUuid } from '../../../platform/ids.ts'

declare module '../../../platform/database.ts' {
  interface Tables {
    settling: { tenant_id: string; identity_id: string; because_id: string; queued_at: Date }
  }
}

/**
 * Has what lies below these identities tidied up: whoever revokes or deletes one, whatever its kind, says so in the same
 * transaction. Nothing waits for it: what lies below may not act from that commit on.
 *
 * NOTE: the identities are held already, and whoever gives one a child holds it too, so no child comes in between.
 */
export async function queueSettling(tx: Transaction, ids: readonly IdentityId[]): Promise<void> {
  if (ids.length === 0) return
  await sql`
    insert into settling (tenant_id, identity_id, because_id, queued_at)
    select ${toUuid(tx.caller.tenantId)}::uuid, id, id, ${tx.clock.now()}
      from unnest(${ids.map(toUuid)}::uuid[]) as stopped (id)
    on conflict do nothing`.execute(tx.db)
}
