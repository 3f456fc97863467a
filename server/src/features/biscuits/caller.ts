import { inTransaction, type Caller, type Context, type Transaction } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'
import { callerInSession } from '../sessions/service.ts'
import { audienceOf } from './model.ts'
import { requirePatience } from './permits.ts'
import { readAccepted, readBiscuit, type ReadBiscuit } from './read-biscuit.ts'
import { hasRevokedBlock } from './store.ts'

/**
 * Who presents a Biscuit to our API: the caller of its session, narrowed by the blocks that were appended since it was
 * made. Throws when it is not valid, its session has ended, or its identity may not act.
 */
export async function callerOfBiscuit(ctx: Context, token: string): Promise<Caller & { kind: 'identity' }> {
  const read = await readBiscuit(ctx, token)
  if (typeof read === 'string') throw notValid(read)
  const { facts, blocks, rootKey } = read
  requireOurs(ctx, read)
  if (blocks > 1) requirePatience(ctx, read)
  const { caller, presentVersion } = await callerInSession(ctx, {
    token,
    tenantId: rootKey.tenantId,
    subject: facts.agent,
    sessionId: facts.session,
    expiresAt: facts.expiresAt,
    attenuation: blocks > 1 ? token : undefined,
    requireGood: (tx) => requireUnrevoked(tx, read),
  })
  if (presentVersion !== rootKey.keysVersion) await requireRootKey(ctx, read, presentVersion)
  return caller
}

/** The authority block speaks of this issuer, its tenant and our API, now. */
function requireOurs(ctx: Context, { facts, rootKey }: ReadBiscuit): void {
  const issuer = ctx.keys.issuerOf(rootKey.tenantId)
  const isOurs = facts.issuer === issuer && facts.tenant === rootKey.tenantId && facts.audience === audienceOf(issuer)
  if (!isOurs || facts.expiresAt <= ctx.clock.now()) throw notValid(isOurs ? 'expired' : 'of another issuer')
}

/** An authority block ends with its session; those appended later are looked up. */
export async function requireUnrevoked(
  tx: Transaction,
  { revocationIds }: Pick<ReadBiscuit, 'revocationIds'>,
): Promise<void> {
  const [, ...appended] = revocationIds
  if (appended.length > 0 && (await hasRevokedBlock(tx, appended)))
    throw new Problem('token-revoked', 'a block of the token was revoked; use one without it')
}

/** A session that keeps a Biscuit is as good as that one's blocks. */
export async function requireKeptUnrevoked(ctx: Context, token: string): Promise<void> {
  const kept = await readAccepted(ctx, token)
  if (kept) await inTransaction(ctx, (tx) => requireUnrevoked(tx, kept))
}

/** Its root key may have been revoked since this instance looked. */
async function requireRootKey(ctx: Context, { rootKeyId }: ReadBiscuit, version: number): Promise<void> {
  if (!(await ctx.keys.findRootKey(rootKeyId, ctx.clock.now(), version))) throw notValid('root key revoked')
}

/** The same words for every reason: a forger learns nothing. */
function notValid(reason: string): Problem {
  const cause = new Error(`the Biscuit is not good: ${reason}`)
  return new Problem('invalid-token', 'the access token is not valid here: refresh it or log in again', { cause })
}
