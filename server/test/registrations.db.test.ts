import { listUsers, suspendUser } from '@agent-iam/contract/accounts'
import type { Id, UserId } from '@agent-iam/contract/ids'
import { login } from '@agent-iam/contract/auth'
import { acceptInvitation, inviteUser, listInvitations, revokeInvitation } from '@agent-iam/contract/invitations'
import {
  approveRegistration,
  confirmRegistration,
  getRegistrationStatus,
  listRegistrations,
  registerUser,
  rejectRegistration,
  setRegistrationSettings,
} from '@agent-iam/contract/registrations'
import { createService, createServiceSecret, suspendService } from '@agent-iam/contract/services'
import { issueToken } from '@agent-iam/contract/token'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { builtInRoles } from '../src/features/capabilities/model.ts'
import { grant } from '../src/features/capabilities/service.ts'
import { inTransaction } from '../src/platform/context.ts'
import { databases } from './databases.ts'
import { mailedToken, messagesTo, tokenIn } from './mailbox.ts'
import { openSink, type SmtpSink } from './smtp-sink.ts'
import { smtpTransport } from '../src/platform/smtp.ts'
import { anotherSender } from './senders.ts'
import { bySecret } from './services.ts'
import { openServer, password as presentPassword, type TestServer } from './test-server.ts'

type RegistrationId = Id<'registration'>

const password = 'seven grey herons by the weir'

