import { getAgent, registerAgent } from '@agent-iam/contract/agents'
import { check } from '@agent-iam/contract/authorization'
import { createEnrolmentToken } from '@agent-iam/contract/enrolment-tokens'
import { getAuditHead } from '@agent-iam/contract/audit'
import type { UserId } from '@agent-iam/contract/ids'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startSession } from '../src/features/sessions/start.ts'
import { inTransaction } from '../src/platform/context.ts'
import { databases } from './databases.ts'
import { narrowedTo } from './narrowed.ts'
import { openServer, uuidOf, type TestServer } from './test-server.ts'

describe.each(databases)('a narrowed session on %s', (_name, open) => {
  let server: TestServer
  let userId: UserId

  beforeAll(async () => {
    server = await openServer(await open())
    userId = (await server.user('admin')).id
  })
  afterAll(() => server.close())

  const narrowed = (...scope: string[]) => narrowedTo(server, userId, scope)

  test('does what its scope covers and no more, and is told what it lacks', async () => {
    const token = await narrowed('agent-iam/agents*:read', 'agent-iam/agents*:register', 'file/docs/*:read')
    const { agentId } = await server.api.call(registerAgent, { body: { name: 'made within scope' }, token })
    expect(await server.api.call(getAgent, { params: { agentId }, token })).toMatchObject({ agentId })
    const problem = await server.api.refuse(getAuditHead, { token })
    expect(problem).toMatchObject({ status: 403, code: 'insufficient-scope' })
    expect(problem.detail).toContain('agent-iam/audit*:read')
  })

  test('hands on no more than its scope', async () => {
    const token = await narrowed('agent-iam/agents*:*', 'agent-iam/enrolment-tokens*:*', 'file/docs/*:read')
    const within = { name: 'reads documents', capabilities: ['file/docs/a*:read'] }
    await server.api.call(registerAgent, { body: within, token })
    const beyond = { body: { name: 'reads everything', capabilities: ['file:read'] }, token }
    expect(await server.api.refuse(registerAgent, beyond)).toMatchObject({ code: 'capability-exceeded' })
    const wide = { body: { name: 'enrols', ceiling: ['file/docs/*:read', 'mail:send'] }, token }
    expect(await server.api.refuse(createEnrolmentToken, wide)).toMatchObject({ code: 'capability-exceeded' })
  })

  test('is decided for within its scope, by a guard that is named', async () => {
    const token = await narrowed('file/docs/*:read')
    expect(await server.api.call(check, { body: { resource: 'file/docs/a', action: 'read' }, token })).toMatchObject({
      allowed: true,
    })
    const denied = await server.api.call(check, { body: { resource: 'file/secrets', action: 'read' }, token })
    expect(denied).toMatchObject({ allowed: false, reasons: [{ policyId: 'system:guard-scope' }] })
  })

  test('is no session to the release before, which knows no scope', async () => {
    const ctx = server.inTenant(server.app.defaultTenantId)
    const isKnown = (scope: readonly string[] | undefined) =>
      inTransaction(ctx, async (tx) => {
        const { sessionId } = await startSession(tx, userId, { method: 'password', scope })
        const { rows } = await sql`select id from read_session(${uuidOf(sessionId)}::uuid)`.execute(tx.db)
        return rows.length === 1
      })
    expect([await isKnown(undefined), await isKnown(['file/docs/*:read'])]).toEqual([true, false])
  })

  test('an empty scope reaches nothing', async () => {
    const token = await narrowed()
    const denied = await server.api.call(check, { body: { resource: 'file/docs/a', action: 'read' }, token })
    expect(denied.allowed).toBe(false)
  })
})
