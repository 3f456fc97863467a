import * as contract from '@agent-iam/contract/factors'
import { route } from '../../platform/route.ts'
import { toWire } from './model.ts'
import {
  confirmTotp,
  enrolTotp,
  getLoginSettings,
  listFactors,
  passkeyCreationOptions,
  passkeyRequestOptions,
  registerPasskey,
  removePasskey,
  removeTotp,
  renamePasskey,
  renewRecoveryCodes,
  resetFactors,
  setLoginSettings,
} from './service.ts'

export const factorRoutes = [
  route(contract.listFactors, async (ctx) => {
    const { totp, passkeys, recoveryCodesLeft, isRequired } = await listFactors(ctx)
    return {
      totp: totp?.confirmedAt ? { enrolledAt: totp.confirmedAt.toISOString() } : null,
      passkeys: passkeys.map(toWire),
      recoveryCodesLeft,
      isRequired,
    }
  }),
  route(contract.enrolTotp, async (ctx, { body }) => {
    const { expiresAt, ...told } = await enrolTotp(ctx, body.proof)
    return { ...told, expiresAt: expiresAt.toISOString() }
  }),
  route(contract.confirmTotp, async (ctx, { body }) => {
    const { enrolledAt, recoveryCodes } = await confirmTotp(ctx, body.code)
    return { enrolledAt: enrolledAt.toISOString(), ...(recoveryCodes && { recoveryCodes: [...recoveryCodes] }) }
  }),
  route(contract.removeTotp, async (ctx, { body }) => {
    await removeTotp(ctx, body.proof)
    return { removed: true as const }
  }),
  route(contract.renewRecoveryCodes, async (ctx, { body }) => ({
    recoveryCodes: await renewRecoveryCodes(ctx, body.proof),
  })),
  route(contract.passkeyCreationOptions, async (ctx, { body }) => ({
    options: await passkeyCreationOptions(ctx, body.proof),
  })),
  route(contract.registerPasskey, async (ctx, { body }) => {
    const { passkey, recoveryCodes } = await registerPasskey(ctx, body)
    return { ...toWire(passkey), ...(recoveryCodes && { recoveryCodes: [...recoveryCodes] }) }
  }),
  route(contract.renamePasskey, async (ctx, { params, body }) =>
    toWire(await renamePasskey(ctx, params.passkeyId, body.name)),
  ),
  route(contract.removePasskey, async (ctx, { params, body }) => {
    await removePasskey(ctx, params.passkeyId, body.proof)
    return { removed: true as const }
  }),
  route(contract.passkeyLoginOptions, (ctx) => {
    const { options, expiresAt } = passkeyRequestOptions(ctx)
    return Promise.resolve({ options, expiresAt: expiresAt.toISOString() })
  }),
  route(contract.resetFactors, async (ctx, { params }) => ({
    userId: params.userId,
    ...(await resetFactors(ctx, params.userId)),
  })),
  route(contract.getLoginSettings, (ctx) => getLoginSettings(ctx)),
  route(contract.setLoginSettings, (ctx, { body }) => setLoginSettings(ctx, body)),
]
