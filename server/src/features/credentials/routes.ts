import * as contract from '@agent-iam/contract/enrolment-tokens'
import { route } from '../../platform/route.ts'
import { toWire } from './model.ts'
import { createEnrolmentToken, pageEnrolmentTokens } from './service.ts'

export const credentialRoutes = [
  route(contract.createEnrolmentToken, async (ctx, { body }) => {
    const { token, enrolmentToken } = await createEnrolmentToken(ctx, body)
    return { ...toWire(enrolmentToken), token }
  }),
  route(contract.listEnrolmentTokens, async (ctx, { query }) => {
    const { rows, nextCursor } = await pageEnrolmentTokens(ctx, query)
    return { enrolmentTokens: rows.map(toWire), nextCursor }
  }),
]
