import type { FreshProof } from '@agent-iam/contract/factors'
import type { UserId } from '@agent-iam/contract/ids'
import { addSeconds } from '../../platform/clock.ts'
import { inTransaction, type Context, type Transaction } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'
import { recordEvent } from '../audit/service.ts'
import { attemptFailed, attemptProved, guardAttempt } from '../credentials/service.ts'
import { findUser, lockIdentity } from '../identities/service.ts'
import { recordEnrolled, recordRemoved } from './first-and-last.ts'
import { requireFreshProof, requirePerson } from './fresh-proof.ts'
import { readFactors } from './held.ts'
import { factorRefused, totpEnrolmentSeconds, type TotpFactor } from './model.ts'
import { deleteTotp, findTotp, replacePendingTotp, updateTotp } from './store/totp.ts'
import { describeSecret, newTotpSecret, openTotp, sealTotp, stepOfCode } from './totp.ts'

/** Makes the secret for an authenticator app. It proves nothing until a code of it has come back. */
export async function enrolTotp(ctx: Context, proof: FreshProof) {
  const { userId } = requirePerson(ctx.caller, 'update')
  await requireFreshProof(ctx, userId, proof)
  return inTransaction(ctx, async (tx) => {
    const secret = newTotpSecret(tx.random)
    const isPending = await replacePendingTotp(tx, userId, sealTotp(tx, userId, secret))
    if (!isPending) throw new Problem('wrong-state', 'an authenticator app is enrolled already; remove it first')
    recordEvent(tx, { type: 'factor.enrolment-started', resource: `agent-iam/users/${userId}`, data: { kind: 'totp' } })
    const label = (await findUser(tx, userId))?.email ?? userId
    const { host } = new URL(tx.keys.publicUrl)
    const expiresAt = addSeconds(tx.clock.now(), totpEnrolmentSeconds)
    return { ...describeSecret(secret, { issuer: `Agent IAM ${host}`, label }), expiresAt }
  })
}

export interface Enrolled {
  readonly enrolledAt: Date
  /** Only with the first factor. */
  readonly recoveryCodes: readonly string[] | undefined
}

/** Enrols the app by its first code, which is spent by that. */
export async function confirmTotp(ctx: Context, code: string): Promise<Enrolled> {
  const { userId } = requirePerson(ctx.caller, 'update')
  await inTransaction(ctx, (tx) => requirePending(tx, userId))
  const attempt = await guardAttempt(ctx, { purpose: 'second-factor', account: userId })
  const enrolled = await inTransaction(ctx, async (tx) => {
    await lockIdentity(tx, userId)
    const lastStep = stepOf(tx, userId, { code, totp: await requirePending(tx, userId) })
    if (lastStep === undefined) return undefined
    const before = await readFactors(tx, userId)
    const enrolledAt = tx.clock.now()
    await updateTotp(tx, userId, { confirmedAt: enrolledAt, lastStep })
    return { enrolledAt, recoveryCodes: await recordEnrolled(tx, userId, { before, factor: { kind: 'totp' } }) }
  })
  await (enrolled ? attemptProved(ctx, attempt) : attemptFailed(ctx, attempt))
  if (!enrolled) throw factorRefused()
  return enrolled
}

export async function removeTotp(ctx: Context, proof: FreshProof): Promise<void> {
  const { userId } = requirePerson(ctx.caller, 'update')
  await requireFreshProof(ctx, userId, proof)
  await inTransaction(ctx, async (tx) => {
    await lockIdentity(tx, userId)
    if (!(await deleteTotp(tx, userId))) throw new Problem('wrong-state', 'no authenticator app is enrolled')
    await recordRemoved(tx, userId, { kind: 'totp' })
  })
}

function stepOf(
  tx: Transaction,
  userId: UserId,
  { totp, code }: { totp: TotpFactor; code: string },
): number | undefined {
  return stepOfCode(openTotp(tx, userId, totp.secret), code, tx.clock.now())
}

async function requirePending(tx: Transaction, userId: UserId): Promise<TotpFactor> {
  const totp = await findTotp(tx, userId)
  if (totp?.confirmedAt) throw new Problem('wrong-state', 'the authenticator app is enrolled already')
  if (!totp || addSeconds(totp.createdAt, totpEnrolmentSeconds) <= tx.clock.now())
    throw new Problem('wrong-state', 'there is no secret to confirm; begin the enrolment again')
  return totp
}
