import { login } from '@agent-iam/contract/auth'
import { platformTenantId } from '@agent-iam/contract/ids'
import { createEnrolmentToken, listEnrolmentTokens } from '@agent-iam/contract/enrolment-tokens'
import { completeSetup } from '@agent-iam/contract/setup'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openSetup, renewEmbeddedEnrolment } from '../src/features/setup/service.ts'
import { databases } from './databases.ts'
import { email, password, startServer, uuidOf, type TestServer } from './test-server.ts'
import { TestClock } from './test-clock.ts'

const thief = { email: 'thief@example.com', password: 'another long pass phrase' }

describe.each(databases)('the setup on %s', (_name, open) => {
  let server: TestServer
  beforeEach(async () => {
    server = await startServer(await open(), { masterKey: Buffer.alloc(32, 3), clock: new TestClock() })
  })
  afterEach(() => server.close())

  const openLink = async () => (await openSetup(server.app.system, { onlyOne: false })) ?? ''
  /** Opens links again, as though two instances had started at once. */
  const reopenLinks = () => server.database.ask('update setup_links set used_at = null')

  test('a link that is used ends all others', async () => {
    const [other, link] = [await openLink(), await openLink()]
    await reopenLinks()
    await server.api.call(completeSetup, { body: { token: link, email, password } })
    const refusal = await server.api.refuse(completeSetup, { body: { token: other, ...thief } })
    expect(refusal.code).toBe('invalid-token')
  })

  test('a link that outlived the setup gives nobody the administrator’s office', async () => {
    const [other, link] = [await openLink(), await openLink()]
    await server.api.call(completeSetup, { body: { token: link, email, password } })
    await reopenLinks()
    const refusal = await server.api.refuse(completeSetup, { body: { token: other, ...thief } })
    expect(refusal.code).toBe('invalid-token')
    await server.admin()
    await server.admin('platform')
    expect((await server.api.refuse(login, { body: { ...thief, tenant: 'default' } })).code).toBe('invalid-credentials')
  })

  test('what a crash between the two offices left vacant, and only that, goes to the next link', async () => {
    await server.api.call(completeSetup, { body: { token: await openLink(), email, password } })
    await server.database.ask(`update identities set status = 'pending' where tenant_id = $1`, [
      uuidOf(platformTenantId),
    ])
    const next = { email: 'next@example.com', password: 'yet another pass phrase' }
    const { accounts } = await server.api.call(completeSetup, { body: { token: await openLink(), ...next } })
    expect(accounts).toMatchObject([{ tenant: 'platform' }])
    await server.api.call(login, { body: { ...next, tenant: 'platform' } })
    await server.admin()
  })

  test('the setup is on record as the administrator’s own act', async () => {
    const { accounts } = await server.api.call(completeSetup, { body: { token: await openLink(), email, password } })
    const rows = await server.database.ask(`select actor from audit_events where type = 'setup.completed'`)
    expect(new Set(rows.map(({ actor }) => actor))).toEqual(new Set(accounts.map(({ userId }) => userId)))
  })

  test('a start ends the enrolment token that the start before left, on record, and nobody else’s', async () => {
    await server.api.call(completeSetup, { body: { token: await openLink(), email, password } })
    const { system, defaultTenantId } = server.app
    const token = await server.admin()
    const own = { body: { name: 'this machine' }, token }
    const { enrolmentTokenId } = await server.api.call(createEnrolmentToken, own)
    await renewEmbeddedEnrolment(system, defaultTenantId)
    await renewEmbeddedEnrolment(system, defaultTenantId)

    const { enrolmentTokens } = await server.api.call(listEnrolmentTokens, { token })
    const [current, ended, chosen] = enrolmentTokens.map((one) => [one.enrolmentTokenId, one.revokedAt !== null])
    expect([current?.[1], ended?.[1], chosen]).toEqual([false, true, [enrolmentTokenId, false]])
    const events = await server.database.ask(`select resource from audit_events where type = 'enrolment-token.revoked'`)
    expect(events).toEqual([{ resource: `agent-iam/enrolment-tokens/${ended?.[0]}` }])
  })
})
