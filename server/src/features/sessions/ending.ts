import type { IdentityId, SessionId } from '@agent-iam/contract/ids'
import type { Transaction } from '../../platform/context.ts'
import { recordEvent } from '../audit/service.ts'
import { lockIdentity } from '../identities/service.ts'
import { endLineages, endLiveSessions } from './store/ending.ts'

/**
 * Ends every live session of an identity, and with them all its tokens, but for `except` and those of its API keys.
 * The identity is held first, so that a login that is under way ends too, or comes after.
 */
export async function endSessionsOf(
  tx: Transaction,
  identityId: IdentityId,
  { reason, except }: { readonly reason: string; readonly except?: SessionId | undefined },
): Promise<SessionId[]> {
  await lockIdentity(tx, identityId)
  const ended = await endLiveSessions(tx, identityId, { reason, except })
  for (const id of ended) recordEnd(tx, id, { identityId, reason })
  return ended
}

/** Ends a session and those begun with its tokens. Returns false when it had ended already. */
export async function endWithDescendants(
  tx: Transaction,
  session: { readonly id: SessionId; readonly identityId: IdentityId },
  reason: string,
): Promise<boolean> {
  const { identityId } = session
  await lockIdentity(tx, identityId)
  const ended = await endLineages(tx, [session.id], reason)
  for (const id of ended) recordEnd(tx, id, { identityId, reason })
  return ended.includes(session.id)
}

/** Tells of a session's end, which every decision under way must see. */
export function recordEnd(tx: Transaction, id: SessionId, about: { identityId: IdentityId; reason: string }): void {
  recordEvent(tx, { type: 'session.ended', resource: `agent-iam/sessions/${id}`, data: about, narrows: true })
}
