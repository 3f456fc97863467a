import * as contract from '@agent-iam/contract/authorization'
import { problems } from '@agent-iam/contract/problems'
import type { Context } from '../../platform/context.ts'
import { Problem, problemDocument } from '../../platform/problem.ts'
import { ofRecentCaller, route, type Route } from '../../platform/route.ts'
import { answerEach, readCheck, type OnRefused } from './bulk.ts'
import type { AskedCheck } from './read-question.ts'
import { check, reportResult, type Decider } from './service.ts'

export interface Desk {
  readonly decider: Decider
  /** Told of every decision that is answered. */
  readonly onDecision: (decision: 'allow' | 'deny') => void
  /** Puts the refusal of one of several questions on record. */
  readonly onRefused: (operation: string) => OnRefused
}

export function authorizationRoutes(desk: Desk): Route[] {
  return [
    ofRecentCaller(route(contract.check, (ctx, { body }) => answer(ctx, desk, readCheck(body)))),
    route(contract.bulkCheck, async (ctx, { body }) => {
      const onRefused = desk.onRefused(contract.bulkCheck.id)
      const one = (item: unknown) => answer(ctx, desk, readCheck(item))
      const answers = await answerEach(ctx, body.checks, one, onRefused)
      return { results: answers.map((each) => resultToWire(ctx, each)) }
    }),
    route(contract.reportResult, async (ctx, { params, body }) => ({
      decisionId: params.decisionId,
      record: await reportResult(ctx, params.decisionId, body),
    })),
  ]
}

async function answer(ctx: Context, { decider, onDecision }: Desk, asked: AskedCheck): Promise<contract.Decision> {
  const decision = await check(ctx, decider, asked)
  onDecision(decision.decision)
  return decision
}

function resultToWire({ requestId }: Context, answered: contract.Decision | Problem) {
  if (!(answered instanceof Problem)) return { status: 200, decision: answered }
  return { status: problems[answered.code].status, problem: problemDocument(answered, requestId) }
}
