import type { FreshProof } from '@agent-iam/contract/factors'
import type { SessionId, TenantId, UserId } from '@agent-iam/contract/ids'
import { inTransaction, type Caller, type Context } from '../../platform/context.ts'
import { isId } from '../../platform/ids.ts'
import { Problem } from '../../platform/problem.ts'
import { requireScope } from '../capabilities/service.ts'
import {
  attemptFailed,
  attemptNotMade,
  attemptProved,
  findPassword,
  guardAttempt,
  loginAccount,
  passwordOwner,
  verifyPassword,
} from '../credentials/service.ts'
import { findUser } from '../identities/service.ts'
import { requireFactor } from './second-factor.ts'

export interface Person {
  readonly tenantId: TenantId
  readonly userId: UserId
  readonly sessionId: SessionId
}

/** The caller as a person whose session reaches their own factors. */
export function requirePerson(caller: Caller, verb: 'read' | 'update'): Person {
  if (caller.kind !== 'identity' || !isId('user', caller.identityId))
    throw new Problem('forbidden', 'only people have second factors; agents and services prove a key')
  requireScope(caller, `agent-iam/own-factors:${verb}`)
  return { tenantId: caller.tenantId, userId: caller.identityId, sessionId: caller.sessionId }
}

/** Throws unless the person is there right now. NOTE: not inside a transaction: what is counted must stay counted. */
export async function requireFreshProof(ctx: Context, userId: UserId, proof: FreshProof): Promise<void> {
  if (proof.type === 'password') await requirePassword(ctx, userId, proof.password)
  else await requireFactor(ctx, userId, proof)
}

async function requirePassword(ctx: Context, userId: UserId, presented: string): Promise<void> {
  const { email, hash } = await inTransaction(ctx, async (tx) => ({
    email: (await findUser(tx, userId))?.email ?? '',
    hash: (await findPassword(tx, userId))?.hash,
  }))
  const attempt = await guardAttempt(ctx, { purpose: 'password', account: loginAccount(ctx.caller.tenantId, email) })
  const isProved = await verifyPassword(passwordOwner(ctx, email), { presented, stored: hash }).catch(
    async (error: unknown) => {
      await attemptNotMade(ctx, attempt)
      throw error
    },
  )
  await (isProved ? attemptProved(ctx, attempt) : attemptFailed(ctx, attempt))
  if (!isProved) throw new Problem('invalid-credentials', 'the password is not valid')
}
