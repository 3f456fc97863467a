import * as contract from '@agent-iam/contract/policies'
import { route, slowRoute } from '../../platform/route.ts'
import type { Policy } from './model.ts'
import { checkNewPolicy, createPolicy, pagePolicies, removePolicy } from './service.ts'

export const policyRoutes = [
  slowRoute(
    contract.createPolicy,
    (ctx, { body }) => checkNewPolicy(ctx, body.policy),
    async (ctx, { body }, effect) => toWire(await createPolicy(ctx, body, effect)),
  ),
  route(contract.listPolicies, async (ctx, { query }) => {
    const { rows, nextCursor } = await pagePolicies(ctx, query)
    return { policies: rows.map(toWire), nextCursor }
  }),
  route(contract.deletePolicy, async (ctx, { params }) => toWire(await removePolicy(ctx, params.policyId))),
]

function toWire({ id, name, description, effect, cedar, createdAt }: Policy): contract.Policy {
  return { policyId: id, name, description, effect, policy: cedar, createdAt: createdAt.toISOString() }
}
