import { reactivateAgent, suspendAgent } from '@agent-iam/contract/agents'
import { delegateAgent } from '@agent-iam/contract/delegation'
import { revokeIdentity } from '@agent-iam/contract/identities'
import type { AgentId } from '@agent-iam/contract/ids'
import { endSession } from '@agent-iam/contract/sessions'
import { Biscuits, StatusListVerifier } from '@agent-iam/sdk'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loginAgent, makeAgent } from './agents.ts'
import { mintFor } from './biscuits.ts'
import { databases } from './databases.ts'
import { listen, type OauthServer } from './oauth-server.ts'
import { uuidOf } from './test-server.ts'

const reading = 'file/docs/*:read'
const delegate = 'agent-iam/agents*:delegate'
/** Longer than a verifier believes a list. */
const believedSeconds = 66

describe.each(databases)('the status of a Biscuit on %s', (_name, open) => {
  let oauth: OauthServer
  let admin: string
  let biscuits: Biscuits
  let statuses: StatusListVerifier

  beforeAll(async () => {
    oauth = await listen(await open())
    admin = await oauth.server.admin()
    const { issuer, server } = oauth
    statuses = new StatusListVerifier({ issuer, clock: server.clock })
    biscuits = new Biscuits({ issuer, clock: server.clock, statuses })
  })
  afterAll(() => oauth.server.close())

  /** As a service elsewhere sees it, by the list alone. */
  async function laterStatus(token: string) {
    oauth.server.clock.advance(believedSeconds)
    return statuses.statusOf(await placeOf(token))
  }

  async function placeOf(token: string) {
    const { statusList } = (await biscuits.verify(token)).facts
    if (!statusList) throw new Error('the Biscuit names no place in a list')
    return statusList
  }

  const ask = (token: string) =>
    biscuits.authorize(token, { operation: 'read', resource: 'file/docs/a', audience: `${oauth.issuer}/api` })

  /** A grandchild's Biscuits: one of its first session, and one that it asked for itself. */
  async function family(): Promise<{ root: AgentId; first: string; own: string }> {
    const { server } = oauth
    const root = await makeAgent(server, admin, [reading, delegate])
    const { accessToken } = await loginAgent(server, root)
    const middle = await makeChild(accessToken, [reading, delegate])
    const leaf = await makeChild(middle.token.accessToken, [reading])
    const own = await mintFor(server, leaf.token.accessToken)
    return { root: root.id, first: leaf.biscuit?.token ?? '', own: own.token }
  }

  let made = 0
  const makeChild = (token: string, capabilities: string[]) =>
    oauth.server.api.call(delegateAgent, {
      body: { name: `child ${++made}`, capabilities, biscuit: true },
      token,
    })

  test('follows a grandparent that is suspended, acts again and is revoked', async () => {
    const { root, first, own } = await family()
    const { api } = oauth.server
    const params = { agentId: root }
    const told = async () => [await laterStatus(first), await statuses.statusOf(await placeOf(own))]
    expect(await told()).toEqual(['valid', 'valid'])
    expect(await ask(first)).toEqual({ type: 'allowed' })

    await api.call(suspendAgent, { params, body: {}, token: admin })
    expect(await told()).toEqual(['suspended', 'suspended'])
    expect(await ask(first)).toEqual({ type: 'denied', failed: ['status: suspended'] })

    await api.call(reactivateAgent, { params, body: {}, token: admin })
    expect(await told()).toEqual(['valid', 'valid'])
    expect(await ask(own)).toEqual({ type: 'allowed' })

    await api.call(revokeIdentity, { params: { identityId: root }, body: { reason: 'it read too much' }, token: admin })
    expect(await told()).toEqual(['invalid', 'invalid'])
    expect(await ask(own)).toEqual({ type: 'denied', failed: ['status: invalid'] })
  })

  test('is that of its session alone, whatever was appended', async () => {
    const { server } = oauth
    const agent = await makeAgent(server, admin, [reading])
    const { accessToken } = await loginAgent(server, agent)
    const [one, two] = [await mintFor(server, accessToken), await mintFor(server, accessToken)]
    const narrowed = await biscuits.attenuate(one.token, { operations: ['read'] })
    expect(await placeOf(narrowed)).toEqual(await placeOf(one.token))
    expect(await placeOf(two.token)).not.toEqual(await placeOf(one.token))
    await server.api.call(endSession, { params: { sessionId: one.sessionId }, token: admin })
    expect(await laterStatus(narrowed)).toBe('invalid')
    expect(await laterStatus(two.token)).toBe('valid')
  })

  test('is kept in one place for as long as the token is good', async () => {
    const { server } = oauth
    const { first } = await family()
    const { session, expiresAt, statusList } = (await biscuits.verify(first)).facts
    const rows = await server.database.ask('select idx, expires_at from status_entries where session_id = $1', [
      uuidOf(session),
    ])
    expect(rows).toEqual([{ idx: statusList?.idx, expires_at: expect.any(Date) }])
    expect(Number(rows[0]?.['expires_at'])).toBeGreaterThanOrEqual(expiresAt.getTime())
  })

  test('is that of a list of its tenant’s own issuer', async () => {
    const { server, issuer } = oauth
    const { id, admin: there } = await server.tenant('elsewhere')
    const { accessToken } = await loginAgent(server, await makeAgent(server, there.token, [reading]))
    const { token } = await mintFor(server, accessToken)
    const theirs = `${issuer}/t/${id}`
    const lists = new StatusListVerifier({ issuer: theirs, clock: server.clock })
    const { statusList } = (await new Biscuits({ issuer: theirs }).verify(token)).facts
    expect(statusList?.uri.startsWith(`${theirs}/status-lists/`)).toBe(true)
    expect(statusList && (await lists.statusOf(statusList))).toBe('valid')
  })
})
