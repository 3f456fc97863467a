import type { PasskeyLogin } from '@agent-iam/contract/auth'
import { platformTenantId, type PasskeyId, type UserId } from '@agent-iam/contract/ids'
import { asCaller, inTransaction, type Context, type Transaction } from '../../platform/context.ts'
import { countLogin, limitSender } from '../credentials/service.ts'
import { provePasskey, userOfPasskey } from '../factors/service.ts'
import { findUser, lockIdentity, tenantOfIdentity } from '../identities/service.ts'
import { findTenantId } from '../tenants/service.ts'
import { signTokens, type TokenPair } from '../tokens/service.ts'
import { notProved } from './agent-login.ts'
import { requireActive } from './model.ts'
import { boundKey } from './possession.ts'
import { startSession } from './start.ts'

/** Logs in a person by passkey alone. */
export async function loginByPasskey(ctx: Context, login: PasskeyLogin): Promise<TokenPair> {
  const { there, userId, passkeyId } = await proveByPasskey(ctx, login)
  const granted = await inTransaction(there, async (tx) => {
    await admitByPasskey(tx, userId)
    const confirmation = await boundKey(tx)
    return startSession(tx, userId, { method: 'passkey', credential: passkeyId, confirmation })
  })
  return signTokens(ctx, granted)
}

/** Who lets them in calls `admitByPasskey`, in the transaction that does so. */
export interface ProvedByPasskey {
  /** The context in the person's tenant. */
  readonly there: Context
  readonly userId: UserId
  readonly passkeyId: PasskeyId
}

/**
 * Proves a person by passkey alone: it cannot be guessed, so no lock for failed passwords stands in its way. Whose it is,
 * it says itself; a passkey of nobody and a wrong answer are refused in the same words.
 */
export async function proveByPasskey(ctx: Context, login: PasskeyLogin): Promise<ProvedByPasskey> {
  await limitSender(ctx, 'login')
  const { there, userId, named } = await findClaimed(ctx, login)
  const passkeyId = await provePasskey(there, userId, login.passkey)
  if (!passkeyId) {
    if (named)
      there.spine.noteFailedLogin(named, { method: 'passkey', account: userId === nobody ? undefined : userId })
    throw notProved()
  }
  await countLogin(there, { purpose: 'second-factor', account: userId })
  return { there, userId, passkeyId }
}

/** Lets in who was proved, unless that ended meanwhile: the identity is held, so that a suspension comes before or after. */
export async function admitByPasskey(tx: Transaction, userId: UserId): Promise<void> {
  await lockIdentity(tx, userId)
  const user = await findUser(tx, userId)
  if (!user) throw notProved()
  requireActive({ status: user.status, expiresAt: undefined }, tx.clock.now())
}

/**
 * Nobody, who lives in the platform's tenant, has no passkey: so that is looked for as well. `named` is the tenant that the
 * login is for, whether or not its account is there.
 */
async function findClaimed(
  ctx: Context,
  { passkey, tenant }: PasskeyLogin,
): Promise<{ there: Context; userId: UserId; named: Context | undefined }> {
  const userId = userOfPasskey(passkey) ?? nobody
  const tenantId = await tenantOfIdentity(ctx, userId)
  const asked = tenant === undefined ? tenantId : await findTenantId(ctx, tenant)
  const isWelcome = tenantId !== undefined && asked === tenantId
  const there = asCaller(ctx, { ...ctx.caller, tenantId: tenantId ?? platformTenantId })
  const named = asked && asCaller(ctx, { ...ctx.caller, tenantId: asked })
  return { there, userId: isWelcome ? userId : nobody, named }
}

/** The id of no user. */
const nobody: UserId = `usr_${'0'.repeat(32)}`
