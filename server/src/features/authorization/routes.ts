import * as contract from '@agent-iam/contract/authorization'
import { route, type Route } from '../../platform/route.ts'
import { readCedarCheck, readPlainCheck } from './read-question.ts'
import { check, reportResult, type Decider } from './service.ts'

/** `onDecision` is told of every decision that is answered. */
export function authorizationRoutes(decider: Decider, onDecision: (decision: 'allow' | 'deny') => void): Route[] {
  return [
    route(contract.check, async (ctx, { body }) => {
      const decision = await check(ctx, decider, 'principal' in body ? readCedarCheck(body) : readPlainCheck(body))
      onDecision(decision.decision)
      return decision
    }),
    route(contract.reportResult, async (ctx, { params, body }) => ({
      decisionId: params.decisionId,
      record: await reportResult(ctx, params.decisionId, body),
    })),
  ]
}
