import { actorOf, type Caller } from '../../platform/context.ts'
import { isId } from '../../platform/ids.ts'
import type { Settings } from '../../platform/settings.ts'
import { apiKeyMethod } from '../sessions/model.ts'
import { eachMinute, type Use } from './model.ts'

/** What holds for a kind of caller where its tenant has no rule for it. */
interface Default {
  readonly requestsPerMinute: number
  readonly apart?: string
}

/** The use of a caller by its identity, with the limit of the installation for its kind: no kind is without one. */
export function identityUse(caller: Caller, settings: Settings): Omit<Use, 'cost'> {
  const { requestsPerMinute, apart } = defaultOf(caller, settings)
  return { dimension: 'identity', subject: actorOf(caller), apart, unless: eachMinute(requestsPerMinute) }
}

/**
 * API keys are counted apart from their owner, so that a program keeps no person out; all keys of one owner together, so
 * that another key brings nothing more.
 */
export function defaultOf(caller: Caller, settings: Settings): Default {
  if (caller.kind === 'enrolment-token') return { requestsPerMinute: settings.requestsPerEnrolmentToken }
  if (caller.kind === 'anonymous') return { requestsPerMinute: settings.requestsPerAddress }
  if (caller.kind === 'system') return { requestsPerMinute: 0 }
  if (caller.method === apiKeyMethod) return { requestsPerMinute: settings.requestsPerApiKey, apart: 'api-keys' }
  const actor = actorOf(caller)
  if (isId('agent', actor)) return { requestsPerMinute: settings.requestsPerAgent }
  if (isId('service', actor)) return { requestsPerMinute: settings.requestsPerService }
  return { requestsPerMinute: settings.requestsPerUser }
}
