import type { LoginSettings } from '@agent-iam/contract/factors'
import { isId } from '../../platform/ids.ts'
import { inTransaction, type Context, type Transaction } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'
import { recordEvent } from '../audit/service.ts'
import { readFactors } from './held.ts'
import { kindsOf } from './model.ts'
import { findLoginSettings, upsertLoginSettings } from './store/login-settings.ts'

export async function getLoginSettings(ctx: Context): Promise<LoginSettings> {
  return inTransaction(ctx, async (tx) => {
    await tx.authorize('settings:read', { type: 'settings' })
    return findLoginSettings(tx)
  })
}

/** Whoever asks a second factor of administrators has one: else the first to be locked out were the one who did it. */
export async function setLoginSettings(ctx: Context, settings: LoginSettings): Promise<LoginSettings> {
  return inTransaction(ctx, async (tx) => {
    await tx.authorize('settings:update', { type: 'settings' })
    if (settings.secondFactorForAdministrators) await requireOwnFactor(tx)
    await upsertLoginSettings(tx, settings)
    recordEvent(tx, { type: 'login-settings.changed', resource: 'agent-iam/settings', data: { ...settings } })
    return settings
  })
}

async function requireOwnFactor(tx: Transaction): Promise<void> {
  const { caller } = tx
  const isPerson = caller.kind === 'identity' && isId('user', caller.identityId)
  const kinds = isPerson ? kindsOf(await readFactors(tx, caller.identityId)) : []
  if (kinds.length === 0) throw new Problem('wrong-state', 'enrol a second factor of your own first')
}
