import * as contract from '@agent-iam/contract/agents'
import { revokeEnrolmentToken } from '@agent-iam/contract/enrolment-tokens'
import * as users from '@agent-iam/contract/users'
import { route } from '../../platform/route.ts'
import { toWire as tokenToWire } from '../credentials/model.ts'
import { toWire } from './model.ts'
import {
  deleteAgent,
  endEnrolment,
  getAgent,
  importUsers,
  pageAgents,
  reactivateAgent,
  registerAgent,
  setAgentTrust,
  suspendAgent,
  unlockUser,
  updateAgent,
} from './service.ts'

export const identityRoutes = [
  route(contract.registerAgent, async (ctx, { body }) => {
    const { agent, grants, key, privateKey } = await registerAgent(ctx, body)
    return {
      ...toWire({ agent, grants, keyThumbprint: key.thumbprint }),
      issuer: ctx.keys.issuerOf(ctx.caller.tenantId),
      ...(privateKey !== undefined && { privateKey }),
    }
  }),
  route(contract.listAgents, async (ctx, { query }) => {
    const { rows, nextCursor } = await pageAgents(ctx, query)
    return { agents: rows.map(toWire), nextCursor }
  }),
  route(contract.getAgent, async (ctx, { params }) => toWire(await getAgent(ctx, params.agentId))),
  route(contract.updateAgent, async (ctx, { params, body }) => toWire(await updateAgent(ctx, params.agentId, body))),
  route(contract.deleteAgent, async (ctx, { params }) => toWire(await deleteAgent(ctx, params.agentId))),
  route(contract.suspendAgent, async (ctx, { params, body }) =>
    toWire(await suspendAgent(ctx, params.agentId, body.reason)),
  ),
  route(contract.reactivateAgent, async (ctx, { params, body }) =>
    toWire(await reactivateAgent(ctx, params.agentId, body.reason)),
  ),
  route(contract.setAgentTrust, async (ctx, { params, body }) =>
    toWire(await setAgentTrust(ctx, params.agentId, body.trustScore, body.reason)),
  ),
  route(revokeEnrolmentToken, async (ctx, { params, query }) => {
    const { token, revokedAgents } = await endEnrolment(ctx, params.enrolmentTokenId, query.agents)
    return { enrolmentToken: tokenToWire(token), revokedAgents }
  }),
  route(users.importUsers, async (ctx, { body }) => ({ users: await importUsers(ctx, body.users) })),
  route(users.unlockUser, async (ctx, { params: { userId } }) => ({
    userId,
    wasLocked: await unlockUser(ctx, userId),
  })),
]
