import type { UserId } from '@agent-iam/contract/ids'
import type { Transaction } from '../../platform/context.ts'
import { firstExcess } from '../capabilities/model.ts'
import { listReach } from '../capabilities/service.ts'
import type { Factors } from './model.ts'
import { findLoginSettings } from './store/login-settings.ts'
import { listPasskeys } from './store/passkeys.ts'
import { countRecoveryCodes } from './store/recovery-codes.ts'
import { findTotp } from './store/totp.ts'

export async function readFactors(tx: Transaction, userId: UserId): Promise<Factors> {
  return {
    totp: await findTotp(tx, userId),
    passkeys: await listPasskeys(tx, userId),
    recoveryCodesLeft: await countRecoveryCodes(tx, userId),
  }
}

/** What nobody but an administrator holds: all of the platform. */
const allOfThePlatform = ['agent-iam:*']

/** Whether the tenant asks this person for a second factor. */
export async function isFactorRequired(tx: Transaction, userId: UserId): Promise<boolean> {
  const { secondFactorForAdministrators } = await findLoginSettings(tx)
  if (!secondFactorForAdministrators) return false
  return firstExcess(allOfThePlatform, await listReach(tx, userId)) === undefined
}
