import * as contract from '@agent-iam/contract/creations'
import { route } from '../../platform/route.ts'
import { toWire } from './model.ts'
import { confirmCreation, pageCreations } from './service.ts'

export const creationRoutes = [
  route(contract.listCreations, async (ctx, { query }) => {
    const { rows, nextCursor } = await pageCreations(ctx, query)
    return { creations: rows.map(toWire), nextCursor }
  }),
  route(contract.confirmCreation, async (ctx, { params, body }) => {
    await confirmCreation(ctx, params.creationId, body.proof)
    return { creationId: params.creationId, confirmed: true as const }
  }),
]
