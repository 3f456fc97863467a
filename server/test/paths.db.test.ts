import { registerAgent } from '@agent-iam/contract/agents'
import { createSdkToken } from '@agent-iam/contract/sdk-tokens'
import { login } from '@agent-iam/contract/auth'
import { forgotPassword } from '@agent-iam/contract/accounts'
import { setRegistrationSettings } from '@agent-iam/contract/registrations'
import { createServiceSecret, createService } from '@agent-iam/contract/services'
import { createSession } from '@agent-iam/contract/sessions'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { aKey, assertion, loginAgent, makeAgent, type TestAgent } from './agents.ts'
import { databases } from './databases.ts'
import { mailedToken } from './mailbox.ts'
import { openServer, password, type TestServer, type TestUser } from './test-server.ts'

/** What a row of the table may use: who is there already, and an agent that is logged in. */
interface Ground {
  readonly server: TestServer
  readonly admin: string
  readonly user: TestUser
  readonly agent: TestAgent
  readonly agentToken: string
}

interface Asked {
  readonly token?: string
  readonly query?: string
  readonly id?: string
  readonly body?: unknown
}

interface NamedPath {
  /** Which document names it, and by what path. */
  readonly source: 'prd' | 'report' | 'aim' | 'issue'
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE' | 'PATCH'
  readonly path: string
  /** The request, with the body as it is shown there. */
  readonly ask: (ground: Ground) => Asked | Promise<Asked>
  readonly status: 200 | 201
  /** The fields that the answer is shown with; of a field with a value, that one. */
  readonly fields: Readonly<Record<string, unknown>>
}

const text = expect.any(String)
const seconds = expect.any(Number)
const tokens = { accessToken: text, refreshToken: text, expiresIn: seconds, tokenType: 'Bearer' }
const newPassword = 'nine brown otters on the bank'

const personsLogin = ({ user: { email, tenant } }: Ground): Asked => ({ body: { email, password, tenant } })
const agentsLogin = async ({ server, agent }: Ground): Promise<Asked> => ({ body: await assertion(agent, server) })
const refreshing = async ({ server, agent }: Ground): Promise<Asked> => {
  const { refreshToken } = await loginAgent(server, agent)
  return { body: { refreshToken } }
}
const freshPerson = async ({ server }: Ground): Promise<Asked> => ({ token: (await server.user('viewer')).token })
const forgetful = ({ user: { email, tenant } }: Ground): Asked => ({ body: { email, tenant } })
const resetting = async ({ server, admin }: Ground): Promise<Asked> => {
  const { email } = await server.user('viewer')
  await server.api.call(forgotPassword, { body: { email } })
  return { body: { token: await mailedToken(server, email, admin), newPassword } }
}
const changing = async (ground: Ground): Promise<Asked> => ({
  ...(await freshPerson(ground)),
  body: { currentPassword: password, newPassword },
})
let registrants = 0
const registering = (): Asked => ({
  body: { email: `new-${++registrants}@example.com`, name: 'New', password: newPassword, tenant: 'default' },
})
const serviceAsking = async ({ server, admin }: Ground): Promise<Asked> => {
  const body = { name: `service ${++registrants}` }
  const { serviceId } = await server.api.call(createService, { body, token: admin })
  const { secret } = await server.api.call(createServiceSecret, { params: { serviceId }, body: {}, token: admin })
  return { body: { grant_type: 'client_credentials', client_id: serviceId, client_secret: secret } }
}
const ofAgent = ({ agentToken: token }: Ground): Asked => ({ token })
const sessionOfAgent = async ({ server, agent, agentToken: token }: Ground) =>
  server.api.call(createSession, { body: { agentId: agent.id }, token })
const sdkTokenOfPerson = async ({ server, user: { token } }: Ground): Promise<Asked> => {
  const { sdkTokenId } = await server.api.call(createSdkToken, { body: { device: 'laptop' }, token })
  return { token, id: sdkTokenId }
}

const validOfAgent = { valid: true, agentId: text, expiresAt: text }
const session = { sessionId: text, agentId: text, startTime: text, expiresAt: text, status: 'active' }
const clientsToken = { access_token: text, token_type: 'Bearer', expires_in: seconds }

/** As the report shows it, under a name of its own: every row is asked under both roots. */
const sampleAgent = () => ({
  name: `DataProcessor-${++registrants}`,
  type: 'worker',
  capabilities: ['data-processing', 'ml-inference'],
  metadata: { version: '1.0.0', deploymentRegion: 'us-east-1' },
})
const ofFreshAgent =
  (body?: unknown) =>
  async ({ server, admin: token }: Ground): Promise<Asked> => ({
    token,
    id: (await makeAgent(server, token)).id,
    ...(body !== undefined && { body }),
  })
