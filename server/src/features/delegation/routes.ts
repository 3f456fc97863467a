import * as contract from '@agent-iam/contract/delegation'
import { route } from '../../platform/route.ts'
import { toWire } from '../identities/model.ts'
import { narrowing, type ChainMember } from './model.ts'
import { delegateAgent, moveAgent, showChain, showDescendants } from './service.ts'

export const delegationRoutes = [
  route(contract.delegateAgent, async (ctx, { body }) => {
    const { chain, tokens, biscuit, ...view } = await delegateAgent(ctx, body)
    const issuer = ctx.keys.issuerOf(ctx.caller.tenantId)
    const agent = toWire(view)
    const { expiresAt } = agent
    return {
      ...agent,
      issuer,
      chain: [...chain],
      token: { ...tokens },
      ...(biscuit && expiresAt !== null && { biscuit: { ...biscuit, expiresAt } }),
    }
  }),
  route(contract.getDelegationChain, async (ctx, { params: { identityId } }) => {
    const chain = await showChain(ctx, identityId)
    return { identityId, depth: chain.length - 1, chain: chain.map(toHop) }
  }),
  route(contract.getDescendants, (ctx, { params }) => showDescendants(ctx, params.identityId)),
  route(contract.moveAgent, async (ctx, { params, body }) => toWire(await moveAgent(ctx, params.agentId, body))),
]

function toHop(member: ChainMember, hop: number, chain: readonly ChainMember[]) {
  const lender = chain[hop + 1]
  return {
    identityId: member.id,
    hop,
    name: member.name,
    status: member.status,
    expiresAt: member.expiresAt?.toISOString() ?? null,
    taskId: member.task.id ?? null,
    taskScope: member.task.scope ?? null,
    capabilities: [...member.held],
    narrowed: lender ? narrowing(member, lender) : null,
  }
}
