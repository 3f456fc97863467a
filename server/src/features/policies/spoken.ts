import type { Answer, Part } from './evaluator.ts'
import type { PolicySet, TenantPolicy } from './selection.ts'
import { digestOf, type Slice } from './slices.ts'
import type { ReadPath } from './syntax-paths.ts'
import type { Effect } from './system-policies.ts'

/** What one policy says of a request by itself, and what it reads. */
export interface SpokenPolicy {
  readonly policy: TenantPolicy
  readonly result: 'matched' | 'not-matched' | 'error'
  readonly paths: readonly ReadPath[]
}

export interface Spoken {
  readonly spoken: readonly SpokenPolicy[]
  /** How many more could speak about the request. */
  readonly untold: number
  /** Those that cannot, whatever their conditions. */
  readonly others: readonly TenantPolicy[]
}

/** The policies of one effect: the system's, which are the first of a slice and the same for all, and the tenant's. */
export function partsOfEffect(slice: Slice, effect: Effect, systemCount: number): { system: Part; own: Part } {
  const places = [...slice.policies.entries()].flatMap(([place, each]) => (each.effect === effect ? [place] : []))
  const system = places.filter((place) => place < systemCount)
  const toPart = (some: readonly number[], key: string | undefined): Part => ({
    key,
    places: some,
    texts: some.map((place) => slice.policies[place]?.cedar ?? ''),
  })
  const key = digestOf(system.map((place) => slice.digests[place]))
  return {
    system: toPart(system, key),
    own: toPart(
      places.filter((place) => place >= systemCount),
      undefined,
    ),
  }
}

/** @param heard what those of each effect said; undefined: they could not be asked */
export function toSpoken(
  set: PolicySet,
  slice: Slice,
  heard: Readonly<Record<Effect, Answer | undefined>>,
  told: readonly number[],
): Spoken {
  const spoken = told.flatMap((place) => {
    const policy = slice.policies[place]
    if (!policy) return []
    return [{ policy, result: resultOf(place, heard[policy.effect]), paths: slice.paths[place] ?? [] }]
  })
  const inScope = new Set(slice.policies)
  const others = set.policies.filter((each) => !inScope.has(each))
  return { spoken, untold: slice.policies.length - spoken.length, others }
}

function resultOf(place: number, answer: Answer | undefined): SpokenPolicy['result'] {
  if (!answer || answer.errors.some((error) => error.place === place)) return 'error'
  return answer.reasons.includes(place) ? 'matched' : 'not-matched'
}
