import * as contract from '@agent-iam/contract/audit'
import { route } from '../../platform/route.ts'
import { compareColumns, readHead, readLeaves, searchEvents } from './service.ts'

export const auditRoutes = [
  route(contract.listAuditEvents, async (ctx, { query }) => {
    const { rows, nextCursor } = await searchEvents(ctx, query)
    return { events: rows, nextCursor }
  }),
  route(contract.getAuditHead, (ctx) => readHead(ctx)),
  route(contract.listAuditLeaves, async (ctx, { query }) => {
    const { head, leaves } = await readLeaves(ctx, query.from, query.limit)
    return {
      head,
      leaves: leaves.map(({ sequence, leaf, leafHash, chain }) => ({
        sequence,
        leaf: leaf.toString('base64'),
        leafHash: leafHash.toString('hex'),
        chain: chain.toString('hex'),
      })),
    }
  }),
  route(contract.listAuditDifferences, (ctx, { query }) => compareColumns(ctx, query.from, query.limit)),
]
