import type { SessionId } from '@agent-iam/contract/ids'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { requireLive } from '../src/features/sessions/model.ts'
import { findSession } from '../src/features/sessions/service.ts'
import { allotStatus } from '../src/features/status-lists/service.ts'
import { addSeconds } from '../src/platform/clock.ts'
import { inTransaction } from '../src/platform/context.ts'
import { Problem } from '../src/platform/problem.ts'
import { readList } from './status-lists.ts'
import { databases } from './databases.ts'
import { openServer, uuidOf, type TestServer } from './test-server.ts'
import { statusAt, type StatusReference } from '@agent-iam/standards/status-list'

const size = 40

/** A tenant's identities and sessions, each with a parent among those before it, in every state. */
const world = fc.record({
  identities: fc.array(
    fc.record({
      parent: fc.option(fc.nat(size - 1), { nil: undefined, freq: 3 }),
      status: fc.constantFrom('active', 'active', 'active', 'active', 'active', 'suspended', 'revoked', 'pending'),
      expiry: fc.constantFrom(undefined, undefined, undefined, 1000, -1000),
    }),
    { minLength: size, maxLength: size },
  ),
  sessions: fc.array(
    fc.record({
      identity: fc.nat(size - 1),
      parent: fc.option(fc.nat(size - 1), { nil: undefined }),
      actors: fc.array(fc.nat(size - 1), { maxLength: 3 }),
      isEnded: fc.constantFrom(false, false, false, false, true),
      expiry: fc.constantFrom(1000, 1000, 1000, -1000),
    }),
    { minLength: size, maxLength: size },
  ),
})
type World = typeof world extends fc.Arbitrary<infer Made> ? Made : never

describe.each(databases)('what a status list says on %s', (_name, open) => {
  let server: TestServer

  beforeAll(async () => {
    server = await openServer(await open())
  })
  afterAll(() => server.close())

  test(
    'is valid for just those sessions that may be used, whatever the trees are like',
    { timeout: 120_000 },
    async () => {
      const seen = new Set<string>()
      await fc.assert(
        fc.asyncProperty(world, async (made) => {
          const references = await build(server, made)
          server.clock.advance(16)
          const [first] = references.values()
          const { list } = await readList(server, first?.uri ?? '')
          for (const [sessionId, { idx }] of references) {
            const isLive = await maySessionBeUsed(sessionId)
            const status = statusAt(list, idx)
            expect(status === 0, JSON.stringify({ sessionId, status, isLive })).toBe(isLive)
            seen.add(`${status}`)
          }
        }),
        { numRuns: 6 },
      )
      expect([...seen].toSorted()).toEqual(['0', '1', '2'])
    },
  )

  async function maySessionBeUsed(sessionId: SessionId): Promise<boolean> {
    const ctx = server.inTenant(server.app.defaultTenantId)
    const found = await inTransaction(ctx, (tx) => findSession(tx, sessionId))
    if (!found) throw new Error('the session is not there')
    try {
      requireLive(found.session, found.identity, server.clock.now())
      return true
    } catch (error) {
      if (error instanceof Problem) return false
      throw error
    }
  }
})

/** Straight into the tables: most of these states take no one operation to reach. */
async function build(server: TestServer, { identities, sessions }: World): Promise<Map<SessionId, StatusReference>> {
  const ctx = server.inTenant(server.app.defaultTenantId)
  const tenant = uuidOf(server.app.defaultTenantId)
  const owner = uuidOf((await server.user()).id)
  const now = server.clock.now()
  const agents = identities.map(() => ctx.newId('agent'))
  const ids = sessions.map(() => ctx.newId('session'))
  const before = (list: readonly string[], at: number, wanted: number | undefined) =>
    wanted === undefined || at === 0 ? null : uuidOf(list[wanted % at] ?? '')
  const after = (seconds: number | undefined) => (seconds === undefined ? null : addSeconds(now, seconds))
  for (const [at, { parent, status, expiry }] of identities.entries()) {
    const parentId = depthOf(identities, at) > 9 ? null : before(agents, at, parent)
    await server.database.ask(
      `insert into identities (tenant_id, id, kind, name, name_skeleton, type, status, owner_kind, owner_id, parent_id,
         parent_kind, created_by, trust_score, trust_basis, labels, metadata, expires_at, created_at, updated_at)
       values ($1, $2, 'agent', $3, $3, 'x', $4, 'user', $5, $6, $7, 'x', 0.5, 'initial', '{}', '{}', $8, $9, $9)`,
      [tenant, uuidOf(agents[at] ?? ''), agents[at], status, owner, parentId, parentId && 'agent', after(expiry), now],
    )
  }
  for (const [at, { identity, parent, actors, isEnded, expiry }] of sessions.entries())
    await server.database.ask(
      `insert into sessions (tenant_id, id, identity_id, started_at, expires_at, ended_at, method, parent_id, actors)
       values ($1, $2, $3, $4, $5, $6, 'x', $7, $8)`,
      [
        tenant,
        uuidOf(ids[at] ?? ''),
        uuidOf(agents[identity] ?? ''),
        now,
        after(expiry),
        isEnded ? now : null,
        before(ids, at, parent),
        actors.map((each) => agents[each]),
      ],
    )
  const expiresAt = addSeconds(now, 2000)
  const references = new Map<SessionId, StatusReference>()
  await inTransaction(ctx, async (tx) => {
    for (const id of ids) references.set(id, await allotStatus(tx, id, expiresAt))
  })
  return references
}

/** How many stand above one: a chain of more than ten is none that the server makes. */
function depthOf(identities: World['identities'], at: number): number {
  const parent = identities[at]?.parent
  return parent === undefined || at === 0 ? 0 : 1 + depthOf(identities, parent % at)
}
