import {
  pinAgentCertificate,
  pinServiceCertificate,
  listAgentCertificates,
  removeAgentCertificate,
} from '@agent-iam/contract/certificates'
import { login, refresh, validate } from '@agent-iam/contract/auth'
import { createService } from '@agent-iam/contract/services'
import { issueToken } from '@agent-iam/contract/token'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { loginAgent, makeAgent, type TestAgent } from './agents.ts'
import { selfSigned, weakRsa, type TestCertificate } from './certificates.ts'
import { databases } from './databases.ts'
import { openServer, type TestServer } from './test-server.ts'

const proxy = '192.0.2.1'
const header = 'x-client-cert'
const certificateLogin = ({ id }: TestAgent) => ({ agentId: id, credentials: { type: 'certificate' as const } })
const escaped = ({ pem }: TestCertificate) => ({ [header]: encodeURIComponent(pem) })

describe.each(databases)('certificates behind a proxy on %s', (_name, open) => {
  let server: TestServer
  let admin: string
  let agent: TestAgent
  let certificate: TestCertificate

  beforeAll(async () => {
    server = await openServer(await open(), { trustedProxies: [proxy], clientCertificateHeader: 'X-Client-Cert' })
  })
  beforeEach(async () => {
    admin = await server.admin()
    agent = await makeAgent(server, admin)
    certificate = await selfSigned(agent.name)
    await pin(agent, certificate)
  })
  afterAll(() => server.close())

  const pin = async ({ id }: TestAgent, { pem }: TestCertificate) =>
    server.api.call(pinAgentCertificate, { params: { agentId: id }, body: { certificate: pem }, token: admin })
  const loginBy = async (by: TestCertificate, who = agent) =>
    server.api.call(login, { body: certificateLogin(who), from: proxy, headers: escaped(by) })

  test('a certificate that is pinned to the agent logs it in, and its tokens need it at each use', async () => {
    const { accessToken: token, refreshToken, tokenType } = await loginBy(certificate)
    expect(tokenType).toBe('Bearer')
    const claims: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
    expect(claims).toMatchObject({ cnf: { 'x5t#S256': certificate.thumbprint } })
    await server.api.call(validate, { token, from: proxy, headers: escaped(certificate) })
    const other = await selfSigned('other')
    for (const headers of [{}, escaped(other), { [header]: 'nonsense' }, { [header]: '%' }])
      expect((await server.api.refuse(validate, { token, from: proxy, headers })).code).toBe('invalid-token')
    const body = { refreshToken }
    expect((await server.api.refuse(refresh, { body, from: proxy, headers: escaped(other) })).code).toBe(
      'invalid-token',
    )
    await server.api.call(refresh, { body, from: proxy, headers: escaped(certificate) })
  })

  test('a certificate in the spelling of RFC 9440 counts as well', async () => {
    const der = certificate.pem.replaceAll(/-----[A-Z ]+-----|\s/g, '')
    const headers = { [header]: `:${der}:` }
    const answer = await server.api.send(login, { body: certificateLogin(agent), from: proxy, headers })
    expect(answer.status).toBe(200)
  })

  test('the header is believed of a trusted proxy alone', async () => {
    const headers = { ...escaped(certificate), 'x-forwarded-for': proxy, forwarded: `for=${proxy}` }
    for (const from of ['192.0.2.2', '127.0.0.1', '::1', '::ffff:192.0.2.2']) {
      const problem = await server.api.refuse(login, { body: certificateLogin(agent), from, headers })
      expect(problem.code).toBe('invalid-credentials')
    }
    // The same proxy in its other spelling.
    await server.api.call(login, {
      body: certificateLogin(agent),
      from: `::ffff:${proxy}`,
      headers: escaped(certificate),
    })
    const { accessToken: token } = await loginBy(certificate)
    expect((await server.api.refuse(validate, { token, from: '192.0.2.2', headers })).code).toBe('invalid-token')
  })

  test('a certificate proves whom it is pinned to and nobody else, in the same words as none at all', async () => {
    const other = await makeAgent(server, admin)
    const unknown = { ...agent, id: `agt_${'9'.repeat(32)}` as const }
    const words = new Set<string>()
    for (const [who, headers] of [
      [other, escaped(certificate)],
      [unknown, escaped(certificate)],
      [agent, escaped(await selfSigned('stranger'))],
      [agent, {}],
    ] as const) {
      const { code, detail } = await server.api.refuse(login, { body: certificateLogin(who), from: proxy, headers })
      words.add(`${code}: ${detail}`)
    }
    expect([...words]).toEqual([expect.stringMatching(/^invalid-credentials: /)])
  })

  test('a removed certificate logs in no more, and its sessions end; others live on', async () => {
    const byKey = await loginAgent(server, agent)
    const { accessToken: token } = await loginBy(certificate)
    const params = { agentId: agent.id, thumbprint: certificate.thumbprint }
    await server.api.call(removeAgentCertificate, { params, token: admin })
    const headers = escaped(certificate)
    expect((await server.api.refuse(validate, { token, from: proxy, headers })).code).toBe('token-revoked')
    const problem = await server.api.refuse(login, { body: certificateLogin(agent), from: proxy, headers })
    expect(problem.code).toBe('invalid-credentials')
    await server.api.call(validate, { token: byKey.accessToken })
    expect((await server.api.refuse(removeAgentCertificate, { params, token: admin })).code).toBe('not-found')
  })

  test('a certificate counts only while it is in force, also for tokens that it got', async () => {
    const brief = await selfSigned('brief', { notAfter: new Date(server.clock.now().getTime() + 300_000) })
    await pin(agent, brief)
    const { accessToken: token } = await loginBy(brief)
    const early = await selfSigned('early', {
      notBefore: new Date(server.clock.now().getTime() + 3_600_000),
      notAfter: new Date(server.clock.now().getTime() + 7_200_000),
    })
    await pin(agent, early)
    server.clock.advance(301)
    for (const each of [brief, early]) {
      const problem = await server.api.refuse(login, {
        body: certificateLogin(agent),
        from: proxy,
        headers: escaped(each),
      })
      expect(problem.code).toBe('invalid-credentials')
    }
    expect((await server.api.refuse(validate, { token, from: proxy, headers: escaped(brief) })).code).toBe(
      'invalid-token',
    )
  })

  test('weak, expired and authorities’ certificates are not pinned, and neither is a key or a chain', async () => {
    const refused: Array<[string, RegExp]> = [
      [(await selfSigned('weak', { algorithm: weakRsa })).pem, /2048/],
      [(await selfSigned('old', { notAfter: new Date(server.clock.now().getTime() - 1000) })).pem, /expired/],
      [(await selfSigned('authority', { isAuthority: true })).pem, /authority/],
      [certificate.key, /private key/],
      [`${certificate.pem}\n${certificate.pem}`, /one certificate/],
      [certificate.pem.replace('MII', 'AAA'), /cannot be read/],
      ['', /one certificate/],
    ]
    for (const [pem, reason] of refused) {
      const params = { agentId: agent.id }
      const problem = await server.api.refuse(pinAgentCertificate, { params, body: { certificate: pem }, token: admin })
      expect(problem.code, problem.detail).toBe('invalid-request')
      expect(problem.detail).toMatch(reason)
    }
    const again = { params: { agentId: agent.id }, body: { certificate: certificate.pem }, token: admin }
    expect((await server.api.refuse(pinAgentCertificate, again)).code).toBe('already-exists')
  })

  test('an agent has at most ten', async () => {
    const authority = await selfSigned('authority', { isAuthority: true })
    for (let n = 2; n <= 10; n++) await pin(agent, await authority.issue(`number ${n}`))
    const { pem } = await authority.issue('one more')
    const input = { params: { agentId: agent.id }, body: { certificate: pem }, token: admin }
    expect((await server.api.refuse(pinAgentCertificate, input)).code).toBe('wrong-state')
    const { certificates } = await server.api.call(listAgentCertificates, { params: input.params, token: admin })
    expect(certificates).toHaveLength(10)
  })

  test('a service gets its tokens by certificate, bound to it', async () => {
    const name = `service of ${agent.name}`
    const { serviceId } = await server.api.call(createService, { body: { name }, token: admin })
    const body = { grant_type: 'client_credentials' as const, client_id: serviceId }
    const pinned = { params: { serviceId }, body: { certificate: certificate.pem }, token: admin }
    const shown = { from: proxy, headers: escaped(certificate) }
    expect((await server.api.refuse(issueToken, { body, ...shown })).code).toBe('invalid-credentials')
    await server.api.call(pinServiceCertificate, pinned)
    expect((await server.api.refuse(issueToken, { body })).code).toBe('invalid-request')
    const { access_token: token, token_type } = await server.api.call(issueToken, { body, ...shown })
    expect(token_type).toBe('Bearer')
    await server.api.call(validate, { token, ...shown })
    expect((await server.api.refuse(validate, { token })).code).toBe('invalid-token')
  })
})
