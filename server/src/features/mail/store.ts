import type { MessageStatus } from '@agent-iam/contract/mail'
import type { TenantId } from '@agent-iam/contract/ids'
import { sql, type Selectable } from 'kysely'
import { fromUuid, toUuid } from '../../platform/ids.ts'
import type { Transaction } from '../../platform/context.ts'
import type { Tables } from '../../platform/database.ts'
import type { Message, MessageId } from './model.ts'

declare module '../../platform/database.ts' {
  interface Tables {
    messages: {
      tenant_id: string
      id: string
      purpose: string
      status: MessageStatus
      recipient: Buffer | null
      content: Buffer | null
      attempts: number
      created_at: Date
      due_at: Date
      expires_at: Date
      finished_at: Date | null
    }
  }
}

export async function insertMessage(tx: Transaction, message: Message): Promise<void> {
  await tx.db
    .insertInto('messages')
    .values({
      tenant_id: toUuid(tx.caller.tenantId),
      id: toUuid(message.id),
      purpose: message.purpose,
      status: message.status,
      recipient: message.sealed?.recipient ?? null,
      content: message.sealed?.content ?? null,
      attempts: message.attempts,
      created_at: message.createdAt,
      due_at: message.createdAt,
      expires_at: message.expiresAt,
      finished_at: message.finishedAt ?? null,
    })
    .execute()
}

/** Newest first. */
export async function listMessages(
  tx: Transaction,
  { status, before }: { status: MessageStatus | undefined; before: MessageId | undefined },
  limit: number,
): Promise<Message[]> {
  const rows = await messages(tx)
    .$if(status !== undefined, (query) => query.where('status', '=', status ?? 'queued'))
    .$if(before !== undefined, (query) => query.where('id', '<', toUuid(before ?? 'msg_')))
    .orderBy('id', 'desc')
    .limit(limit)
    .execute()
  return rows.map(toMessage)
}

/** Looks through all tenants: whose mail waits to be delivered, or only to be wiped. */
export async function findTenantsWithMail(
  tx: Transaction,
  { onlyExpired }: { onlyExpired: boolean },
): Promise<TenantId[]> {
  const { rows } = await sql<{ id: string }>`
    select find_tenants_with_mail(${tx.clock.now()}, ${onlyExpired}) as id`.execute(tx.db)
  return rows.map(({ id }) => fromUuid('tenant', id))
}

/**
 * Takes up the message that has waited longest, if one is due, and moves it on to `leaseUntil`: nobody else takes it
 * before that. Its count of attempts tells this claim from every later one.
 */
export async function claimMessage(tx: Transaction, leaseUntil: Date): Promise<Message | undefined> {
  const tenant = toUuid(tx.caller.tenantId)
  const now = tx.clock.now()
  const { rows } = await sql<Selectable<Tables['messages']>>`
    update messages set attempts = attempts + 1, due_at = ${leaseUntil}
    where tenant_id = ${tenant} and id = (
      select id from messages
      where tenant_id = ${tenant} and status = 'queued' and due_at <= ${now} and expires_at > ${now}
      order by due_at limit 1 for update skip locked)
    returning *`.execute(tx.db)
  const [row] = rows
  return row && toMessage(row)
}

/** Returns false when the claim is no longer ours: it took too long, and another took the message up. */
export async function finishMessage(
  tx: Transaction,
  { id, attempts }: Pick<Message, 'id' | 'attempts'>,
  status: 'delivered' | 'failed',
): Promise<boolean> {
  const finished = await tx.db
    .updateTable('messages')
    .set({ status, recipient: null, content: null, finished_at: tx.clock.now() })
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('id', '=', toUuid(id))
    .where('attempts', '=', attempts)
    .where('status', '=', 'queued')
    .returning('id')
    .executeTakeFirst()
  return finished !== undefined
}

export async function postponeMessage(
  tx: Transaction,
  { id, attempts }: Pick<Message, 'id' | 'attempts'>,
  until: Date,
): Promise<void> {
  await tx.db
    .updateTable('messages')
    .set({ due_at: until })
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('id', '=', toUuid(id))
    .where('attempts', '=', attempts)
    .where('status', '=', 'queued')
    .execute()
}

/** Wipes what has expired; returns what that was. */
export async function expireMessages(tx: Transaction): Promise<Array<Pick<Message, 'id' | 'purpose'>>> {
  const rows = await tx.db
    .updateTable('messages')
    .set({ status: 'expired', recipient: null, content: null, finished_at: tx.clock.now() })
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('status', '=', 'queued')
    .where('expires_at', '<=', tx.clock.now())
    .returning(['id', 'purpose'])
    .execute()
  return rows.map(({ id, purpose }) => ({ id: fromUuid('message', id), purpose }))
}

/** What was finished before then is no longer listed. */
export async function deleteFinished(tx: Transaction, before: Date, max: number): Promise<void> {
  const tenant = toUuid(tx.caller.tenantId)
  await sql`
    delete from messages where tenant_id = ${tenant} and id in (
      select id from messages where tenant_id = ${tenant} and status <> 'queued' and finished_at < ${before}
      order by finished_at limit ${max} for update skip locked)`.execute(tx.db)
}

function messages(tx: Transaction) {
  return tx.db.selectFrom('messages').selectAll().where('tenant_id', '=', toUuid(tx.caller.tenantId))
}

function toMessage(row: Selectable<Tables['messages']>): Message {
  return {
    id: fromUuid('message', row.id),
    purpose: row.purpose,
    status: row.status,
    attempts: row.attempts,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    finishedAt: row.finished_at ?? undefined,
    sealed: row.recipient && row.content ? { recipient: row.recipient, content: row.content } : undefined,
  }
}
