import { createEnrolmentToken, enrolmentQuotaMax, revokeEnrolmentToken } from '@agent-iam/contract/enrolment-tokens'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { databases } from './databases.ts'
import { openServer, uuidOf, type TestServer } from './test-server.ts'

describe.each(databases)('the largest enrolment on %s', (_name, open) => {
  let server: TestServer

  beforeAll(async () => {
    server = await openServer(await open())
  })
  afterAll(() => server.close())

  test('is revoked in one, with an event for every agent', { timeout: 60_000 }, async () => {
    const token = await server.admin()
    const body = { name: 'farm', quota: enrolmentQuotaMax }
    const { enrolmentTokenId } = await server.api.call(createEnrolmentToken, { body, token })
    await enrol(server, enrolmentTokenId, enrolmentQuotaMax)
    const params = { enrolmentTokenId }
    const { revokedAgents } = await server.api.call(revokeEnrolmentToken, {
      params,
      query: { agents: 'revoke' },
      token,
    })
    expect(revokedAgents).toBe(enrolmentQuotaMax)
    const events = await server.database.ask(
      `select count(*)::int as count from audit_events where type = 'agent.revoked'`,
    )
    expect(events).toEqual([{ count: enrolmentQuotaMax }])
  })
})

/** Straight into the table: ten thousand registrations would take minutes. */
async function enrol({ database, defaultTenant }: TestServer, enrolmentTokenId: string, count: number): Promise<void> {
  await database.ask(
    `insert into identities (tenant_id, id, kind, name, name_skeleton, type, status, owner_kind, owner_id, created_by,
        enrolment_token_id, trust_score, trust_basis, labels, metadata, created_at, updated_at)
      select $1, gen_random_uuid(), 'agent', 'agent ' || n, 'agent ' || n, 'worker', 'active', 'user',
        (select id from identities where tenant_id = $1 and kind = 'user' limit 1), 'test', $2, 0.5, 'initial', '{}', '{}',
        now(), now()
      from generate_series(1, ${count}) n`,
    [uuidOf(defaultTenant.id), uuidOf(enrolmentTokenId)],
  )
}
