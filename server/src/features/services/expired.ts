import type { Transaction } from '../../platform/context.ts'
import { recordEvent } from '../audit/service.ts'
import { markExpiredSecrets } from './store/expiring.ts'

/** Puts on record which client secrets have run out. What was begun with one lives as long as it would have. */
export async function endExpiredSecrets(tx: Transaction, limit: number): Promise<Array<{ readonly expiresAt: Date }>> {
  const expired = await markExpiredSecrets(tx, limit)
  for (const { id, serviceId } of expired)
    recordEvent(tx, {
      type: 'service.secret-expired',
      resource: `agent-iam/services/${serviceId}`,
      data: { secretId: id },
    })
  return expired
}