const ofPendingAgent = async ({ server, admin: token }: Ground): Promise<Asked> => {
  const body = { name: `pending ${++registrants}`, publicKey: aKey().publicKey }
  return { token, id: (await server.api.call(registerAgent, { body, token })).agentId }
}
const detailsOfAgent = { agentId: text, name: text, type: text, trustScore: 0.5, status: 'active' }
const reportsChange = { capabilities: ['new-capability'], metadata: { version: '1.1.0' } }
// The report shows the status `updated`; the truth is the agent's own (DESIGN D11).
const changed = { agentId: text, status: 'active', updatedAt: text, capabilities: ['new-capability'] }
const oneRow = (
  source: NamedPath['source'],
  [method, path, status = 200]: readonly [NamedPath['method'], string, NamedPath['status']?],
  ask: NamedPath['ask'],
  fields: NamedPath['fields'],
): NamedPath => ({ source, method, path, ask, status, fields })

/** Every path that the requirements name for agents and identities. */
const namedOfIdentities: readonly NamedPath[] = [
  oneRow('report', ['POST', '/api/v1/agents', 201], ({ admin: token }) => ({ token, body: sampleAgent() }), {
    agentId: text,
    name: text,
    trustScore: 0.5,
    status: 'active',
    createdAt: text,
  }),
  oneRow('report', ['GET', '/api/v1/agents/:id'], ofFreshAgent(), { ...detailsOfAgent, lastActivity: null }),
  oneRow('report', ['PATCH', '/api/v1/agents/:id'], ofFreshAgent(reportsChange), changed),
  oneRow('aim', ['GET', '/api/v1/agents'], ({ admin: token }) => ({ token, query: '?limit=1' }), {
    agents: [expect.objectContaining({ agentId: text })],
  }),
  oneRow('aim', ['PUT', '/api/v1/agents/:id'], ofFreshAgent(reportsChange), changed),
  oneRow('aim', ['DELETE', '/api/v1/agents/:id'], ofFreshAgent(), { status: 'deleted', stoppedDescendants: 0 }),
  oneRow('aim', ['POST', '/api/v1/agents/:id/verify'], ofPendingAgent, { status: 'active' }),
  oneRow('aim', ['GET', '/api/v1/agents/:id/trust'], ofFreshAgent(), { trustScore: 0.5, riskLevel: 'MEDIUM' }),
  oneRow('aim', ['GET', '/api/v1/agents/:id/capabilities'], ofFreshAgent(), { capabilities: [] }),
  oneRow('issue', ['POST', '/api/v1/agents/:id/revoke'], ofFreshAgent({ reason: 'leaked' }), { status: 'revoked' }),
  oneRow(
    'issue',
    ['POST', '/api/v1/identities', 201],
    ({ admin: token }) => ({ token, body: { kind: 'agent', ...sampleAgent() } }),
    { identityId: text, kind: 'agent', status: 'active' },
  ),
  oneRow('issue', ['GET', '/api/v1/identities'], ({ admin: token }) => ({ token, query: '?limit=1&fields=name' }), {
    identities: [{ identityId: text, kind: text, name: text, revision: seconds }],
  }),
  oneRow('issue', ['GET', '/api/v1/identities/:id'], ofFreshAgent(), { identityId: text, kind: 'agent' }),
  oneRow('issue', ['PATCH', '/api/v1/identities/:id'], ofFreshAgent({ tags: ['a'] }), { tags: ['a'] }),
  oneRow('issue', ['DELETE', '/api/v1/identities/:id'], ofFreshAgent(), { status: 'deleted' }),
]

