import { bulkCheck } from '@agent-iam/contract/authorization'
import { issueToken } from '@agent-iam/contract/token'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { defaultSettings } from '../../src/platform/settings.ts'
import { databases } from '../databases.ts'
import { makeServiceWithSecret } from '../services.ts'
import { generousSettings, uuidOf } from '../test-server.ts'
import type { Body } from './attack-thread.ts'
import { Attacker } from './attacker.ts'
import { calmTenant, checkOf, judge, measureRuns, runs } from './measure.ts'

const bulks = 40
const checksOfEach = 100

describe.each(databases)('events that somebody without rights causes, on %s', (name, open) => {
  let attacker: Attacker
  beforeAll(async () => {
    const { requestsPerUser, logBytesPerRequest } = defaultSettings
    const settings = { ...generousSettings, requestsPerUser, logBytesPerRequest }
    attacker = await Attacker.open(await open(), { replace: (world) => ({ ...world, settings }) })
  })
  afterAll(() => attacker.close())

  const question = JSON.stringify({ resource: 'file/a', action: 'read', context: { note: 'x'.repeat(4_000) } })
  const body: Body = { before: `{"checks":[${question}`, word: `,${question}`, times: checksOfEach - 1, after: ']}' }

  function send(token: string): Promise<void> {
    const head = { method: 'POST', path: bulkCheck.path, port: attacker.port, token }
    return attacker.run({ kind: 'whole', requests: Array.from({ length: bulks }, () => ({ head, body })) })
  }

  async function eventsOf(actorId: string): Promise<number> {
    const [row] = await attacker.server.database.ask(
      `select count(*)::int as events from audit_events
       where tenant_id = $1 and type = 'decision.made' and convert_from(leaf, 'UTF8')::json->>'actor' = $2`,
      [uuidOf(attacker.server.defaultTenant.id), actorId],
    )
    return Number(row?.['events'])
  }

  test('are bounded, and another tenant hardly notices 40 bulks of 100 checks', { timeout: 180_000 }, async () => {
    const { server } = attacker
    const other = await calmTenant(server)
    // A service: a person would reach the limit on requests during the measurement.
    const service = await makeServiceWithSecret(server, other.admin.token)
    const { access_token: token } = await server.api.call(issueToken, { body: service.body })
    const attackers = await Promise.all(Array.from({ length: runs }, () => server.user()))
    const { quiet, attacked } = await measureRuns(checkOf(server, token), (run) => send(attackers[run]?.token ?? ''))
    const { attackedMs, boundMs, failures } = judge(`${bulks} bulks, ${name}`, quiet, attacked)
    for (const { id } of attackers) expect(await eventsOf(id)).toBeLessThanOrEqual(defaultSettings.requestsPerUser)
    expect(failures).toEqual([])
    expect(attackedMs).toBeLessThan(boundMs)
  })
})
