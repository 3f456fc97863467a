import type { ExplainedPolicy, Explanation } from '@agent-iam/contract/authorization'
import type { Json } from '@agent-iam/contract/json'
import { z } from 'zod'
import { inTransaction, type Context } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'
import { pathText, type CedarRequest, type ReadPath, type Spoken, type SpokenPolicy } from '../policies/model.ts'
import { askHop, nameBasis } from './chain.ts'
import type { Decided } from './decide.ts'
import type { Decider } from './decider.ts'

const Value = z.json().optional()

/** Longest value that is told, as JSON: an explanation is read by people. */
const valueCharactersMax = 1000

/**
 * How a decision came about: for each who was asked for, what each policy said, and the values that it saw. It rests on
 * just what the decision rested on, and reserves and records nothing. The values, and the policies that could not have
 * spoken, are told to who holds `decisions:explain` (DESIGN D16).
 */
export async function explain(ctx: Context, decider: Decider, decided: Decided, most: number): Promise<Explanation> {
  const { facts, rules, question } = decided
  const seesAll = await maySeeAll(ctx)
  const hops: Explanation['hops'] = []
  let left = most
  for (const [hop, identity] of facts.hops.entries()) {
    const request = await askHop({ decider, rules, ctx }, { facts, identity, hop }, question)
    const cedarAsked = { request, root: facts.root }
    const { decision, reasons } = await decider.evaluate(rules, cedarAsked)
    const spoken = await decider.explain(rules, cedarAsked, left)
    const told = tell(spoken, { request, seesAll, left })
    left -= told.policies.length
    // Roles and grants of a delegator are told to nobody but who may see all.
    const named = hop === 0 || seesAll ? nameBasis({ decision, reasons }, identity, { question, rules }) : reasons
    hops.push({ hop, identityId: identity.id, decision, reasons: named.map((each) => ({ ...each })), ...told })
    if (decision === 'deny') break
  }
  return { hops }
}

async function maySeeAll(ctx: Context): Promise<boolean> {
  try {
    await inTransaction(ctx, (tx) => tx.authorize('decisions:explain', { type: 'decisions' }))
    return true
  } catch (error) {
    if (error instanceof Problem && ['forbidden', 'not-found', 'insufficient-scope'].includes(error.code)) return false
    throw error
  }
}

interface Telling {
  readonly request: CedarRequest
  readonly seesAll: boolean
  /** Most policies that are told. */
  readonly left: number
}

function tell({ spoken, untold, others }: Spoken, { request, seesAll, left }: Telling) {
  const policies = spoken.map((each) => tellSpoken(each, request, seesAll))
  const outside = seesAll ? others.slice(0, left - spoken.length) : []
  for (const { id, title, effect } of outside)
    policies.push({ policyId: id, title, effect, result: 'out-of-scope', values: [] })
  return { policies, untold: untold + others.length - outside.length }
}

function tellSpoken({ policy, result, paths }: SpokenPolicy, request: CedarRequest, seesAll: boolean): ExplainedPolicy {
  const values = paths.map((path) =>
    seesAll ? valueAt(request, path) : { path: pathText(path), redacted: true as const },
  )
  const { id, title, effect } = policy
  return { policyId: id, title, effect, result, values }
}

/** What stood there when it was decided. */
function valueAt(request: CedarRequest, path: ReadPath): ExplainedPolicy['values'][number] {
  const value = find(request, path)
  const shown = pathText(path)
  if (value === undefined) return { path: shown, isAbsent: true }
  const isLong = JSON.stringify(value).length > valueCharactersMax
  return { path: shown, value: isLong ? 'too long to be told' : value }
}

function find(request: CedarRequest, [variable, ...attributes]: ReadPath): Json | undefined {
  const entity =
    variable === 'principal' || variable === 'resource' || variable === 'action' ? request[variable] : undefined
  const found = request.entities.find(({ uid }) => uid.type === entity?.type && uid.id === entity.id)
  if (entity && attributes.length === 0) return `${entity.type}::${JSON.stringify(entity.id)}`
  let value: unknown = entity ? found?.attrs : request.context
  for (const name of attributes) value = memberOf(value, name)
  return Value.parse(value)
}

/** An attribute that is there; nothing that every object inherits is one. */
function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? Reflect.get(value, name)
    : undefined
}
