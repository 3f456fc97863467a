import { forgotPassword } from '@agent-iam/contract/accounts'
import { createSdkToken } from '@agent-iam/contract/sdk-tokens'
import { createService, createServiceSecret } from '@agent-iam/contract/services'
import { createSession } from '@agent-iam/contract/sessions'
import { assertion, loginAgent, makeAgent } from './agents.ts'
import { mailedToken } from './mailbox.ts'
import { having, listing, seconds, text, type Asked, type Ground, type NamedPath } from './named-paths.ts'
import { password } from './test-server.ts'

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

/** Every path that the requirements name for authentication, tokens and sessions. `/v1` is an alias of all of them. */
export const pathsOfLogins: readonly NamedPath[] = [
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
    fields: { sessions: listing(having(session)), total: seconds },
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
    fields: { users: listing(having({ userId: text, roles: ['admin'] })) },
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
    fields: { byStatus: having({ active: seconds }) },
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
