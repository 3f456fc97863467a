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
    const { proof, expiresAt } = body
    const end = typeof expiresAt === 'string' ? new Date(expiresAt) : expiresAt
    await confirmCreation(ctx, params.creationId, { proof, expiresAt: end })
    return { creationId: params.creationId, confirmed: true as const }
  }),
]
