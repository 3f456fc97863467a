import fc from 'fast-check'
import {
  datetime,
  decimal,
  neverExpires,
  reference,
  uid,
  type CedarJson,
  type CedarRequest,
  type Entity,
  type EntityAttribute,
  type EntityUid,
} from '../src/features/policies/cedar-json.ts'
import type { PolicySet, TenantPolicy } from '../src/features/policies/selection.ts'
import { expressions } from './random-expressions.ts'
import {
  action,
  actionGroups,
  actions,
  anyAction,
  entityText,
  facts,
  long,
  principal,
  principals,
  rarely,
  resource,
  resources,
  roles,
  text,
} from './random-words.ts'

/** A set of policies, and requests that are put to it one after the other. */
export interface Case {
  readonly set: PolicySet
  readonly requests: readonly CedarRequest[]
}

const principalScope = fc.oneof(
  fc.constant('principal'),
  principal.map((each) => `principal == ${entityText(each)}`),
  fc.constantFrom(...roles, ...principals).map((each) => `principal in ${entityText(each)}`),
  fc.constantFrom('Agent', 'User').map((type) => `principal is AgentIam::${type}`),
  fc.constantFrom(...roles).map((each) => `principal is AgentIam::Agent in ${entityText(each)}`),
)
const actionScope = fc.oneof(
  fc.constant('action'),
  action.map((each) => `action == ${entityText(each)}`),
  anyAction.map((each) => `action in ${entityText(each)}`),
  fc.array(anyAction, { maxLength: 3 }).map((each) => `action in [${each.map(entityText).join()}]`),
)
const resourceScope = fc.oneof(
  fc.constant('resource'),
  resource.map((each) => `resource == ${entityText(each)}`),
  resource.map((each) => `resource in ${entityText(each)}`),
  fc.constant('resource is AgentIam::Resource'),
  resource.map((each) => `resource is AgentIam::Resource in ${entityText(each)}`),
)

const policyText = fc
  .record({
    effect: fc.constantFrom('permit', 'permit', 'permit', 'permit', 'forbid'),
    scope: fc.tuple(principalScope, actionScope, resourceScope),
    clauses: fc.array(fc.tuple(fc.constantFrom('when', 'unless'), expressions.bool), { maxLength: 2 }),
  })
  .map(({ effect, scope, clauses }) => ({
    effect,
    cedar: `${effect}(${scope.join()}) ${clauses.map(([kind, body]) => `${kind} { ${body} }`).join(' ')};`,
  }))

/** What callers send: mostly of the type that its name promises. */
const extension = (fn: string, arg: string): CedarJson => ({ __extn: { fn, arg } })
const factsSent = fc.record<Record<string, CedarJson>>(
  {
    flag: fc.oneof(fc.boolean(), text),
    count: fc.oneof(long, text),
    name: fc.oneof(text, long),
    list: fc.oneof(fc.array(text, { maxLength: 3 }), long),
    inner: fc.oneof(fc.constantFrom({ deep: 1 }, { deep: { deeper: true } }, {}), long),
    score: fc.constantFrom(extension('decimal', '0.5'), extension('decimal', '0.75'), 1),
    from: fc.oneof(
      rarely(extension('ip', '10.0.0.1'), extension('ip', 'nowhere')),
      fc.constantFrom(extension('ip', '::1'), 'nowhere'),
    ),
    at: fc.constantFrom(extension('datetime', '2026-03-01'), extension('datetime', '2027-03-01T00:00:00Z'), 2026),
    wait: fc.constantFrom(extension('duration', '1h'), extension('duration', '1d'), 3600),
    __proto__x: text,
    'a "b"': text,
    unread: text,
  },
  { requiredKeys: [] },
)

const attributes = fc.record<Record<string, EntityAttribute>>(
  { owner: fc.constantFrom('Agent 1', 'User 1'), labels: fc.constantFrom(['pii'], []) },
  { requiredKeys: [] },
)

