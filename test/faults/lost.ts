import type { Acknowledged } from './load.ts'
import type { LoggedEvent } from './read-log.ts'

/** What was acknowledged and is not in the log, or not as it was acknowledged. */
export function findLost(acknowledged: readonly Acknowledged[], events: readonly LoggedEvent[]): string[] {
  const byHash = new Map(events.map((event) => [event.leafHash, event]))
  return acknowledged.flatMap((answer) => {
    const { decisionId, record } = answer
    const event = byHash.get(record.leafHash)
    if (!event) return [`${decisionId} was acknowledged and is lost`]
    return isSame(answer, event) ? [] : [`${decisionId} was acknowledged otherwise than entry ${event.sequence} says`]
  })
}

function isSame({ record, decisionId, decision, resource }: Acknowledged, event: LoggedEvent): boolean {
  return (
    event.sequence === record.sequence &&
    event.decisionId === decisionId &&
    event.decision === decision &&
    event.resource === resource
  )
}
