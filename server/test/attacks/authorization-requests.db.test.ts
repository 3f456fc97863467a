import { createClient } from '@agent-iam/contract/clients'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { databases } from '../databases.ts'
import { redirectUri } from '../oauth-clients.ts'
import { anotherSender } from '../senders.ts'
import { generousSettings, openServer, type TestServer } from '../test-server.ts'
import { calmTenant, checkOf, judge, measureRuns, runs } from './measure.ts'

const rowsMax = 20
const requests = 200

describe.each(databases)('authorization requests of nobody, on %s', (database, open) => {
  let server: TestServer
  let url: string
  beforeAll(async () => {
    const settings = { ...generousSettings, anonymousRowsPerAddress: rowsMax }
    server = await openServer(await open(), { replace: (world) => ({ ...world, settings }) })
    const body = { name: 'An app', redirectUris: [redirectUri], authMethod: 'none' as const }
    const { clientId } = await server.api.call(createClient, { body, token: await server.admin() })
    url = `/oauth/authorize?${new URLSearchParams({
      client_id: clientId,
      response_type: 'code',
      redirect_uri: redirectUri,
      code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbyGuJSstw-cM',
      code_challenge_method: 'S256',
      scope: 'openid',
      state: 'x'.repeat(1000),
    }).toString()}`
  })
  afterAll(() => server.close())

  async function stored(): Promise<number> {
    const [row] = await server.database.ask('select count(*)::int as count from oauth_payloads')
    return Number(row?.['count'])
  }

  async function askForAuthorization(): Promise<void> {
    const from = anotherSender()
    for (let n = 0; n < requests; n++) await server.api.raw({ method: 'GET', url }, { from })
  }

  test('store as much as may be, and another tenant hardly notices', { timeout: 180_000 }, async () => {
    const other = await calmTenant(server)
    const added: number[] = []
    const { quiet, attacked } = await measureRuns(checkOf(server, other.admin.token), async () => {
      const before = await stored()
      await askForAuthorization()
      added.push((await stored()) - before)
    })
    expect(added).toHaveLength(runs)
    expect(Math.max(...added)).toBeLessThanOrEqual(rowsMax)
    const found = judge(`${requests} authorization requests, ${database}`, quiet, attacked)
    expect(found.failures).toEqual([])
    expect(found.attackedMs).toBeLessThan(found.boundMs)
  })
})
