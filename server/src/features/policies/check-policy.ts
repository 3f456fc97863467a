import type { DetailedError, PolicyJson } from '@cedar-policy/cedar-wasm/nodejs'
import type { Cedar } from './cedar-instance.ts'
import { actionNamed, walk, type Visited } from './expression.ts'
import { inferAttributes, type Trial } from './infer-attributes.ts'
import { OpenUses } from './open-attributes.ts'
import * as limits from './policy-limits.ts'
import { findAttribute, findDeepBracket, positionAt, type PolicyFault } from './policy-text.ts'
import { anyOtherAction, buildSchema, type OpenAttributes } from './schema.ts'
import type { Effect } from './system-policies.ts'

/** What is known of a policy that may be stored. */
export interface CheckedPolicy {
  readonly effect: Effect
  /** Its scope names neither principal, action nor resource: every decision must look at it. */
  readonly isUnscoped: boolean
  /** What its author may not have meant, though it may be stored. */
  readonly warnings: readonly PolicyFault[]
}

export type PolicyCheck = CheckedPolicy | { errors: PolicyFault[] }

/** What the tenant's resources have. */
export type DeclaredAttributes = OpenAttributes['attributes']

/** What a checking thread is given. */
export interface CheckTask {
  readonly texts: readonly string[]
  readonly declared: DeclaredAttributes
}

/**
 * Whether a text is one policy that may be stored, where resources have these attributes. Hostile text may trap `cedar`: call
 * it where that hurts nobody.
 */
export function checkPolicy(cedar: Cedar, text: string, declared: DeclaredAttributes): PolicyCheck {
  const deep = findDeepBracket(text, limits.bracketDepthMax)
  if (deep) return refuse({ message: `brackets are nested deeper than ${limits.bracketDepthMax}`, ...deep })

  const parsed = cedar.policyToJson(text)
  if (parsed.type === 'failure') return { errors: explainUnreadable(cedar, text, parsed.errors) }

  const nodes = readNodes(parsed.json)
  const fault = findExcess(parsed.json, nodes) ?? findForbidden(parsed.json, nodes)
  if (fault) return refuse({ message: fault })

  const uses = new OpenUses(declared)
  for (const { node } of nodes) uses.add(node)
  if (uses.groups().length > limits.requestAttributesMax)
    return refuse({ message: `more than ${limits.requestAttributesMax} attributes that nobody declared are named` })

  const actions = actionsToDeclare(parsed.json, nodes)
  const { faults } = inferAttributes(uses, (open) => validate(cedar, text, actions, open))
  if (faults.length > 0) return { errors: faults.slice(0, limits.policyErrorsMax) }
  const warnings = uses
    .undeclared()
    .map((name) => toWarning(text, name))
    .toSorted(byPosition)
  return { effect: parsed.json.effect, isUnscoped: isUnscoped(parsed.json), warnings }
}

function byPosition(one: PolicyFault, other: PolicyFault): number {
  return (one.line ?? 0) - (other.line ?? 0) || (one.column ?? 0) - (other.column ?? 0)
}

function toWarning(text: string, attribute: string): PolicyFault {
  return { message: `no resource type declares the attribute ${attribute}`, ...findAttribute(text, attribute) }
}

function isUnscoped({ principal, action, resource }: PolicyJson): boolean {
  return [principal, action, resource].every(({ op }) => op === 'All')
}

function refuse(fault: PolicyFault): PolicyCheck {
  return { errors: [fault] }
}

function explainUnreadable(cedar: Cedar, text: string, errors: readonly DetailedError[]): PolicyFault[] {
  const parts = cedar.policySetTextToParts(text)
  const count = parts.type === 'success' ? parts.policies.length + parts.policy_templates.length : 1
  if (count > 1) return [{ message: `one policy is wanted, and the text holds ${count}` }]
  return errors.map((error) => toFault(text, error))
}

/** One more than allowed is enough to know. */
function readNodes(policy: PolicyJson): Visited[] {
  const nodes: Visited[] = []
  for (const { body } of policy.conditions)
    for (const visited of walk(body)) if (nodes.push(visited) > limits.expressionNodesMax) return nodes
  return nodes
}

