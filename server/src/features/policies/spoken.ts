import type { Answer, Outcome } from './evaluator.ts'
import type { Overrun } from './large-sets.ts'
import type { TenantPolicy } from './selection.ts'
import type { ReadPath } from './syntax-paths.ts'

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

/** Of an answer of one policy alone: it is its reason, or an error, or nothing. */
export function resultOf(outcome: Outcome<Answer> | Overrun): SpokenPolicy['result'] {
  if (outcome.type !== 'answered' || outcome.answer.errors.length > 0) return 'error'
  return outcome.answer.reasons.length > 0 ? 'matched' : 'not-matched'
}