/** Every path that the requirements name for authentication, tokens and sessions. `/v1` is an alias of all of them. */
const named: readonly NamedPath[] = [
  { source: 'prd', method: 'POST', path: '/v1/auth/login', ask: personsLogin, status: 200, fields: tokens },
  { source: 'prd', method: 'POST', path: '/v1/auth/refresh', ask: refreshing, status: 200, fields: tokens },
  {
    source: 'prd',
    method: 'POST',
    path: '/v1/auth/logout',
    ask: freshPerson,
    status: 200,
    fields: { sessionId: text },
  },
  { source: 'prd', method: 'POST', path: '/v1/auth/token', ask: serviceAsking, status: 200, fields: clientsToken },
  { source: 'report', method: 'POST', path: '/api/v1/auth/login', ask: agentsLogin, status: 200, fields: tokens },
  { source: 'report', method: 'GET', path: '/api/v1/auth/validate', ask: ofAgent, status: 200, fields: validOfAgent },
  {
    source: 'report',
    method: 'POST',
    path: '/api/v1/sessions',
    ask: ({ agent, agentToken: token }) => ({
      token,
      body: {
        agentId: agent.id,
        duration: 3600,
        metadata: { purpose: 'data-query', location: 'cloud-region-1' },
      },
    }),
    status: 201,
    fields: session,
  },
  {
    source: 'report',
    method: 'GET',
    path: '/api/v1/sessions',
    ask: ({ agent, admin: token }) => ({ token, query: `?agentId=${agent.id}&status=active` }),
    status: 200,
    fields: { sessions: expect.arrayContaining([expect.objectContaining(session)]), total: seconds },
  },
  { source: 'aim', method: 'POST', path: '/api/v1/public/login', ask: personsLogin, status: 200, fields: tokens },
  {
    source: 'aim',
    method: 'POST',
    path: '/api/v1/public/register',
    ask: registering,
    status: 201,
    fields: { registrationId: text, status: 'pending' },
  },
  { source: 'aim', method: 'POST', path: '/api/v1/auth/validate', ask: ofAgent, status: 200, fields: validOfAgent },
  { source: 'aim', method: 'POST', path: '/api/v1/auth/refresh', ask: refreshing, status: 200, fields: tokens },
  { source: 'aim', method: 'POST', path: '/api/v1/auth/change-password', ask: changing, status: 200, fields: {} },
  { source: 'aim', method: 'POST', path: '/api/v1/public/forgot-password', ask: forgetful, status: 200, fields: {} },
  { source: 'aim', method: 'POST', path: '/api/v1/public/reset-password', ask: resetting, status: 200, fields: {} },
  {
    source: 'aim',
    method: 'GET',
    path: '/api/v1/sdk/tokens/:id',
    ask: sdkTokenOfPerson,
    status: 200,
    fields: { sdkTokenId: text, device: 'laptop', status: 'active', lastUsedAt: null },
  },
  {
    source: 'aim',
    method: 'GET',
    path: '/api/v1/admin/users',
    ask: ({ admin: token }) => ({ token, query: '?status=active' }),
    status: 200,
    fields: { users: expect.arrayContaining([expect.objectContaining({ userId: text, roles: ['admin'] })]) },
  },
  {
    source: 'aim',
    method: 'GET',
    path: '/api/v1/admin/dashboard/stats',
    ask: ({ admin: token }) => ({ token }),
    status: 200,
    fields: { agents: { active: 1 }, users: { suspended: 0 }, policies: 0 },
  },
  {
    source: 'aim',
    method: 'PUT',
    path: '/api/v1/admin/users/:id/role',
    ask: async ({ server, admin: token }) => ({ token, id: (await server.user()).id, body: { role: 'member' } }),
    status: 200,
    fields: { userId: text, roles: ['member'] },
  },
  // Named without a path by the requirements; the paths are of the issue.
  {
    source: 'issue',
    method: 'POST',
    path: '/api/v1/auth/token',
    ask: serviceAsking,
    status: 200,
    fields: clientsToken,
  },
  {
    source: 'issue',
    method: 'POST',
    path: '/api/v1/auth/logout-all',
    ask: freshPerson,
    status: 200,
    fields: { ended: 1 },
  },
  {
    source: 'issue',
    method: 'POST',
    path: '/api/v1/auth/validate',
    ask: ({ agentToken, admin: token }) => ({ token, body: { token: agentToken } }),
    status: 200,
    fields: validOfAgent,
  },
  {
    source: 'issue',
    method: 'GET',
    path: '/api/v1/sessions/:id',
    ask: async (ground) => ({ token: ground.agentToken, id: (await sessionOfAgent(ground)).sessionId }),
    status: 200,
    fields: session,
  },
  {
    source: 'issue',
    method: 'POST',
    path: '/api/v1/sessions/:id/refresh',
    ask: async (ground) => {
      const { sessionId, refreshToken } = await sessionOfAgent(ground)
      return { id: sessionId, body: { refreshToken } }
    },
    status: 200,
    fields: tokens,
  },
  {
    source: 'issue',
    method: 'PATCH',
    path: '/api/v1/sessions/:id/metadata',
    ask: async (ground) => ({
      token: ground.agentToken,
      id: (await sessionOfAgent(ground)).sessionId,
      body: { metadata: { purpose: 'other' } },
    }),
    status: 200,
    fields: { metadata: { purpose: 'other' } },
  },
  {
    source: 'issue',
    method: 'DELETE',
    path: '/api/v1/sessions/:id',
    ask: async (ground) => ({ token: ground.agentToken, id: (await sessionOfAgent(ground)).sessionId }),
    status: 200,
    fields: { status: 'ended' },
  },
  {
    source: 'issue',
    method: 'GET',
    path: '/api/v1/sessions/statistics',
    ask: ({ admin: token }) => ({ token }),
    status: 200,
    fields: { byStatus: expect.objectContaining({ active: seconds }) },
  },
  {
    source: 'issue',
    method: 'DELETE',
    path: '/api/v1/agents/:id/sessions',
    ask: async ({ server, admin: token }) => ({ token, id: (await makeAgent(server, token)).id }),
    status: 200,
    fields: { ended: 0 },
  },
  {
    source: 'issue',
    method: 'POST',
    path: '/api/v1/sdk/tokens',
    ask: async (ground) => ({ ...(await freshPerson(ground)), body: { device: 'laptop' } }),
    status: 201,
    fields: { sdkTokenId: text, ...tokens },
  },
  {
    source: 'issue',
    method: 'GET',
    path: '/api/v1/sdk/tokens',
    ask: freshPerson,
    status: 200,
    fields: { sdkTokens: [] },
  },
  {
    source: 'issue',
    method: 'GET',
    path: '/api/v1/sdk/tokens/count',
    ask: freshPerson,
    status: 200,
    fields: { active: 0, total: 0 },
  },
  {
    source: 'issue',
    method: 'DELETE',
    path: '/api/v1/sdk/tokens/:id',
    ask: sdkTokenOfPerson,
    status: 200,
    fields: { status: 'revoked' },
  },
  {
    source: 'issue',
    method: 'DELETE',
    path: '/api/v1/sdk/tokens',
    ask: freshPerson,
    status: 200,
    fields: { revoked: 0 },
  },
  {
    source: 'issue',
    method: 'POST',
    path: '/api/v1/sdk/tokens/:id/recover',
    ask: sdkTokenOfPerson,
    status: 200,
    fields: { status: 'active', ...tokens },
  },
]