/** The library joins a policy's clauses into one expression, so each one more makes it one deeper. */
function findExcess(policy: PolicyJson, nodes: readonly Visited[]): string | undefined {
  const depth = policy.conditions.length - 1 + Math.max(0, ...nodes.map((visited) => visited.depth))
  if (depth > limits.expressionDepthMax)
    return `the expression is deeper than ${limits.expressionDepthMax}; long chains of operators count`
  if (nodes.length + actionsInScope(policy).length > limits.expressionNodesMax)
    return `the policy has more than ${limits.expressionNodesMax} nodes`
  return undefined
}

function findForbidden(policy: PolicyJson, nodes: readonly Visited[]): string | undefined {
  const isUnsafe = ({ node }: Visited) => typeof node.content === 'number' && !Number.isSafeInteger(node.content)
  if (nodes.some(isUnsafe)) return 'a number lies beyond ±(2^53−1)'
  // The library's mark for partial evaluation: it passes validation, and can never be evaluated.
  if (nodes.some(({ node }) => node.kind === 'unknown')) return 'unknown() cannot be evaluated'

  const platformAction = [...actionsInScope(policy), ...actionsIn(nodes)].find((action) => action.includes(':'))
  if (policy.effect === 'permit' && platformAction !== undefined)
    return `tenant policies cannot permit platform actions, such as ${JSON.stringify(platformAction)}`
  return undefined
}

function actionsToDeclare(policy: PolicyJson, nodes: readonly Visited[]): string[] {
  const named = [...actionsInScope(policy), ...actionsIn(nodes)]
  return [...new Set(policy.action.op === 'All' ? [...named, anyOtherAction] : named)]
}

function actionsInScope({ action }: PolicyJson): string[] {
  if (action.op === 'All') return []
  const entities = 'entities' in action ? action.entities : 'entity' in action ? [action.entity] : []
  return entities.map(actionNamed).filter((id) => id !== undefined)
}

function actionsIn(nodes: readonly Visited[]): string[] {
  return nodes.map(({ node }) => actionNamed(node.content)).filter((id) => id !== undefined)
}

interface Validation extends Trial {
  readonly faults: PolicyFault[]
}

function validate(cedar: Cedar, text: string, actions: readonly string[], open: OpenAttributes): Validation {
  const policies = { staticPolicies: { policy: text } }
  const answer = cedar.validate({
    schema: buildSchema(actions, open),
    policies,
    validationSettings: { mode: 'strict' },
  })
  if (answer.type === 'failure') return toValidation(text, answer.errors)

  const errors = answer.validationErrors.map(({ error }) => error)
  if (errors.length > 0) return toValidation(text, errors)
  return toValidation(
    text,
    answer.validationWarnings.map(({ error }) => error).filter(({ message }) => !isHarmless(message)),
  )
}

/** People do mix alphabets, `резюме-v2`, and draw. What is invisible, and so written as an escape, is no matter of taste. */
const harmless = [
  /(?:string|identifier) `.*` contains mixed scripts$/s,
  /identifier `.*` contains the character `(?!\\).*` which is not a printable ASCII character/s,
]

function isHarmless(warning: string): boolean {
  return harmless.some((form) => form.test(warning))
}

/** One error a place: the library tells it again for each principal type and action. */
function toValidation(text: string, errors: readonly DetailedError[]): Validation {
  const byMessage = errors.toSorted((one, other) => (one.message < other.message ? 1 : -1))
  const byPlace = new Map(byMessage.map((error) => [JSON.stringify(error.sourceLocations), error]))
  const inOrder = [...byPlace.values()].toSorted((one, other) => startOf(one) - startOf(other))
  const ends = inOrder.map((error) => error.sourceLocations?.[0]?.end ?? 0)
  return { errors: byPlace.size, firstEnd: Math.min(...ends), faults: inOrder.map((error) => toFault(text, error)) }
}

function startOf(error: DetailedError): number {
  return error.sourceLocations?.[0]?.start ?? 0
}

function toFault(text: string, { message, help, sourceLocations }: DetailedError): PolicyFault {
  const place = sourceLocations?.[0]
  const words = [message, place?.label, help].map((part) => part?.replaceAll(preamble, '')).filter(Boolean)
  return { message: words.join('; '), ...(place ? positionAt(text, place.start) : {}) }
}

/** What the library says before each message, and tells nobody anything. */
const preamble = /for policy `policy`, |failed to parse policy from string: /g
