import { createPolicy, deletePolicy } from '@agent-iam/contract/policies'
import * as simulation from '@agent-iam/contract/simulation'
import type { TestServer } from './test-server.ts'

/** Every operation that asks how it would be otherwise once, as an administrator would. */
export async function callEverySimulationOperation({ api }: TestServer, token: string): Promise<void> {
  await api.call(simulation.simulatePolicies, { ...simulation.simulatePolicies.example, token })
  await api.call(simulation.listUnused, { ...simulation.listUnused.example, token })
  const policy = 'forbid(principal, action == AgentIam::Action::"erase", resource);'
  const body = { name: 'no erasing', policy, status: 'draft' as const }
  const { policyId } = await api.call(createPolicy, { body, token })
  const params = { policyId }
  await api.call(simulation.startShadow, { params, token })
  await api.call(simulation.getShadow, { params, token })
  await api.call(simulation.stopShadow, { params, token })
  await api.call(deletePolicy, { params, token })
}
