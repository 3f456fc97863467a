import { changePassword } from '@agent-iam/contract/accounts'
import { setUserRole } from '@agent-iam/contract/members'
import { deleteAgent, listAgents, reactivateAgent, registerAgent, suspendAgent } from '@agent-iam/contract/agents'
import { updateAgent } from '@agent-iam/contract/agents'
import { listAuditEvents } from '@agent-iam/contract/audit'
import { logout, validate } from '@agent-iam/contract/auth'
import { check } from '@agent-iam/contract/authorization'
import { createClient, createResource } from '@agent-iam/contract/clients'
import { delegateAgent } from '@agent-iam/contract/delegation'
import { createEnrolmentToken } from '@agent-iam/contract/enrolment-tokens'
import { createService, createServiceSecret } from '@agent-iam/contract/services'
import { createPrivateKey } from 'node:crypto'
import { decodeJwt } from 'jose'
import * as client from 'openid-client'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { makeAgent, type TestAgent } from './agents.ts'
import { databases } from './databases.ts'
import { asAgent, insecure } from './oauth-clients.ts'
import { listen, listenBeside, type OauthServer } from './oauth-server.ts'
import { password, type TestUser } from './test-server.ts'

const grant = 'urn:ietf:params:oauth:grant-type:token-exchange'
const accessToken = 'urn:ietf:params:oauth:token-type:access_token'
const files = 'https://files.example'
const mail = 'https://mail.example'

