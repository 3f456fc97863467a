import { forgotPassword } from '@agent-iam/contract/accounts'
import { login } from '@agent-iam/contract/auth'
import { listMessages } from '@agent-iam/contract/mail'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { enqueueLetter } from '../src/features/mail/service.ts'
import { claimMessage } from '../src/features/mail/store.ts'
import { addSeconds } from '../src/platform/clock.ts'
import { inTransaction } from '../src/platform/context.ts'
import { smtpTransport, type MailTransport } from '../src/platform/smtp.ts'
import { databases, type TestDatabase } from './databases.ts'
import { tokenIn } from './mailbox.ts'
import { openSink, type SmtpSink } from './smtp-sink.ts'
import { openServer, password, type TestServer } from './test-server.ts'

const from = 'iam@example.org'

describe.each(databases)('mail on %s', (_name, open) => {
  let database: TestDatabase
  let server: TestServer
  let sink: SmtpSink
  let lines: string[]
  let admin: string

  beforeAll(async () => {
    database = await open()
    sink = await openSink()
    lines = []
    const mail = smtpTransport(sink.url, from)
    server = await openServer(database, {
      replace: (world) => ({ ...world, mail }),
      onLog: (line) => lines.push(line),
    })
    admin = (await server.user('admin')).token
  })
  beforeEach(async () => {
    sink.forget()
    await database.ask('delete from messages')
  })
  afterAll(async () => {
    await server.close()
    await sink.close()
  })

  /** Another server process on the same database, which may be the one of a later start. */
  const another = (mail: MailTransport) => server.beside({ replace: (world) => ({ ...world, mail }) })
  const forget = (email: string) => server.api.call(forgotPassword, { body: { email } })
  const write = (to: string, expiresAt = addSeconds(server.clock.now(), 900)) =>
    inTransaction(server.inTenant(server.app.defaultTenantId), (tx) =>
      enqueueLetter(tx, { purpose: 'invitation', to, subject: 'Hello', text: 'secret words', expiresAt }),
    )
  const outbox = async () => (await server.api.call(listMessages, { token: admin })).messages
  const recipients = () => sink.mails.map(({ to }) => String(to?.[0]?.address)).toSorted()
  const kept = () =>
    database.ask(`select count(*)::int as rows from messages where content is not null or recipient is not null`)

  test('arrives as it was written, once, and nothing of it is kept', async () => {
    const { email } = await server.user('member')
    await forget(email)
    await server.app.deliverMail()
    await server.app.deliverMail()
    expect(sink.mails).toHaveLength(1)
    const [mail] = sink.mails
    expect(mail).toMatchObject({ from: { address: from }, to: [{ address: email }], subject: 'Set a new password' })
    expect(tokenIn(mail?.text)).toMatch(/^rpw_[\w-]{43}$/)
    expect(mail?.headers).toContainEqual(expect.objectContaining({ key: 'auto-submitted', value: 'auto-generated' }))
    expect(await outbox()).toMatchObject([{ status: 'delivered', attempts: 1, recipient: null, text: null }])
    expect(await kept()).toEqual([{ rows: 0 }])
  })

  test('where it is delivered, an administrator does not read what waits', async () => {
    await write('ada@example.com')
    expect(await outbox()).toMatchObject([
      { status: 'queued', recipient: 'ada@example.com', subject: null, text: null },
    ])
  })

  test('of two instances that deliver at once, each message goes out by one', async () => {
    const wanted = Array.from({ length: 12 }, (_, index) => `person${index}@example.com`)
    for (const to of wanted) await write(to)
    const second = await another(smtpTransport(sink.url, from))
    // A round that finds the others' messages held goes on without them, so each is asked twice.
    await Promise.all([server, second, server, second].map(({ app }) => app.deliverMail()))
    await second.close()
    expect(recipients()).toEqual(wanted.toSorted())
  })

  test('waits while the mail server is down, holds nobody up, and goes out when it is back', async () => {
    const { email } = await server.user('member')
    await sink.close()
    await forget(email)
    await server.app.deliverMail()
    expect(await outbox()).toMatchObject([{ status: 'queued', attempts: 1 }])
    sink = await openSink({ port: sink.port })
    await server.app.deliverMail()
    expect(sink.mails).toHaveLength(0)
    server.clock.advance(11)
    await server.app.deliverMail()
    expect(sink.mails).toHaveLength(1)
  })

  test('that a stopped server left goes out with the next start', async () => {
    await write('ada@example.com')
    const next = await another(smtpTransport(sink.url, from))
    await next.app.deliverMail()
    await next.close()
    expect(recipients()).toEqual(['ada@example.com'])
  })

  test('that an instance took up and never sent is sent by another, later', async () => {
    await write('ada@example.com')
    const there = server.inTenant(server.app.defaultTenantId)
    await inTransaction(there, (tx) => claimMessage(tx, addSeconds(tx.clock.now(), 120)))
    await server.app.deliverMail()
    expect(sink.mails).toHaveLength(0)
    server.clock.advance(121)
    await server.app.deliverMail()
    expect(recipients()).toEqual(['ada@example.com'])
  })

  test('a silent mail server keeps nobody from logging in', async () => {
    const silent = await openSink({ isSilent: true })
    const second = await another(smtpTransport(silent.url, from))
    const { email } = await server.user('member')
    await write(email)
    const round = second.app.deliverMail()
    await server.api.call(login, { body: { email, password } })
    await silent.close()
    await round
    await second.close()
    expect(await outbox()).toMatchObject([{ status: 'queued', attempts: 1 }])
  })

  test('refused for good is not tried again; refused for now is; and neither keeps others', async () => {
    await sink.close()
    const answers = new Map([
      ['gone@example.com', { code: 550, text: 'gone@example.com is unknown' }],
      ['full@example.com', { code: 452, text: 'full@example.com is full' }],
    ])
    sink = await openSink({ port: sink.port, refuse: (address) => answers.get(address) })
    for (const to of ['gone@example.com', 'full@example.com', 'fine@example.com']) await write(to)
    await server.app.deliverMail()
    expect(recipients()).toEqual(['fine@example.com'])
    answers.clear()
    server.clock.advance(11)
    await server.app.deliverMail()
    expect(recipients()).toEqual(['fine@example.com', 'full@example.com'])
    const statuses = (await outbox()).map(({ status, attempts }) => `${status} ${attempts}`)
    expect(statuses.toSorted()).toEqual(['delivered 1', 'delivered 2', 'failed 1'])
    expect(await kept()).toEqual([{ rows: 0 }])
    const log = lines.join('\n')
    expect(log).toContain('a message could not be delivered')
    for (const secret of ['gone@example.com', 'full@example.com', 'secret words']) expect(log).not.toContain(secret)
  })

  test('is kept when the mail server takes nothing from our sender: that can be mended', async () => {
    const strict = await openSink({ refusesSender: true })
    const second = await another(smtpTransport(strict.url, from))
    await write('ada@example.com')
    await second.app.deliverMail()
    await second.close()
    await strict.close()
    expect(await outbox()).toMatchObject([{ status: 'queued', attempts: 1 }])
  })

  test('that has expired is wiped, not sent', async () => {
    await write('ada@example.com')
    server.clock.advance(901)
    admin = (await server.user('admin')).token
    await server.app.deliverMail()
    expect(sink.mails).toHaveLength(0)
    expect(await outbox()).toMatchObject([{ status: 'expired', recipient: null }])
    expect(await kept()).toEqual([{ rows: 0 }])
    expect(await database.ask(`select type from audit_events where type = 'message.expired'`)).toHaveLength(1)
  })

  test('of what did not happen, nothing is sent', async () => {
    const there = server.inTenant(server.app.defaultTenantId)
    const expiresAt = addSeconds(server.clock.now(), 900)
    const undone = inTransaction(there, async (tx) => {
      await enqueueLetter(tx, { purpose: 'invitation', to: 'ada@example.com', subject: 'x', text: 'x', expiresAt })
      throw new Error('undone')
    })
    await expect(undone).rejects.toThrow('undone')
    await server.app.deliverMail()
    expect(sink.mails).toHaveLength(0)
  })
})

describe('SMTP', () => {
  test('to another machine without TLS says nothing', async () => {
    const sink = await openSink()
    // The same machine by a name that is not known to be it.
    const transport = smtpTransport(`smtp://[::ffff:127.0.0.1]:${sink.port}`, from)
    const mail = { messageId: '<1@example.org>', to: 'ada@example.com', subject: 'x', text: 'x' }
    expect(await transport.send(mail)).toMatchObject({ outcome: 'unreachable', reason: expect.stringMatching(/TLS/) })
    expect(sink.mails).toHaveLength(0)
    transport.close()
    await sink.close()
  })
})
