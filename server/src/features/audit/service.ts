/**
 * The audit log: one event for everything that happens, appended in the transaction that did it (DESIGN D8). A leaf
 * is RFC 8785 JSON, hashed as RFC 6962 and chained; sequence order is commit order. It guarantees that nothing is
 * acknowledged before its event is durable, and that nothing is appended that was decided before a narrowing.
 */
import { differencesMax, readPersonalAction, type AuditEvent, type AuditHead } from '@agent-iam/contract/audit'
import type { DecisionId, LogId, TenantId } from '@agent-iam/contract/ids'
import {
  actorOf,
  authenticationOf,
  inTransaction,
  requesterOf,
  StaleEpochError,
  type Context,
  type EventDraft,
  type EventRecord,
  type FailedLogin,
  type PendingEvent,
  type Spine,
  type Transaction,
} from '../../platform/context.ts'
import { isId, toUuid } from '../../platform/ids.ts'
import { Problem } from '../../platform/problem.ts'
import { decodeCursor, ofAnotherList, toPage } from '../../platform/paging.ts'
import type { GroupCommitter } from './committer.ts'
import { escapeText, unescapeText } from './event-text.ts'
import { fromLeaf, toLeaf } from './model.ts'
import { openPersonal, sealPersonal, sealWithKnownKey } from './personal-fields.ts'
import { plainEvent } from './plain-event.ts'
import { recordRejected } from './rejected.ts'
import {
  appendLeaves,
  findEventOfDecision,
  getHead,
  insertHead,
  listDifferences,
  listEvents,
  listLeaves,
  type ColumnDifference,
  type EventFilter,
  type StoredEvent,
} from './store.ts'

export { listDecisions, readLogSize, type LoggedDecision } from './decisions.ts'
export { sealedDataKeys } from './personal-fields.ts'

/** Collects an event; the transaction appends it as its last statement. Its `record` is there after that. */
export function recordEvent(tx: Transaction, draft: EventDraft): PendingEvent {
  const event: PendingEvent = { ...draft, id: tx.newId('event'), at: tx.clock.now() }
  tx.events.push(event)
  return event
}

/** Opens the log of a tenant that was just made. */
export async function openLog(tx: Transaction): Promise<void> {
  await insertHead(tx, tx.newId('log'))
  recordEvent(tx, { type: 'log.opened' })
}

/** The spine of the server: appends what transactions collected, and single events through the committer. */
export class AuditSpine implements Spine {
  readonly #committer: GroupCommitter
  readonly #logs = new Map<TenantId, LogId>()
  readonly committed: Spine['committed']
  readonly #onFailedLogin: Spine['noteFailedLogin']

  /**
   * @param onCommitted receives what changed, after it did
   * @param onFailedLogin counts failed logins
   */
  constructor(
    committer: GroupCommitter,
    onCommitted: Spine['committed'] = () => undefined,
    onFailedLogin: Spine['noteFailedLogin'] = () => undefined,
  ) {
    this.#committer = committer
    this.committed = onCommitted
    this.#onFailedLogin = onFailedLogin
  }

  noteFailedLogin(ctx: Context, failed: FailedLogin): void {
    this.#onFailedLogin(ctx, failed)
  }

