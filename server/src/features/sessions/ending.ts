import type { IdentityId, SessionId } from '@agent-iam/contract/ids'
import type { Transaction } from '../../platform/context.ts'
import { recordEvent } from '../audit/service.ts'
import { lockIdentity } from '../identities/service.ts'
import { endLiveSessions } from './store/ending.ts'

/** Sessions of API keys are none of a login: a key is ended by what manages it. */
export const apiKeyMethod = 'api-key'

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
  const ended = await endLiveSessions(tx, identityId, { reason, except, exceptMethod: apiKeyMethod })
  for (const id of ended) recordEnd(tx, id, { identityId, reason })
  return ended
}

/** Tells of a session's end, which every decision under way must see. */
export function recordEnd(tx: Transaction, id: SessionId, about: { identityId: IdentityId; reason: string }): void {
  recordEvent(tx, { type: 'session.ended', resource: `agent-iam/sessions/${id}`, data: about, narrows: true })
}
