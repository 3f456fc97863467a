import type { EventType } from '@agent-iam/contract/event-types'
import type { DecisionId, LogId } from '@agent-iam/contract/ids'
import type { AuditHead } from '@agent-iam/contract/audit'
import { sql } from 'kysely'
import { sqlState } from '../../platform/database.ts'
import { fromUuid, toUuid } from '../../platform/ids.ts'
import type { Transaction } from '../../platform/context.ts'
import { EventNotStorableError } from './storable.ts'

declare module '../../platform/database.ts' {
  interface Tables {
    audit_heads: { tenant_id: string; log_id: string; size: number; chain: Buffer; epoch: number }
    audit_events: {
      tenant_id: string
      sequence: number
      at: Date
      leaf: Buffer
      leaf_hash: Buffer
      chain: Buffer
      event_id: string
      type: string
      actor: string
      resource: string | null
      decision: string | null
      decision_id: string | null
      request_id: string | null
    }
    data_keys: { tenant_id: string; subject: string; sealed: Buffer; created_at: Date }
  }
}

type Tx = Pick<Transaction, 'db' | 'caller'>

/** Opens a tenant's log, empty. */
export async function insertHead(tx: Tx, log: LogId): Promise<void> {
  await tx.db
    .insertInto('audit_heads')
    .values({ tenant_id: toUuid(tx.caller.tenantId), log_id: toUuid(log), size: 0, chain: Buffer.alloc(32), epoch: 0 })
    .execute()
}

export async function getHead(tx: Tx): Promise<AuditHead> {
  const row = await tx.db
    .selectFrom('audit_heads')
    .selectAll()
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .executeTakeFirstOrThrow()
  return { log: fromUuid('log', row.log_id), size: row.size, chain: row.chain.toString('hex'), epoch: row.epoch }
}

/** Where a leaf landed; undefined when a narrowing overtook it, so that nothing was appended. */
export type Landed = { sequence: number; leafHash: string } | undefined

interface Append {
  readonly leaves: ReadonlyArray<{ readonly leaf: Uint8Array; readonly epoch: number | null }>
  /** Raises the epoch: something was taken away. */
  readonly narrows: boolean
}

/**
 * Appends to the tenant's log; holds its head until the transaction ends, so this comes last. Throws
 * `EventNotStorableError` when the database refuses one of the leaves for what is in it: none is appended then.
 */
export async function appendLeaves(tx: Tx, append: Append): Promise<Landed[]> {
  try {
    return await appendAll(tx, append)
  } catch (error) {
    const state = sqlState(error)
    if (state === undefined || !leafFaults.test(state)) throw error
    throw new EventNotStorableError(`the database refused it (SQLSTATE ${state})`, { cause: error })
  }
}

/** Classes 22, 23 and 54: the data, a constraint, a limit of the program. All others are no fault of a leaf. */
const leafFaults = /^(22|23|54)/

async function appendAll(tx: Tx, { leaves, narrows }: Append): Promise<Landed[]> {
  const { rows } = await sql<{ sequences: ReadonlyArray<string | null>; hashes: Buffer }>`
    select sequences, hashes from audit_append(${Buffer.concat(leaves.map(({ leaf }) => leaf))}::bytea,
      ${leaves.map(({ leaf }) => leaf.length)}::integer[], ${leaves.map(({ epoch }) => epoch)}::bigint[], ${narrows})`.execute(
    tx.db,
  )
  const [appended] = rows
  if (!appended) throw new Error('the log did not say what it appended')
  const hashes = appended.hashes.toString('hex')
  let landed = 0
  return appended.sequences.map((sequence) => {
    if (sequence === null) return undefined
    const start = landed++ * hashCharacters
    // A bigint of an array comes as text, unlike one of a column.
    return { sequence: Number(sequence), leafHash: hashes.slice(start, start + hashCharacters) }
  })
}

/** SHA-256 in hex. */
const hashCharacters = 64

export interface StoredEvent {
  readonly sequence: number
  readonly leaf: Buffer
  readonly leafHash: Buffer
  readonly chain: Buffer
}

