import type { AttributesOrContext } from '@cedar-policy/cedar-wasm/nodejs'
import type { OpenUses } from './open-attributes.ts'
import type { OpenAttributes } from './schema.ts'

type Types = ReadonlyMap<string, AttributesOrContext<string>>

/** How far a policy is from valid under some types. */
export interface Trial {
  readonly errors: number
  /** Where the first error's expression ends: inner expressions end before those around them. */
  readonly firstEnd: number
}

/** What callers can send, likeliest first. */
const candidates: readonly AttributesOrContext<string>[] = [
  { type: 'String' },
  { type: 'Long' },
  { type: 'Boolean' },
  { type: 'Set', element: { type: 'String' } },
  { type: 'Set', element: { type: 'Long' } },
  { type: 'Extension', name: 'decimal' },
  { type: 'Extension', name: 'datetime' },
  { type: 'Extension', name: 'duration' },
  { type: 'Extension', name: 'ipaddr' },
]

/**
 * Declares as the policy uses it what nobody has declared: `context.request`, and attributes of resources. Nobody told us the types, so each is tried in turn and the best kept,
 * until the policy is valid or no change helps; the last declaration is then the one to tell errors by.
 */
export function inferAttributes<T extends Trial>(uses: OpenUses, attempt: (open: OpenAttributes) => T): T {
  const moves = uses.groups().flatMap((group) => candidates.map((candidate) => ({ group, candidate })))
  let types: Types = new Map()
  let best = attempt(uses.declare(types))
  for (let isImproving = true; isImproving && best.errors > 0;) {
    isImproving = false
    for (const { group, candidate } of moves) {
      const changed = new Map([...types, ...group.map((key) => [key, candidate] as const)])
      const trial = attempt(uses.declare(changed))
      if (!isBetter(trial, best)) continue
      types = changed
      best = trial
      isImproving = true
      if (best.errors === 0) break
    }
  }
  return best
}

function isBetter(one: Trial, other: Trial): boolean {
  return one.errors < other.errors || (one.errors === other.errors && one.firstEnd > other.firstEnd)
}
