import type { Caller } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'

/** The caller as an identity in a session; an enrolment token is neither. */
export function requireSession(caller: Caller): Caller & { kind: 'identity' } {
  if (caller.kind === 'identity') return caller
  throw new Problem('forbidden', 'an enrolment token only registers agents; log in with the agent’s key')
}
