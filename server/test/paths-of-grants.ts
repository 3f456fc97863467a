import { grantAgentCapability } from '@agent-iam/contract/grants'
import { makeAgent } from './agents.ts'
import { having, listing, text, type Ground, type NamedPath } from './named-paths.ts'

const until = '2099-12-31T23:59:59.000Z'

const ofHolder = async ({ server, admin: token }: Ground) => {
  const { id } = await makeAgent(server, token)
  const body = { capability: 'database:read', expiresAt: until }
  const { grantId } = await server.api.call(grantAgentCapability, { params: { agentId: id }, body, token })
  return { token, id, grantId }
}
const asked = async (ground: Ground) => {
  const { token, id } = await ofHolder(ground)
  return { token, query: `?agentId=${id}` }
}
const permission = having({ resource: 'database', action: 'read', grantedAt: text, expiresAt: until })

/** Every path that the requirements name for capabilities and permissions. */
export const pathsOfGrants: readonly NamedPath[] = [
  {
    source: 'report',
    method: 'GET',
    path: '/api/v1/authz/permissions',
    ask: asked,
    status: 200,
    fields: { agentId: text, permissions: listing(permission) },
  },
  {
    source: 'aim',
    method: 'GET',
    path: '/api/v1/agents/:id/capabilities',
    ask: ofHolder,
    status: 200,
    fields: { capabilities: ['database:read'] },
  },
  {
    source: 'issue',
    method: 'GET',
    path: '/api/v1/capabilities/catalog',
    ask: async (ground) => ({ token: (await ofHolder(ground)).token }),
    status: 200,
    fields: { resourceTypes: listing(having({ resourceType: 'database' })) },
  },
]
