import type { Json } from '@agent-iam/contract/json'
import type { PendingEvent } from '../../platform/context.ts'
import { eventText, plainMembers } from './event-text.ts'

/**
 * The event with every text of a caller cut and escaped. Every event passes here before it becomes a leaf, so that no use
 * case has to do it. Ids and policy ids are texts like any other.
 */
export function plainEvent<Event extends PendingEvent>(event: Event): Event {
  const { action, resource, reasons, chain, data, personal, verbatim = [] } = event
  return {
    ...event,
    ...(action !== undefined && { action: eventText(action) }),
    ...(resource !== undefined && { resource: eventText(resource) }),
    ...(reasons && { reasons: reasons.map(eventText) }),
    ...(chain && { chain: chain.map(eventText) }),
    ...(data && { data: plainExcept(verbatim, data) }),
    ...(personal && { personal: { ...personal, fields: plainExcept(verbatim, personal.fields) } }),
  }
}

function plainExcept(
  verbatim: readonly string[],
  members: Readonly<Record<string, Json>>,
): Readonly<Record<string, Json>> {
  if (verbatim.length === 0) return plainMembers(members)
  const entries = Object.entries(members)
  const kept = entries.filter(([name]) => verbatim.includes(name))
  const plain = plainMembers(Object.fromEntries(entries.filter(([name]) => !verbatim.includes(name))))
  return { ...plain, ...Object.fromEntries(kept) }
}
