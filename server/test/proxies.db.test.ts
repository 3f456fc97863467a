import { platformTenantId } from '@agent-iam/contract/ids'
import { validate } from '@agent-iam/contract/auth'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { databases } from './databases.ts'
import { openServer, type TestServer } from './test-server.ts'

describe.each(databases)('proxies before a server on %s', (_name, open) => {
  let server: TestServer
  beforeAll(async () => {
    server = await openServer(await open(), { trustedProxies: ['192.0.2.0/24'] })
  })
  afterAll(() => server.close())

  test.each([
    ['a proxy that is trusted tells where each request comes from', '192.0.2.1', [1, 1]],
    ['from anybody else what it says of itself is no matter', '203.0.113.1', [1, 0]],
  ])('%s', async (_what, from, recorded) => {
    // The first refusal of each network in a minute is put on record at once; that shows which is which.
    const counts: number[] = []
    for (const origin of ['198.18.1.1', '198.19.1.1']) {
      const headers = { 'x-forwarded-for': `${origin.slice(0, -1)}9, ${origin}` }
      const { requestId } = await server.api.refuse(validate, { from, headers })
      counts.push((await server.refusals(platformTenantId, requestId)).length)
    }
    expect(counts).toEqual(recorded)
  })
})
