import * as delegation from '@agent-iam/contract/delegation'
import type { TestServer } from './test-server.ts'

/** Every operation of delegation once, as an administrator who lends its own authority would. */
export async function callEveryDelegationOperation({ api }: TestServer, token: string): Promise<void> {
  const { agentId } = await api.call(delegation.delegateAgent, { ...delegation.delegateAgent.example, token })
  const params = { identityId: agentId }
  await api.call(delegation.getDelegationChain, { params, token })
  await api.call(delegation.getDescendants, { params, token })
  await api.call(delegation.moveAgent, { ...delegation.moveAgent.example, params: { agentId }, token })
}
