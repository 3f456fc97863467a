import type { IdentityId } from '@agent-iam/contract/ids'
import type { Transaction } from '../../platform/context.ts'
import { recordEvent } from '../audit/service.ts'
import { endAllOf, endRunOut, type ExpiredSession } from './store/expiring.ts'

/** Ends sessions that have run out. One event tells of all: there may be thousands a second, and nobody ended them. */
export async function endExpiredSessions(tx: Transaction, limit: number): Promise<ExpiredSession[]> {
  const expired = await endRunOut(tx, limit)
  const sessions = expired.map(({ id }) => id).toSorted()
  if (sessions.length > 0) recordEvent(tx, { type: 'session.expired', data: { sessions } })
  return expired
}

/**
 * Ends the sessions of identities that were stopped in this transaction, so are held by it. They were good for nothing
 * already, so nothing is narrowed.
 */
export async function endSessionsOfStopped(tx: Transaction, ids: readonly IdentityId[], reason: string): Promise<void> {
  const sessions = (await endAllOf(tx, ids, reason)).toSorted()
  if (sessions.length > 0) recordEvent(tx, { type: 'session.ended', data: { sessions, reason } })
}
