/**
 * Status lists (OAuth Token Status List, draft-ietf-oauth-status-list): what tells those who verify tokens offline that
 * one has ended. A session whose tokens are verified so gets an entry of a list, drawn by lot, so that it tells neither
 * when the token was made nor beside whom. What a list says is read of sessions and identities when it is asked for, and
 * kept nowhere: revoking a grandparent is seen in the next list that is made. It guarantees
 * that no entry is another's while a token that names it could be believed.
 */
import type { SessionId } from '@agent-iam/contract/ids'
import type { StatusReference } from '@agent-iam/standards/status-list'
import { asCaller, inTransaction, type Context, type Transaction } from '../../platform/context.ts'
import { addSeconds } from '../../platform/clock.ts'
import { candidatesAtOnce, drawCandidates, entryKeptSeconds, statusListEntries, statusListUri } from './model.ts'
import {
  deleteEmptyLists,
  deleteSpentEntries,
  findLastList,
  findTenantsWithSpent,
  insertEntry,
  insertList,
  listLists,
  prolongEntry,
} from './store.ts'

/**
 * Gives a session an entry, for a token of it that ends then; the one that it has already, if it has one. What it
 * returns goes into the token as `status.status_list`.
 */
export async function allotStatus(tx: Transaction, sessionId: SessionId, expiresAt: Date): Promise<StatusReference> {
  const allotted = { sessionId, expiresAt }
  const { listId, idx } = (await prolongEntry(tx, allotted)) ?? (await allotNew(tx, allotted))
  return { uri: statusListUri(tx.keys.issuerOf(tx.caller.tenantId), listId), idx }
}

/** A list in which all that were drawn are taken is as good as full: the next one begins. */
const listsTriedMax = 4

async function allotNew(tx: Transaction, allotted: { sessionId: SessionId; expiresAt: Date }) {
  let list = (await findLastList(tx)) ?? (await beginList(tx, 1))
  for (let tried = 1; tried <= listsTriedMax; tried++) {
    const candidates = drawCandidates(tx.random(4 * candidatesAtOnce), list.capacity)
    const idx = await insertEntry(tx, list, candidates, allotted)
    if (idx !== undefined) return { listId: list.id, idx }
    const raced = await prolongEntry(tx, allotted)
    if (raced) return raced
    list = await beginList(tx, list.number + 1)
  }
  throw new Error('no entry of a status list is free')
}

async function beginList(tx: Transaction, number: number) {
  await insertList(tx, { id: tx.newId('statusList'), number, capacity: statusListEntries })
  const last = await findLastList(tx)
  if (!last) throw new Error('a status list that was begun is not there')
  return last
}

/** The addresses of the tenant's lists. */
export async function readStatusListUris(ctx: Context): Promise<string[]> {
  const issuer = ctx.keys.issuerOf(ctx.caller.tenantId)
  return (await inTransaction(ctx, listLists)).map((id) => statusListUri(issuer, id))
}

/** Few enough for a short transaction. */
const entriesAtOnce = 1000
/** Each minute, so that what a busy tenant leaves behind is caught up with. */
const batchesMax = 100
const tenantsAtOnce = 100

/** Frees the entries whose tokens have ended long ago. Any number of instances may do it at once. */
export async function sweepStatusLists(ctx: Context): Promise<void> {
  const before = addSeconds(ctx.clock.now(), -entryKeptSeconds)
  const tenants = await inTransaction(ctx, (tx) => findTenantsWithSpent(tx, before, tenantsAtOnce))
  for (const tenantId of tenants) {
    const there = asCaller(ctx, { kind: 'system', tenantId, address: '' })
    for (let batch = 1; batch <= batchesMax; batch++) if ((await sweepSome(there, before)) < entriesAtOnce) break
    await inTransaction(there, (tx) => deleteEmptyLists(tx, before))
  }
}

function sweepSome(ctx: Context, before: Date): Promise<number> {
  return inTransaction(ctx, (tx) => deleteSpentEntries(tx, before, entriesAtOnce))
}
