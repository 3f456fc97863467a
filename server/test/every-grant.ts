import { registerAgent } from '@agent-iam/contract/agents'
import * as grants from '@agent-iam/contract/grants'
import type { TestServer } from './test-server.ts'

/** Every operation of grants once, as an administrator would. */
export async function callEveryGrantOperation({ api }: TestServer, token: string): Promise<void> {
  const { agentId } = await api.call(registerAgent, { body: { name: 'a holder of grants' }, token })
  const body = { capability: 'file:read', conditions: { quota: { perHour: 100 } } }
  const [params, identity] = [{ agentId }, { identityId: agentId }]
  const { grantId } = await api.call(grants.grantAgentCapability, { params, body, token })
  await api.call(grants.listAgentCapabilities, { params, token })
  await api.call(grants.listPermissions, { query: { agentId }, token })
  await api.call(grants.getCapabilityCatalogue, { token })
  await api.call(grants.revokeAgentCapability, { params: { agentId, grantId }, token })
  const again = await api.call(grants.grantIdentityCapability, { params: identity, body, token })
  await api.call(grants.listIdentityCapabilities, { params: identity, token })
  await api.call(grants.revokeIdentityCapability, { params: { ...identity, grantId: again.grantId }, token })
}