describe.each(databases)('token exchange on %s', (_name, open) => {
  let oauth: OauthServer
  let admin: string
  let owner: TestUser
  let agent: TestAgent
  /** May be told of every token for the files. */
  let speaker: client.Configuration

  beforeAll(async () => {
    oauth = await listen(await open())
    admin = await oauth.server.admin()
    owner = await oauth.server.user('manager')
    agent = await ownedAgent(owner)
    const gateway = { name: 'The gateway of the files', redirectUris: ['https://files.example/callback'] }
    const { clientId, clientSecret } = await oauth.server.api.call(createClient, { body: gateway, token: admin })
    speaker = await client.discovery(new URL(oauth.issuer), clientId, clientSecret, undefined, insecure)
    const scopes = ['files:read', 'files:write']
    const introspectedBy = [clientId]
    const resource = { resource: files, name: 'Files', scopes, introspectedBy }
    await oauth.server.api.call(createResource, { body: resource, token: admin })
    await oauth.server.api.call(createResource, {
      body: { resource: mail, name: 'Mail', scopes: ['send'] },
      token: admin,
    })
  })
  afterAll(() => oauth.server.close())

  let made = 0
  async function ownedAgent({ token }: TestUser, capabilities: string[] = []): Promise<TestAgent> {
    const name = `an agent of a person ${++made}`
    const body = { name, capabilities }
    const { agentId, privateKey = '' } = await oauth.server.api.call(registerAgent, { body, token })
    return { id: agentId, name, privateKey: createPrivateKey(privateKey) }
  }

  async function exchange(who: TestAgent, subjectToken: string, wanted: Record<string, string> = {}) {
    const parameters = { subject_token: subjectToken, subject_token_type: accessToken, ...wanted }
    return client.genericGrantRequest(await asAgent(oauth.issuer, who), grant, parameters)
  }

  const introspect = (token: string) => client.tokenIntrospection(speaker, token)

  /** What the last refusal left in the log. */
  async function lastRefusal() {
    const query = { type: 'token.exchange-refused' as const, limit: 1 }
    const { events } = await oauth.server.api.call(listAuditEvents, { query, token: admin })
    return events[0]
  }

  test('an agent acts for its owner, who stays the subject', async () => {
    const tokens = await exchange(agent, owner.token, { resource: files, scope: 'files:read' })
    expect(tokens).toMatchObject({ issued_token_type: accessToken, token_type: 'bearer', scope: 'files:read' })
    expect(decodeJwt(tokens.access_token)).toMatchObject({
      sub: owner.id,
      act: { sub: agent.id },
      aud: files,
      scope: 'files:read',
      client_id: agent.id,
    })
    expect(decodeJwt(tokens.access_token)).not.toHaveProperty('act.act')
    expect(await introspect(tokens.access_token)).toMatchObject({ active: true, act: { sub: agent.id } })
  })

  test('the chain grows by who proves itself, from our records, whatever a token says', async () => {
    const second = await makeAgent(oauth.server, admin)
    const body = { resource: 'https://chained.example', name: 'Chained', scopes: ['x', 'y'] }
    await oauth.server.api.call(createResource, { body: { ...body, introspectedBy: [] }, token: admin })
    const first = await exchange(agent, owner.token, { resource: body.resource })
    // Whom nobody named may not go on with it.
    await expect(exchange(second, first.access_token)).rejects.toMatchObject({ error: 'invalid_request' })
    // Who holds it narrows it further, and does not stand in the chain twice.
    const narrower = await exchange(agent, first.access_token, { scope: 'x' })
    expect(decodeJwt(narrower.access_token)).toMatchObject({ sub: owner.id, act: { sub: agent.id }, scope: 'x' })
    expect(decodeJwt(narrower.access_token)).not.toHaveProperty('act.act')
  })

  test('a resource server goes on in its own name with what was sent to it, and its actors are all named', async () => {
    const { serviceId } = await oauth.server.api.call(createService, { body: { name: 'the archive' }, token: admin })
    const { secret } = await oauth.server.api.call(createServiceSecret, {
      params: { serviceId },
      body: {},
      token: admin,
    })
    const archive = { resource: 'https://archive.example', name: 'The archive', scopes: ['keep'] }
    const body = { ...archive, introspectedBy: [serviceId] }
    await oauth.server.api.call(createResource, { body, token: admin })
    const first = await exchange(agent, owner.token, { resource: archive.resource })
    const config = await client.discovery(new URL(oauth.issuer), serviceId, secret, undefined, insecure)
    const parameters = { subject_token: first.access_token, subject_token_type: accessToken }
    const tokens = await client.genericGrantRequest(config, grant, parameters)
    expect(decodeJwt(tokens.access_token)).toMatchObject({
      sub: owner.id,
      act: { sub: serviceId, act: { sub: agent.id } },
      client_id: serviceId,
      scope: 'keep',
    })
    // The agent in the middle of the chain is stopped, and with it all that came after.
    await oauth.server.api.call(suspendAgent, { params: { agentId: agent.id }, body: {}, token: admin })
    expect(await client.tokenIntrospection(config, tokens.access_token)).toEqual({ active: false })
    await expect(client.genericGrantRequest(config, grant, parameters)).rejects.toMatchObject({
      error: 'invalid_request',
    })
    await oauth.server.api.call(reactivateAgent, { params: { agentId: agent.id }, body: {}, token: admin })
    expect(await client.tokenIntrospection(config, tokens.access_token)).toMatchObject({ active: true })
  })

  test('a target that no database stores is refused as any other, and the refusal is an event', async () => {
    for (const [audience, stored] of [
      ['x\u0000', String.raw`x\u{0}`],
      ['\u001b[2J\u0085', String.raw`\u{1b}[2J\u{85}`],
      [String.raw`\u{0}`, String.raw`\u{5c}u{0}`],
      ['é'.repeat(5000), expect.stringMatching(/^é{2048}…\[2952 characters cut\]$/)],
    ] as const) {
      await expect(exchange(agent, owner.token, { audience })).rejects.toMatchObject({ error: 'invalid_target' })
      expect(await lastRefusal()).toMatchObject({ reasons: ['resource-unknown'], data: { resource: stored } })
    }
  })

  test('scope, resource and life only shrink, and each refusal is an event with its reason', async () => {
    const { access_token: token } = await exchange(agent, owner.token, { resource: files, scope: 'files:read' })
    const cases = [
      [{ scope: 'files:write' }, 'invalid_scope', 'scope-not-granted'],
      [{ resource: mail }, 'invalid_target', 'resource-not-granted'],
      [{ resource: 'https://unknown.example' }, 'invalid_target', 'resource-unknown'],
      [{ resource: `${oauth.issuer}/api` }, 'invalid_target', 'resource-not-granted'],
    ] as const
    for (const [wanted, error, reason] of cases) {
      await expect(exchange(agent, token, wanted)).rejects.toMatchObject({ error })
      expect(await lastRefusal()).toMatchObject({ actor: agent.id, decision: 'deny', reasons: [reason] })
    }
    // By the process's clock: the library and the client look at no other.
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 600_000 })
    const later = await exchange(agent, token)
    vi.useRealTimers()
    expect(later.expires_in).toBeLessThanOrEqual(300)
    expect(decodeJwt(later.access_token).exp).toBeLessThanOrEqual(decodeJwt(token).exp ?? 0)
  })

  test('a machine gets no scope in exchange for its own token that it does not hold', async () => {
    const holder = await makeAgent(oauth.server, admin, ['files:read'])
    const { access_token: own } = await client.clientCredentialsGrant(await asAgent(oauth.issuer, holder))
    const wider = exchange(holder, own, { resource: files, scope: 'files:write' })
    await expect(wider).rejects.toMatchObject({ error: 'invalid_scope' })
    expect(await exchange(holder, own, { resource: files })).toMatchObject({ scope: 'files:read' })
  })

  test('the token of a stranger is not for an agent', async () => {
    const stranger = await oauth.server.user('viewer')
    await expect(exchange(agent, stranger.token, { resource: files })).rejects.toMatchObject({
      error: 'invalid_request',
    })
    expect(await lastRefusal()).toMatchObject({ reasons: ['not-for-this-client'] })
  })

  test('what is no live token of this issuer is not exchanged', async () => {
    const ended = await oauth.server.user('manager')
    const theirs = await ownedAgent(ended)
    await oauth.server.api.call(logout, { token: ended.token })
    const [header, , signature] = owner.token.split('.')
    const forged = `${header}.${Buffer.from(JSON.stringify({ ...decodeJwt(owner.token), sub: agent.id })).toString('base64url')}.${signature}`
    const foreign = await oauth.server.tenant(`foreign-${made}`)
    for (const [who, token] of [
      [theirs, ended.token],
      [agent, forged],
      [agent, 'nonsense'],
      [agent, foreign.admin.token],
    ] as const) {
      await expect(exchange(who, token, { resource: files })).rejects.toMatchObject({ error: 'invalid_request' })
      expect(await lastRefusal()).toMatchObject({ reasons: ['subject-token-invalid'] })
    }
  })

  test('an exchanged token ends with what it was made of, and with whoever acts in it', async () => {
    const person = await oauth.server.user('manager')
    const [first, second] = [await ownedAgent(person), await ownedAgent(person)]
    const suspended = await exchange(first, person.token, { resource: files })
    const kept = await exchange(second, person.token, { resource: files })
    await oauth.server.api.call(suspendAgent, { params: { agentId: first.id }, body: {}, token: admin })
    expect(await introspect(suspended.access_token)).toEqual({ active: false })
    expect(await introspect(kept.access_token)).toMatchObject({ active: true })
    await oauth.server.api.call(logout, { token: person.token })
    expect(await introspect(kept.access_token)).toEqual({ active: false })
  })

  test('at our own API an agent acts for its owner with what both may, and within the scope', async () => {
    const person = await oauth.server.user('manager')
    const theirs = await ownedAgent(person, ['file/docs/*:read', 'file/docs/*:write'])
    const own = { resource: `${oauth.issuer}/api` }
    const { access_token: token, scope } = await exchange(theirs, person.token, own)
    expect(scope).toBe('*:*')
    expect(decodeJwt(token)).toMatchObject({ sub: person.id, act: { sub: theirs.id } })
    const ask = (resource: string, action: string, as = token) =>
      oauth.server.api.call(check, { body: { resource, action }, token: as })
    expect(await ask('file/docs/a', 'read')).toMatchObject({ allowed: true, chain: [person.id, theirs.id] })
    // The person may read anything; the agent may not.
    const beyond = await ask('file/payroll/a', 'read')
    expect(beyond).toMatchObject({ allowed: false, deniedBy: { identityId: theirs.id, hop: 0 } })
    const reading = await exchange(theirs, token, { ...own, scope: 'file/docs/*:read' })
    expect(await ask('file/docs/a', 'write', reading.access_token)).toMatchObject({ allowed: false })
    await expect(exchange(theirs, reading.access_token, { ...own, scope: 'file/docs/*:write' })).rejects.toMatchObject({
      error: 'invalid_scope',
    })
    // A scope that is not asked for does not reach the platform, and nobody's credentials are changed in another's name.
    expect(await oauth.server.api.refuse(listAgents, { token })).toMatchObject({ code: 'forbidden' })
    const anything = await exchange(theirs, person.token, { ...own, scope: 'agent-iam:* *:*' })
    const body = { currentPassword: password, newPassword: 'nine brown otters on the bank' }
    expect(await oauth.server.api.refuse(changePassword, { body, token: anything.access_token })).toMatchObject({
      code: 'forbidden',
      detail: expect.stringContaining('log in as yourself'),
    })
    const child = { body: { name: 'child', capabilities: [] }, token: anything.access_token }
    expect(await oauth.server.api.refuse(delegateAgent, child)).toMatchObject({ code: 'forbidden' })
    // What the person loses, the agent loses at once.
    await oauth.server.api.call(logout, { token: person.token })
    expect(
      await oauth.server.api.refuse(check, { body: { resource: 'file/docs/a', action: 'read' }, token }),
    ).toMatchObject({
      code: 'token-revoked',
    })
  })

  test('who acts for another makes nobody, and no credential, that would go on without them', async () => {
    const person = await oauth.server.user('admin')
    const entries = ['file/docs/*:read', 'agent-iam:*']
    const actor = await ownedAgent(person, entries)
    const own = { resource: `${oauth.issuer}/api`, scope: entries.join(' ') }
    const { access_token: token } = await exchange(actor, person.token, own)
    const { api } = oauth.server
    expect((await api.call(listAgents, { token })).agents.length).toBeGreaterThan(0)
    const { serviceId } = await api.call(createService, { body: { name: 'a service of theirs' }, token: person.token })
    const other = await oauth.server.user('member')
    for (const refused of [
      await api.refuse(registerAgent, { body: { name: 'made for another' }, token }),
      await api.refuse(createService, { body: { name: 'made for another' }, token }),
      await api.refuse(createServiceSecret, { params: { serviceId }, body: {}, token }),
      await api.refuse(createEnrolmentToken, { body: { name: 'made for another' }, token }),
      await api.refuse(createClient, { ...createClient.example, token }),
      await api.refuse(setUserRole, { params: { userId: other.id }, body: { role: 'viewer' }, token }),
      await api.refuse(updateAgent, { params: { agentId: agent.id }, body: { capabilities: entries }, token }),
    ])
      expect(refused).toMatchObject({ code: 'forbidden', detail: expect.stringContaining('log in as yourself') })
  })

  test('our own API takes no token that was exchanged for another', async () => {
    const { access_token: token } = await exchange(agent, owner.token, { resource: files })
    const problem = await oauth.server.api.refuse(validate, { token })
    expect(problem).toMatchObject({ code: 'invalid-token' })
    expect(problem.detail).toContain(`whose resource is ${oauth.issuer}/api`)
  })

  test('an exchanged token is bound to the key that the request proves', async () => {
    const config = await asAgent(oauth.issuer, agent)
    const handle = client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256'))
    const parameters = { subject_token: owner.token, subject_token_type: accessToken, resource: files }
    const tokens = await client.genericGrantRequest(config, grant, parameters, { DPoP: handle })
    expect(tokens.token_type).toBe('dpop')
    const { cnf } = decodeJwt(tokens.access_token)
    expect(cnf).toEqual({ jkt: await handle.calculateThumbprint() })
    // Without the key, it is exchanged by nobody.
    await expect(exchange(agent, tokens.access_token)).rejects.toMatchObject({ error: 'invalid_request' })
    const again = { ...parameters, subject_token: tokens.access_token }
    await client.genericGrantRequest(config, grant, again, { DPoP: handle })
  })

  test('parameters that mean something else are refused', async () => {
    const cases = [
      { subject_token_type: 'urn:ietf:params:oauth:token-type:saml2' },
      { requested_token_type: 'urn:ietf:params:oauth:token-type:refresh_token' },
      { actor_token: owner.token, actor_token_type: accessToken },
      { resource: files, audience: mail },
    ]
    for (const wanted of cases)
      await expect(exchange(agent, owner.token, wanted)).rejects.toMatchObject({
        error: expect.stringMatching(/^invalid_(request|target)$/),
      })
  })

  test('another instance takes the token over, and ends it too', async () => {
    const beside = await listenBeside(oauth)
    const person = await oauth.server.user('manager')
    const theirs = await ownedAgent(person)
    const tokens = await exchange(theirs, person.token, { resource: files })
    expect(await introspect(tokens.access_token)).toMatchObject({ active: true })
    await beside.server.api.call(deleteAgent, { params: { agentId: theirs.id }, token: admin })
    expect(await introspect(tokens.access_token)).toEqual({ active: false })
  })
})
