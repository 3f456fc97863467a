import { login } from '@agent-iam/contract/auth'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { databases } from '../databases.ts'
import { generousSettings, openServer, password, type TestServer } from '../test-server.ts'
import { calmTenant, checkOf, judge, measureRuns, runs } from './measure.ts'

/** As many as were seen to succeed where only the device was counted. */
const logins = 454
const loginsMax = 12

describe.each(databases)('logins of one account in a row, on %s', (database, open) => {
  let server: TestServer
  beforeAll(async () => {
    const settings = { ...generousSettings, loginsPerAccount: loginsMax }
    server = await openServer(await open(), { replace: (world) => ({ ...world, settings }) })
  })
  afterAll(() => server.close())

  /** Each with the token that the one before was answered with. Returns how many succeeded. */
  async function logIn(email: string): Promise<number> {
    let succeeded = 0
    for (let deviceToken, n = 0; n < logins; n++) {
      const { status, text } = await server.api.send(login, {
        body: { email, password, deviceToken },
        from: '10.250.0.1',
      })
      if (status === 200) succeeded++
      const told: unknown = JSON.parse(text).deviceToken
      deviceToken = typeof told === 'string' ? told : deviceToken
    }
    return succeeded
  }

  test('are bounded, and hardly noticed by another tenant', { timeout: 180_000 }, async () => {
    const other = await calmTenant(server)
    const users = await Promise.all(Array.from({ length: runs }, () => server.user()))
    const succeeded: number[] = []
    const { quiet, attacked } = await measureRuns(checkOf(server, other.admin.token), async (run) => {
      succeeded.push(await logIn(users[run]?.email ?? ''))
    })
    expect(succeeded).toHaveLength(runs)
    // None would mean that the attack was not made.
    expect(Math.min(...succeeded)).toBeGreaterThan(0)
    expect(Math.max(...succeeded)).toBeLessThanOrEqual(2 * loginsMax)
    const found = judge(`${logins} logins of an account, ${database}`, quiet, attacked)
    expect(found.failures).toEqual([])
    expect(found.attackedMs).toBeLessThan(found.boundMs)
  })
})
