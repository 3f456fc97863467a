import type { IdentityId } from '@agent-iam/contract/ids'
import { actingOf, sourceAgentOf, sourceSessionOf, type Transaction } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'
import { listHoldings } from './holdings.ts'
import { isLabel, isWithin } from './model.ts'
import type { Holding } from './store.ts'
import { findSessionEnd } from './store/sources.ts'
import { listHeldSpans, type HeldSpan } from './store/spans.ts'
import { requireHolds } from './within.ts'

/** When something is delegated. */
export interface Span {
  /** Unless given, from now on. */
  readonly from?: Date | undefined
  /** Unless given, for ever. */
  readonly until?: Date | undefined
}

/**
 * The one question that every way of creating authority asks: may this caller delegate these entries for this span?
 *
 * Throws `capability-exceeded` unless the caller, and each who delegates to it, holds each entry now, and by one grant or
 * role for the whole span, and exists for as long; `forbidden` for who acts for another (DESIGN D6).
 */
export async function requireMayDelegate(tx: Transaction, entries: readonly string[], span: Span = {}): Promise<void> {
  if (entries.every(isLabel)) return
  const { caller } = tx
  // It would go on when who made it for another is stopped, and no chain would name them.
  if (caller.kind === 'identity' && caller.actors.length > 0)
    throw new Problem('forbidden', 'who acts for another grants nothing; log in as yourself')
  await requireHolds(tx, entries)
  const chain = caller.kind === 'identity' ? await listHoldings(tx, actingOf(caller)) : []
  for (const holding of chain) await requireThroughout(tx, holding, entries, span)
}

/**
 * The end of what the caller creates: that which was asked for, or the end of the session that it rests on, whichever is
 * earlier. Undefined: none.
 */
export async function endWithSource(tx: Transaction, until: Date | undefined): Promise<Date | undefined> {
  const source = sourceSessionOf(tx.caller)
  const end = source && (await findSessionEnd(tx, source))
  return end && (!until || end < until) ? end : until
}

/**
 * Throws `forbidden` for a caller whose authority is revocable apart from its identity, and for agents: what they change
 * would then end with a session or an agent, and what stood by itself would be lost.
 */
export function requireOwnAuthority({ caller }: Transaction, what: string): void {
  if (sourceSessionOf(caller) === undefined && sourceAgentOf(caller) === undefined) return
  throw new Problem('forbidden', `${what} would end with this session or agent; log in as a person or service for it`)
}

/** Throws unless one of those whose rights are intersected holds the entries, and exists, throughout a span. */
async function requireThroughout(
  tx: Transaction,
  holding: Holding,
  entries: readonly string[],
  span: Span,
): Promise<void> {
  if (isBefore(holding.expiresAt, span.until)) throw tooLong(holding.id, holding.expiresAt)
  const counted = new Set(holding.held.flatMap(({ grantId, source }) => (source && grantId ? [grantId] : [])))
  const spans = (await listHeldSpans(tx, holding.id)).filter(
    ({ grantId, isSourced }) => !isSourced || (grantId && counted.has(grantId)),
  )
  const from = span.from && span.from > tx.clock.now() ? span.from : tx.clock.now()
  for (const entry of entries) {
    const wide = spans.filter((held) => isWithin(entry, held.entry))
    if (!isLabel(entry) && !wide.some((held) => spansAll(held, from, span.until)))
      throw new Problem(
        'capability-exceeded',
        `${entry} lies outside what the caller holds for as long as it would be granted${untilWhen(wide)}`,
      )
  }
}

function spansAll(held: HeldSpan, from: Date, until: Date | undefined): boolean {
  return (!held.from || held.from <= from) && !isBefore(held.until, until)
}

/** Whether an end comes before another; undefined is never. */
function isBefore(end: Date | undefined, other: Date | undefined): boolean {
  return end !== undefined && (other === undefined || end < other)
}

function untilWhen(spans: readonly HeldSpan[]): string {
  const ends = spans.flatMap(({ until }) => (until ? [until.getTime()] : []))
  return ends.length === 0 ? '' : `; it is held until ${new Date(Math.max(...ends)).toISOString()}`
}

function tooLong(id: IdentityId, end: Date | undefined): Problem {
  return new Problem(
    'capability-exceeded',
    `${id}, with whose authority it would be granted, ends at ${end?.toISOString()}; choose an end that is not later`,
  )
}
