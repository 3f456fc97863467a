import { createPolicy } from '@agent-iam/contract/policies'
import { makeAgent } from './agents.ts'
import { having, listing, text, type Asked, type Ground, type NamedPath } from './named-paths.ts'

let made = 0

/** Under a name of its own: every row is asked under both roots. */
const policy =
  'forbid(principal, action == AgentIam::Action::"write", resource) when { resource.type == "production" };'
const samplePolicy = () => ({ name: `of the table ${++made}`, policy })
const sampleRole = () => ({ name: `of the table ${++made}`, permissions: [{ permission: 'file/archive/*:read' }] })

/** As the report shows it. */
const reportsContext = { timestamp: '2025-12-28T10:00:00Z', ipAddress: '192.168.1.100' }
const reader = async ({ server, admin }: Ground) => (await makeAgent(server, admin, ['database:read'])).id
const askingFor =
  (body: (agentId: string) => object) =>
  async (ground: Ground): Promise<Asked> => ({ token: ground.admin, body: body(await reader(ground)) })
const check = (agentId: string) => ({ agentId, resource: 'database', action: 'read', context: reportsContext })
const allowed = { allowed: true, trustScore: 0.5, riskLevel: 'MEDIUM', reason: text }

const asAdmin =
  (body?: () => object) =>
  ({ admin: token }: Ground): Asked => ({ token, ...(body && { body: body() }) })
const ofPolicy =
  (body?: () => object) =>
  async ({ server, admin: token }: Ground): Promise<Asked> => {
    const { policyId } = await server.api.call(createPolicy, { body: samplePolicy(), token })
    return { token, id: policyId, ...(body && { body: body() }) }
  }

/** Every path that the requirements name for authorization and policies; those for permissions stand with the grants. */
export const pathsOfAuthorization: readonly NamedPath[] = [
  {
    source: 'report',
    method: 'POST',
    path: '/api/v1/authz/check',
    ask: askingFor(check),
    status: 200,
    fields: allowed,
  },
  {
    source: 'prd',
    method: 'POST',
    path: '/api/v1/authz/bulk-check',
    ask: askingFor((agentId) => ({ checks: [check(agentId), { ...check(agentId), action: 'write' }] })),
    status: 200,
    fields: {
      results: [
        { status: 200, decision: having(allowed) },
        { status: 200, decision: having({ allowed: false }) },
      ],
    },
  },
  {
    source: 'prd',
    method: 'POST',
    path: '/api/v1/policies',
    ask: asAdmin(samplePolicy),
    status: 201,
    fields: { policyId: text, effect: 'forbid', version: 1, priority: 0 },
  },
  {
    source: 'prd',
    method: 'GET',
    path: '/api/v1/policies',
    ask: ofPolicy(),
    status: 200,
    fields: { policies: listing(having({ policyId: text })) },
  },
  {
    source: 'prd',
    method: 'PUT',
    path: '/api/v1/policies/:id',
    ask: ofPolicy(samplePolicy),
    status: 200,
    fields: { policyId: text, status: 'active' },
  },
  {
    source: 'prd',
    method: 'DELETE',
    path: '/api/v1/policies/:id',
    ask: ofPolicy(),
    status: 200,
    fields: { policyId: text },
  },
  {
    source: 'aim',
    method: 'GET',
    path: '/api/v1/security/policies',
    ask: ofPolicy(),
    status: 200,
    fields: { policies: listing(having({ policyId: text })) },
  },
  {
    source: 'aim',
    method: 'POST',
    path: '/api/v1/security/policies',
    ask: asAdmin(samplePolicy),
    status: 201,
    fields: { policyId: text },
  },
  {
    source: 'issue',
    method: 'POST',
    path: '/api/v1/roles',
    ask: asAdmin(sampleRole),
    status: 201,
    fields: { roleId: text },
  },
  {
    source: 'issue',
    method: 'GET',
    path: '/api/v1/roles',
    ask: asAdmin(),
    status: 200,
    fields: { roles: listing(having({ roleId: text })) },
  },
  {
    source: 'issue',
    method: 'POST',
    path: '/api/v1/authz/who-can',
    ask: asAdmin(() => ({ action: 'read', resource: 'database' })),
    status: 200,
    fields: { identities: listing(having({ identityId: text })) },
  },
]
