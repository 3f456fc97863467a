import { hash } from 'node:crypto'
import { Generations } from '../../lib/generations.ts'
import { joinReads, type ContextReads } from './context-reads.ts'
import type { CedarRequest, Entity, EntityUid } from './cedar-json.ts'
import { entityKey, type Bound, type PolicyFacts } from './policy-facts.ts'
import type { TenantPolicy } from './selection.ts'
import type { ReadPath } from './syntax-paths.ts'

/** A policy with what its syntax tree says. */
export interface KnownPolicy {
  readonly policy: TenantPolicy
  /** Of its text. */
  readonly digest: string
  readonly facts: PolicyFacts
}

/** Why a policy is in a slice: whatever is asked, because of the action, or because of who asks or of what is asked for. */
export type Group = 'always' | 'action' | 'entity'

/** Policies that are evaluated together, and all that must be known of them to do so. */
export interface Slice {
  readonly policies: readonly TenantPolicy[]
  /** The places of those that came for the same reason: what many slices share is prepared by itself. */
  readonly groups: Readonly<Record<Group, readonly number[]>>
  /** Of each text. */
  readonly digests: readonly string[]
  /** Of the texts alone: what is equal in it is prepared once. */
  readonly content: string
  /** Of all that an answer tells of the policies. */
  readonly identity: string
  readonly reads: ContextReads
  /** What each reads. */
  readonly paths: ReadonlyArray<readonly ReadPath[]>
  readonly nodes: number
  readonly likeCharacters: number
}

/**
 * Slices of one index in each of its two generations, so at least as many are kept: making one again costs microseconds for
 * each policy in it. Of a larger set as many as it has policies, which take no less room than they.
 */
const slicesMin = 1_000

/**
 * A tenant's policies by what their scopes name, so that finding those that can match a request takes as long as there are
 * such, however many others there are.
 */
export class PolicyIndex {
  readonly #known: readonly KnownPolicy[]
  readonly #byKey: ReadonlyMap<string, readonly number[]>
  readonly #rest: readonly number[]
  readonly #groups: readonly Group[]
  readonly #slices: Generations<Slice>

  constructor(known: readonly KnownPolicy[]) {
    this.#known = known
    const { byKey, rest, groups } = arrange(known)
    this.#byKey = byKey
    this.#rest = rest
    this.#groups = groups
    this.#slices = new Generations(2 * Math.max(slicesMin, known.length))
  }

