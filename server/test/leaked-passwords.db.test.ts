import { createHash } from 'node:crypto'
import { createServer, type RequestListener, type Server } from 'node:http'
import { changePassword, forgotPassword, resetPassword } from '@agent-iam/contract/accounts'
import { login } from '@agent-iam/contract/auth'
import { acceptInvitation, inviteUser } from '@agent-iam/contract/invitations'
import { NewPassword } from '@agent-iam/contract/passwords'
import { registerUser, setRegistrationSettings } from '@agent-iam/contract/registrations'
import { completeSetup } from '@agent-iam/contract/setup'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hashPassword, setPassword } from '../src/features/credentials/service.ts'
import { openSetup } from '../src/features/setup/service.ts'
import { inTransaction } from '../src/platform/context.ts'
import { isOrWraps, requestFields } from './contract-walk.ts'
import { databases } from './databases.ts'
import { mailedToken } from './mailbox.ts'
import { passwordOwnerOfTests } from './password-owner.ts'
import { anotherSender } from './senders.ts'
import { generousSettings, openServer, password, startServer, type TestServer } from './test-server.ts'
import { TestClock } from './test-clock.ts'
import type { Refusal } from './test-api.ts'

/** 25 characters that no estimator finds weak: only a list knows them. */
const leaked = 'correcthorsebatterystaple'
const good = 'seven oranges under a violin'

/** Each place that takes a new password, called with one. */
const places: Record<string, (server: TestServer, chosen: string) => Promise<Refusal>> = {
  'completeSetup.password': async (server, chosen) => {
    await server.database.ask(`update identities set status = 'pending' where kind = 'user'`)
    const token = (await openSetup(server.app.system, { onlyOne: false })) ?? ''
    return server.api.refuse(completeSetup, { body: { token, email: 'next@example.com', password: chosen } })
  },
  'registerUser.password': async (server, chosen) => {
    const token = await server.admin()
    await server.api.call(setRegistrationSettings, { body: { selfRegistration: 'approval' }, token })
    const body = { email: 'stranger@example.com', name: 'Stranger', password: chosen }
    return server.api.refuse(registerUser, { body, from: anotherSender() })
  },
  'acceptInvitation.password': async (server, chosen) => {
    const token = await server.admin()
    const email = 'invited@example.com'
    await server.api.call(inviteUser, { body: { email, name: 'Invited' }, token })
    const body = { token: await mailedToken(server, email, token), password: chosen }
    return server.api.refuse(acceptInvitation, { body, from: anotherSender() })
  },
  'changePassword.newPassword': async (server, chosen) => {
    const { token } = await server.user('member')
    return server.api.refuse(changePassword, { body: { currentPassword: password, newPassword: chosen }, token })
  },
  'resetPassword.newPassword': async (server, chosen) => {
    const { email } = await server.user('member')
    await server.api.call(forgotPassword, { body: { email }, from: anotherSender() })
    const token = await mailedToken(server, email, await server.admin())
    return server.api.refuse(resetPassword, { body: { token, newPassword: chosen }, from: anotherSender() })
  },
  'login.newPassword': async (server, chosen) => {
    const { id, email } = await server.user('member')
    const hash = await hashPassword(passwordOwnerOfTests, password)
    await inTransaction(server.inTenant(server.app.defaultTenantId), (tx) =>
      setPassword(tx, id, hash, { mustChange: true }),
    )
    return server.api.refuse(login, { body: { email, password, newPassword: chosen } })
  },
}

test('the places below are all that take a new password', () => {
  const taking = requestFields().filter(({ schema }) => isOrWraps(schema, NewPassword))
  const names = taking.map(({ operation, path }) => `${operation.id}.${path}`)
  expect([...new Set(names)].toSorted()).toEqual(Object.keys(places).toSorted())
})

describe.each(databases)('leaked passwords on %s', (_name, open) => {
  let server: TestServer

  beforeAll(async () => {
    server = await openServer(await open())
  })
  afterAll(() => server.close())

  // The setup comes last: it needs an installation without an administrator.
  test.each(Object.keys(places).toSorted((one) => (one.startsWith('completeSetup') ? 1 : -1)))(
    '%s refuses a password that is in lists of leaked ones, in any case of its letters',
    async (place) => {
      const refusal = await places[place]?.(server, leaked.toUpperCase())
      const field = place.slice(place.indexOf('.') + 1)
      expect(refusal).toMatchObject({ code: 'invalid-request', errors: [{ field }] })
      expect(refusal?.detail).toContain('leaked')
    },
  )
})

describe.each(databases.slice(0, 1))('with a range service, on %s', (_name, open) => {
  const sha1 = createHash('sha1').update(good).digest('hex').toUpperCase()
  const asked: string[] = []
  const lines: string[] = []
  let answer: RequestListener
  let fakeRangeService: Server
  let server: TestServer

  beforeAll(async () => {
    fakeRangeService = createServer((request, response) => {
      asked.push(`${request.url} padding=${String(request.headers['add-padding'])}`)
      answer(request, response)
    })
    const port = await new Promise<number>((resolve) =>
      fakeRangeService.listen(0, '127.0.0.1', () => {
        const address = fakeRangeService.address()
        resolve(typeof address === 'object' && address ? address.port : 0)
      }),
    )
    const leakedPasswordsUrl = `http://127.0.0.1:${port}/range`
    server = await startServer(await open(), {
      masterKey: Buffer.alloc(32, 5),
      clock: new TestClock(),
      onLog: (line) => lines.push(line),
      replace: (world) => ({ ...world, settings: { ...generousSettings, leakedPasswordsUrl } }),
    })
    answer = (_request, response) => response.end('')
    const token = (await openSetup(server.app.system, { onlyOne: false })) ?? ''
    await server.api.call(completeSetup, { body: { token, email: 'admin@example.com', password } })
  })
  afterAll(async () => {
    fakeRangeService.close()
    await server.close()
  })

  async function outcome(listener: RequestListener): Promise<string> {
    answer = listener
    const { token } = await server.user('member')
    const body = { currentPassword: password, newPassword: good }
    const { status, text } = await server.api.send(changePassword, { body, token })
    return status === 200 ? 'taken' : String(JSON.parse(text).detail)
  }
  const others = '0018A45C4D1DEF81644B54AB7F969B88D65:7\r\n'

  test('a password that it knows is refused, and only five digits of its SHA-1 leave the server', async () => {
    asked.length = 0
    const refusal = await outcome((_request, response) => response.end(`${others}${sha1.slice(5)}:3\r\n`))
    expect(refusal).toContain('leaked')
    expect(asked).toEqual([`/range/${sha1.slice(0, 5)} padding=true`])
  })

  test('a password that it does not know, or that stands there as padding, is taken', async () => {
    expect(await outcome((_request, response) => response.end(others))).toBe('taken')
    expect(await outcome((_request, response) => response.end(`${others}${sha1.slice(5)}:0`))).toBe('taken')
  })

  test.each<[string, RequestListener]>([
    ['answers with a fault', (_request, response) => response.writeHead(503).end()],
    ['breaks off', (request) => request.socket.destroy()],
    ['answers without end', (_request, response) => response.end('x'.repeat(1_000_000))],
  ])('where it %s, the list of the server decides alone, and the log says so', async (_what, listener) => {
    lines.length = 0
    expect(await outcome(listener)).toBe('taken')
    expect(lines.filter((line) => line.includes('range service'))).toHaveLength(1)
  })
})
