import type { StatusReference } from '@agent-iam/standards/status-list'
import { ownResource } from '../../features/clients/service.ts'
import { allotStatus } from '../../features/status-lists/service.ts'
import { addSeconds } from '../../platform/clock.ts'
import { inTransaction, type Context } from '../../platform/context.ts'
import { isId } from '../../platform/ids.ts'

/** A token of a session, as it is about to be made. */
interface MadeToken {
  readonly sessionId: string
  readonly audience: unknown
  readonly seconds: number
}

/**
 * Where the status of a token stands that another resource server verifies by itself
 * (draft-ietf-oauth-status-list §6.2). Our own API asks for the session at each use, so a token for it needs none.
 */
export async function statusClaim(
  ctx: Context,
  { sessionId, audience, seconds }: MadeToken,
): Promise<{ status?: { status_list: StatusReference } }> {
  if (typeof audience !== 'string' || audience === ownResource(ctx) || !isId('session', sessionId)) return {}
  const expiresAt = addSeconds(ctx.clock.now(), seconds)
  return { status: { status_list: await inTransaction(ctx, (tx) => allotStatus(tx, sessionId, expiresAt)) } }
}
