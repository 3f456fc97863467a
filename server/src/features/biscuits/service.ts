/**
 * Biscuits (version 3): tokens that their holder narrows by itself, offline, before handing them on. One is a presentation
 * of a session (DESIGN D7): its authority block names issuer, tenant, audience and session, signed by a root key of the
 * tenant that signs nothing else. What a Biscuit may do here is what its session may, within the blocks appended since.
 * It guarantees that no block adds anything, that ending the session ends every token made of it with that commit, and
 * that no token keeps the server busy: what strangers wrote runs in threads that are ended in time.
 */
import { asCaller, type Caller, type Context } from '../../platform/context.ts'
import { callerOfAccessToken, type RecentCallers } from '../sessions/service.ts'
import { callerOfBiscuit, requireKeptUnrevoked } from './caller.ts'
import { looksLikeBiscuit } from './model.ts'

export { checkBiscuit, failedChecks, type CheckedBiscuit, type ShownBiscuit } from './check-biscuit.ts'
export { createBiscuit } from './create-biscuit.ts'
export { mintBiscuit } from './mint.ts'
export { permits } from './permits.ts'
export { rightsOf } from './rights.ts'
export { PublishedRevocations, revokeBlock } from './revocations.ts'

/** Who presents a token, be it a JWT or a Biscuit. Throws what `callerOfAccessToken` throws. */
export async function callerOfToken(
  ctx: Context,
  token: string,
  recent?: RecentCallers,
): Promise<Caller & { kind: 'identity' }> {
  if (looksLikeBiscuit(token)) return callerOfBiscuit(ctx, token)
  const caller = await callerOfAccessToken(ctx, token, recent)
  if (caller.attenuation !== undefined) await requireKeptUnrevoked(asCaller(ctx, caller), caller.attenuation)
  return caller
}
