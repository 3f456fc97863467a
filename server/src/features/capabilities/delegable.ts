import type { IdentityId } from '@agent-iam/contract/ids'
import { actingOf, sourceAgentOf, sourceSessionOf, type Transaction } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'
import { alwaysHeld, listHoldings } from './holdings.ts'
import { isLabel, isWithin } from './model.ts'
import type { Holding } from './store.ts'
import { findSessionEnd } from './store/sources.ts'
import { listHeldSpans, type HeldSpan } from './store/spans.ts'
import { requireHolds, requireWithin } from './within.ts'

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
  const wanted = { entries, span, mayRestOnSource: sourceAgentOf(caller) !== undefined }
  for (const holding of chain) await requireThroughout(tx, holding, wanted)
}

/**
 * The same question about somebody in whose name something is handed out, such as the owner of an enrolment token. Throws
 * `capability-exceeded` unless they, and each who delegates to them, hold the entries for the whole span.
 */
export async function requireHeldBy(
  tx: Transaction,
  id: IdentityId,
  entries: readonly string[],
  span: Span,
): Promise<void> {
  if (entries.every(isLabel)) return
  const chain = await listHoldings(tx, [id])
  if (chain.length === 0) throw new Problem('capability-exceeded', `${id} holds nothing any more`)
  for (const holding of chain) {
    requireWithin(entries, alwaysHeld(holding), `what ${holding.id} holds now`)
    await requireThroughout(tx, holding, { entries, span, mayRestOnSource: false })
  }
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
export function requireOwnAuthority(tx: Transaction, what: string): void {
  requireOwnSession(tx, what)
  if (sourceAgentOf(tx.caller) === undefined) return
  throw new Problem('forbidden', `${what} would end with this agent; a person or a service does it, logged in`)
}

/** The same for what an agent may do about itself. */
export function requireOwnSession({ caller }: Transaction, what: string): void {
  if (sourceSessionOf(caller) === undefined) return
  throw new Problem('forbidden', `${what} would end with this session; log in as a person or a service for it`)
}

interface Wanted {
  readonly entries: readonly string[]
  readonly span: Span
  /** Whether what rests on a session or an agent counts: only where what is created from it rests on the caller. */
  readonly mayRestOnSource: boolean
}

/** Throws unless one of those whose rights are intersected holds the entries, and exists, throughout a span. */
async function requireThroughout(
  tx: Transaction,
  holding: Holding,
  { entries, span, mayRestOnSource }: Wanted,
): Promise<void> {
  if (isBefore(holding.expiresAt, span.until)) throw tooLong(holding.id, holding.expiresAt)
  // Of what agents granted only what they still have.
  const counted = new Set(holding.held.map(({ grantId, source }) => source && grantId))
  const spans = (await listHeldSpans(tx, holding.id)).filter(
    ({ grantId, isAgents, isSourced }) => (!isSourced || mayRestOnSource) && (!isAgents || counted.has(grantId)),
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
