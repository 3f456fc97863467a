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
    ...(data && { data: plainMembers(data, { verbatim }) }),
    ...(personal && { personal: { ...personal, fields: plainMembers(personal.fields, { verbatim }) } }),
  }
}