  /** The policies that can speak about a request, after `first`. In the set's order, whatever led to them. */
  slice(request: CedarRequest, first: readonly KnownPolicy[], { onlyForbids }: { onlyForbids: boolean }): Slice {
    const asked = toAsked(request)
    const places = this.#candidates(asked).filter((place) => {
      const known = this.#known[place]
      return known && !(onlyForbids && known.policy.effect === 'permit') && isWithinScope(known.facts.scope, asked)
    })
    return this.#keep(`${first.length} ${places.join()}`, () =>
      makeSlice(
        [...first, ...places.flatMap((place) => this.#known[place] ?? [])],
        [...first.map(() => 'always' as const), ...places.flatMap((place) => this.#groups[place] ?? [])],
      ),
    )
  }

  #candidates(asked: Asked): number[] {
    const found = new Set(this.#rest)
    for (const key of keysOf(asked)) for (const place of this.#byKey.get(key) ?? []) found.add(place)
    return [...found].toSorted((one, other) => one - other)
  }

  #keep(key: string, make: () => Slice): Slice {
    const known = this.#slices.find(key)
    if (known) return known
    const slice = make()
    this.#slices.keep(key, slice)
    return slice
  }
}

/** @param groups of each policy; all are there always unless said otherwise */
export function makeSlice(known: readonly KnownPolicy[], groups: readonly Group[] = known.map(() => 'always')): Slice {
  const policies = known.map(({ policy }) => policy)
  const digests = known.map(({ digest }) => digest)
  return {
    policies,
    groups: {
      always: placesOf('always', groups),
      action: placesOf('action', groups),
      entity: placesOf('entity', groups),
    },
    digests,
    content: digestOf(digests),
    identity: digestOf(known.map(({ policy: { id, title, effect }, digest }) => [id, title, effect, digest])),
    reads: joinReads(known.flatMap(({ facts }) => facts.paths)),
    paths: known.map(({ facts }) => facts.paths),
    nodes: sum(known.map(({ facts }) => facts.nodes)),
    likeCharacters: sum(known.map(({ facts }) => facts.likeCharacters)),
  }
}

function placesOf(group: Group, groups: readonly Group[]): number[] {
  return groups.flatMap((each, place) => (each === group ? [place] : []))
}

/** Equal for equal values only. */
export function digestOf(value: unknown): string {
  return hash('sha256', JSON.stringify(value), 'base64')
}

interface AskedEntity {
  readonly type: string
  readonly key: string
  /** Itself and all above it. */
  readonly reached: ReadonlySet<string>
}

interface Asked {
  readonly principal: AskedEntity
  readonly action: AskedEntity
  readonly resource: AskedEntity
}

function toAsked({ principal, action, resource, entities }: CedarRequest): Asked {
  const parents = parentsOf(entities)
  const toEntity = (entity: EntityUid) => {
    const key = entityKey(entity)
    return { type: entity.type, key, reached: reachedFrom(key, parents) }
  }
  return { principal: toEntity(principal), action: toEntity(action), resource: toEntity(resource) }
}

function parentsOf(entities: readonly Entity[]): Map<string, string[]> {
  const parents = new Map<string, string[]>()
  for (const entity of entities) {
    if (entity.parents.length === 0) continue
    const key = entityKey(entity.uid)
    parents.set(key, [...(parents.get(key) ?? []), ...entity.parents.map(entityKey)])
  }
  return parents
}

/** A set keeps the order of its members and tells those that come while it is walked. */
function reachedFrom(key: string, parents: ReadonlyMap<string, readonly string[]>): Set<string> {
  const reached = new Set([key])
  for (const member of reached) for (const parent of parents.get(member) ?? []) reached.add(parent)
  return reached
}

function isWithinScope({ principal, actions, resource }: PolicyFacts['scope'], asked: Asked): boolean {
  if (!isWithin(principal, asked.principal) || !isWithin(resource, asked.resource)) return false
  if (!actions) return true
  return actions.equals.includes(asked.action.key) || actions.within.some((key) => asked.action.reached.has(key))
}

function isWithin({ is, equals, within }: Bound, { type, key, reached }: AskedEntity): boolean {
  if (is !== undefined && is !== type) return false
  if (equals !== undefined && equals !== key) return false
  return within === undefined || reached.has(within)
}

type Variable = keyof Asked

function* keysOf(asked: Asked): Generator<string> {
  for (const key of asked.resource.reached) yield indexKey('resource', key)
  for (const key of asked.principal.reached) yield indexKey('principal', key)
  for (const key of asked.action.reached) yield indexKey('action', key)
}

function indexKey(variable: Variable, key: string): string {
  return `${variable} ${key}`
}

interface Arrangement {
  readonly byKey: ReadonlyMap<string, readonly number[]>
  readonly rest: readonly number[]
  readonly groups: readonly Group[]
}

/** Each policy lies under the rarest of what its scope names, those that name nothing apart. */
function arrange(known: readonly KnownPolicy[]): Arrangement {
  const named = known.map(({ facts }) => namesOf(facts.scope))
  const counts = new Map<string, number>()
  for (const key of named.flatMap((names) => names.flatMap(({ keys }) => keys)))
    counts.set(key, (counts.get(key) ?? 0) + 1)

  const byKey = new Map<string, number[]>()
  const rest: number[] = []
  const groups = named.map((names, place): Group => {
    const chosen = rarest(names, counts)
    if (!chosen) rest.push(place)
    for (const key of new Set(chosen?.keys)) listAt(byKey, key).push(place)
    return !chosen ? 'always' : chosen.variable === 'action' ? 'action' : 'entity'
  })
  return { byKey, rest, groups }
}

function listAt(lists: Map<string, number[]>, key: string): number[] {
  const list = lists.get(key) ?? []
  lists.set(key, list)
  return list
}

interface Names {
  readonly variable: Variable
  readonly keys: readonly string[]
}

/** What a scope names, of each variable that it does not leave open: a request that it lets through reaches one of the keys. */
function namesOf({ principal, actions, resource }: PolicyFacts['scope']): Names[] {
  const ofEntity = ({ equals, within }: Bound) => equals ?? within
  const entities = [
    { variable: 'resource', key: ofEntity(resource) },
    { variable: 'principal', key: ofEntity(principal) },
  ] as const
  const names: Names[] = entities.flatMap(({ variable, key }) =>
    key === undefined ? [] : [{ variable, keys: [indexKey(variable, key)] }],
  )
  if (!actions) return names
  const keys = [...actions.equals, ...actions.within].map((key) => indexKey('action', key))
  return [...names, { variable: 'action', keys }]
}

function rarest(names: readonly Names[], counts: ReadonlyMap<string, number>): Names | undefined {
  const weigh = ({ keys }: Names) => Math.max(0, ...keys.map((key) => counts.get(key) ?? 0))
  return names.toSorted((one, other) => weigh(one) - weigh(other))[0]
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0)
}
