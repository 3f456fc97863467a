/**
 * AuthZEN: the questions of `authorization` as the OpenID Authorization API 1.0 asks them, so that any enforcement point
 * may ask here. Every evaluation is a decision like any other, recorded before it is answered; whoever asks for another
 * needs the permission to. A search answers only what it has decided.
 */
import type {
  ActionSearch,
  EvaluationRequest,
  EvaluationResponse,
  EvaluationsRequest,
  ResourceSearch,
  SubjectSearch,
} from '@agent-iam/contract/authzen'
import type { IdentityId } from '@agent-iam/contract/ids'
import type { Context } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'
import { read } from '../../platform/route.ts'
import { ActionName } from '@agent-iam/contract/authorization'
import { answerEach, check, orRefusal, type Decider, type OnRefused } from '../authorization/service.ts'
import {
  ends,
  isKind,
  isNameable,
  readEvaluation,
  requireSubject,
  toCheck,
  toContext,
  toDenial,
  toEvaluation,
  withDefaults,
} from './model.ts'
import { nextToken, readPage } from './page-token.ts'
import type { Page } from './search.ts'
import { findActions, findResources, findWho, requireMaySearch } from './searches.ts'

export { readEvaluation, toCheck }

/** Who decides, and who is told of each decision and of the refusal of one of several questions. */
export interface Desk {
  readonly decider: Decider
  readonly onDecision: (decision: 'allow' | 'deny') => void
  readonly onRefused: OnRefused
}

/** A subject that nobody knows, or that the caller may not see, is denied: it is no fault of the question. */
export async function evaluate(ctx: Context, desk: Desk, request: EvaluationRequest): Promise<EvaluationResponse> {
  try {
    return await decide(ctx, desk, request)
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== 'not-found') throw error
    await desk.onRefused(ctx, error)
    return toDenial(error)
  }
}

/** Without evaluations the request itself is one (§7.1). */
export async function evaluateAll(
  ctx: Context,
  desk: Desk,
  asked: EvaluationsRequest,
): Promise<EvaluationResponse | { evaluations: EvaluationResponse[] }> {
  const { evaluations = [], options } = asked
  if (evaluations.length === 0) return evaluate(ctx, desk, withDefaults({}, asked))
  const one = (item: unknown) => decide(ctx, desk, readEvaluation(item, asked))
  const semantic = options?.evaluations_semantic ?? 'execute_all'
  if (semantic === 'execute_all') {
    const answers = await answerEach(ctx, evaluations, one, desk.onRefused)
    return { evaluations: answers.map(orDenial) }
  }
  const answered: EvaluationResponse[] = []
  for (const item of evaluations) {
    const answer = orDenial(await orRefusal(ctx, () => one(item), desk.onRefused))
    answered.push(answer)
    if (ends(semantic, answer)) break
  }
  return { evaluations: answered }
}

async function decide(ctx: Context, desk: Desk, request: EvaluationRequest): Promise<EvaluationResponse> {
  const decision = await check(ctx, desk.decider, toCheck(request))
  desk.onDecision(decision.decision)
  return toEvaluation(decision)
}

function orDenial(answer: EvaluationResponse | Problem): EvaluationResponse {
  return answer instanceof Problem ? toDenial(answer) : answer
}

/** What a search found. */
export interface Results<Result> {
  readonly page: { readonly next_token: string; readonly count: number }
  readonly results: Result[]
}

const nothing: Page<never> = { results: [], decided: 0, position: undefined }

/** Of what no policy could name there is nobody to be found, which is no fault of the question (§8.3). */
export async function searchSubjects(
  ctx: Context,
  { decider }: Desk,
  { page, ...asked }: SubjectSearch,
): Promise<Results<{ type: string; id: IdentityId }>> {
  const question = { search: 'subject', ...asked }
  const part = readPage(question, page)
  const { type } = asked.subject
  const action = read(ActionName, asked.action.name, 'action.name')
  const { resource } = asked
  const isKnown = isNameable(resource.type) && (isKind(type) || type === 'identity')
  if (!isKnown) await requireMaySearch(ctx)
  const kind = isKind(type) ? type : undefined
  const found = isKnown ? await findWho(ctx, decider, { ...toContext(asked), part, kind, action, resource }) : nothing
  return toResults(question, part.limit, { ...found, results: found.results.map(({ id }) => ({ type, id })) })
}

export async function searchResources(
  ctx: Context,
  desk: Desk,
  { page, ...asked }: ResourceSearch,
): Promise<Results<{ type: string; id: string }>> {
  const question = { search: 'resource', ...asked }
  const part = readPage(question, page)
  const { type } = asked.resource
  const action = read(ActionName, asked.action.name, 'action.name')
  const found = await orNothing(ctx, desk, () => {
    const identityId = requireSubject(asked.subject)
    return findResources(ctx, desk.decider, { ...toContext(asked), part, identityId, action, type })
  })
  return toResults(question, part.limit, { ...found, results: found.results.map((id) => ({ type, id })) })
}

export async function searchActions(
  ctx: Context,
  desk: Desk,
  { page, ...asked }: ActionSearch,
): Promise<Results<{ name: string }>> {
  const question = { search: 'action', ...asked }
  const part = readPage(question, page)
  const { type, id } = asked.resource
  const found = await orNothing(ctx, desk, async () => {
    const identityId = requireSubject(asked.subject)
    if (!isNameable(type)) return nothing
    return findActions(ctx, desk.decider, { ...toContext(asked), part, identityId, resource: { type, id } })
  })
  return toResults(question, part.limit, { ...found, results: found.results.map((name) => ({ name })) })
}

/** For a subject that nobody knows, or that the caller may not see, nothing is found. */
async function orNothing<Result>(
  ctx: Context,
  { onRefused }: Desk,
  search: () => Promise<Page<Result>>,
): Promise<Page<Result>> {
  try {
    return await search()
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== 'not-found') throw error
    await onRefused(ctx, error)
    return nothing
  }
}

function toResults<Result>(question: object, limit: number, { results, position }: Page<Result>): Results<Result> {
  return { page: { next_token: nextToken(question, limit, position), count: results.length }, results: [...results] }
}
