import * as life from '@agent-iam/contract/agent-life'
import * as contract from '@agent-iam/contract/agents'
import { revokeEnrolmentToken } from '@agent-iam/contract/enrolment-tokens'
import * as users from '@agent-iam/contract/users'
import { route } from '../../platform/route.ts'
import { toWire as tokenToWire } from '../credentials/model.ts'
import { readChange, toWire } from './model.ts'
import * as service from './service.ts'

export const identityRoutes = [
  route(contract.registerAgent, async (ctx, { body }) => {
    const input = { ...body, expiresAt: body.expiresAt === undefined ? undefined : new Date(body.expiresAt) }
    const { key, privateKey, ...registered } = await service.registerAgent(ctx, input)
    return {
      ...toWire({ ...registered, keyThumbprint: key.thumbprint }),
      issuer: ctx.keys.issuerOf(ctx.caller.tenantId),
      ...(privateKey !== undefined && { privateKey }),
    }
  }),
  route(contract.listAgents, async (ctx, { query }) => {
    const { rows, nextCursor } = await service.pageAgents(ctx, {
      ...query,
      expiringBefore: query.expiringBefore === undefined ? undefined : new Date(query.expiringBefore),
    })
    return { agents: rows.map(toWire), nextCursor }
  }),
  route(contract.getAgent, async (ctx, { params }) => toWire(await service.getAgent(ctx, params.agentId))),
  route(contract.updateAgent, async (ctx, { params, body, ifMatch }) =>
    toWire(await service.updateAgent(ctx, params.agentId, readChange(body), ifMatch)),
  ),
  route(contract.putAgent, async (ctx, { params, body, ifMatch }) =>
    toWire(await service.updateAgent(ctx, params.agentId, readChange(body), ifMatch)),
  ),
  route(life.verifyAgent, async (ctx, { params, body, ifMatch }) =>
    toWire(await service.verifyAgent(ctx, params.agentId, { ...body, ifMatch })),
  ),
  route(contract.suspendAgent, async (ctx, { params, body, ifMatch }) => {
    const stopped = await service.suspendAgent(ctx, params.agentId, { ...body, ifMatch })
    return { ...toWire(stopped), stoppedDescendants: stopped.stoppedDescendants }
  }),
  route(contract.reactivateAgent, async (ctx, { params, body, ifMatch }) =>
    toWire(await service.reactivateAgent(ctx, params.agentId, { ...body, ifMatch })),
  ),
  route(life.changeAgentOwner, async (ctx, { params, body, ifMatch }) =>
    toWire(await service.changeAgentOwner(ctx, params.agentId, { ...body, ifMatch })),
  ),
  route(life.getAgentTrust, async (ctx, { params }) => toWire(await service.getAgent(ctx, params.agentId))),
  route(contract.setAgentTrust, async (ctx, { params, body, ifMatch }) =>
    toWire(await service.setAgentTrust(ctx, params.agentId, { ...body, ifMatch })),
  ),
  route(revokeEnrolmentToken, async (ctx, { params, query }) => {
    const { token, revokedAgents } = await service.endEnrolment(ctx, params.enrolmentTokenId, query.agents)
    return { enrolmentToken: tokenToWire(token), revokedAgents }
  }),
  route(users.importUsers, async (ctx, { body }) => ({ users: await service.importUsers(ctx, body.users) })),
  route(users.unlockUser, async (ctx, { params: { userId } }) => ({
    userId,
    wasLocked: await service.unlockUser(ctx, userId),
  })),
]