  async append(tx: Transaction): Promise<void> {
    const log = await this.#logOf(tx)
    const epoch = tx.grounds.epoch ?? null
    const leaves = []
    for (const event of tx.events) leaves.push({ leaf: await this.#leafOf(tx, plainEvent(event), log), epoch })
    const landed = await appendLeaves(tx, { leaves, narrows: tx.events.some((event) => event.narrows) })
    for (const [index, event] of tx.events.entries()) {
      const place = landed[index]
      if (!place) throw new StaleEpochError('a narrowing overtook this transaction')
      event.record = { log, ...place }
    }
    noteBytes(
      tx,
      leaves.reduce((sum, { leaf }) => sum + leaf.length, 0),
    )
  }

  /** Appends one event of its own, through the group commit. Undefined when a narrowing overtook its epoch. */
  async commitAlone(ctx: Context, event: PendingEvent, epoch: number | null): Promise<EventRecord | undefined> {
    try {
      return await this.#commitOne(ctx, event, epoch)
    } catch (error) {
      await this.rejected(ctx, [event], error)
      throw error
    }
  }

  async rejected(ctx: Context, events: readonly PendingEvent[], error: unknown): Promise<void> {
    await recordRejected(ctx, events, error, (event) => this.#commitOne(ctx, event, null))
  }

  async #commitOne(ctx: Context, event: PendingEvent, epoch: number | null): Promise<EventRecord | undefined> {
    const { log, leaf } = await this.#prepare(ctx, plainEvent(event))
    const landed = await this.#committer.commit(ctx.caller.tenantId, leaf, epoch)
    if (landed) noteBytes(ctx, leaf.length)
    return landed && { log, ...landed }
  }

  async #prepare(ctx: Context, event: PendingEvent): Promise<{ log: LogId; leaf: Uint8Array }> {
    const known = this.#logs.get(ctx.caller.tenantId)
    const sealed = sealWithKnownKey(ctx, event)
    if (known && sealed !== undefined) return { log: known, leaf: toLeaf(event, originOf(ctx, known), sealed) }
    const prepared = await inTransaction(ctx, async (tx) => {
      const log = await this.#logOf(tx)
      return { log, leaf: await this.#leafOf(tx, event, log) }
    })
    this.#logs.set(ctx.caller.tenantId, prepared.log)
    return prepared
  }

  async #leafOf(tx: Transaction, event: PendingEvent, log: LogId): Promise<Uint8Array> {
    const reasons = event.reasons ?? tx.grounds.policyIds
    return toLeaf({ ...event, reasons }, originOf({ ...tx, ...event.request }, log), await sealPersonal(tx, event))
  }

  /** A tenant keeps its log for good, so one look at a committed head is enough. */
  async #logOf(tx: Transaction): Promise<LogId> {
    const known = this.#logs.get(tx.caller.tenantId)
    if (known) return known
    const { log } = await getHead(tx)
    return log
  }
}

/** A transaction that is rolled back after this counts all the same; it was the last statement. */
function noteBytes({ recorded }: Pick<Context, 'recorded'>, bytes: number): void {
  if (recorded) recorded.bytes += bytes
}

function originOf(ctx: Pick<Context, 'caller' | 'requestId' | 'traceId'>, log: LogId) {
  const { caller, requestId, traceId } = ctx
  const requester = requesterOf(caller)
  return { log, actor: actorOf(requester), authentication: authenticationOf(requester), requestId, traceId }
}

/** Records an event that stands alone, durable when this returns. Not inside a transaction: it would wait for itself. */
export async function recordAlone(ctx: Context, draft: EventDraft): Promise<EventRecord> {
  const event = { ...draft, id: ctx.newId('event'), at: ctx.clock.now() }
  const record = await ctx.spine.commitAlone(ctx, event, null)
  if (!record) throw new Error('an event without an epoch was refused')
  return record
}

/** The bytes of the log in order, for who verifies it himself. */
export async function readLeaves(
  ctx: Context,
  from: number,
  limit: number,
): Promise<{ head: AuditHead; leaves: StoredEvent[] }> {
  return inTransaction(ctx, async (tx) => {
    await tx.authorize('audit:read', { type: 'audit' })
    const head = await getHead(tx)
    const leaves = await listLeaves(tx, from, limit)
    // What was appended between the two reads is left for the next page, so that leaves and head agree.
    return { head, leaves: leaves.filter(({ sequence }) => sequence < head.size) }
  })
}

/** Compares what searches go by with the leaves; `next` is null at the end of the log. */
export async function compareColumns(
  ctx: Context,
  from: number,
  limit: number,
): Promise<{ head: AuditHead; next: number | null; differences: ColumnDifference[] }> {
  return inTransaction(ctx, async (tx) => {
    await tx.authorize('audit:read', { type: 'audit' })
    const differences = await listDifferences(tx, { from, limit, differencesMax })
    // After them: a log that grew meanwhile has another page.
    const head = await getHead(tx)
    return { head, next: from + limit < head.size ? from + limit : null, differences }
  })
}

