import { createPolicy } from '@agent-iam/contract/policies'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { databases } from './databases.ts'
import { openServer, uuidOf, type TestServer } from './test-server.ts'

const scoped = 'permit(principal is AgentIam::Agent, action, resource);'
const unscoped = 'permit(principal, action, resource) when { resource.type == "x" };'

describe.each(databases)('the quotas of policies on %s', (_name, open) => {
  let server: TestServer
  beforeAll(async () => {
    server = await openServer(await open())
  })
  afterAll(() => server.close())

  /** Policies that are there already, straight into the table. */
  const fill = (tenantId: string, count: number, bytes: number) =>
    server.database.ask(
      `insert into policies select $1, gen_random_uuid(), 'filler ' || n, '', 'permit', repeat('x', $3::int), 'x', now(),
         true from generate_series(1, $2::int) n`,
      [uuidOf(tenantId), count, bytes],
    )

  test('fifty policies whose scope is everything are the most; others may be added', async () => {
    const { id, admin } = await server.tenant('many-unscoped')
    await fill(id, 49, 1)
    await server.api.call(createPolicy, { token: admin.token, body: { name: 'the fiftieth', policy: unscoped } })
    const refusal = await server.api.refuse(createPolicy, {
      token: admin.token,
      body: { name: 'one more', policy: unscoped },
    })
    expect(refusal).toMatchObject({ code: 'quota-spent', detail: expect.stringContaining('50') })
    await server.api.call(createPolicy, { token: admin.token, body: { name: 'scoped', policy: scoped } })
  })

  test('four megabytes of text are the most', async () => {
    const { id, admin } = await server.tenant('much-text')
    await fill(id, 4, 1024 * 1024 - 10)
    const body = { name: 'one more', policy: scoped }
    expect(await server.api.refuse(createPolicy, { token: admin.token, body })).toMatchObject({ code: 'quota-spent' })
  })
})
