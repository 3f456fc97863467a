import { bulkCheck } from '@agent-iam/contract/authorization'
import { issueToken } from '@agent-iam/contract/token'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Attack, Body } from './attack-thread.ts'
import { freePort } from './free-port.ts'
import { makeServiceWithSecret } from './services.ts'
import { allowed, measure, measuredRuns, show } from './second-tenant.ts'
import { databases } from './databases.ts'
import { generousSettings, openServer, uuidOf, type TestServer } from './test-server.ts'
import { defaultSettings } from '../src/platform/settings.ts'

const bulks = 40
const checksOfEach = 100

describe.each(databases)('events that somebody without rights causes, on %s', (name, open) => {
  let server: TestServer
  let attacker: Worker
  let port: number
  beforeAll(async () => {
    const { requestsPerUser, logBytesPerRequest } = defaultSettings
    const settings = { ...generousSettings, requestsPerUser, logBytesPerRequest }
    port = await freePort()
    const address = `http://localhost:${port}`
    server = await openServer(await open(), { address, replace: (world) => ({ ...world, settings }) })
    await server.app.http.listen({ port, host: '127.0.0.1' })
    attacker = new Worker(new URL('./attack-thread.ts', import.meta.url))
  })
  afterAll(async () => {
    await attacker.terminate()
    await server.close()
  })

  const question = JSON.stringify({ resource: 'file/a', action: 'read', context: { note: 'x'.repeat(4_000) } })
  const body: Body = { before: `{"checks":[${question}`, word: `,${question}`, times: checksOfEach - 1, after: ']}' }

  async function attack(token: string): Promise<unknown> {
    const head = { method: 'POST', path: bulkCheck.path, port, token }
    const whole: Attack = { kind: 'whole', requests: Array.from({ length: bulks }, () => ({ head, body })) }
    const done = once(attacker, 'message')
    attacker.postMessage(whole)
    return done
  }

  async function written(actorId: string) {
    const [row] = await server.database.ask(
      `select count(*)::int as events, coalesce(sum(length(leaf)), 0)::int as bytes from audit_events
       where tenant_id = $1 and type = 'decision.made' and convert_from(leaf, 'UTF8')::json->>'actor' = $2`,
      [uuidOf(server.defaultTenant.id), actorId],
    )
    return { events: Number(row?.['events']), bytes: Number(row?.['bytes']) }
  }

  test('are bounded, and another tenant hardly notices 40 bulks of 100 checks', { timeout: 300_000 }, async () => {
    const other = await server.tenant('measuring')
    // A service, as whoever asks for many decisions is: a person would reach a limit of its own meanwhile.
    const service = await makeServiceWithSecret(server, other.admin.token)
    const { access_token: token } = await server.api.call(issueToken, { body: service.body })
    const attackers = await Promise.all(Array.from({ length: measuredRuns }, () => server.user()))
    const measured = await measure(server, token, async (run) => attack(attackers[run]?.token ?? ''))
    const figures = await Promise.all(attackers.map(({ id }) => written(id)))
    show(`${bulks} bulks, ${name}`, { ...measured, figures })
    for (const { events } of figures) expect(events).toBeLessThanOrEqual(defaultSettings.requestsPerUser)
    expect(measured.refused).toBe(0)
    expect(measured.attackedMs).toBeLessThan(allowed(measured))
  })
})