/** The path as it is named, and under the other of the two roots. */
function bothRoots(path: string): string[] {
  return path.startsWith('/api/') ? [path, path.slice('/api'.length)] : [path, `/api${path}`]
}

const cases = [...named, ...namedOfIdentities].flatMap((row) =>
  bothRoots(row.path).map((path) => [row.source, row.method, path, row] as const),
)

describe.each(databases)('the paths of the requirements on %s', (_name, open) => {
  let ground: Ground

  beforeAll(async () => {
    const server = await openServer(await open())
    const admin = await server.admin()
    await server.api.call(setRegistrationSettings, { body: { selfRegistration: 'approval' }, token: admin })
    const user = await server.user('viewer')
    const agent = await makeAgent(server, admin)
    ground = { server, admin, user, agent, agentToken: '' }
  })
  afterAll(() => ground.server.close())

  test.each(cases)('%s: %s %s', async (_source, method, path, { ask, status, fields }) => {
    // An agent has so many sessions: the table must not run into its limit.
    const { accessToken: agentToken } = await loginAgent(ground.server, ground.agent)
    const { token, query = '', id = '', body } = await ask({ ...ground, agentToken })
    const options = { method, url: path.replace(':id', id) + query }
    const answer = await ground.server.api.raw(
      { ...options, ...(body !== undefined && { payload: JSON.stringify(body) }) },
      { ...(token !== undefined && { token }) },
    )
    expect(answer.status, answer.text).toBe(status)
    expect(JSON.parse(answer.text)).toMatchObject(fields)
  })

  test('a wrong password is 401 on each way in, and a token that is none is 401 on each way to validate', async () => {
    const { server, user } = ground
    const payload = JSON.stringify({ email: user.email, password: 'not this one at all', tenant: user.tenant })
    for (const path of ['/v1/auth/login', '/api/v1/auth/login', '/api/v1/public/login', '/v1/public/login'])
      expect((await server.api.raw({ method: 'POST', url: path, payload }, { from: '198.51.100.7' })).status).toBe(401)
    for (const method of ['GET', 'POST'] as const)
      expect((await server.api.raw({ method, url: '/api/v1/auth/validate' }, { token: 'none' })).status).toBe(401)
    await server.api.call(login, { body: { email: user.email, password, tenant: user.tenant } })
  })
})
