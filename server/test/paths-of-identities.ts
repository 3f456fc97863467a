import { registerAgent } from '@agent-iam/contract/agents'
import { aKey, makeAgent } from './agents.ts'
import { having, seconds, text, type Asked, type Ground, type NamedPath } from './named-paths.ts'

const oneRow = (
  source: NamedPath['source'],
  [method, path, status = 200]: readonly [NamedPath['method'], string, NamedPath['status']?],
  ask: NamedPath['ask'],
  fields: NamedPath['fields'],
): NamedPath => ({ source, method, path, ask, status, fields })

let made = 0

/** As the report shows it, under a name of its own: every row is asked under both roots. */
const sampleAgent = () => ({
  name: `DataProcessor-${++made}`,
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
  const body = { name: `pending ${++made}`, publicKey: aKey().publicKey }
  return { token, id: (await server.api.call(registerAgent, { body, token })).agentId }
}
const detailsOfAgent = { agentId: text, name: text, type: text, trustScore: 0.5, status: 'active' }
const reportsChange = { capabilities: ['new-capability'], metadata: { version: '1.1.0' } }
// The report shows the status `updated`; the truth is the agent's own (DESIGN D11).
const changed = { agentId: text, status: 'active', updatedAt: text, capabilities: ['new-capability'] }
/** Every path that the requirements name for agents and identities. */
export const pathsOfIdentities: readonly NamedPath[] = [
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
    agents: [having({ agentId: text })],
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