export async function readHead(ctx: Context): Promise<AuditHead> {
  return inTransaction(ctx, async (tx) => {
    await tx.authorize('audit:read', { type: 'audit' })
    return getHead(tx)
  })
}

export interface EventsQuery {
  readonly limit: number
  readonly cursor?: string | undefined
  readonly type?: string | undefined
  readonly actor?: string | undefined
  readonly resource?: string | undefined
  readonly decision?: 'allow' | 'deny' | undefined
  readonly decisionId?: DecisionId | undefined
  readonly requestId?: string | undefined
  readonly since?: string | undefined
  readonly until?: string | undefined
}

/** Events, newest first. Their personal fields are opened for whoever has the right to, where the subject is not erased. */
export async function searchEvents(
  ctx: Context,
  query: EventsQuery,
): Promise<{ rows: AuditEvent[]; nextCursor: string | null }> {
  return inTransaction(ctx, async (tx) => {
    await tx.authorize('audit:read', { type: 'audit' })
    const stored = await listEvents(tx, toFilter(query), query.limit + 1)
    const page = toPage(stored, query.limit, ({ sequence }) => [sequence])
    const mayOpen = await mayReadPersonal(tx)
    const rows: AuditEvent[] = []
    for (const event of page.rows) rows.push(await toAuditEvent(tx, event, mayOpen))
    return { rows, nextCursor: page.nextCursor }
  })
}

/** `agent-iam:read` does not cover it: whoever may read the log may not for that read about every person in it. */
async function mayReadPersonal(tx: Transaction): Promise<boolean> {
  try {
    await tx.authorize(readPersonalAction, { type: 'audit' })
    return true
  } catch (error) {
    if (error instanceof Problem && (error.code === 'forbidden' || error.code === 'insufficient-scope')) return false
    throw error
  }
}

export interface RecordedDecision {
  readonly actor: string
  readonly action: string
  readonly resource: string
  readonly decision: 'allow' | 'deny'
  readonly at: Date
}

/** What was decided under an id, from the log itself. */
export async function findDecision(tx: Transaction, id: DecisionId): Promise<RecordedDecision | undefined> {
  const stored = await findEventOfDecision(tx, id, 'decision.made')
  if (!stored) return undefined
  const { actor, action, resource, decision, at } = fromLeaf(stored.leaf)
  if (action === null || resource === null || decision === null)
    throw new Error(`decision ${id} is recorded without its question`)
  return { actor, action: unescapeText(action), resource: unescapeText(resource), decision, at: new Date(at) }
}

function toFilter({ decisionId, cursor, since, until, resource, ...rest }: EventsQuery): EventFilter {
  return {
    ...rest,
    resource: resource && escapeText(resource),
    decisionId: decisionId && toUuid(decisionId),
    since: since === undefined ? undefined : new Date(since),
    until: until === undefined ? undefined : new Date(until),
    before: cursor === undefined ? undefined : readCursor(cursor),
  }
}

function readCursor(cursor: string): number {
  const sequence = Number(decodeCursor(cursor, 1)[0])
  if (Number.isSafeInteger(sequence)) return sequence
  throw ofAnotherList()
}

async function toAuditEvent(tx: Transaction, stored: StoredEvent, mayOpen: boolean): Promise<AuditEvent> {
  const { v: _, sealed, log, id, ...leaf } = fromLeaf(stored.leaf)
  if (!isId('log', log) || !isId('event', id)) throw new Error(`leaf ${stored.sequence} has malformed ids`)
  const place = { log, id, sequence: stored.sequence, leafHash: stored.leafHash.toString('hex') }
  if (sealed === null || !mayOpen)
    return { ...leaf, ...place, personal: null, personalState: sealed ? 'sealed' : 'none' }
  const personal = await openPersonal(tx, id, sealed)
  return { ...leaf, ...place, personal, personalState: personal ? 'opened' : 'erased' }
}
