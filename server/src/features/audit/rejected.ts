import type { Context, PendingEvent } from '../../platform/context.ts'
import { EventNotStorableError } from './storable.ts'

/** Types that are named of a transaction whose events could not be stored; the others are counted. */
const namedTypesMax = 20

/**
 * Records in place of events that could not be stored that this was so: their types and the fault, and no text of the
 * caller. Does nothing for another error, and for an event of this kind itself. The request fails in any case, so a failure
 * here is logged only.
 */
export async function recordRejected(
  ctx: Context,
  events: readonly PendingEvent[],
  error: unknown,
  commit: (event: PendingEvent) => Promise<unknown>,
): Promise<void> {
  const [first] = events
  if (!(error instanceof EventNotStorableError) || !first || first.type === 'log.event-rejected') return
  const { requestId, log } = ctx
  try {
    await commit({
      id: ctx.newId('event'),
      at: ctx.clock.now(),
      type: 'log.event-rejected',
      ...(first.actor && { actor: first.actor }),
      decision: 'deny',
      reasons: [error.code],
      data: { events: events.length, types: typesOf(events), fault: error.fault },
    })
  } catch (failure) {
    log.error({ error: failure, requestId }, 'that an event could not be stored could not be recorded')
  }
}

function typesOf(events: readonly PendingEvent[]): string[] {
  return [...new Set(events.map(({ type }) => type))].slice(0, namedTypesMax)
}
