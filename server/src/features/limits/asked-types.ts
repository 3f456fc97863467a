import { bulkCheck, whoCan } from '@agent-iam/contract/authorization'
import {
  evaluate,
  evaluateAll,
  searchActions,
  searchResources,
  searchSubjects,
  type EvaluationRequest,
} from '@agent-iam/contract/authzen'
import type { Operation } from '@agent-iam/contract/operation'
import { bodyDepthMax, isNestedDeeper } from '../../lib/nesting.ts'
import { Problem } from '../../platform/problem.ts'
import { read } from '../../platform/route.ts'
import { readCheck, readResource } from '../authorization/service.ts'
import { readEvaluation, toCheck } from '../authzen/service.ts'

/** Reads the type of resource of one question, as its decision does. Throws a Problem where nothing will be decided. */
type ReadType = () => string

/**
 * Of each operation that decides about resources: how the decision reads their types out of the body. There is no second
 * parser: a type that is spelt in another way is counted as the type that is decided on.
 */
const questions: Readonly<Record<string, (body: unknown) => ReadType[]>> = {
  check: (body) => [() => readCheck(body).resource.type],
  bulkCheck: (body) =>
    read(bulkCheck.body, body, 'body').checks.map((item) => (): string => readCheck(item).resource.type),
  evaluate: (body) => [() => typeOfEvaluation(read(evaluate.body, body, 'body'))],
  evaluateAll: (body) => {
    const asked = read(evaluateAll.body, body, 'body')
    const { evaluations = [] } = asked
    const items = evaluations.length === 0 ? [{}] : evaluations
    return items.map((item) => (): string => typeOfEvaluation(readEvaluation(item, asked)))
  },
  searchSubjects: (body) => [() => typeOf(read(searchSubjects.body, body, 'body').resource)],
  searchResources: (body) => [() => typeOf(read(searchResources.body, body, 'body').resource)],
  searchActions: (body) => [() => typeOf(read(searchActions.body, body, 'body').resource)],
  whoCan: (body) => [() => readResource(read(whoCan.body, body, 'body').resource).type],
}

/** Whether what a request counts depends on its body, so that it can be counted only once that was read. */
export function isCountedByBody({ id, cost }: Pick<Operation, 'id' | 'cost'>): boolean {
  return Object.hasOwn(questions, id) || cost?.each !== undefined
}

/**
 * How often a request asks for a decision on each type of resource, so that it counts in the same step as the request.
 * A question that cannot be read is not decided, and counts for no type.
 */
export function askedTypes(operationId: string, body: unknown): ReadonlyMap<string, number> {
  const types = new Map<string, number>()
  // A deeper body is refused before it is read; a parser that descends into it would exhaust the stack.
  if (isNestedDeeper(body, bodyDepthMax)) return types
  for (const readType of readersOf(operationId, body)) {
    const type = orNothing(readType)
    if (type !== undefined) types.set(type, (types.get(type) ?? 0) + 1)
  }
  return types
}

function readersOf(operationId: string, body: unknown): readonly ReadType[] {
  const readersOfBody = Object.hasOwn(questions, operationId) ? questions[operationId] : undefined
  return (readersOfBody && orNothing(() => readersOfBody(body))) ?? []
}

/** The type alone: a search has no id, or one that does not matter here. */
function typeOf({ type }: { readonly type: string }): string {
  return readResource({ type, id: '' }).type
}

function typeOfEvaluation(request: EvaluationRequest): string {
  return toCheck(request).resource.type
}

/** What reading returns; undefined for what is refused. */
function orNothing<Result>(reading: () => Result): Result | undefined {
  try {
    return reading()
  } catch (error) {
    if (error instanceof Problem) return undefined
    throw error
  }
}
