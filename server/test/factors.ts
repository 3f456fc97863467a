import {
  confirmTotp,
  enrolTotp,
  passkeyCreationOptions,
  passkeyLoginOptions,
  registerPasskey,
} from '@agent-iam/contract/factors'
import { Secret, TOTP } from 'otpauth'
import { SoftwarePasskey } from './software-passkey.ts'
import { password, type TestServer } from './test-server.ts'

/** A proof by the password that every test user has. */
export const proof = { type: 'password', password } as const

/** An authenticator app with one secret. */
export class TestTotp {
  readonly #server: TestServer
  readonly #secret: Secret

  constructor(server: TestServer, base32: string) {
    this.#server = server
    this.#secret = Secret.fromBase32(base32)
  }

  /** The code so many steps from now; another than the last, since the time is moved on before. */
  fresh(): string {
    this.#server.clock.advance(30)
    return this.code()
  }

  code(stepsFromNow = 0): string {
    const timestamp = this.#server.clock.now().getTime() + stepsFromNow * 30_000
    return TOTP.generate({ secret: this.#secret, timestamp })
  }
}

export async function enrolApp(server: TestServer, token: string): Promise<{ app: TestTotp; recoveryCodes: string[] }> {
  const { secret } = await server.api.call(enrolTotp, { body: { proof }, token })
  const app = new TestTotp(server, secret)
  const { recoveryCodes = [] } = await server.api.call(confirmTotp, { body: { code: app.code() }, token })
  return { app, recoveryCodes }
}

export async function enrolPasskey(server: TestServer, token: string, name = 'laptop') {
  const key = new SoftwarePasskey()
  const { options } = await server.api.call(passkeyCreationOptions, { body: { proof }, token })
  const body = { name, response: key.create(options) }
  const { passkeyId, recoveryCodes = [] } = await server.api.call(registerPasskey, { body, token })
  return { key, passkeyId, recoveryCodes }
}

/** What the browser is given for a login. */
export async function loginOptions({ api }: TestServer) {
  return (await api.call(passkeyLoginOptions)).options
}
