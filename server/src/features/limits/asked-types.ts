import { bulkChecksMax, ResourceType } from '@agent-iam/contract/authorization'
import { evaluationsMax } from '@agent-iam/contract/authzen'

/** What holds more questions than that is refused for it. */
const questionsMax = Math.max(bulkChecksMax, evaluationsMax)

/** Operations that ask for decisions, and the field that holds several questions, of those that take several. */
const questions: Readonly<Record<string, string | undefined>> = {
  check: undefined,
  bulkCheck: 'checks',
  evaluate: undefined,
  evaluateAll: 'evaluations',
}

/**
 * How often a request asks for a decision on each type of resource. It is read before the body is believed, so that it
 * counts in the same step as the request: what does not look like a question asks nothing, and is refused later.
 */
export function askedTypes(operationId: string, body: unknown): ReadonlyMap<string, number> {
  if (!Object.hasOwn(questions, operationId)) return new Map()
  const field = questions[operationId]
  const several: unknown = field === undefined ? undefined : fieldOf(body, field)
  const common = fieldOf(body, 'resource')
  const each: unknown[] = Array.isArray(several) && several.length > 0 ? several.slice(0, questionsMax) : [undefined]
  const resources = each.map((question) => fieldOf(question, 'resource') ?? common)
  const types = new Map<string, number>()
  for (const resource of resources) {
    const type = typeOf(resource)
    if (type !== undefined) types.set(type, (types.get(type) ?? 0) + 1)
  }
  return types
}

const cedarResource = /^AgentIam::Resource::"(.*)"$/s

/** `type`, `type/id`, either in Cedar's spelling, or the parts. */
function typeOf(resource: unknown): string | undefined {
  const type = fieldOf(resource, 'type')
  const named = type === 'AgentIam::Resource' ? fieldOf(resource, 'id') : (type ?? resource)
  if (typeof named !== 'string') return undefined
  const plain = cedarResource.exec(named)?.[1] ?? named
  const found = ResourceType.safeParse(plain.split('/', 1)[0])
  return found.success ? found.data : undefined
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}
