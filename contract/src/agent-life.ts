import { z } from 'zod'
import { Agent, agentLife, agentPath, examplePath, StoppedAgent } from './agents.ts'
import { idSchema } from './ids.ts'
import { operation } from './operation.ts'
import { FreeText } from './text.ts'

export const verifyAgent = operation({
  ...agentLife,
  id: 'verifyAgent',
  path: '/api/v1/agents/:agentId/verify',
  action: 'agents:verify',
  summary: 'Makes a pending agent active, on the word of who looked at it.',
  response: Agent,
  example: { params: examplePath, body: { reason: 'looked at its code' } },
})

export const revokeAgent = operation({
  ...agentLife,
  id: 'revokeAgent',
  path: '/api/v1/agents/:agentId/revoke',
  action: 'agents:revoke',
  summary: 'Revokes an agent for good, and all that descend from it, at once, on every instance. Its name stays taken.',
  response: StoppedAgent,
  example: { params: examplePath, body: { reason: 'its key leaked' } },
})

export const changeAgentOwner = operation({
  id: 'changeAgentOwner',
  method: 'POST',
  path: '/api/v1/agents/:agentId/owner',
  action: 'agents:change-owner',
  summary: 'Gives an agent another owner, an active person, who answers for it from then on.',
  params: agentPath,
  body: z.strictObject({ owner: idSchema('user'), reason: FreeText.optional() }),
  status: 200,
  response: Agent,
  hasRevision: true,
  problems: ['forbidden', 'not-found', 'wrong-state'],
  example: {
    params: examplePath,
    body: { owner: 'usr_0198c5a1f3e07b2c8d4e6f708192a3b4', reason: 'Ada moved to another team' },
  },
})

export const getAgentTrust = operation({
  id: 'getAgentTrust',
  method: 'GET',
  path: '/api/v1/agents/:agentId/trust',
  action: 'agents:read',
  summary: 'Shows an agent’s trust score, where it comes from, and the risk that it stands for.',
  params: agentPath,
  status: 200,
  response: Agent.pick({ agentId: true, trustScore: true, trustBasis: true, riskLevel: true }),
  problems: ['forbidden', 'not-found'],
  example: { params: examplePath },
})
