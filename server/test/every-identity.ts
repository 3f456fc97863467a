import * as life from '@agent-iam/contract/agent-life'
import * as agents from '@agent-iam/contract/agents'
import * as identities from '@agent-iam/contract/identities'
import { aKey } from './agents.ts'
import type { TestServer } from './test-server.ts'

/** Every operation on identities, and on the lives of agents, once, as an administrator would. */
export async function callEveryIdentityOperation(server: TestServer, token: string): Promise<void> {
  await callIdentities(server, token)
  await callAgents(server, token)
}

async function callIdentities({ api }: TestServer, token: string): Promise<void> {
  const { identityId } = await api.call(identities.createIdentity, { ...identities.createIdentity.example, token })
  const params = { identityId }
  await api.call(identities.listIdentities, { ...identities.listIdentities.example, token })
  await api.call(identities.getIdentity, { ...identities.getIdentity.example, params, token })
  await api.call(identities.updateIdentity, { ...identities.updateIdentity.example, params, token })
  await api.call(identities.suspendIdentity, { ...identities.suspendIdentity.example, params, token })
  await api.call(identities.reactivateIdentity, { ...identities.reactivateIdentity.example, params, token })
  await api.call(identities.revokeIdentity, { ...identities.revokeIdentity.example, params, token })
  await api.call(identities.deleteIdentity, { params, token })
  const pending = await register(api, token, 'not seen yet')
  await api.call(identities.verifyIdentity, { params: { identityId: pending }, token })
  await api.call(identities.bulkIdentities, { ...identities.bulkIdentities.example, token })
}

async function callAgents(server: TestServer, token: string): Promise<void> {
  const { api } = server
  const params = { agentId: await register(api, token, 'not seen either') }
  const owner = (await server.user('member')).id
  await api.call(agents.putAgent, { ...agents.putAgent.example, params, token })
  await api.call(life.verifyAgent, { ...life.verifyAgent.example, params, token })
  await api.call(life.changeAgentOwner, { params, body: { owner }, token })
  await api.call(life.getAgentTrust, { params, token })
  await api.call(life.revokeAgent, { ...life.revokeAgent.example, params, token })
}

/** An agent whose key nobody has proved. */
async function register(api: TestServer['api'], token: string, name: string) {
  const { agentId } = await api.call(agents.registerAgent, { body: { name, publicKey: aKey().publicKey }, token })
  return agentId
}
