import type { SecondFactor } from '@agent-iam/contract/factors'
import type { UserId } from '@agent-iam/contract/ids'
import { inTransaction, type Context, type Transaction } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'
import { recordEvent } from '../audit/service.ts'
import { attemptFailed, attemptProved, guardAttempt } from '../credentials/service.ts'
import { isFactorRequired, readFactors } from './held.ts'
import { enrolmentScope, enrolmentSessionSeconds, factorRefused, kindsOf, type FactorKind } from './model.ts'
import { provePasskey } from './passkey-proof.ts'
import { digestOfCode } from './recovery-codes.ts'
import { spending, type FactorUse } from './spending.ts'
import { deleteRecoveryCode } from './store/recovery-codes.ts'
import { findTotpForUpdate, updateTotp } from './store/totp.ts'
import { openTotp, stepOfCode } from './totp.ts'

/** How a login was proved, and what its session is narrowed to. */
export interface LoginProof {
  /** As sessions note it, such as `password+totp`. */
  readonly method: string
  /** Undefined: all that the person holds. */
  readonly scope?: readonly string[]
  readonly seconds?: number
}

/**
 * Asks for the second factor of a person whose password was proved. Throws `second-factor-required` when one is enrolled
 * and none was sent. An administrator who must have one and has none gets a session that can only enrol it. One that is
 * only tried stays good, so that what else is wrong with a login costs nobody a code; guesses at it count all the same.
 */
export async function requireSecondFactor(
  ctx: Context,
  userId: UserId,
  sent: SecondFactor | undefined,
  use: FactorUse = 'spend',
): Promise<LoginProof> {
  if (sent) {
    if (!(await isProved(ctx, userId, sent, use))) {
      ctx.spine.noteFailedLogin(ctx, { method: 'second-factor', account: userId })
      throw factorRefused()
    }
    return { method: `password+${sent.type}` }
  }
  const { kinds, isRequired } = await inTransaction(ctx, async (tx) => ({
    kinds: kindsOf(await readFactors(tx, userId)),
    isRequired: await isFactorRequired(tx, userId),
  }))
  if (kinds.length > 0) throw factorNeeded(kinds)
  if (!isRequired) return { method: 'password' }
  return { method: 'password', scope: enrolmentScope, seconds: enrolmentSessionSeconds }
}

/** Throws unless the factor is the person's, and fresh. */
export async function requireFactor(ctx: Context, userId: UserId, sent: SecondFactor): Promise<void> {
  if (!(await isProved(ctx, userId, sent, 'spend'))) throw factorRefused()
}

async function isProved(ctx: Context, userId: UserId, sent: SecondFactor, use: FactorUse): Promise<boolean> {
  switch (sent.type) {
    case 'totp':
      return proveTotp(ctx, userId, sent.code, use)
    case 'recovery':
      return spending(ctx, use, (tx) => spendRecoveryCode(tx, userId, sent.code))
    case 'passkey':
      return (await provePasskey(ctx, userId, sent.response, use)) !== undefined
  }
}

/** Six digits are soon guessed, so each try is counted before it is looked at. */
async function proveTotp(ctx: Context, userId: UserId, code: string, use: FactorUse): Promise<boolean> {
  const attempt = await guardAttempt(ctx, { purpose: 'second-factor', account: userId })
  const isGood = await spending(ctx, use, async (tx) => {
    const totp = await findTotpForUpdate(tx, userId)
    if (!totp?.confirmedAt) return false
    const step = stepOfCode(openTotp(tx, userId, totp.secret), code, tx.clock.now())
    if (step === undefined || step <= totp.lastStep) return false
    await updateTotp(tx, userId, { confirmedAt: totp.confirmedAt, lastStep: step })
    return true
  })
  await (isGood ? attemptProved(ctx, attempt) : attemptFailed(ctx, attempt))
  return isGood
}

async function spendRecoveryCode(tx: Transaction, userId: UserId, code: string): Promise<boolean> {
  if (!(await deleteRecoveryCode(tx, userId, digestOfCode(code)))) return false
  recordEvent(tx, { type: 'recovery-code.used', actor: userId, resource: `agent-iam/users/${userId}` })
  return true
}

function factorNeeded(kinds: readonly FactorKind[]): Problem {
  return new Problem('second-factor-required', `log in again with secondFactor: ${kinds.join(', or ')}`, {
    errors: kinds.map((kind) => ({ field: 'secondFactor.type', message: kind })),
  })
}
