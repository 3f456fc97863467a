import { listAuditEvents, listAuditLeaves } from '@agent-iam/contract/audit'
import { assignRole, createRole } from '@agent-iam/contract/roles'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { builtInRoles, type Role } from '../src/features/capabilities/model.ts'
import { databases } from './databases.ts'
import { narrowedTo } from './narrowed.ts'
import { openServer, uuidOf, type TestServer } from './test-server.ts'

/** Who opens personal fields in the log; whoever may not read the log at all is not asked. */
const opening: Readonly<Record<Role, 'opened' | 'sealed' | 'forbidden'>> = {
  admin: 'opened',
  manager: 'sealed',
  viewer: 'sealed',
  auditor: 'sealed',
  member: 'forbidden',
  operator: 'forbidden',
}

describe.each(databases)('personal fields in the log on %s', (_name, open) => {
  let server: TestServer
  let admin: string

  beforeAll(async () => {
    server = await openServer(await open())
    admin = await server.admin()
  })
  afterAll(() => server.close())

  const query = { type: 'session.started', limit: 100 }
  const statesFor = async (token: string) => {
    const { events } = await server.api.call(listAuditEvents, { query, token })
    expect(events.length).toBeGreaterThan(0)
    for (const { personal, personalState } of events) expect(personal === null).toBe(personalState !== 'opened')
    return [...new Set(events.map(({ personalState }) => personalState))]
  }

  test.each(Object.keys(builtInRoles).filter((name): name is Role => name in opening))('%s', async (role) => {
    const { token } = await server.user(role)
    const { status, text } = await server.api.send(listAuditEvents, { query, token })
    const states = new Set([...text.matchAll(/"personalState":"(\w+)"/g)].map(([, state]) => state))
    expect(status === 403 ? ['forbidden'] : [...states]).toEqual([opening[role]])
  })

  test('what an auditor reads has no address and no mail address, in events or leaves', async () => {
    const { token, email } = await server.user('auditor')
    for (const operation of [listAuditEvents, listAuditLeaves]) {
      const { text, status } = await server.api.send(operation, { token })
      expect(status).toBe(200)
      const opened = operation === listAuditLeaves ? leavesIn(text) : text
      expect(opened).not.toMatch(/\b127\.\d+\.\d+\.\d+\b/)
      expect(opened).not.toContain(email)
    }
  })

  test('the right is given by a role of its own', async () => {
    const { token, id } = await server.user('auditor')
    const permissions = [{ permission: 'agent-iam/audit:read-personal' }]
    const { roleId } = await server.api.call(createRole, { body: { name: 'investigators', permissions }, token: admin })
    await server.api.call(assignRole, { params: { roleId, identityId: id }, body: {}, token: admin })
    expect(await statesFor(token)).toEqual(['opened'])
  })

  test('an administrator’s session that is narrowed to reading opens nothing', async () => {
    const user = await server.user('admin')
    const token = await narrowedTo(server, user.id, ['agent-iam:read'], server.app.defaultTenantId)
    expect(await statesFor(token)).toEqual(['sealed'])
  })

  test('what is erased says so, and what was never there as well', async () => {
    const { id } = await server.user('viewer')
    await server.database.ask('delete from data_keys where subject = $1 and tenant_id = $2', [
      id,
      uuidOf(server.app.defaultTenantId),
    ])
    const { events } = await server.api.call(listAuditEvents, { query: { actor: id, limit: 5 }, token: admin })
    expect(events.map(({ personalState }) => personalState)).toEqual(['erased'])
    const opened = await server.api.call(listAuditEvents, { query: { type: 'log.opened', limit: 5 }, token: admin })
    expect(opened.events).toMatchObject([{ personal: null, personalState: 'none' }])
  })
})

function leavesIn(text: string): string {
  return [...text.matchAll(/"leaf":"([^"]+)"/g)]
    .map(([, leaf = '']) => Buffer.from(leaf, 'base64').toString())
    .join('\n')
}
