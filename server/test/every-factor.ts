import * as auth from '@agent-iam/contract/auth'
import * as factors from '@agent-iam/contract/factors'
import { enrolApp, enrolPasskey, loginOptions, proof } from './factors.ts'
import { password, type TestServer } from './test-server.ts'

/** Every operation on second factors once, as a person and the administrator who helps them would. */
export async function callEveryFactorOperation(server: TestServer): Promise<void> {
  const { api } = server
  const { id, email, token } = await server.user('admin')
  const { key, passkeyId } = await enrolPasskey(server, token)
  const params = { passkeyId }
  await api.call(factors.renamePasskey, { ...factors.renamePasskey.example, params, token })
  const { app } = await enrolApp(server, token)
  await api.call(auth.login, { body: { email, password, secondFactor: { type: 'totp', code: app.fresh() } } })
  await api.call(auth.login, { body: { passkey: key.get(await loginOptions(server)) } })
  await api.call(factors.listFactors, { token })
  await api.call(factors.renewRecoveryCodes, { body: { proof }, token })
  await api.call(factors.getLoginSettings, { token })
  for (const secondFactorForAdministrators of [true, false])
    await api.call(factors.setLoginSettings, { body: { secondFactorForAdministrators }, token })
  await api.call(factors.removePasskey, { params, body: { proof }, token })
  await api.call(factors.removeTotp, { body: { proof }, token })
  await api.call(factors.resetFactors, { params: { userId: id }, token: (await server.user('admin')).token })
}
