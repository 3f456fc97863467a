import { revokeAgent } from '@agent-iam/contract/agent-life'
import { deleteAgent } from '@agent-iam/contract/agents'
import * as contract from '@agent-iam/contract/identities'
import { problems } from '@agent-iam/contract/problems'
import type { Context } from '../../platform/context.ts'
import { refusingBeforeBody, route, type Route } from '../../platform/route.ts'
import { toWire as agentToWire } from '../identities/model.ts'
import type { OnRefused } from './bulk.ts'
import { toSparse, toWire, type IdentityView } from './model.ts'
import * as service from './service.ts'

/** @param onRefused puts the refusal of one item of a bulk on record */
export function directoryRoutes(onRefused: OnRefused): Route[] {
  return [
    ...plainRoutes,
    refusingBeforeBody(
      route(contract.bulkIdentities, async (ctx, { body }) => {
        const results = await service.bulkIdentities(ctx, body.items, onRefused)
        const failed = results.filter(({ done }) => done === 'refused').length
        return {
          results: results.map((result, index) => ({ index, ...resultToWire(ctx, result) })),
          succeeded: results.length - failed,
          failed,
        }
      }),
      service.requireBulkSender,
    ),
  ]
}

const plainRoutes = [
  route(revokeAgent, async (ctx, { params, body, ifMatch }) => {
    const stopped = await service.revokeAgent(ctx, params.agentId, { ...body, ifMatch })
    return { ...agentToWire(stopped), stoppedDescendants: stopped.stoppedDescendants }
  }),
  route(deleteAgent, async (ctx, { params, ifMatch }) => {
    const stopped = await service.deleteAgent(ctx, params.agentId, { ifMatch })
    return { ...agentToWire(stopped), stoppedDescendants: stopped.stoppedDescendants }
  }),
  route(contract.createIdentity, async (ctx, { body }) => createdToWire(ctx, await service.createIdentity(ctx, body))),
  route(contract.listIdentities, async (ctx, { query }) => {
    const { fields, expiringBefore, ...rest } = query
    const until = expiringBefore === undefined ? undefined : new Date(expiringBefore)
    const { rows, nextCursor } = await service.pageIdentities(ctx, { ...rest, expiringBefore: until })
    return { identities: rows.map((row) => toSparse(row, fields)), nextCursor }
  }),
  route(contract.getIdentity, async (ctx, { params, query }) =>
    toSparse(await service.getIdentity(ctx, params.identityId), query.fields),
  ),
  route(contract.updateIdentity, async (ctx, { params, body, ifMatch }) =>
    toWire(await service.updateIdentity(ctx, params.identityId, body, ifMatch)),
  ),
  route(contract.deleteIdentity, async (ctx, { params, ifMatch }) =>
    stoppedToWire(await service.deleteIdentity(ctx, params.identityId, { ifMatch })),
  ),
  route(contract.verifyIdentity, async (ctx, { params, body, ifMatch }) =>
    toWire(await service.verifyIdentity(ctx, params.identityId, { ...body, ifMatch })),
  ),
  route(contract.suspendIdentity, async (ctx, { params, body, ifMatch }) =>
    stoppedToWire(await service.suspendIdentity(ctx, params.identityId, { ...body, ifMatch })),
  ),
  route(contract.reactivateIdentity, async (ctx, { params, body, ifMatch }) =>
    toWire(await service.reactivateIdentity(ctx, params.identityId, { ...body, ifMatch })),
  ),
  route(contract.revokeIdentity, async (ctx, { params, body, ifMatch }) =>
    stoppedToWire(await service.revokeIdentity(ctx, params.identityId, { ...body, ifMatch })),
  ),
]

function stoppedToWire(stopped: IdentityView & { readonly stoppedDescendants: number }) {
  return { ...toWire(stopped), stoppedDescendants: stopped.stoppedDescendants }
}

/** An agent is told which issuer to log in to, and the key that was made for it, this once. */
function createdToWire(
  ctx: Context,
  { privateKey, ...view }: IdentityView & { readonly privateKey?: string | undefined },
) {
  const wire = toWire(view)
  return {
    ...wire,
    ...(wire.kind === 'agent' && { issuer: ctx.keys.issuerOf(ctx.caller.tenantId) }),
    ...(privateKey !== undefined && { privateKey }),
  }
}

function resultToWire(ctx: Context, result: service.BulkResult) {
  if (result.done === 'refused') {
    const { code, detail, errors } = result.problem
    const { status, title } = problems[code]
    const faults = errors.length > 0 && { errors: errors.map((error) => ({ ...error })) }
    return { status, problem: { type: `urn:agent-iam:problem:${code}`, title, status, code, detail, ...faults } }
  }
  if (result.done === 'created') return { status: 201, identity: createdToWire(ctx, result.view) }
  return { status: 200, identity: toWire(result.view) }
}
