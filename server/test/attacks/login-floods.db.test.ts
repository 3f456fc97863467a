import { login } from '@agent-iam/contract/auth'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { databases } from '../databases.ts'
import { anotherSender } from '../senders.ts'
import { openServer, password, type TestServer } from '../test-server.ts'
import { attack, calmTenant, judge, measure, runs, type Measured } from './measure.ts'

const quietMs = 600
const attackedMs = 1_500
const pauseMs = 1_000
const connections = 90

describe.each(databases)('a flood of logins on %s', (database, open) => {
  let server: TestServer

  beforeAll(async () => {
    server = await openServer(await open())
  })
  afterAll(() => server.close())

  let accounts = 0

  const send = (body: object) =>
    server.api.raw({ method: login.method, url: login.path, payload: JSON.stringify(body) }, { from: anotherSender() })
  /** Each time another account, from another network. */
  const guess = (tenant: string) =>
    send({ email: `nobody-${++accounts}@example.com`, password: 'a wrong password for tests', tenant })

  test.each([
    ['at another tenant', 'default'],
    ['at tenants that do not exist', 'no-such-tenant'],
  ])('%s keeps nobody from logging in', { timeout: 180_000 }, async (what, attackedTenant) => {
    const { slug, admin } = await calmTenant(server)
    const quiet: Measured[] = []
    const attacked: Measured[] = []
    // Logins of one account are counted, so each run has another.
    const run = async (ms: number) => {
      const { email } = await server.user('member', { id: admin.tenantId, slug })
      const logIn = () => send({ email, password, tenant: slug })
      return measure(ms, logIn)
    }
    await run(quietMs)
    for (let n = 0; n < runs; n++) quiet.push(await run(quietMs))
    // One flood for all runs: it takes seconds until what waits of it is done.
    const flood = attack(
      Array.from({ length: connections }, () => () => guess(attackedTenant)),
      pauseMs,
    )
    for (let n = 0; n < runs; n++) attacked.push(await run(attackedMs))
    await flood.stop()
    const found = judge(`${connections} connections that log in ${what}, ${database}`, quiet, attacked)
    expect(found.failures).toEqual([])
    expect(found.attackedMs).toBeLessThan(found.boundMs)
  })
})