describe.each(databases)('accounts that are asked for on %s', (_name, open) => {
  let server: TestServer
  let admin: string

  beforeAll(async () => {
    server = await openServer(await open())
    admin = (await server.user('admin')).token
  })
  afterAll(() => server.close())

  const register = (email: string, more: object = {}) =>
    server.api.call(registerUser, { body: { email, name: 'Edith', password, ...more }, from: anotherSender() })
  const give = (id: UserId, entries: readonly string[]) =>
    inTransaction(server.inTenant(server.app.defaultTenantId), (tx) => grant(tx, id, entries))
  const statusOf = async ({ registrationId, statusToken }: { registrationId: RegistrationId; statusToken: string }) =>
    (await server.api.call(getRegistrationStatus, { body: { registrationId, statusToken } })).status
  const logIn = (email: string, secret = password, tenant = 'default') =>
    server.api.send(login, { body: { email, password: secret, tenant }, from: anotherSender() })

  describe('a registration', () => {
    test('becomes an account when an administrator approves it, and tells the person', async () => {
      const asked = await register('Edith@Example.com')
      expect((await logIn('edith@example.com')).status).toBe(401)
      expect(await statusOf(asked)).toBe('pending')
      const params = { registrationId: asked.registrationId }
      const approved = await server.api.call(approveRegistration, { params, body: { role: 'viewer' }, token: admin })
      expect(approved).toMatchObject({ status: 'approved', addressConfirmed: false, email: 'edith@example.com' })
      expect(await statusOf(asked)).toBe('approved')
      expect((await logIn('edith@example.com')).status).toBe(200)
      const { users } = await server.api.call(listUsers, { query: { limit: 200 }, token: admin })
      expect(users.find(({ userId }) => userId === approved.userId)?.roles).toEqual(['viewer'])
      const mail = await messagesTo(server, 'edith@example.com', admin)
      expect(mail.map(({ purpose }) => purpose)).toEqual(['registration-approved', 'registration'])
      expect((await server.api.refuse(approveRegistration, { params, token: admin })).code).toBe('wrong-state')
    })

    test('that is rejected makes nobody, and keeps no password', async () => {
      const asked = await register('rejected@example.com')
      const params = { registrationId: asked.registrationId }
      await server.api.call(rejectRegistration, { params, body: { reason: 'unknown' }, token: admin })
      expect(await statusOf(asked)).toBe('rejected')
      expect((await logIn('rejected@example.com')).status).toBe(401)
      expect((await server.api.refuse(approveRegistration, { params, token: admin })).code).toBe('wrong-state')
      const rows = await server.database.ask(
        `select count(*)::int as left from registrations where status <> 'pending' and password_hash is not null`,
      )
      expect(rows).toEqual([{ left: 0 }])
    })

    test('of an address that has an account is answered alike, and only its owner learns of it', async () => {
      const known = await server.user('member')
      const [fresh, taken] = [await register('fresh@example.com'), await register(known.email)]
      expect(taken.notice).toBe(fresh.notice)
      expect(taken.status).toBe(fresh.status)
      expect(await statusOf(taken)).toBe('pending')
      const purposes = (await messagesTo(server, known.email, admin)).map(({ purpose }) => purpose)
      expect(purposes).toEqual(['registration-of-known-address'])
      const { registrations } = await server.api.call(listRegistrations, { query: { limit: 200 }, token: admin })
      expect(registrations.map(({ email }) => email)).not.toContain(known.email)
      const params = { registrationId: taken.registrationId }
      expect((await server.api.refuse(approveRegistration, { params, token: admin })).code).toBe('not-found')
      expect((await logIn(known.email, presentPassword)).status).toBe(200)
    })

    test('is looked at by its own status token only', async () => {
      const [one, other] = [await register('one@example.com'), await register('other@example.com')]
      for (const statusToken of [other.statusToken, 'rgs_nonsense', `rgs_${'A'.repeat(43)}`]) {
        const body = { registrationId: one.registrationId, statusToken }
        expect((await server.api.refuse(getRegistrationStatus, { body })).code).toBe('invalid-token')
      }
    })

    test('waits for seven days', async () => {
      const asked = await register('late@example.com')
      server.clock.advance(7 * 86_400 - 60)
      admin = await server.admin()
      expect(await statusOf(asked)).toBe('pending')
      server.clock.advance(61)
      const params = { registrationId: asked.registrationId }
      expect((await server.api.refuse(approveRegistration, { params, token: admin })).detail).toContain('is expired')
    })

    test('is mailed about at most three times a day to one address', async () => {
      for (let count = 1; count <= 5; count++) await register('bombed@example.com')
      expect(await messagesTo(server, 'bombed@example.com', admin)).toHaveLength(3)
    })

    test.each(['an account', 'none'])('is taken five times of one address that has %s, and no further', async (has) => {
      const email = has === 'none' ? 'insisting@example.com' : (await server.user('member')).email
      for (let count = 1; count <= 5; count++) await register(email)
      const body = { email: email.toUpperCase(), name: 'Edith', password }
      const { code, detail } = await server.api.refuse(registerUser, { body, from: anotherSender() })
      expect([code, detail]).toEqual(['too-many-attempts', expect.stringContaining('of this address wait already')])
    })

    test('is taken ten times a day from one sender, which so fills no tenant; what was refused does not count', async () => {
      const apart = await openServer(await open())
      const sender = anotherSender()
      const ask = async (name: string, secret = password) => {
        apart.clock.advance(61)
        const body = { email: `${name}@crowd.example`, name: 'Edith', password: secret }
        const { status, text } = await apart.api.send(registerUser, { body, from: sender })
        return status === 201 ? 'done' : String(JSON.parse(text).code)
      }
      expect(await ask('weak', 'password1234')).toBe('invalid-request')
      for (let count = 1; count <= 10; count++) expect(await ask(`one${count}`)).toBe('done')
      expect(await ask('eleven')).toBe('too-many-attempts')
      apart.clock.advance(86_400)
      expect(await ask('eleven')).toBe('done')
      await apart.close()
    })

    test('carries nothing that a stranger wrote into the mail', async () => {
      await register('mailed@example.com', { name: 'Win at https://evil.example' })
      const [mail] = await messagesTo(server, 'mailed@example.com', admin)
      expect(JSON.stringify(mail)).not.toContain('evil.example')
    })

    test('is taken neither where it is off, nor by the operators’ own tenant, nor by none: all told alike', async () => {
      const tenant = await server.tenant(`closed-${_name.toLowerCase()}`)
      await server.api.call(setRegistrationSettings, { body: { selfRegistration: 'off' }, token: tenant.admin.token })
      const details = []
      for (const slug of [tenant.slug, 'platform', 'nowhere']) {
        const body = { email: 'x@example.com', name: 'X', password, tenant: slug }
        const { code, detail } = await server.api.refuse(registerUser, { body, from: anotherSender() })
        expect(code).toBe('forbidden')
        details.push(detail?.replace(slug, '…'))
      }
      expect(new Set(details).size).toBe(1)
      const operator = await server.admin('platform')
      const opening = { body: { selfRegistration: 'approval' }, token: operator }
      expect((await server.api.refuse(setRegistrationSettings, opening)).code).toBe('wrong-state')
    })

    test('gives no role that the one who approves does not hold', async () => {
      const { registrationId } = await register('climber@example.com')
      const params = { registrationId }
      const { token } = await server.user('manager')
      expect((await server.api.refuse(approveRegistration, { params, token })).code).toBe('forbidden')
      const clerk = await server.user('viewer')
      await give(clerk.id, ['agent-iam/registrations*:approve'])
      const refused = await server.api.refuse(approveRegistration, {
        params,
        body: { role: 'admin' },
        token: clerk.token,
      })
      expect(refused.code).toBe('capability-exceeded')
      await server.api.call(approveRegistration, { params, body: { role: 'viewer' }, token: clerk.token })
    })

    test('of two administrators who decide at once, one does', async () => {
      const { registrationId } = await register('raced@example.com')
      const params = { registrationId }
      const answers = await Promise.all([
        server.api.send(approveRegistration, { params, token: admin }),
        server.api.send(rejectRegistration, { params, token: admin }),
      ])
      expect(answers.map(({ status }) => String(status)).toSorted()).toEqual(['200', '409'])
    })
  })

  describe('where mail is delivered, a registration', () => {
    let sink: SmtpSink
    let delivering: TestServer

    beforeAll(async () => {
      sink = await openSink()
      const mail = smtpTransport(sink.url, 'iam@example.org')
      delivering = await server.beside({ replace: (world) => ({ ...world, mail }) })
    })
    afterAll(() => sink.close())

    const linkTo = async (email: string) => {
      await delivering.app.deliverMail()
      return tokenIn(sink.mails.findLast(({ to }) => to?.[0]?.address === email)?.text)
    }

    test('is approved once its address is confirmed, or by who answers for it', async () => {
      const { registrationId } = await register('proved@example.com')
      const params = { registrationId }
      expect((await delivering.api.refuse(approveRegistration, { params, token: admin })).code).toBe('wrong-state')
      const token = await linkTo('proved@example.com')
      await delivering.api.call(confirmRegistration, { body: { token, password }, from: anotherSender() })
      const approved = await delivering.api.call(approveRegistration, { params, token: admin })
      expect(approved.addressConfirmed).toBe(true)
      const vouched = await register('vouched@example.com')
      await delivering.api.call(approveRegistration, {
        params: { registrationId: vouched.registrationId },
        body: { withoutConfirmation: true },
        token: admin,
      })
    })

    test('is not confirmed for somebody else by the owner of the address', async () => {
      await register('victim@example.com')
      const token = await linkTo('victim@example.com')
      const guessed = { token, password: 'what the owner would choose' }
      expect((await server.api.refuse(confirmRegistration, { body: guessed, from: anotherSender() })).code).toBe(
        'invalid-credentials',
      )
      await server.api.call(confirmRegistration, { body: { token, password }, from: anotherSender() })
      expect(
        (await server.api.refuse(confirmRegistration, { body: { token, password }, from: anotherSender() })).code,
      ).toBe('invalid-token')
    })
  })

  describe('an invitation', () => {
    const invite = (email: string, role: 'admin' | 'member' = 'member', token = admin) =>
      server.api.call(inviteUser, { body: { email, name: 'Grace', role }, token })
    const accept = (token: string) =>
      server.api.send(acceptInvitation, { body: { token, password }, from: anotherSender() })

    test('makes the invited user, once', async () => {
      const { invitationId } = await invite('Grace@example.com')
      const token = await mailedToken(server, 'grace@example.com', admin)
      const accepted = await server.api.call(acceptInvitation, { body: { token, password }, from: anotherSender() })
      expect(accepted).toMatchObject({ email: 'grace@example.com', tenant: 'default' })
      expect((await logIn('grace@example.com')).status).toBe(200)
      expect((await accept(token)).status).toBe(401)
      const { invitations } = await server.api.call(listInvitations, { token: admin })
      const found = invitations.find((each) => each.invitationId === invitationId)
      expect(found).toMatchObject({ status: 'accepted', userId: accepted.userId, role: 'member' })
    })

    test('of two who accept it at once, one is made', async () => {
      await invite('twice@example.com')
      const token = await mailedToken(server, 'twice@example.com', admin)
      const answers = await Promise.all([accept(token), accept(token)])
      expect(answers.map(({ status }) => String(status)).toSorted()).toEqual(['201', '401'])
    })

    test('is to no role beyond what the inviter holds', async () => {
      const { token, id } = await server.user('manager')
      await give(id, ['agent-iam/users*:invite'])
      const body = { email: 'boss@example.com', name: 'Boss', role: 'admin' }
      expect((await server.api.refuse(inviteUser, { body, token })).code).toBe('capability-exceeded')
      await invite('colleague@example.com', 'member', token)
    })

    test('that was revoked, has expired, or came before another is worth nothing', async () => {
      const first = await invite('again@example.com')
      const before = await mailedToken(server, 'again@example.com', admin)
      const second = await invite('again@example.com')
      expect(second.invitationId).not.toBe(first.invitationId)
      expect((await accept(before)).status).toBe(401)
      const link = await mailedToken(server, 'again@example.com', admin)
      const params = { invitationId: second.invitationId }
      await server.api.call(revokeInvitation, { params, token: admin })
      expect((await accept(link)).status).toBe(401)
      expect((await server.api.refuse(revokeInvitation, { params, token: admin })).code).toBe('wrong-state')
    })

    test('ends with the office of who sent it', async () => {
      const inviter = await server.user('admin')
      await invite('friend@example.com', 'admin', inviter.token)
      const link = await mailedToken(server, 'friend@example.com', admin)
      await server.api.call(suspendUser, { params: { userId: inviter.id }, body: {}, token: admin })
      expect((await accept(link)).status).toBe(401)
    })

    test('ends with the service that sent it, too', async () => {
      const body = { name: 'onboarding', capabilities: ['agent-iam/users*:invite', ...builtInRoles.member] }
      const { serviceId } = await server.api.call(createService, { body, token: admin })
      const { secret } = await server.api.call(createServiceSecret, { params: { serviceId }, token: admin })
      const proof = { body: bySecret(serviceId, secret) }
      const { access_token: key } = await server.api.call(issueToken, proof)
      await invite('first@example.com', 'member', key)
      await invite('second@example.com', 'member', key)
      const [first, second] = [
        await mailedToken(server, 'first@example.com', admin),
        await mailedToken(server, 'second@example.com', admin),
      ]
      expect((await accept(first)).status).toBe(201)
      await server.api.call(suspendService, { params: { serviceId }, body: {}, token: admin })
      expect((await accept(second)).status).toBe(401)
    })

    test('to who has an account is refused to the administrator, who may see users', async () => {
      const { email } = await server.user('member')
      const body = { email, name: 'Known' }
      expect((await server.api.refuse(inviteUser, { body, token: admin })).code).toBe('already-exists')
    })

    test('is good for seven days', async () => {
      await invite('tardy@example.com')
      const link = await mailedToken(server, 'tardy@example.com', admin)
      server.clock.advance(7 * 86_400 + 1)
      expect((await accept(link)).status).toBe(401)
      admin = await server.admin()
    })
  })
})
