import type { Transaction } from '../../platform/context.ts'
import { recordEvent } from '../audit/service.ts'
import { markExpiredApiKeys } from './store/expiring.ts'

/** Puts on record which keys have run out; their sessions ran out with them. */
export async function endExpiredApiKeys(tx: Transaction, limit: number): Promise<Array<{ readonly expiresAt: Date }>> {
  const expired = await markExpiredApiKeys(tx, limit)
  for (const { id } of expired) recordEvent(tx, { type: 'api-key.expired', resource: `agent-iam/api-keys/${id}` })
  return expired
}
