import { changeAgentOwner } from '@agent-iam/contract/agent-life'
import { getAgent, reactivateAgent, registerAgent } from '@agent-iam/contract/agents'
import { login, validate } from '@agent-iam/contract/auth'
import { createEnrolmentToken, listEnrolmentTokens } from '@agent-iam/contract/enrolment-tokens'
import { deleteIdentity, getIdentity, revokeIdentity, updateIdentity } from '@agent-iam/contract/identities'
import { inviteUser } from '@agent-iam/contract/invitations'
import { createService, getService, reactivateService } from '@agent-iam/contract/services'
import { issueToken } from '@agent-iam/contract/token'
import type { UserId } from '@agent-iam/contract/ids'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { aKey, makeAgent } from './agents.ts'
import { databases } from './databases.ts'
import { narrowedTo } from './narrowed.ts'
import { makeServiceWithSecret } from './services.ts'
import { openServer, password, type TestServer, type TestUser } from './test-server.ts'

describe.each(databases)('who answers for whom on %s', (_name, open) => {
  let server: TestServer
  let token: string
  let made = 0

  beforeAll(async () => {
    server = await openServer(await open())
    token = await server.admin()
  })
  afterAll(() => server.close())

  const ofUser = (identityId: UserId) => ({ params: { identityId }, token })
  const setSuccessor = (of: TestUser, successor: UserId | null, as = token) =>
    server.api.send(updateIdentity, { params: { identityId: of.id }, body: { successor }, token: as })
  const ownerOf = async (agentId: `agt_${string}`) => server.api.call(getAgent, { params: { agentId }, token })
  /** A person with an agent, a service, and a token that registers agents. */
  const somebody = async () => {
    const person = await server.user('admin')
    const { id: agentId } = await makeAgent(server, person.token)
    const body = { name: `owned service ${++made}` }
    const { serviceId } = await server.api.call(createService, { body, token: person.token })
    const enrolment = await server.api.call(createEnrolmentToken, {
      body: { name: `owned token ${made}` },
      token: person.token,
    })
    return { person, agentId, serviceId, enrolment }
  }

  test('an agent that a service registers is its owner’s, however many services stand between', async () => {
    const person = await server.user('admin')
    const registering = ['agent-iam/agents*:register', 'agent-iam/enrolment-tokens:create', 'agent-iam/services:create']
    const first = await makeServiceWithSecret(server, person.token, registering)
    const { access_token: asFirst } = await server.api.call(issueToken, { body: first.body })
    const second = await makeServiceWithSecret(server, asFirst, registering.slice(0, 2), {})
    const { access_token: asSecond } = await server.api.call(issueToken, { body: second.body })
    const body = { name: 'of a service', publicKey: aKey().publicKey }
    const registered = await server.api.call(registerAgent, { body, token: asSecond })
    expect(registered.owner).toBe(person.id)
    const enrolment = await server.api.call(createEnrolmentToken, { body: { name: 'of a service' }, token: asSecond })
    const enrolled = await server.api.call(registerAgent, { body: { name: 'enrolled by it' }, token: enrolment.token })
    expect(enrolled.owner).toBe(person.id)
  })

  test('what a person owns goes to the first of their successors who is active', async () => {
    const { person, agentId, serviceId, enrolment } = await somebody()
    const [gone, heir] = [await server.user('member'), await server.user('member')]
    expect((await setSuccessor(person, gone.id, person.token)).status).toBe(200)
    expect((await setSuccessor(gone, heir.id)).status).toBe(200)
    await server.api.call(revokeIdentity, ofUser(gone.id))
    const ended = await server.api.call(deleteIdentity, ofUser(person.id))
    expect(ended).toMatchObject({ status: 'deleted', successor: gone.id })
    expect(await ownerOf(agentId)).toMatchObject({ owner: heir.id, status: 'active' })
    expect(await server.api.call(getService, { params: { serviceId }, token })).toMatchObject({
      owner: heir.id,
      status: 'active',
    })
    const later = await server.api.call(registerAgent, { body: { name: `late ${++made}` }, token: enrolment.token })
    expect(later.owner).toBe(heir.id)
  })

  test('without a successor it stops, and goes on only once somebody answers for it', async () => {
    const { person, agentId, serviceId, enrolment } = await somebody()
    const body = { name: `waiting ${++made}`, publicKey: aKey().publicKey }
    const pending = await server.api.call(registerAgent, { body, token: person.token })
    await server.api.call(deleteIdentity, ofUser(person.id))
    expect(await ownerOf(agentId)).toMatchObject({ owner: person.id, status: 'suspended' })
    expect((await ownerOf(pending.agentId)).status).toBe('revoked')
    expect((await server.api.call(getService, { params: { serviceId }, token })).status).toBe('suspended')
    const registering = { body: { name: `late ${++made}` }, token: enrolment.token }
    expect((await server.api.refuse(registerAgent, registering)).code).toBe('invalid-token')
    const { enrolmentTokens } = await server.api.call(listEnrolmentTokens, { query: { limit: 200 }, token })
    const left = enrolmentTokens.find(({ enrolmentTokenId }) => enrolmentTokenId === enrolment.enrolmentTokenId)
    expect(left?.revokedAt).not.toBeNull()

    const params = { agentId }
    expect((await server.api.refuse(reactivateAgent, { params, token })).code).toBe('wrong-state')
    expect((await server.api.refuse(reactivateService, { params: { serviceId }, token })).code).toBe('wrong-state')
    const other = await server.user('member')
    const absent: UserId = `usr_${'0'.repeat(32)}`
    for (const nobody of [person.id, absent]) {
      const refusal = await server.api.refuse(changeAgentOwner, { params, body: { owner: nobody }, token })
      expect(refusal.code).toBe('wrong-state')
    }
    const changed = await server.api.call(changeAgentOwner, { params, body: { owner: other.id }, token })
    expect(changed.owner).toBe(other.id)
    expect((await server.api.call(reactivateAgent, { params, token })).status).toBe('active')
  })

  test('a service that a service of theirs made stops as well', async () => {
    const person = await server.user('admin')
    const capabilities = ['agent-iam/services:create', 'file/docs/*:read']
    const first = await makeServiceWithSecret(server, person.token, capabilities)
    const { access_token: asFirst } = await server.api.call(issueToken, { body: first.body })
    const second = await makeServiceWithSecret(server, asFirst, ['file/docs/*:read'])
    const { access_token: asSecond } = await server.api.call(issueToken, { body: second.body })
    await server.api.call(deleteIdentity, ofUser(person.id))
    for (const { params } of [first, second])
      expect((await server.api.call(getService, { params, token })).status).toBe('suspended')
    // Its secret acts with the authority of the person, and ended with them.
    expect((await server.api.refuse(issueToken, { body: second.body })).code).toBe('invalid-credentials')
    expect((await server.api.refuse(validate, { token: asSecond })).status).toBe(401)
  })

  test('the owner of before may no longer stop an agent, the one of now may', async () => {
    const { person, agentId } = await somebody()
    const heir = await server.user()
    await server.api.call(changeAgentOwner, { params: { agentId }, body: { owner: heir.id }, token })
    expect((await server.api.call(getAgent, { params: { agentId }, token: heir.token })).owner).toBe(heir.id)
    const { token: stranger } = await server.user()
    expect((await server.api.refuse(getAgent, { params: { agentId }, token: stranger })).code).toBe('not-found')
    expect(person.id).not.toBe(heir.id)
  })

  test('nobody succeeds themselves, or in a circle, or from another tenant, or after they left', async () => {
    const [one, two, three] = [await server.user('member'), await server.user('member'), await server.user('member')]
    const foreign = await server.tenant(`foreign-${++made}`)
    await server.api.call(deleteIdentity, ofUser(three.id))
    expect((await setSuccessor(one, two.id)).status).toBe(200)
    for (const [of, successor] of [
      [one, one.id],
      [two, one.id],
      [one, foreign.admin.id],
      [one, three.id],
    ] as const) {
      const problem = await server.api.refuse(updateIdentity, { ...ofUser(of.id), body: { successor } })
      expect(problem.errors).toMatchObject([{ field: 'successor' }])
    }
    expect((await setSuccessor(one, null)).status).toBe(200)
    expect((await setSuccessor(two, one.id)).status).toBe(200)
  })

  test('of two who make each other their successor at once, one does', async () => {
    const [one, two] = [await server.user('member'), await server.user('member')]
    const answers = await Promise.all([setSuccessor(one, two.id), setSuccessor(two, one.id)])
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 400])
  })

  test('one names one’s own successor and name, by a session that reaches this, and nobody else’s', async () => {
    const [one, two] = [await server.user(), await server.user()]
    expect((await setSuccessor(one, two.id, one.token)).status).toBe(200)
    expect((await setSuccessor(two, one.id, one.token)).status).toBe(404)
    const narrow = await narrowedTo(server, one.id, ['file/docs/*:read'])
    const refused = await setSuccessor(one, null, narrow)
    expect([refused.status, JSON.parse(refused.text)]).toMatchObject([403, { code: 'insufficient-scope' }])
  })

  test('who left logs in no more, and the address is free again unless they were only revoked', async () => {
    const [deleted, revoked] = [await server.user('member'), await server.user('member')]
    await server.api.call(deleteIdentity, ofUser(deleted.id))
    await server.api.call(revokeIdentity, { ...ofUser(revoked.id), body: { reason: 'left in anger' } })
    // Of a revoked account the person is told so, as of a suspended one, once the password is right.
    for (const [{ email, tenant, token: old }, status] of [
      [deleted, 401],
      [revoked, 403],
    ] as const) {
      expect((await server.api.refuse(login, { body: { email, password, tenant } })).status).toBe(status)
      expect((await server.api.refuse(validate, { token: old })).status).toBe(401)
    }
    const invite = (email: string) => server.api.send(inviteUser, { body: { email, name: 'Again' }, token })
    expect((await invite(deleted.email)).status).toBe(201)
    expect((await invite(revoked.email)).status).toBe(409)
    expect((await server.api.call(getIdentity, { ...ofUser(revoked.id), query: {} })).status).toBe('revoked')
  })

  test('the last administrator stays, and nobody ends who holds more than they do', async () => {
    const tenant = await server.tenant(`lonely-${++made}`)
    const alone = { params: { identityId: tenant.admin.id }, token: tenant.admin.token }
    for (const operation of [deleteIdentity, revokeIdentity])
      expect((await server.api.refuse(operation, alone)).code).toBe('wrong-state')
    const another = await server.user('admin', tenant)
    const [first, second] = await Promise.all([
      server.api.send(deleteIdentity, { params: { identityId: another.id }, token: tenant.admin.token }),
      server.api.send(deleteIdentity, { params: { identityId: tenant.admin.id }, token: another.token }),
    ])
    expect([first.status, second.status].filter((status) => status === 200)).toHaveLength(1)
    const { token: viewer } = await server.user('viewer')
    const administrator = await server.user('admin')
    expect((await server.api.refuse(deleteIdentity, { ...ofUser(administrator.id), token: viewer })).code).toBe(
      'forbidden',
    )
  })

  test('an agent registered while its owner leaves is handed on, or not registered', async () => {
    for (let round = 0; round < 5; round++) {
      const { person, enrolment } = await somebody()
      const heir = await server.user('member')
      await setSuccessor(person, heir.id)
      const [, ...registered] = await Promise.all([
        server.api.call(deleteIdentity, ofUser(person.id)),
        ...Array.from({ length: 4 }, () =>
          server.api.send(registerAgent, { body: { name: `racing ${++made}` }, token: enrolment.token }),
        ),
      ])
      for (const { status, text } of registered) {
        expect([201, 401, 503], text).toContain(status)
        if (status !== 201) continue
        const { agentId } = registerAgent.response.parse(JSON.parse(text))
        expect((await ownerOf(agentId)).owner).toBe(heir.id)
      }
    }
  })
})
