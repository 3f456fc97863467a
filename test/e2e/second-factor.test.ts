import { Secret, TOTP } from 'otpauth'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { email, startServer, type StartedServer } from './started-server.ts'

let server: StartedServer
let recoveryCodes: string[]

beforeAll(async () => {
  server = await startServer()
  const proof = { type: 'password' as const, password: server.password }
  const { secret } = await server.admin.factors.enrolTotp({ body: { proof } })
  const code = TOTP.generate({ secret: Secret.fromBase32(secret) })
  const confirmed = await server.admin.factors.confirmTotp({ body: { code } })
  recoveryCodes = confirmed.recoveryCodes ?? []
})
afterAll(() => server.stop())

test('the command asks for a code where the password is not enough', async () => {
  const asked: string[] = []
  const ask = (question: string) => {
    asked.push(question)
    return Promise.resolve(recoveryCodes[0] ?? '')
  }
  const { code, out, err } = await server.command(['login', '--email', email], { ask })
  expect({ code, err }).toEqual({ code: 0, err: '' })
  expect(out).toContain(`logged in at ${server.url} as ${email}`)
  expect(asked).toEqual(['Code of your authenticator app, or a recovery code: '])
  expect(await server.command(['agents', 'list'])).toMatchObject({ code: 0 })
})

test('a code that is wrong, or was used, is asked for once and then refused', async () => {
  for (const answer of ['nonsense', recoveryCodes[0] ?? '']) {
    let asked = 0
    const ask = () => {
      asked++
      return Promise.resolve(answer)
    }
    const { code, err } = await server.command(['login', '--email', email], { ask })
    expect(code).not.toBe(0)
    expect(err).toMatch(/\S/)
    expect(asked).toBe(1)
  }
})