/** Each may lie below those after it, so that there is no ring. */
function hierarchy(uids: readonly EntityUid[], top: readonly EntityUid[] = []): fc.Arbitrary<Entity[]> {
  const parentsOf = (place: number) => {
    const above = [...uids.slice(place + 1), ...top]
    return fc.subarray(above, { maxLength: Math.min(2, above.length) })
  }
  return fc
    .tuple(...uids.map((_, place) => parentsOf(place)))
    .map((parents) => uids.map((each, place) => ({ uid: each, attrs: {}, parents: parents[place] ?? [] })))
}

const tenant = reference('Tenant', 'ten_1')

const request = fc
  .record({
    who: principal,
    action,
    resource,
    facts: factsSent,
    resourceAttributes: attributes,
    status: fc.constantFrom('active', 'active', 'active', 'active', 'active', 'active', 'suspended'),
    trustScore: fc.constantFrom(0.5, 0.6, 0.7, 0.75, 0.2),
    memberOf: fc.subarray([...roles, uid('Permission', 'p')], { maxLength: 3 }),
    roles: hierarchy(roles),
    resources: hierarchy(resources),
    actions: hierarchy(actions, actionGroups),
    hop: fc.constantFrom(0, 0, 0, 1),
    guards: rarely<CedarRequest['context']>({}, { inScope: false }, { chainWhole: false }, { expired: true }),
  })
  .map((asked): CedarRequest => {
    const identity = { id: asked.who.id, tenant, status: asked.status, expiresAt: datetime(neverExpires) }
    const agent = { trustScore: decimal(asked.trustScore), type: 'worker', name: 'one', owner: 'User 1' }
    const attrs = { ...identity, ...(asked.who.type === 'AgentIam::Agent' ? agent : {}) }
    const describe = (entity: Entity): Entity => {
      const [type = '', ...id] = entity.uid.id.split('/')
      const own = entity.uid.id === asked.resource.id ? asked.resourceAttributes : {}
      return { ...entity, attrs: { type, id: id.join('/'), tenant, ...own } }
    }
    return {
      principal: asked.who,
      action: asked.action,
      resource: asked.resource,
      context: {
        request: asked.facts,
        now: datetime(new Date('2026-03-01T12:00:00Z')),
        address: '',
        hop: asked.hop,
        actor: asked.who.id,
        weekday: 1,
        chainWhole: true,
        expired: false,
        trustMin: decimal(0),
        inScope: true,
        withinBlocks: true,
        presented: [],
        coveredBy: [reference('Permission', 'p')],
        friend: reference('Agent', 'Agent 1'),
        ...asked.guards,
      },
      entities: [
        { uid: asked.who, attrs, parents: asked.memberOf },
        ...asked.roles,
        ...asked.resources.map(describe),
        ...asked.actions,
      ],
    }
  })

/** A request and others that differ from it in one thing. */
const family = fc
  .record({
    first: request,
    other: request,
    key: fc.constantFrom(...facts, 'unread'),
    turn: fc.constantFrom(0, 1, 2, 3),
  })
  .map(({ first, other, key, turn }) => {
    const given = other.context['request']
    const fact = typeof given === 'object' && !Array.isArray(given) ? given[key] : undefined
    const before = first.context['request']
    const { [key]: _, ...rest } = typeof before === 'object' && !Array.isArray(before) ? before : {}
    const changed = {
      ...first,
      context: { ...first.context, request: { ...rest, ...(fact !== undefined && { [key]: fact }) } },
    }
    const turned = [
      { ...first, resource: other.resource },
      { ...first, principal: other.principal },
      { ...first, action: other.action },
      { ...first, entities: other.entities },
    ]
    return [first, changed, turned[turn] ?? first, first]
  })

let sets = 0

/** Requests of two families, each policy under an id of its own. */
export const cases: fc.Arbitrary<Case> = fc
  .record({ policies: fc.array(policyText, { maxLength: 12 }), families: fc.tuple(family, family) })
  .map(({ policies, families }) => {
    const named = policies.map(({ effect, cedar }, place): TenantPolicy => {
      const isForbid = effect === 'forbid'
      return { id: `pol_${place}`, title: `policy ${place}`, effect: isForbid ? 'forbid' : 'permit', cedar }
    })
    return { set: { tenantId: 'ten_1', version: `${++sets}`, policies: named }, requests: families.flat() }
  })
