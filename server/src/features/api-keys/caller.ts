import type { IdentityId } from '@agent-iam/contract/ids'
import { asCaller, inTransaction, type Caller, type Context } from '../../platform/context.ts'
import { addSeconds } from '../../platform/clock.ts'
import { sha256 } from '../../platform/digest.ts'
import { Problem } from '../../platform/problem.ts'
import { withinDelegator } from '../capabilities/service.ts'
import { requireLive } from '../sessions/model.ts'
import { findSession, notingFailure } from '../sessions/service.ts'
import { findKeySecret, touchApiKey, type FoundSecret } from './store.ts'

/** A use is written down this often: each time would make every request a write. */
const touchSeconds = 60

/**
 * Who presents an API key. It is looked for by its digest, so how long that takes tells nothing about any key. Throws
 * when it is unknown, its session has ended, or its identity may not act.
 */
export async function callerOfApiKey(ctx: Context, key: string): Promise<Caller> {
  const secret = await inTransaction(ctx, (tx) => findKeySecret(tx, sha256(key)))
  if (!secret) throw new Problem('invalid-token', 'the API key is not known here; make another')
  return callerOf(ctx, secret)
}

async function callerOf(ctx: Context, { tenantId, apiKeyId, sessionId, lastUsedAt }: FoundSecret): Promise<Caller> {
  const there = asCaller(ctx, { ...ctx.caller, tenantId })
  const login: { method: 'api-key'; account: IdentityId | undefined } = { method: 'api-key', account: undefined }
  return notingFailure(there, login, async (tx) => {
    const found = await findSession(tx, sessionId)
    login.account = found?.session.identityId
    const now = tx.clock.now()
    if (!found || found.session.endedAt || found.session.expiresAt <= now)
      throw new Problem('token-revoked', 'the API key was disabled or replaced, or has expired; use another')
    requireLive(found.session, found.identity, now)
    const before = addSeconds(now, -touchSeconds)
    if (!lastUsedAt || lastUsedAt <= before) await touchApiKey(tx, apiKeyId, before)
    const { identityId, expiresAt, method, confirmation, actors, attenuation, delegator, source } = found.session
    const { scope } = await withinDelegator(tx, delegator, found.session.scope)
    const { address, certificateThumbprint } = ctx.caller
    const proved = { identityId, sessionId, expiresAt, method, scope, confirmation, actors, attenuation }
    const authentication = { credential: apiKeyId, clientId: undefined, delegator, source }
    return { kind: 'identity', tenantId, ...proved, ...authentication, address, certificateThumbprint }
  })
}
