import * as contract from '@agent-iam/contract/authorization'
import { problems } from '@agent-iam/contract/problems'
import type { Context } from '../../platform/context.ts'
import { Problem, problemDocument } from '../../platform/problem.ts'
import { ofRecentCaller, route, type Route } from '../../platform/route.ts'
import { answerEach, readCheck, toAsked, type OnRefused } from './bulk.ts'
import type { AskedCheck } from './read-question.ts'
import { verifyBiscuitRoute } from './routes/verify-biscuit.ts'
import { check, checkExplained, reportResult, type Decider } from './service.ts'

export interface Desk {
  readonly decider: Decider
  /** Told of every decision that is answered. */
  readonly onDecision: (decision: 'allow' | 'deny') => void
  /** Puts the refusal of one of several questions on record. */
  readonly onRefused: (operation: string) => OnRefused
}

/** Most policies that one explanation tells of: each is evaluated by itself. */
const toldMax = 200
/** The same, of each of several checks. */
const toldOfEachMax = 40

export function authorizationRoutes(desk: Desk): Route[] {
  return [
    verifyBiscuitRoute(desk.decider),
    ofRecentCaller(
      route(contract.check, (ctx, { body, query }) =>
        answer(ctx, desk, toAsked(body), query.explain === 'true' ? toldMax : undefined),
      ),
    ),
    route(contract.bulkCheck, async (ctx, { body, query }) => {
      const onRefused = desk.onRefused(contract.bulkCheck.id)
      const most = query.explain === 'true' ? toldOfEachMax : undefined
      const one = (item: unknown) => answer(ctx, desk, readCheck(item), most)
      const answers = await answerEach(ctx, body.checks, one, onRefused)
      return { results: answers.map((each) => resultToWire(ctx, each)) }
    }),
    route(contract.reportResult, async (ctx, { params, body }) => ({
      decisionId: params.decisionId,
      record: await reportResult(ctx, params.decisionId, body),
    })),
  ]
}

/** @param most of so many policies it is told what they said; undefined: of none */
async function answer(
  ctx: Context,
  { decider, onDecision }: Desk,
  asked: AskedCheck,
  most: number | undefined,
): Promise<contract.ExplainedDecision> {
  const decision = await (most === undefined ? check(ctx, decider, asked) : checkExplained(ctx, decider, asked, most))
  onDecision(decision.decision)
  return decision
}

function resultToWire({ requestId }: Context, answered: contract.ExplainedDecision | Problem) {
  if (!(answered instanceof Problem)) return { status: 200, decision: answered }
  return { status: problems[answered.code].status, problem: problemDocument(answered, requestId) }
}