/** The events from a sequence on, in order. */
export async function listLeaves(tx: Tx, from: number, limit: number): Promise<StoredEvent[]> {
  const rows = await tx.db
    .selectFrom('audit_events')
    .select(['sequence', 'leaf', 'leaf_hash', 'chain'])
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('sequence', '>=', from)
    .orderBy('sequence')
    .limit(limit)
    .execute()
  return rows.map(toStoredEvent)
}

/** A column of a stored event that is not what its leaf says. */
export interface ColumnDifference {
  readonly sequence: number
  readonly column: string
}

/** Compares the columns of so many sequences with their leaves. */
export async function listDifferences(
  tx: Tx,
  { from, limit, differencesMax }: { from: number; limit: number; differencesMax: number },
): Promise<ColumnDifference[]> {
  const { rows } = await sql<ColumnDifference>`
    select sequence, differing as column from audit_differences(${from}, ${limit}, ${differencesMax})`.execute(tx.db)
  return rows
}

export interface EventFilter {
  readonly type?: string | undefined
  readonly actor?: string | undefined
  readonly resource?: string | undefined
  readonly decision?: string | undefined
  readonly decisionId?: string | undefined
  readonly requestId?: string | undefined
  readonly since?: Date | undefined
  readonly until?: Date | undefined
  /** Only events before this sequence. */
  readonly before?: number | undefined
}

/** The newest events first. */
export async function listEvents(tx: Tx, filter: EventFilter, limit: number): Promise<StoredEvent[]> {
  const { type, actor, resource, decision, decisionId, requestId, since, until, before } = filter
  const rows = await tx.db
    .selectFrom('audit_events')
    .select(['sequence', 'leaf', 'leaf_hash', 'chain'])
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .$if(type !== undefined, (query) => query.where('type', '=', type ?? ''))
    .$if(actor !== undefined, (query) => query.where('actor', '=', actor ?? ''))
    .$if(resource !== undefined, (query) => query.where('resource', '=', resource ?? ''))
    .$if(decision !== undefined, (query) => query.where('decision', '=', decision ?? ''))
    .$if(decisionId !== undefined, (query) => query.where('decision_id', '=', decisionId ?? ''))
    .$if(requestId !== undefined, (query) => query.where('request_id', '=', requestId ?? ''))
    .$if(since !== undefined, (query) => query.where('at', '>=', since ?? new Date(0)))
    .$if(until !== undefined, (query) => query.where('at', '<', until ?? new Date(0)))
    .$if(before !== undefined, (query) => query.where('sequence', '<', before ?? 0))
    .orderBy('sequence', 'desc')
    .limit(limit)
    .execute()
  return rows.map(toStoredEvent)
}

/** The event of a decision, if there is one of this type. */
export async function findEventOfDecision(tx: Tx, id: DecisionId, type: EventType): Promise<StoredEvent | undefined> {
  const row = await tx.db
    .selectFrom('audit_events')
    .select(['sequence', 'leaf', 'leaf_hash', 'chain'])
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('decision_id', '=', toUuid(id))
    .where('type', '=', type)
    .executeTakeFirst()
  return row && toStoredEvent(row)
}

export async function findDataKey(tx: Tx, subject: string): Promise<Buffer | undefined> {
  const row = await tx.db
    .selectFrom('data_keys')
    .select('sealed')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('subject', '=', subject)
    .executeTakeFirst()
  return row?.sealed
}

/** Keeps the first of two keys made at once for one subject; the caller reads back which that was. */
export async function insertDataKey(tx: Tx, subject: string, sealed: Buffer, at: Date): Promise<void> {
  await tx.db
    .insertInto('data_keys')
    .values({ tenant_id: toUuid(tx.caller.tenantId), subject, sealed, created_at: at })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}

function toStoredEvent(row: { sequence: number; leaf: Buffer; leaf_hash: Buffer; chain: Buffer }): StoredEvent {
  return { sequence: row.sequence, leaf: row.leaf, leafHash: row.leaf_hash, chain: row.chain }
}
