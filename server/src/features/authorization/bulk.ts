import { CedarCheck, PlainCheck } from '@agent-iam/contract/authorization'
import { problems } from '@agent-iam/contract/problems'
import { z } from 'zod'
import { mapAtOnce } from '../../lib/at-once.ts'
import type { Context } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'
import { read } from '../../platform/route.ts'
import { WorkQueue } from '../../platform/work-queue.ts'
import { readRoots } from '../delegation/service.ts'
import { readCedarCheck, readPlainCheck, type AskedCheck } from './read-question.ts'

/** Told of each refusal of one of several questions, before it is answered. */
export type OnRefused = (ctx: Context, problem: Problem) => Promise<void>

/** Questions of one tenant's bulks that are decided at once: enough to share commits, and it leaves connections to others. */
const atOnce = 4

/** However many bulks are under way. Each has no more than `atOnce` questions in the queue. */
const questions = new WorkQueue({
  jobs: 'questions of bulks',
  atOnce: { total: 2 * atOnce, tenant: atOnce, root: atOnce },
  waitingMax: { total: 4_000, tenant: 1_000, root: 400 },
  waitMsMax: 10_000,
  honestMs: 100,
  budgetMs: { tenant: 10_000, root: 5_000 },
  halfLifeMs: 10_000,
})

const Check = z.union([PlainCheck, CedarCheck])

/** A check in either of its spellings. */
export function readCheck(item: unknown): AskedCheck {
  return toAsked(read(Check, item, 'check'))
}

/** The same, of one that was read already. */
export function toAsked(body: z.output<typeof Check>): AskedCheck {
  return 'principal' in body ? readCedarCheck(body) : readPlainCheck(body)
}

/**
 * Answers many questions, each by itself and with a record of its own: what one is refused harms no other. Not inside a
 * transaction. Throws only what concerns them all: that the caller is no longer logged in.
 */
export async function answerEach<Item, Answer>(
  ctx: Context,
  items: readonly Item[],
  answer: (item: Item) => Promise<Answer>,
  onRefused: OnRefused,
): Promise<Array<Answer | Problem>> {
  const owner = { tenantId: ctx.caller.tenantId, roots: await readRoots(ctx) }
  return mapAtOnce(items, atOnce, (item) =>
    orRefusal(ctx, () => questions.run(owner, 0, () => answer(item)), onRefused),
  )
}

/** The answer, or why there is none, which is on record then. */
export async function orRefusal<Answer>(
  ctx: Context,
  answer: () => Promise<Answer>,
  onRefused: OnRefused,
): Promise<Answer | Problem> {
  try {
    return await answer()
  } catch (error) {
    const problem = error instanceof Problem ? error : faultOf(ctx, error)
    if (problems[problem.code].status === 401) throw problem
    await onRefused(ctx, problem)
    return problem
  }
}

/** Our fault: the others are answered all the same. */
function faultOf({ log, requestId }: Context, error: unknown): Problem {
  log.error({ error, requestId }, 'one of several questions could not be answered')
  return new Problem('internal-error', 'something went wrong on our side; the operator finds it by the requestId')
}
