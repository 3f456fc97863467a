import {
  changePassword,
  forgotPassword,
  listUsers,
  reactivateUser,
  resetPassword,
  suspendUser,
} from '@agent-iam/contract/accounts'
import { login, validate } from '@agent-iam/contract/auth'
import { listMessages } from '@agent-iam/contract/mail'
import { unlockUser } from '@agent-iam/contract/users'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { grant } from '../src/features/capabilities/service.ts'
import { inTransaction } from '../src/platform/context.ts'
import { databases } from './databases.ts'
import { enrolApp } from './factors.ts'
import { mailedToken, messagesTo } from './mailbox.ts'
import { anotherSender } from './senders.ts'
import { openServer, password, type TestServer, type TestUser } from './test-server.ts'

const better = 'seven grey herons by the weir'
const other = 'eleven tall poplars in a row'

describe.each(databases)('accounts on %s', (_name, open) => {
  let server: TestServer
  let admin: string

  beforeAll(async () => {
    server = await openServer(await open())
    admin = (await server.user('admin')).token
  })
  afterAll(() => server.close())

  const tryLogin = (email: string, secret: string) =>
    server.api.send(login, { body: { email, password: secret }, from: anotherSender() })
  const isAlive = async (token: string) => (await server.api.send(validate, { token })).status === 200
  const forget = (email: string) => server.api.call(forgotPassword, { body: { email }, from: anotherSender() })
  const asked = async (user: TestUser) => {
    await forget(user.email)
    return mailedToken(server, user.email, admin)
  }
  const events = (type: string, resource: string) =>
    server.database.ask(`select type from audit_events where type = $1 and resource = $2`, [type, resource])

  describe('a change of password', () => {
    test('ends every other session of the user, and lets the new password in alone', async () => {
      const user = await server.user('member')
      const { accessToken: elsewhere } = await server.api.call(login, { body: { email: user.email, password } })
      const body = { currentPassword: password, newPassword: better }
      const { endedSessions } = await server.api.call(changePassword, { body, token: user.token })
      expect(endedSessions).toBe(1)
      expect([await isAlive(user.token), await isAlive(elsewhere)]).toEqual([true, false])
      expect((await tryLogin(user.email, password)).status).toBe(401)
      expect((await tryLogin(user.email, better)).status).toBe(200)
      expect(await events('user.password-changed', `agent-iam/users/${user.id}`)).toHaveLength(1)
      expect((await messagesTo(server, user.email, admin)).map(({ purpose }) => purpose)).toEqual(['password-changed'])
    })

    test('needs the present password, which cannot be guessed here either', async () => {
      const user = await server.user('member')
      const body = { currentPassword: 'not the password', newPassword: better }
      const sender = anotherSender()
      for (let attempt = 1; attempt <= 5; attempt++)
        expect((await server.api.refuse(changePassword, { body, token: user.token, from: sender })).code).toBe(
          'invalid-credentials',
        )
      const last = { currentPassword: password, newPassword: better }
      const refused = await server.api.refuse(changePassword, { body: last, token: user.token, from: sender })
      expect(refused.code).toBe('too-many-attempts')
      expect(await isAlive(user.token)).toBe(true)
    })

    test.each([
      ['the present one', password],
      ['too easy', 'password1234'],
    ])('refuses %s', async (_what, newPassword) => {
      const user = await server.user('member')
      const body = { currentPassword: password, newPassword }
      const { errors } = await server.api.refuse(changePassword, { body, token: user.token })
      expect(errors?.map(({ field }) => field)).toEqual(['newPassword'])
    })
  })

  describe('a forgotten password', () => {
    test('is set anew by the mailed link: every session ends, the lockout too, and the link is spent', async () => {
      const user = await server.user('member')
      const sender = anotherSender()
      for (let attempt = 1; attempt <= 6; attempt++)
        await server.api.send(login, { body: { email: user.email, password: 'wrong one' }, from: sender })
      const token = await asked(user)
      await server.api.call(resetPassword, { body: { token, newPassword: better }, from: anotherSender() })
      expect(await isAlive(user.token)).toBe(false)
      const { status } = await server.api.send(login, { body: { email: user.email, password: better }, from: sender })
      expect(status).toBe(200)
      const again = await server.api.refuse(resetPassword, {
        body: { token, newPassword: other },
        from: anotherSender(),
      })
      expect(again.code).toBe('invalid-token')
      expect(await events('user.password-reset', `agent-iam/users/${user.id}`)).toHaveLength(1)
    })

    test('gives no further guesses at the second factor', async () => {
      const user = await server.user('member')
      const { app } = await enrolApp(server, user.token)
      const guess = (secret: string, code: string) => {
        const body = { email: user.email, password: secret, secondFactor: { type: 'totp', code } }
        return server.api.refuse(login, { body, from: anotherSender() })
      }
      const wrong = app.code(5)
      for (let count = 1; count <= 5; count++) expect((await guess(password, wrong)).code).toBe('invalid-credentials')
      const token = await asked(user)
      await server.api.call(resetPassword, { body: { token, newPassword: better }, from: anotherSender() })
      expect((await guess(better, app.fresh())).code).toBe('too-many-attempts')
    })

    test('is answered alike for who has an account, who has none, and a tenant that is not there', async () => {
      const user = await server.user('member')
      const strangers = [{ email: 'nobody@example.com' }, { email: user.email, tenant: 'nowhere' }]
      const known = await forget(user.email)
      for (const body of strangers)
        expect(await server.api.call(forgotPassword, { body, from: anotherSender() })).toEqual(known)
      expect(await messagesTo(server, 'nobody@example.com', admin)).toEqual([])
      expect(await messagesTo(server, user.email, admin)).toHaveLength(1)
    })

    test('mails at most three links in a quarter of an hour, and says nothing of it', async () => {
      const user = await server.user('member')
      for (let count = 1; count <= 5; count++) await forget(user.email)
      expect(await messagesTo(server, user.email, admin)).toHaveLength(3)
    })

    test('may be said by one sender only so often', async () => {
      const sender = anotherSender()
      for (let count = 1; count <= 10; count++)
        await server.api.call(forgotPassword, { body: { email: 'nobody@example.com' }, from: sender })
      const refused = await server.api.refuse(forgotPassword, { body: { email: 'nobody@example.com' }, from: sender })
      expect(refused.code).toBe('too-many-attempts')
    })

    test('of several links, using one ends the others', async () => {
      const user = await server.user('member')
      const [first, second] = [await asked(user), await asked(user)]
      await server.api.call(resetPassword, { body: { token: second, newPassword: better }, from: anotherSender() })
      const refused = await server.api.refuse(resetPassword, {
        body: { token: first, newPassword: other },
        from: anotherSender(),
      })
      expect(refused.code).toBe('invalid-token')
    })

    test('of two who use one link at once, one sets the password', async () => {
      const user = await server.user('member')
      const token = await asked(user)
      const bodies = [better, other].map((newPassword) => ({ token, newPassword }))
      const answers = await Promise.all(
        bodies.map((body) => server.api.send(resetPassword, { body, from: anotherSender() })),
      )
      expect(answers.map(({ status }) => String(status)).toSorted()).toEqual(['200', '401'])
    })

    test('an easy password is refused, and the link stays good', async () => {
      const user = await server.user('member')
      const token = await asked(user)
      const { code } = await server.api.refuse(resetPassword, {
        body: { token, newPassword: 'password1234' },
        from: anotherSender(),
      })
      expect(code).toBe('invalid-request')
      await server.api.call(resetPassword, { body: { token, newPassword: better }, from: anotherSender() })
    })

    test('a suspended user gets no link, and one from before is worth nothing, also after', async () => {
      const user = await server.user('member')
      const token = await asked(user)
      await server.api.call(suspendUser, { params: { userId: user.id }, body: {}, token: admin })
      const body = { token, newPassword: better }
      expect((await server.api.refuse(resetPassword, { body, from: anotherSender() })).code).toBe('invalid-token')
      await forget(user.email)
      expect(await messagesTo(server, user.email, admin)).toHaveLength(1)
      await server.api.call(reactivateUser, { params: { userId: user.id }, body: {}, token: admin })
      expect((await server.api.refuse(resetPassword, { body, from: anotherSender() })).code).toBe('invalid-token')
    })
  })

  describe('users', () => {
    test('are listed with their roles, page by page, each once', async () => {
      const made = [await server.user('viewer'), await server.user('manager')]
      const seen = new Map<string, readonly string[]>()
      let cursor: string | undefined
      do {
        const query = { limit: 2, ...(cursor !== undefined && { cursor }) }
        const page = await server.api.call(listUsers, { query, token: admin })
        for (const { userId, roles } of page.users) {
          expect(seen.has(userId)).toBe(false)
          seen.set(userId, roles)
        }
        cursor = page.nextCursor ?? undefined
      } while (cursor !== undefined)
      expect(made.map(({ id }) => seen.get(id))).toEqual([['viewer'], ['manager']])
    })

    test('a suspended one is out at once, and in again only by a new login', async () => {
      const user = await server.user('member')
      const params = { userId: user.id }
      await server.api.call(suspendUser, { params, body: { reason: 'left' }, token: admin })
      expect(await isAlive(user.token)).toBe(false)
      expect((await tryLogin(user.email, password)).status).toBe(403)
      await server.api.call(reactivateUser, { params, body: {}, token: admin })
      expect(await isAlive(user.token)).toBe(false)
      expect((await tryLogin(user.email, password)).status).toBe(200)
      expect((await server.api.refuse(reactivateUser, { params, body: {}, token: admin })).code).toBe('wrong-state')
    })

    test('of administrators who suspend each other at once, one remains', async () => {
      const tenant = await server.tenant(`mutual-${_name.toLowerCase()}`)
      const second = await server.user('admin', tenant)
      const pairs = [
        [tenant.admin, second],
        [second, tenant.admin],
      ] as const
      const answers = await Promise.all(
        pairs.map(([by, whom]) =>
          server.api.send(suspendUser, { params: { userId: whom.id }, body: {}, token: by.token }),
        ),
      )
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
      const rows = await server.database.ask(
        `select count(*)::int as active from identities i join role_assignments r on r.identity_id = i.id
         where r.role = 'admin' and i.status = 'active' and i.id = any($1)`,
        [[tenant.admin.id, second.id].map((id) => id.slice(4))],
      )
      expect(rows).toEqual([{ active: 1 }])
    })

    test('are suspended, let in again and unlocked by nobody who holds less than they do', async () => {
      const [helper, manager, viewer] = [
        await server.user('viewer'),
        await server.user('manager'),
        await server.user('viewer'),
      ]
      const entries = ['suspend', 'reactivate', 'unlock'].map((verb) => `agent-iam/users*:${verb}`)
      await inTransaction(server.inTenant(helper.tenantId), (tx) => grant(tx, helper.id, entries))
      const outcomes = async ({ id }: TestUser, { token }: { token: string }) => {
        const sent = []
        for (const operation of [unlockUser, suspendUser, reactivateUser])
          sent.push(await server.api.send(operation, { params: { userId: id }, body: {}, token }))
        return sent.map(({ status, text }) => (status === 200 ? 'done' : String(JSON.parse(text).code)))
      }
      const tooMuch = 'capability-exceeded'
      expect(await outcomes(manager, helper)).toEqual([tooMuch, tooMuch, tooMuch])
      await server.api.call(suspendUser, { params: { userId: manager.id }, body: {}, token: admin })
      expect(await outcomes(manager, helper)).toEqual([tooMuch, tooMuch, tooMuch])
      expect(await outcomes(viewer, helper)).toEqual(['done', 'done', 'done'])
    })

    test('the last active administrator stays', async () => {
      const tenant = await server.tenant(`last-${_name.toLowerCase()}`)
      const { id, token } = tenant.admin
      expect((await server.api.refuse(suspendUser, { params: { userId: id }, body: {}, token })).code).toBe(
        'wrong-state',
      )
    })
  })

  test('the outbox is read by an administrator alone, and that is on record', async () => {
    const user = await server.user('member')
    await asked(user)
    for (const role of ['viewer', 'manager', 'member'] as const) {
      const { token } = await server.user(role)
      expect((await server.api.refuse(listMessages, { token })).code).toBe('forbidden')
    }
    expect(
      (await server.database.ask(`select 1 from audit_events where type = 'outbox.opened'`)).length,
    ).toBeGreaterThan(0)
  })

  test('no secret that is mailed, and no address, lies readable in a table or in the log', async () => {
    const user = await server.user('member')
    const token = await asked(user)
    const rows = await server.database.ask(
      `select (select string_agg(encode(recipient, 'escape') || encode(content, 'escape'), '') from messages) as mail,
         (select string_agg(convert_from(leaf, 'UTF8'), '') from audit_events) as log,
         (select string_agg(encode(digest, 'escape'), '') from account_tokens) as tokens`,
    )
    for (const secret of [token, user.email]) expect(JSON.stringify(rows)).not.toContain(secret)
  })
})
