import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { databases } from './databases.ts'
import { openServer, type TestServer } from './test-server.ts'

describe.each(databases)('what the process logs of a refusal on %s', (_name, open) => {
  let server: TestServer
  const lines: string[] = []
  beforeAll(async () => {
    server = await openServer(await open(), { onLog: (line) => lines.push(line) })
  })
  afterAll(() => server.close())

  const refusalLogged = async (requestId: string) => {
    lines.length = 0
    const url = '/nowhere?token=secret'
    await server.api.raw({ method: 'GET', url }, { headers: { 'x-request-id': requestId } })
    return lines.filter((line) => line.includes('/nowhere')).map((line): unknown => JSON.parse(line))
  }

  test('the path without its query, and the name that the caller gave the request', async () => {
    const logged = await refusalLogged('edge-4711')
    expect(logged).toMatchObject([{ operation: '/nowhere', callerRequestId: 'edge-4711' }])
    expect(JSON.stringify(logged)).not.toContain('secret')
  })

  test.each(['two words', 'x'.repeat(101)])('not the name %j', async (requestId) => {
    const [logged] = await refusalLogged(requestId)
    expect(logged).not.toHaveProperty('callerRequestId')
  })
})
