/**
 * Second factors of people: authenticator apps (RFC 6238), passkeys (WebAuthn level 3, the person verified, so one alone
 * is a login too), and recovery codes in place of a lost one. A code, a challenge and a passkey's counter are good once,
 * on whichever instance; a token alone changes no factor. A tenant may ask a factor of its administrators.
 */
import type { FreshProof } from '@agent-iam/contract/factors'
import { inTransaction, type Context } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'
import { recordEvent } from '../audit/service.ts'
import { lockIdentity } from '../identities/service.ts'
import { requireFreshProof, requirePerson } from './fresh-proof.ts'
import { isFactorRequired, readFactors } from './held.ts'
import { kindsOf, type Factors } from './model.ts'
import { issueRecoveryCodes } from './recovery-codes.ts'

export { requireFreshProof } from './fresh-proof.ts'
export { getLoginSettings, setLoginSettings } from './login-settings.ts'
export { passkeyRequestOptions, provePasskey, userOfPasskey } from './passkey-proof.ts'
export { passkeyCreationOptions, registerPasskey, removePasskey, renamePasskey } from './passkeys.ts'
export { resetFactors } from './reset.ts'
export { requireSecondFactor, type LoginProof } from './second-factor.ts'
export { sealedTotpSecrets } from './totp.ts'
export { confirmTotp, enrolTotp, removeTotp } from './totp-enrolment.ts'

/** The caller's own factors, and whether the tenant asks for one. */
export async function listFactors(ctx: Context): Promise<Factors & { isRequired: boolean }> {
  const { userId } = requirePerson(ctx.caller, 'read')
  return inTransaction(ctx, async (tx) => ({
    ...(await readFactors(tx, userId)),
    isRequired: await isFactorRequired(tx, userId),
  }))
}

/** New recovery codes in place of all before. */
export async function renewRecoveryCodes(ctx: Context, proof: FreshProof): Promise<string[]> {
  const { userId } = requirePerson(ctx.caller, 'update')
  await requireFreshProof(ctx, userId, proof)
  return inTransaction(ctx, async (tx) => {
    await lockIdentity(tx, userId)
    if (kindsOf(await readFactors(tx, userId)).length === 0)
      throw new Problem('wrong-state', 'enrol a second factor first; recovery codes come with it')
    recordEvent(tx, { type: 'recovery-codes.renewed', resource: `agent-iam/users/${userId}`, narrows: true })
    return issueRecoveryCodes(tx, userId)
  })
}
